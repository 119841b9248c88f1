"""Proxies: which are used, which are named as unusable, what they never see."""

from __future__ import annotations

import socket
import threading
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


def closed_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


PROXY_VARIABLES = (
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
)


@pytest.mark.parametrize("value", ["http://127.0.0.1:1", "socks://127.0.0.1:1", "::garbage::"])
def test_loopback_is_never_reached_through_a_proxy_of_the_environment(
    apiyi: Program, gateway: Gateway, value: str
) -> None:
    assert apiyi("chat hi", env=dict.fromkeys(PROXY_VARIABLES, value)).code == 0


def test_the_proxy_option_is_used_even_for_loopback(apiyi: Program, gateway: Gateway) -> None:
    with Gateway() as proxy:
        proxy.script(ScriptedReply.chat("through"))
        url = f"http://me:pa%2Fss@127.0.0.1:{proxy.port}"
        ran = apiyi(["chat", "hi", "-v", "--proxy", url])
        assert (ran.code, ran.out) == (0, b"through\n")
        (received,) = proxy.ledger
    assert received.path == f"{gateway.base_url}/chat/completions"
    credentials = b64encode(b"me:pa/ss").decode()
    assert received.headers["proxy-authorization"] == f"Basic {credentials}"
    assert gateway.ledger == []
    assert "through http://127.0.0.1" in ran.err
    assert "pa%2Fss" not in ran.err and "pa/ss" not in ran.err and credentials not in ran.err


def test_a_proxy_never_sees_the_key_of_an_https_call(apiyi: Program) -> None:
    with Gateway() as proxy:
        proxy.script(ScriptedReply(status=407, reason="Proxy Authentication Required"))
        ran = apiyi(
            "chat hi --retries 2 --base-url https://api.example.invalid/v1",
            env={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"},
        )
        assert ran.code == 10
        assert "the proxy refused" in ran.err and "407" in ran.err and "HTTPS_PROXY" in ran.err
        (received,) = proxy.ledger
    assert (received.method, received.path) == ("CONNECT", "api.example.invalid:443")
    assert "authorization" not in received.headers


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("https_proxy", "socks://127.0.0.1:{port}", 5),
        ("HTTPS_PROXY", "socks5h://127.0.0.1:{port}", 5),
        ("ALL_PROXY", "127.0.0.1:{port}", 5),
        ("all_proxy", "socks4://127.0.0.1:{port}", 10),
        ("HTTPS_PROXY", "http://", 10),
        ("HTTPS_PROXY", "http://127.0.0.1:port", 10),
        ("HTTPS_PROXY", "http://[::1", 10),
        ("HTTPS_PROXY", "://x", 10),
    ],
)
def test_a_proxy_variable_works_or_is_named(
    apiyi: Program, variable: str, value: str, code: int
) -> None:
    value = value.format(port=closed_port())
    line = "chat hi --retries 0 --base-url https://api.example.invalid/v1"
    ran = apiyi(line, env={variable: value})
    assert ran.code == code
    if code == 10:
        assert f"cannot use {variable}" in ran.err
    else:
        assert "through the proxy" in ran.err and "127.0.0.1" in ran.err


@pytest.mark.parametrize("listed", ["::1/128", "[::1]", "fd07::/64,10.0.0.0/8", "*.x,,;", "["])
def test_odd_entries_of_no_proxy_do_no_harm(apiyi: Program, listed: str) -> None:
    env = {"HTTPS_PROXY": f"http://127.0.0.1:{closed_port()}", "NO_PROXY": listed}
    ran = apiyi("chat hi --retries 0 --base-url https://api.example.invalid/v1", env=env)
    assert ran.code == 5
    assert "through the proxy" in ran.err


@pytest.mark.parametrize("listed", ["*", "invalid", ".example.invalid", "api.example.invalid:443"])
def test_hosts_of_no_proxy_are_reached_directly(apiyi: Program, listed: str) -> None:
    env = {"HTTPS_PROXY": f"http://127.0.0.1:{closed_port()}", "no_proxy": listed}
    ran = apiyi("chat hi --retries 0 --base-url https://api.example.invalid/v1", env=env)
    assert "cannot be resolved" in ran.err


@pytest.mark.parametrize("status", [407, 511])
@pytest.mark.parametrize("line", ["chat hi", "embed -m e a", "image cat -m dall-e-3", "models"])
def test_a_login_that_is_wanted_on_the_way_is_set_up(
    apiyi: Program, gateway: Gateway, line: str, status: int
) -> None:
    with Gateway() as proxy:
        proxy.script(*[ScriptedReply(status=status)] * 2)
        ran = apiyi(f"{line} --proxy http://127.0.0.1:{proxy.port}")
        assert (ran.code, len(proxy.ledger)) == (10, 1), ran.err
    assert "--proxy http://USER:PASSWORD@HOST:PORT" in ran.err


@pytest.mark.parametrize(
    ("status", "code", "asked"),
    [(500, 5, 2), (502, 5, 2), (503, 5, 2), (504, 5, 2), (403, 10, 1), (405, 10, 1), (501, 10, 1)],
)
def test_a_proxy_that_cannot_reach_the_host_is_trouble_that_passes(
    apiyi: Program, status: int, code: int, asked: int
) -> None:
    with Gateway() as proxy:
        proxy.script(*[ScriptedReply(status=status, reason="No")] * 4)
        ran = apiyi(
            "image cat -m dall-e-3 -o c.png --retries 1 --base-url https://a.example.invalid/v1",
            env={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"},
        )
        assert (ran.code, len(proxy.ledger)) == (code, asked), ran.err


def test_a_proxy_that_cannot_reach_one_host_is_asked_for_the_next(apiyi: Program) -> None:
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    hosts = ["https://a.example.invalid/v1", "https://b.example.invalid/v1"]
    config.write_text(f"[profile.default]\nbase_urls = {hosts}\n")
    with Gateway() as proxy:
        proxy.script(*[ScriptedReply(status=502, reason="Bad Gateway")] * 4)
        apiyi(
            "chat hi --retries 1",
            env={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}", "APIYI_BASE_URL": None},
        )
        assert [one.path for one in proxy.ledger][:2] == [
            "a.example.invalid:443",
            "b.example.invalid:443",
        ]


@pytest.mark.parametrize(
    ("reply", "code"), [(1, 5), (3, 5), (4, 5), (5, 5), (6, 5), (2, 10), (7, 10), (8, 10)]
)
def test_the_replies_of_socks_tell_the_host_from_the_proxy(
    apiyi: Program, reply: int, code: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(64)
                connection.sendall(b"\x05\x00")
                connection.recv(512)
                connection.sendall(bytes((5, reply, 0, 1, 0, 0, 0, 0, 0, 0)))

        thread = threading.Thread(target=serve)
        thread.start()
        ran = apiyi(
            "chat hi --retries 0 --base-url https://a.example.invalid/v1",
            env={"ALL_PROXY": f"socks5h://127.0.0.1:{listener.getsockname()[1]}"},
        )
        thread.join()
    assert ran.code == code, ran.err
