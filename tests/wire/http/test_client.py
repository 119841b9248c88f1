"""One exchange at a time over real sockets: what comes back, and how far a failure got."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from apiyi_cli.core.call import Reply
from apiyi_cli.core.clock import CLOCK
from apiyi_cli.decode.errors.fault import retry_after_s
from apiyi_cli.errors import (
    ApiyiError,
    IncompleteError,
    RejectedError,
    SetupError,
    TemporaryError,
    UsageError,
)
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from apiyi_cli.settings.defaults import Timeouts
from apiyi_cli.wire.http.client import Client
from apiyi_cli.wire.http.request import HttpRequest


@pytest.fixture
def server() -> Iterator[Gateway]:
    with Gateway() as running:
        yield running


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client(environ={})
    yield made
    made.close()


def request(url: str, body: Any = b"{}", **more: Any) -> HttpRequest:
    headers = [("Content-Type", "application/json")]
    if isinstance(body, bytes):
        headers.append(("Content-Length", str(len(body))))
    fields = {"method": "POST", "stream": False, "free": False, **more}
    return HttpRequest(url=url, headers=tuple(headers), body=body, **fields)


def sent(client: Client, server: Gateway, **more: Any) -> Reply:
    return client.send(request(f"{server.base_url}/x", **more), Timeouts())


def test_a_reply_has_its_headers_joined_and_its_body_as_it_comes(
    client: Client, server: Gateway
) -> None:
    server.script(
        ScriptedReply.text(
            "body", headers=(("X-A", "1"), ("x-a", "2"), ("X-Name", "文")), status=201
        )
    )
    reply = sent(client, server)
    assert (reply.status, reply.reason, reply.host) == (201, "Created", "127.0.0.1")
    assert (reply.headers["x-a"], reply.headers["x-name"]) == ("1, 2", "文")
    assert reply.url == f"{server.base_url}/x"
    assert b"".join(reply.chunks) == b"body"


def test_a_connection_is_used_again_and_told_so(client: Client, server: Gateway) -> None:
    server.script(ScriptedReply.text("one"), ScriptedReply.text("two").cut())
    first = sent(client, server)
    assert not client.deadlines.reused
    assert b"".join(first.chunks) == b"one"
    with pytest.raises(TemporaryError) as caught:
        sent(client, server)
    assert server.connections == 1
    assert caught.value.facts.reused
    assert caught.value.facts.phase == "sent"


def test_a_fresh_connection_that_is_closed_may_have_been_billed(
    client: Client, server: Gateway
) -> None:
    for play in (ScriptedReply().cut(), ScriptedReply().reset()):
        server.script(play)
        with pytest.raises(IncompleteError) as caught:
            sent(client, server)
        assert (caught.value.facts.phase, caught.value.facts.kind) == ("sent", "reset")
        assert caught.value.facts.after_s is not None
        client.close()


@pytest.mark.parametrize("how", ["cut", "reset"])
def test_a_body_that_breaks_keeps_what_came(client: Client, server: Gateway, how: str) -> None:
    play = ScriptedReply(body=(b"one", b"two", b"three"))
    server.script(play.cut(2) if how == "cut" else play.reset(2))
    seen: list[bytes] = []
    with pytest.raises(IncompleteError) as caught:
        seen.extend(sent(client, server).chunks)
    assert b"onetwo".startswith(b"".join(seen))
    assert caught.value.facts.phase == "opened"


def test_a_length_that_is_too_large_is_a_cut(client: Client, server: Gateway) -> None:
    server.script(ScriptedReply.text("short", length_off=5, keep_alive=False))
    with pytest.raises(IncompleteError):
        b"".join(sent(client, server).chunks)


def test_closing_a_reply_drops_its_connection(client: Client, server: Gateway) -> None:
    server.script(ScriptedReply(body=(b"one", b"two")).stall(1))
    reply = sent(client, server)
    assert next(iter(reply.chunks)) == b"one"
    reply.close()
    reply.close()
    assert server.wait_for(lambda: server.ledger[0].closed_by_client_at)
    assert sent(client, server).status == 404


def test_an_answer_before_the_body_was_read_is_seen(client: Client, server: Gateway) -> None:
    refused = ScriptedReply.error(413, "too large", early=True, keep_alive=False)
    server.script(refused)
    reply = sent(client, server, body=bytes(30_000_000))
    assert reply.status == 413


def test_redirects_are_not_followed_and_cookies_not_kept(client: Client, server: Gateway) -> None:
    server.script(
        ScriptedReply(status=307, headers=(("Location", "/v1/models"), ("Set-Cookie", "a=b"))),
        ScriptedReply(),
    )
    reply = sent(client, server)
    assert (reply.status, b"".join(reply.chunks)) == (307, b"")
    sent(client, server)
    assert len(server.ledger) == 2
    assert "cookie" not in server.ledger[1].headers


@pytest.mark.parametrize("raw", [b"nonsense\r\n\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n", bytes(200)])
def test_what_is_not_http_is_rejected(client: Client, server: Gateway, raw: bytes) -> None:
    server.script(ScriptedReply(raw=raw + b"\r\n\r\n"))
    with pytest.raises(RejectedError) as caught:
        sent(client, server)
    assert caught.value.facts.kind == "protocol"


def test_a_refused_connection_has_not_been_sent(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TemporaryError) as caught:
        client.send(request(f"http://127.0.0.1:{port}/v1/x"), Timeouts())
    assert (caught.value.facts.phase, caught.value.facts.kind) == ("connect", "refused")


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 70 + ".invalid", "x..invalid"])
def test_a_name_that_cannot_be_resolved_has_not_been_sent(client: Client, host: str) -> None:
    with pytest.raises(TemporaryError) as caught:
        client.send(request(f"http://{host}/v1/x"), Timeouts())
    assert caught.value.facts.phase == "connect"


def test_a_header_that_http_cannot_carry_is_refused_without_its_value(
    client: Client, server: Gateway
) -> None:
    for value in ("sk-秘密", "sk-a\nb"):
        made = request(f"{server.base_url}/x")
        made = made._replace(headers=(*made.headers, ("Authorization", f"Bearer {value}")))
        with pytest.raises(UsageError) as caught:
            client.send(made, Timeouts())
        assert "sk-" not in str(caught.value)
    assert server.ledger == []


def test_a_host_header_of_the_user_replaces_ours(client: Client, server: Gateway) -> None:
    made = request(f"{server.base_url}/x")
    made = made._replace(headers=(*made.headers, ("host", "other.example")))
    client.send(made, Timeouts()).close()
    assert server.ledger[0].headers["host"] == "other.example"


def test_an_address_that_must_not_be_is_not_connected_to(server: Gateway) -> None:
    seen = []

    def admitted(address: str) -> None:
        seen.append(address)
        raise RejectedError("not there")

    client = Client(environ={}, check_address=admitted)
    with pytest.raises(RejectedError):
        client.send(request(f"http://localhost:{server.port}/v1/x"), Timeouts())
    assert seen == ["127.0.0.1"]
    assert server.connections == 0


def test_a_dead_first_address_does_not_keep_from_the_second(
    client: Client, server: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = [("127.0.0.2", 1), ("127.0.0.1", server.port)]
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in addresses]
    resolve = socket.getaddrinfo

    def resolved(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        two = host == b"api.example.invalid"
        return entries if two else resolve(host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    reply = client.send(
        request(f"http://api.example.invalid:{server.port}/v1/models", b"", method="GET"),
        Timeouts(),
    )
    assert reply.status == 200
    assert not client.deadlines.reused


def test_each_clock_ends_its_own_silence(server: Gateway) -> None:
    silences: list[tuple[ScriptedReply, Timeouts, str, type[ApiyiError]]] = [
        (ScriptedReply().stall(), Timeouts(headers_s=0.1), "no answer", IncompleteError),
        (
            ScriptedReply(body=(b"a", b"b")).stall(1),
            Timeouts(bytes_s=0.1),
            "no byte",
            IncompleteError,
        ),
        (
            ScriptedReply(body=(b"a", b"b")).stall(1),
            Timeouts(events_s=0.1),
            "no event",
            IncompleteError,
        ),
    ]
    for play, timeouts, told, kind in silences:
        client = Client(environ={})
        server.script(play)
        with pytest.raises(kind, match=told):
            made = request(f"{server.base_url}/x", stream=True)
            list(client.send(made, timeouts).chunks)
        client.close()


class Tunnel:
    """A proxy that opens a tunnel and hangs up as soon as it is used."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.seen: list[bytes] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def close(self) -> None:
        self.listener.close()
        self.thread.join()

    def _serve(self) -> None:
        sock, _ = self.listener.accept()
        with sock:
            self.seen.append(sock.recv(65536))
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self.seen.append(sock.recv(65536))


def test_a_tunnel_that_breaks_before_tls_stands_has_sent_nothing() -> None:
    tunnel = Tunnel()
    client = Client(environ={}, proxy=tunnel.url)
    with pytest.raises(TemporaryError) as caught:
        client.send(request("https://api.example.invalid/v1/x", b"prompt"), Timeouts())
    client.close()
    tunnel.close()
    assert caught.value.facts.phase == "connect"
    assert tunnel.seen[0].startswith(b"CONNECT api.example.invalid:443 HTTP/1.1\r\n")
    assert b"prompt" not in b"".join(tunnel.seen)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_that_says_nothing_is_not_waited_for_like_an_answer(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        client = Client(environ={}, proxy=address)
        with pytest.raises(TemporaryError, match=f"through the proxy {address}") as caught:
            client.send(request("https://api.example.invalid/v1/x"), Timeouts(connect_s=0.1))
        client.close()
    assert caught.value.facts.phase == "connect"


def test_a_proxy_that_refuses_is_set_up_wrong(server: Gateway) -> None:
    server.script(ScriptedReply(status=403, reason="Forbidden"))
    client = Client(environ={"https_proxy": server.origin})
    with pytest.raises(SetupError) as caught:
        client.send(request("https://api.example.invalid/v1/x"), Timeouts())
    client.close()
    assert "403 Forbidden" in caught.value.why
    assert caught.value.hint == "check https_proxy"


def test_a_decoder_can_tell_the_clocks_of_an_event(server: Gateway) -> None:
    client = Client(environ={})
    server.script(ScriptedReply(body=(b"a",)))
    reply = client.send(request(f"{server.base_url}/x", stream=True), Timeouts())
    assert reply.tick == client.deadlines.note_event
    client.close()


def test_a_wait_until_a_date_counts_from_the_receipt_without_another_date(
    server: Gateway,
) -> None:
    clock = CLOCK._replace(wall=lambda: 1792567670.0)  # Wed, 21 Oct 2026 07:27:50 GMT
    client = Client(environ={}, clock=clock)
    until = "Wed, 21 Oct 2026 07:28:30 GMT"
    raw = f"HTTP/1.1 429 Slow\r\nRetry-After: {until}\r\nContent-Length: 0\r\n\r\n".encode()
    server.script(ScriptedReply(raw=raw))
    reply = client.send(request(f"{server.base_url}/x"), Timeouts())
    client.close()
    assert retry_after_s(reply.headers) == 40
