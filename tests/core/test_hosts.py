from __future__ import annotations

import pytest

from apiyi_cli.core.hosts import is_inner_name, is_loopback, is_public, origin, split_url


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("100.100.100.200", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("168.63.129.16", False),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::7f00:1", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("fd00:ec2::254", False),
        ("::ffff:8.8.8.8", True),
        ("::ffff:127.0.0.1", False),
        ("::ffff:168.63.129.16", False),
        ("64:ff9b::808:808", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b:1::a00:1", False),
        ("2002:7f00:1::", False),
        ("2002:a9fe:a9fe::1", False),
        ("2001:0:7f00:1::", False),
        ("2606:4700::5efe:a00:1", False),
        ("2606:4700::200:5efe:a00:1", False),
        ("not an address", False),
        ("", False),
        ("1.2.3", False),
    ],
)
def test_an_address_is_public_also_by_what_it_wraps(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "url", ["https://[/", "https://[::1/x", "https://h:port/", "https://h:99999/"]
)
def test_what_is_not_a_url_has_no_parts_and_nobodys_origin(url: str) -> None:
    assert split_url(url) is None
    assert origin(url) == ""


def test_an_origin_does_not_depend_on_the_spelling() -> None:
    same = [
        "https://API.Example.com/v1",
        "https://api.example.com:443/x",
        "https://api.example.com./",
    ]
    assert {origin(one) for one in same} == {"https://api.example.com:443"}
    assert origin("http://[::1]/") == "http://[::1]:80"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.localhost", "127.9.9.9", "[::1]"])
def test_this_machine_is_known_by_name(host: str) -> None:
    assert is_loopback(host) and is_inner_name(host)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "localhost.example.com", "1x"])
def test_what_only_a_resolver_takes_for_this_machine_is_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["printer.local", "x.internal.", "nas.LAN", "a.home.arpa"])
def test_inner_names_are_known(host: str) -> None:
    assert is_inner_name(host) and not is_loopback(host)
