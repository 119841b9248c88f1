"""The gateway as a server: HTTP as it is on the wire, the ledger, scripts and closing."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from apiyi_cli.sandbox.answers import ANY_KEY
from apiyi_cli.sandbox.scripted_reply import DONE, ScriptedReply
from apiyi_cli.sandbox.server import Gateway

CHAT = "/v1/chat/completions"


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as running:
        yield running


def connected(gateway: Gateway) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gateway.port), timeout=10)


def chat_body(text: str = "hi", **rest: Any) -> bytes:
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": "gpt-4o", "messages": messages, **rest}).encode()


def post(body: bytes, path: str = CHAT, headers: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def until_closed(sock: socket.socket) -> bytes:
    """Return all that comes until the server closes, or resets."""
    received = b""
    try:
        while piece := sock.recv(65536):
            received += piece
    except ConnectionResetError:
        received += b"<RST>"
    return received


def send_raw(gateway: Gateway, request: bytes) -> bytes:
    """Send a request, close the sending side, return all that is answered."""
    with connected(gateway) as sock:
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        return until_closed(sock)


def ask(gateway: Gateway, play: ScriptedReply, request: bytes | None = None) -> bytes:
    """Return everything that a play puts on the wire."""
    gateway.script(play)
    with connected(gateway) as sock:
        sock.sendall(post(chat_body()) if request is None else request)
        return until_closed(sock)


def dechunked(wire: bytes) -> list[bytes]:
    """Return the chunks of a chunked reply; the last is empty when the end was marked."""
    rest, chunks = wire.partition(b"\r\n\r\n")[2], []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        chunks.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return chunks


def test_a_connection_serves_many_requests(gateway: Gateway) -> None:
    client = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    for k in range(3):
        client.request("POST", CHAT, chat_body(f"n{k}"), {"Content-Type": "application/json"})
        assert f"You said: n{k}".encode() in client.getresponse().read()
    client.close()
    assert [(one.index, one.connection) for one in gateway.ledger] == [(0, 0), (1, 0), (2, 0)]
    assert gateway.connections == 1


def test_pipelined_requests_are_answered_in_order(gateway: Gateway) -> None:
    answer = send_raw(gateway, post(chat_body("first")) + post(chat_body("second")))
    assert answer.index(b"first") < answer.index(b"second")


def test_a_chunked_request_is_read_whole(gateway: Gateway) -> None:
    body = chat_body("in chunks")
    chunks = b"".join(b"%x;x=y\r\n%b\r\n" % (1, body[k : k + 1]) for k in range(len(body)))
    head = post(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    answer = send_raw(gateway, head + chunks + b"0\r\nTrailer: z\r\n\r\n")
    assert b"You said: in chunks" in answer
    assert gateway.ledger[0].body == body


def test_a_client_that_waits_for_100_continue_gets_it(gateway: Gateway) -> None:
    body = chat_body("patient")
    request = post(body, headers="Expect: 100-continue\r\n")
    with connected(gateway) as sock:
        sock.sendall(request.removesuffix(body))
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert b"You said: patient" in sock.recv(65536)


def test_the_ledger_knows_what_came_and_what_went(gateway: Gateway) -> None:
    request = post(chat_body("é"), f"{CHAT}?a=1", "X-Own: one\r\nX-Own: two\r\n")
    answer = send_raw(gateway, request)
    assert gateway.wait_for(lambda: gateway.ledger and gateway.ledger[0].done)
    one = gateway.ledger[0]
    assert (one.method, one.path, one.query) == ("POST", CHAT, "a=1")
    assert one.headers["x-own"] == "one, two"
    assert one.json["messages"][0]["content"] == "é"
    assert (one.status, one.billed, one.model) == (200, True, "gpt-4o")
    assert one.bytes_answered == len(answer)
    assert one.closed_by_client_at is None
    assert gateway.posts == [one]


def test_a_multipart_form_is_taken_apart(gateway: Gateway) -> None:
    form = (
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a \\"b\\".wav"\r\n'
        b"Content-Type: audio/wav\r\n\r\n\r\n--x\r\n\x00\r\n--b--\r\n"
    )
    request = post(form, "/v1/audio/transcriptions")
    request = request.replace(b"application/json", b'multipart/form-data; boundary="b"')
    send_raw(gateway, request)
    model, file = gateway.ledger[0].parts
    assert (model.name, model.text, model.filename) == ("model", "whisper-1", None)
    assert (file.filename, file.type) == ('a "b".wav', "audio/wav")
    assert file.content == b"\r\n--x\r\n\x00"
    assert gateway.ledger[0].fields == {"model": "whisper-1"}


def test_a_body_that_breaks_off_is_noted_and_not_answered(gateway: Gateway) -> None:
    assert send_raw(gateway, post(chat_body())[:-5]) == b""
    assert not gateway.ledger[0].complete
    assert gateway.posts == []


def test_an_unknown_api_path_is_404_and_any_other_the_website(gateway: Gateway) -> None:
    assert b"Invalid URL (POST /v1/x)" in send_raw(gateway, post(b"{}", "/v1/x"))
    assert b"Invalid URL (GET /v1/chat" in send_raw(
        gateway, f"GET {CHAT} HTTP/1.1\r\n\r\n".encode()
    )
    website = send_raw(gateway, post(b"{}", "/chat/completions"))
    assert website.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/html")
    assert b"api_not_implemented" in send_raw(gateway, post(b"{}", "/v1/files"))
    assert [one.status for one in gateway.ledger] == [404, 404, 200, 501]


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense",
        b"GET / SPDY/3",
        b"GET / HTTP/1.1\r\nno colon",
        b"POST / HTTP/1.1\r\nContent-Length: -1",
    ],
)
def test_what_is_not_http_gets_400_and_is_not_in_the_ledger(gateway: Gateway, head: bytes) -> None:
    assert send_raw(gateway, head + b"\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request")
    assert gateway.ledger == []


def test_head_answers_without_a_body(gateway: Gateway) -> None:
    answer = send_raw(gateway, b"HEAD /v1/models HTTP/1.1\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert int(answer.partition(b"Content-Length: ")[2].split()[0]) > 1000


@pytest.mark.parametrize(("key", "code"), [("Bearer sk-x", 200), ("Bearer ", 401), ("", 401)])
def test_any_key_will_do_where_one_is_asked_for(key: str, code: int) -> None:
    with Gateway(key=ANY_KEY) as gateway:
        line = f"GET /v1/models HTTP/1.1\r\nAuthorization: {key}\r\n\r\n"
        answer = send_raw(gateway, line.encode())
    assert answer.startswith(f"HTTP/1.1 {code}".encode())


def test_the_key_is_asked_for_below_v1_alone() -> None:
    with Gateway(key="sk-right") as gateway:
        wrong = send_raw(gateway, b"GET /v1/models HTTP/1.1\r\nAuthorization: Bearer sk-no\r\n\r\n")
        right = send_raw(
            gateway, b"GET /v1/models HTTP/1.1\r\nAuthorization: Bearer sk-right\r\n\r\n"
        )
        price = send_raw(gateway, b"GET /api/pricing HTTP/1.1\r\n\r\n")
    assert wrong.startswith(b"HTTP/1.1 401")
    assert b"sk-no" not in wrong
    assert right.startswith(b"HTTP/1.1 200")
    assert json.loads(price.partition(b"\r\n\r\n")[2])["data"][0]["quota_type"] == 0


def test_a_complaint_of_the_validator_is_kept_and_answered() -> None:
    with Gateway(validate=lambda request: f"no {request.model}") as gateway:
        answer = send_raw(gateway, post(chat_body()))
    assert answer.startswith(b"HTTP/1.1 400")
    assert gateway.complaints == ["no gpt-4o"]
    assert gateway.posts == []


def test_the_same_request_gets_the_same_bytes(gateway: Gateway) -> None:
    request = post(chat_body("again", stream=True, n=2))
    first, second = (send_raw(gateway, request).partition(b"\r\n\r\n")[2] for _ in range(2))
    assert first == second


def test_scripts_go_by_path_and_then_end(gateway: Gateway) -> None:
    gateway.script(ScriptedReply.text("one"), ScriptedReply.text("two"), path="/embeddings")
    assert b"You said" in send_raw(gateway, post(chat_body()))
    assert send_raw(gateway, post(b"{}", "/v1/embeddings")).endswith(b"one")
    assert send_raw(gateway, post(b"{}", "/v1/embeddings")).endswith(b"two")
    assert send_raw(gateway, post(b"{}", "/v1/embeddings")).startswith(b"HTTP/1.1 400")


def test_a_stream_is_one_chunk_per_event(gateway: Gateway) -> None:
    wire = ask(gateway, ScriptedReply.sse({"a": 1}, DONE, keep_alive=False))
    assert b"Content-Type: text/event-stream\r\n" in wire
    assert dechunked(wire) == [b'data: {"a":1}\n\n', b"data: [DONE]\n\n", b""]


def test_named_events_tell_their_type(gateway: Gateway) -> None:
    wire = ask(gateway, ScriptedReply.sse({"type": "x.y"}, named=True, keep_alive=False))
    assert dechunked(wire)[0] == b'event: x.y\ndata: {"type":"x.y"}\n\n'


@pytest.mark.parametrize("split", ["one", "bytes", "random", (3, 2)])
def test_a_body_is_split_as_asked_and_stays_the_same(gateway: Gateway, split: Any) -> None:
    play = ScriptedReply.sse({"text": "é" * 50}, DONE, keep_alive=False)
    chunks = dechunked(ask(gateway, play.replace(split=split, seed=7)))
    assert isinstance(play.body, tuple)
    assert b"".join(chunks) == b"".join(play.body)
    sizes = [len(chunk) for chunk in chunks[:-1]]
    expected = {"one": lambda: len(sizes) == 1, "bytes": lambda: set(sizes) == {1}}
    if isinstance(split, tuple):
        assert sizes[:3] == [3, 2, 2]
    else:
        assert expected.get(split, lambda: len(set(sizes)) > 2)()


@pytest.mark.parametrize("off", [5, -5])
def test_content_length_can_lie(gateway: Gateway, off: int) -> None:
    wire = ask(gateway, ScriptedReply.text("0123456789", length_off=off))
    assert f"Content-Length: {10 + off}\r\n".encode() in wire
    assert wire.endswith(b"0123456789")


def test_a_body_can_end_with_the_connection_in_http_1_0(gateway: Gateway) -> None:
    wire = ask(gateway, ScriptedReply.text("bye", transfer="close", version="1.0"))
    assert wire.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"Content-Length" not in wire
    assert b"chunked" not in wire
    assert wire.endswith(b"\r\n\r\nbye")


def test_interim_answers_come_first(gateway: Gateway) -> None:
    wire = ask(gateway, ScriptedReply.text("x", interim=(100, 103), keep_alive=False))
    assert wire.startswith(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200"
    )


@pytest.mark.parametrize("play", [ScriptedReply.json({"a": 1}), ScriptedReply.sse({"a": 1})])
def test_a_body_can_be_gzipped(gateway: Gateway, play: ScriptedReply) -> None:
    wire = ask(gateway, play.replace(gzip=True, keep_alive=False))
    assert b"Content-Encoding: gzip\r\n" in wire
    body = wire.partition(b"\r\n\r\n")[2]
    if b"chunked" in wire:
        body = b"".join(dechunked(wire))
    assert b'{"a":1}' in gzip.decompress(body)


def test_raw_bytes_are_sent_as_they_are(gateway: Gateway) -> None:
    assert ask(gateway, ScriptedReply(raw=b"\x00 not HTTP")) == b"\x00 not HTTP"
    assert ask(gateway, ScriptedReply(raw=b"\x00 not HTTP").cut(at=3)) == b"\x00 n"


def test_the_reason_and_the_headers_are_the_plays(gateway: Gateway) -> None:
    play = ScriptedReply(status=299, reason="Odd \x1b[2J", headers=(("X-A", "1"), ("X-A", "2")))
    wire = ask(gateway, play.replace(keep_alive=False))
    assert wire.startswith(b"HTTP/1.1 299 Odd \x1b[2J\r\n")
    assert b"X-A: 1\r\nX-A: 2\r\n" in wire


def test_a_head_can_drip(gateway: Gateway) -> None:
    places: list[int] = []
    wire = ask(
        gateway, ScriptedReply.text("x", drip_head=True, keep_alive=False, wait=places.append)
    )
    assert wire.endswith(b"\r\n\r\nx")
    assert len(places) == len(wire) + 1


def test_pings_come_before_each_event(gateway: Gateway) -> None:
    chunks = dechunked(ask(gateway, ScriptedReply.sse(DONE, pings=2, keep_alive=False)))
    assert chunks == [b": PING\n\n", b": PING\n\n", b"data: [DONE]\n\n", b""]


@pytest.mark.parametrize("end", ["cut", "reset"])
@pytest.mark.parametrize("k", range(4))
def test_a_stream_ends_exactly_after_event_k(gateway: Gateway, end: str, k: int) -> None:
    play = ScriptedReply.sse("a", "b", DONE)
    wire = ask(gateway, play.cut(k) if end == "cut" else play.reset(k))
    assert wire.endswith(b"<RST>") == (end == "reset")
    chunks = dechunked(wire.removesuffix(b"<RST>"))
    assert chunks == [b"data: a\n\n", b"data: b\n\n", b"data: [DONE]\n\n"][:k]
    assert gateway.posts


@pytest.mark.parametrize("k", [0, 1, 7])
def test_a_whole_body_is_cut_at_byte_k(gateway: Gateway, k: int) -> None:
    wire = ask(gateway, ScriptedReply.text("0123456789").cut(at=k))
    assert b"Content-Length: 10\r\n" in wire
    assert wire.partition(b"\r\n\r\n")[2] == b"0123456789"[:k]


def test_a_reply_can_end_before_its_headers(gateway: Gateway) -> None:
    assert ask(gateway, ScriptedReply().cut()) == b""
    assert ask(gateway, ScriptedReply().reset()) == b"<RST>"
    assert len(gateway.posts) == 2


@pytest.mark.parametrize(
    ("play", "seen"),
    [
        (ScriptedReply.sse("a", "b").stall(1), b"data: a\n\n"),
        (ScriptedReply.sse("a", DONE).hold(), b"[DONE]\n\n"),
        (ScriptedReply.text("abc").stall(at=2), b"\r\n\r\nab"),
    ],
)
def test_a_stall_lasts_until_the_client_leaves(
    gateway: Gateway, play: ScriptedReply, seen: bytes
) -> None:
    gateway.script(play)
    with connected(gateway) as sock:
        sock.sendall(post(chat_body()))
        received = b""
        while seen not in received:
            received += sock.recv(65536)
        assert gateway.in_flight == 1
    assert gateway.wait_for(lambda: gateway.ledger[0].closed_by_client_at)
    assert gateway.wait_for(lambda: gateway.in_flight == 0)


def test_a_wait_is_called_before_each_piece_with_nothing_sent_of_it(gateway: Gateway) -> None:
    reached = {k: threading.Event() for k in range(-1, 3)}
    gates = {k: threading.Event() for k in range(-1, 3)}

    def wait(k: int) -> None:
        reached[k].set()
        assert gates[k].wait(10)

    gateway.script(ScriptedReply.sse("a", "b", "c", wait=wait))
    with connected(gateway) as sock:
        sock.sendall(post(chat_body()))
        assert reached[-1].wait(10)
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
        sock.settimeout(10)
        for k in range(-1, 3):
            gates[k].set()
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += sock.recv(65536)
    assert len(dechunked(received)) == 4


def test_a_client_that_leaves_between_events_is_noticed(gateway: Gateway) -> None:
    gate = threading.Event()
    gateway.script(ScriptedReply.sse("a", "b", wait=lambda k: k < 1 or gate.wait(10)))
    with connected(gateway) as sock:
        sock.sendall(post(chat_body()))
        assert b"200 OK" in sock.recv(65536)
    gate.set()
    assert gateway.wait_for(lambda: gateway.ledger[0].closed_by_client_at)


def test_an_endless_body_flows_until_the_client_leaves(gateway: Gateway) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b": keepalive\n\n"

    gateway.script(ScriptedReply(body=endless, content_type="text/event-stream"))
    with connected(gateway) as sock:
        sock.sendall(post(chat_body()))
        count = 0
        while count < 100_000:
            count += len(sock.recv(65536))
    assert gateway.wait_for(lambda: gateway.ledger[0].closed_by_client_at)


def test_an_early_answer_comes_before_the_body(gateway: Gateway) -> None:
    gateway.script(ScriptedReply.error(413, "too large", early=True))
    with connected(gateway) as sock:
        sock.sendall(post(b"x" * 1000)[:-1000])
        assert sock.recv(65536).startswith(b"HTTP/1.1 413")
    assert gateway.ledger[0].body == b""
    assert gateway.posts == []


def test_closing_ends_every_connection_and_blames_no_client(gateway: Gateway) -> None:
    gateway.script(ScriptedReply.text("never").stall())
    with connected(gateway) as stalled, connected(gateway) as idle:
        stalled.sendall(post(chat_body()))
        assert gateway.wait_for(lambda: gateway.ledger and gateway.connections == 2)
        gateway.close()
        assert until_closed(stalled) == until_closed(idle) == b""
        assert gateway.wait_for(lambda: gateway.ledger[0].done)
    assert gateway.ledger[0].closed_by_client_at is None
    with pytest.raises(ConnectionRefusedError):
        connected(gateway)


def test_requests_in_flight_are_counted(gateway: Gateway) -> None:
    together = threading.Barrier(3)
    play = ScriptedReply.text("x", wait=lambda k: k == -1 and together.wait(10), keep_alive=False)
    gateway.script(play, play, play)
    socks = [connected(gateway) for _ in range(3)]
    for sock in socks:
        sock.sendall(post(chat_body()))
    for sock in socks:
        assert until_closed(sock).endswith(b"x")
        sock.close()
    assert gateway.max_in_flight == 3
    assert gateway.wait_for(lambda: gateway.in_flight == 0)


def test_a_hundred_thousand_events_come_through_from_prebuilt_bytes(gateway: Gateway) -> None:
    block = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n' * 1000
    gateway.script(ScriptedReply(body=(block,) * 100, content_type="text/event-stream"))
    client = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    client.request("POST", CHAT, chat_body(), {"Content-Type": "application/json"})
    assert client.getresponse().read().count(b"data: ") == 100_000
    client.close()


def test_two_gateways_do_not_share_a_port() -> None:
    with Gateway() as first, pytest.raises(OSError, match="in use"):
        Gateway(port=first.port).start()


def test_it_listens_on_ipv6_too() -> None:
    with Gateway(host="::1") as gateway:
        assert gateway.base_url == f"http://[::1]:{gateway.port}/v1"
        with socket.create_connection(("::1", gateway.port), timeout=10) as sock:
            sock.sendall(b"GET /v1/models HTTP/1.1\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200")
