from __future__ import annotations

import pytest

from apiyi_cli.core.hosts import is_loopback, origin
from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.settings.base_url import normalize_base_url


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://api.apiyi.com/v1", "https://api.apiyi.com/v1"),
        ("https://api.apiyi.com/v1/", "https://api.apiyi.com/v1"),
        (" https://api.apiyi.com/v1//\n", "https://api.apiyi.com/v1"),
        ("HTTPS://API.Apiyi.COM:443/v1", "https://api.apiyi.com/v1"),
        ("https://api.apiyi.com./v1", "https://api.apiyi.com/v1"),
        ("https://host:8443/proxy/v1", "https://host:8443/proxy/v1"),
        ("http://localhost:8080/v1", "http://localhost:8080/v1"),
        ("http://a.localhost/v1", "http://a.localhost/v1"),
        ("http://127.0.0.1:80/v1", "http://127.0.0.1/v1"),
        ("http://127.9.9.9:1/v1", "http://127.9.9.9:1/v1"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("https://[2001:DB8::1]/v1", "https://[2001:db8::1]/v1"),
        ("https://host/v1beta/openai", "https://host/v1beta/openai"),
        ("https://host/api/paas/v4", "https://host/api/paas/v4"),
        ("https://host", "https://host/v1"),
        ("https://host:81/", "https://host:81/v1"),
    ],
)
def test_good_addresses_have_one_spelling(text: str, normal: str) -> None:
    assert normalize_base_url(text, "x") == normal


@pytest.mark.parametrize(
    ("text", "why", "hint"),
    [
        ("api.apiyi.com/v1", "starts with https://", "https://api.apiyi.com/v1"),
        ("ftp://host/v1", "starts with https://", "https://api.apiyi.com/v1"),
        ("", "starts with https://", "https://api.apiyi.com/v1"),
        ("https:///v1", "needs a host", "https://api.apiyi.com/v1"),
        ("https://-x/v1", "needs a host", "https://api.apiyi.com/v1"),
        ("https://例子.cn/v1", "in ASCII", "https://api.apiyi.com/v1"),
        ("https://host/api", "ends in /v1", "https://host/api/v1"),
        ("https://host/v1/v1", "twice", "https://host/v1"),
        ("https://host/v1/chat/completions", "is an endpoint", "https://host/v1"),
        ("https://host/v1/models", "is an endpoint", "https://host/v1"),
        ("https://u:p@host/v1", "no user or password", "put the key into APIYI_API_KEY"),
        ("https://host/v1?x=1", "without ? or #", "https://api.apiyi.com/v1"),
        ("https://host/v1#x", "without ? or #", "https://api.apiyi.com/v1"),
        ("https://host/v1?", "without ? or #", "https://api.apiyi.com/v1"),
        ("https://host:99999/v1", "port", "https://api.apiyi.com/v1"),
        ("https://host:x/v1", "port", "https://api.apiyi.com/v1"),
        ("https://host:0/v1", "port", "https://api.apiyi.com/v1"),
        ("https://ho st/v1", "no spaces", "https://api.apiyi.com/v1"),
        ("https://api.apiyi.com\\@evil.example/v1", "backslashes", "https://api.apiyi.com/v1"),
        ("https://host\t/v1", "no spaces", "https://api.apiyi.com/v1"),
        ("https://[::1/v1", "not a URL", "https://api.apiyi.com/v1"),
        ("https://host//v1", "empty or dotted", "https://api.apiyi.com/v1"),
        ("https://host/a/../v1", "empty or dotted", "https://api.apiyi.com/v1"),
    ],
)
def test_bad_addresses_say_what_is_wrong_and_what_to_write(text: str, why: str, hint: str) -> None:
    with pytest.raises(SetupError) as caught:
        normalize_base_url(text, "APIYI_BASE_URL")
    assert why in caught.value.why
    assert caught.value.what == "APIYI_BASE_URL"
    assert caught.value.hint == hint


def test_a_bad_option_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        normalize_base_url("host", "--base-url")


@pytest.mark.parametrize(
    "host", ["api.apiyi.com", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "0"]
)
@pytest.mark.parametrize("source", ["--base-url", "APIYI_BASE_URL", "/c/config.toml:3"])
def test_plain_http_to_another_machine_is_a_setup_error_from_anywhere(
    host: str, source: str
) -> None:
    with pytest.raises(SetupError, match="plain http") as caught:
        normalize_base_url(f"http://{host}:8080/v1", source)
    assert caught.value.hint == f"use https://{host}:8080/v1"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a/v1", "https://a:443/v2", True),
        ("https://a/v1", "https://a:444/v1", False),
        ("https://a/v1", "http://a/v1", False),
        ("https://a/v1", "https://b/v1", False),
        ("http://[::1]/v1", "http://[::1]:80/x", True),
    ],
)
def test_an_origin_is_scheme_host_and_port(one: str, other: str, same: bool) -> None:
    assert (origin(one) == origin(other)) is same


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("x.localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost.com", False),
        ("128.0.0.1", False),
        ("::", False),
    ],
)
def test_loopback_is_told_by_name(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
