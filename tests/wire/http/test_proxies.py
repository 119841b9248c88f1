"""Proxy settings as desktops and shells write them: understood, or named."""

from __future__ import annotations

import pytest

from apiyi_cli.core.hosts import is_loopback
from apiyi_cli.errors import SetupError
from apiyi_cli.wire.http.proxies import parse_proxy, proxy_for

HOST = "api.example.com"


@pytest.mark.parametrize(
    ("value", "shown", "user", "password"),
    [
        ("http://proxy:8080", "http://proxy:8080", None, None),
        ("proxy:8080", "http://proxy:8080", None, None),
        ("http://proxy", "http://proxy:80", None, None),
        ("https://proxy", "https://proxy:443", None, None),
        ("socks5://proxy", "socks5://proxy:1080", None, None),
        ("socks5h://proxy:1", "socks5://proxy:1", None, None),
        ("socks://127.0.0.1:7891/", "socks5://127.0.0.1:7891", None, None),
        ("SOCKS5://Proxy:1", "socks5://proxy:1", None, None),
        ("http://me:p%40ss%3A@proxy:1", "http://proxy:1", "me", "p@ss:"),
        ("http://me@proxy:1", "http://proxy:1", "me", None),
        ("http://[::1]:8080", "http://[::1]:8080", None, None),
        ("http://proxy:8080/path?x", "http://proxy:8080", None, None),
    ],
)
def test_a_proxy_is_read(value: str, shown: str, user: str | None, password: str | None) -> None:
    proxy = parse_proxy(value, "HTTPS_PROXY")
    assert (proxy.address, proxy.user, proxy.password) == (shown, user, password)


@pytest.mark.parametrize(
    "value",
    [
        "socks4://p:1",
        "ftp://p",
        "http://",
        "http://:80",
        "http://p:port",
        "http://[::1",
        "://",
        "http://p:99999",
    ],
)
def test_what_is_not_a_proxy_is_named_by_its_variable(value: str) -> None:
    with pytest.raises(SetupError) as caught:
        parse_proxy(value, "ALL_PROXY")
    assert caught.value.what == "cannot use ALL_PROXY"
    assert caught.value.hint


def test_a_password_is_in_no_message() -> None:
    assert "secret" not in parse_proxy("http://me:secret@proxy", "x").address
    with pytest.raises(SetupError) as caught:
        parse_proxy("socks4://me:secret@proxy", "x")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "source"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p"}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "http://p", "https_proxy": "http://q"}, "https_proxy"),
        ({"ALL_PROXY": "http://p"}, "ALL_PROXY"),
        ({"ALL_PROXY": "http://p", "HTTPS_PROXY": "http://q"}, "HTTPS_PROXY"),
        ({"https_proxy": " ", "all_proxy": "http://p"}, "all_proxy"),
        ({"HTTP_PROXY": "http://p", "http_proxy": "http://p"}, None),
    ],
)
def test_the_variable_of_the_scheme_comes_first_and_lower_case_before_upper(
    environ: dict[str, str], source: str | None
) -> None:
    found = proxy_for("https", HOST, None, environ)
    assert (found.source if found else None) == source


def test_the_proxy_of_a_web_server_s_client_is_not_taken() -> None:
    environ = {"HTTP_PROXY": "http://evil", "REQUEST_METHOD": "GET"}
    assert proxy_for("http", HOST, None, environ) is None


@pytest.mark.parametrize(
    ("listed", "host", "direct"),
    [
        ("*", HOST, True),
        ("example.com", HOST, True),
        (".example.com", HOST, True),
        ("*.example.com", HOST, True),
        ("API.EXAMPLE.COM.", HOST, True),
        ("other, example.com", HOST, True),
        ("other example.com", HOST, True),
        ("example.com:443", HOST, True),
        ("https://example.com", HOST, True),
        ("ample.com", HOST, False),
        ("10.0.0.0/8", HOST, False),
        ("", HOST, False),
        (",,;", HOST, False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("fd07::/64", "fd07::5", True),
        ("[fd07::5]", "[fd07::5]", True),
        ("[fd07::]/64", "fd07::5", True),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("[fd07::5]:443", "fd07::5", True),
        ("::1/128", "fd07::5", False),
        ("[", "fd07::5", False),
        ("10.0.0.0/99", "10.0.0.1", False),
    ],
)
def test_no_proxy_knows_names_subdomains_addresses_and_blocks(
    listed: str, host: str, direct: bool
) -> None:
    environ = {"ALL_PROXY": "http://p", "NO_PROXY": listed}
    assert (proxy_for("https", host, None, environ) is None) is direct


def test_lower_case_no_proxy_counts_and_the_option_overrides_all() -> None:
    environ = {"ALL_PROXY": "http://p", "no_proxy": "*"}
    assert proxy_for("https", HOST, None, environ) is None
    chosen = proxy_for("https", "127.0.0.1", "http://q", environ)
    assert chosen is not None and chosen.source == "--proxy"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("localhost.example.com", False),
        ("10.0.0.1", False),
        ("0x7f.1", False),
    ],
)
def test_loopback_is_told_by_the_name_alone(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
