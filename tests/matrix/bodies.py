"""Faults 18-21, 29, 36-39 and 44: odd envelopes, and answers that are not what was asked for."""

from __future__ import annotations

import gzip
import zlib
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from itertools import repeat

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from tests.matrix.commands import (
    EMBEDDED,
    PNG,
    VECTORS,
    Command,
    embeddings,
    pictures,
    whole_chat,
)
from tests.matrix.scenes import Fault, Made, Scene, Stage

WHOLE = "chat-whole embed image models"
HOME_PAGE = "<!doctype html><html><head><title>Welcome</title></head><body>hi</body></html>"


def headed(*headers: tuple[str, str]) -> Made:
    return lambda command: command.well.replace(headers=headers)


def coded(name: str, encode: Callable[[bytes], bytes]) -> Made:
    """Play the right answer in a content-encoding."""
    return lambda command: command.well.replace(
        body=encode(command.body), headers=(("Content-Encoding", name),)
    )


def scrambled(body: bytes) -> bytes:
    return bytes(byte ^ 0x9B for byte in body)


def as_it_is(body: bytes) -> bytes:
    return body


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@cache
def bomb() -> bytes:
    """Return less than a megabyte that unfolds into six hundred."""
    return gzip.compress(bytes(32 << 20)) * 19


def bombed(command: Command) -> ScriptedReply:
    kind = "text/event-stream" if command.reads == "events" else "application/json"
    return ScriptedReply(body=bomb(), content_type=kind, headers=(("Content-Encoding", "gzip"),))


def deep(command: Command) -> ScriptedReply:
    return ScriptedReply(body=b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def wide(command: Command) -> ScriptedReply:
    return ScriptedReply(body=b"{" + b",".join(b'"%d":1' % k for k in range(1_000_000)) + b"}")


def long_line(command: Command) -> ScriptedReply:
    return ScriptedReply(
        body=lambda: repeat(b"data: " + bytes([120]) * (1 << 20), 700),
        content_type="text/event-stream",
    )


def bounded(megabytes: int) -> Stage:
    """Make the stage on which a process gets no more memory (of which it starts with a tenth)."""

    def stage(scene: Scene) -> None:
        scene.shell = f"ulimit -v {megabytes * 1024};"

    return stage


def told_length(*values: str) -> Made:
    """Play the right answer behind a head with these lengths."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    lines = "".join(f"Content-Length: {value}\r\n" for value in values)
    return lambda command: ScriptedReply(raw=f"{head}{lines}\r\n".encode() + command.body)


def lengthened(command: Command) -> ScriptedReply:
    return command.well.replace(length_off=50).cut(1)


def shortened(command: Command) -> ScriptedReply:
    return command.well.replace(length_off=-20)


def odd_head(line: bytes) -> Made:
    """Play the right answer with one odd line in its head."""

    def made(command: Command) -> ScriptedReply:
        kind = b"text/event-stream" if command.reads == "events" else b"application/json"
        head = b"HTTP/1.1 200 %b\r\nContent-Type: %b\r\nConnection: close\r\n"
        reason, _, rest = line.partition(b"|")
        return ScriptedReply(raw=head % (reason, kind) + rest + b"\r\n" + command.body)

    return made


def answered(reply: ScriptedReply) -> Made:
    return lambda command: reply


def picture_at(
    scene: Scene, address: str, *replies: ScriptedReply, path: str = "/pixel.png"
) -> None:
    scene.gateway.script(*replies, path=path)
    scene.script(ScriptedReply.json({"created": 1, "data": [{"url": address}]}))


def own_picture(*replies: ScriptedReply, target: str = "/pixel.png") -> Stage:
    """Make the stage on which the picture lies at the gateway's own origin."""
    return lambda scene: picture_at(scene, f"{scene.gateway.origin}{target}", *replies)


def picture_elsewhere(form: str) -> Stage:
    """Make the stage on which it lies at an address that a stranger listens on."""

    def stage(scene: Scene) -> None:
        picture_at(scene, form.format(port=scene.stranger().port))

    return stage


def picture_led_astray(scene: Scene) -> None:
    target = f"{scene.stranger().origin}/pixel.png"
    moved = ScriptedReply(status=302, headers=(("Location", target),))
    picture_at(scene, f"{scene.gateway.origin}/pixel.png", moved)


GOOD = ScriptedReply(body=PNG, content_type="image/png")
ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m"

FAULTS = (
    Fault(18, "gzip", "chat embed image models", 0, lambda c: c.well.replace(gzip=True)),
    Fault(18, "deflate", "chat-whole models", 0, coded("deflate", zlib.compress)),
    Fault(18, "deflate without its header", "embed", 0, coded("deflate", raw_deflate)),
    Fault(18, "says brotli and is not", "chat image api", 0, coded("br", as_it_is)),
    Fault(18, "brotli, which was not asked for", "chat embed", 6, coded("br", scrambled)),
    Fault(18, "says gzip and is not", "chat embed", 0, coded("gzip", as_it_is)),
    Fault(
        18, "is gzip and does not say so", "chat-whole models", 0, coded("identity", gzip.compress)
    ),
    Fault(
        18,
        "gzip that breaks off",
        "chat-whole embed",
        8,
        coded("gzip", lambda raw: gzip.compress(raw)[:-30]),
    ),
    Fault(19, "a gzip bomb", "chat chat-whole embed", 6, bombed, bounded(400)),
    Fault(19, "a hundred thousand brackets", "chat-whole embed models", 8, deep),
    Fault(19, "a million keys", "chat-whole embed", {"text": 6, "else": 8}, wide, bounded(800)),
    Fault(19, "an event that does not end", "chat respond", 6, long_line, bounded(400)),
    Fault(20, "a length too great", "chat-whole image", 0, lengthened),
    Fault(20, "a length too small", WHOLE, 8, shortened),
    Fault(20, "a negative length", "chat-whole models", 6, told_length("-5")),
    Fault(20, "two lengths", "embed image", 6, told_length("10", "20")),
    Fault(
        21,
        "a header of a megabyte",
        "chat models",
        6,
        odd_head(b"OK|X-Big: " + b"x" * (1 << 20) + b"\r\n"),
    ),
    Fault(
        21,
        "ten thousand headers",
        "chat models",
        6,
        odd_head(b"OK|" + b"X-Many: 1234567890\r\n" * 10_000),
    ),
    Fault(21, "bytes that no header has", "chat image", 6, odd_head(b"OK|X-Bad: a\0b\r\n")),
    Fault(21, "a header that is none", "chat embed", 6, odd_head(b"OK|nonsense\r\n")),
    Fault(
        21,
        "escapes in the reason",
        "chat models",
        6,
        answered(ScriptedReply(raw=b"HTTP/1.1 404 \x1b[2Jgone\r\nContent-Length: 0\r\n\r\n")),
    ),
    Fault(
        29,
        "an error in a 200",
        WHOLE,
        6,
        answered(
            ScriptedReply.json({"error": {"message": "bad", "code": "invalid_value"}}, billed=False)
        ),
    ),
    Fault(
        29,
        "the website",
        f"{WHOLE} chat respond transcribe speak",
        6,
        answered(ScriptedReply.text(HOME_PAGE, "text/html")),
    ),
    Fault(29, "nothing", f"{WHOLE} chat respond transcribe speak", 8, answered(ScriptedReply())),
    Fault(29, "no content", "chat image speak", 8, answered(ScriptedReply(status=204))),
    Fault(29, "accepted, and nothing", "chat image embed", 8, answered(ScriptedReply(status=202))),
    Fault(
        29,
        "text",
        "chat embed image",
        6,
        answered(ScriptedReply.text("upstream connect error")),
    ),
    Fault(
        36,
        "escapes in the answer go through a pipe",
        "chat chat-whole",
        0,
        lambda c: (
            ScriptedReply.chat(ESCAPES)
            if c.reads == "events"
            else ScriptedReply.json(whole_chat(ESCAPES))
        ),
        truth=ESCAPES.encode() + b"\n",
    ),
    Fault(
        36,
        "escapes in an error",
        "chat image models",
        6,
        answered(
            ScriptedReply.error(
                400,
                f"bad {ESCAPES}",
                code=ESCAPES,
                headers=(("X-Request-Id", "id-\u202e".encode().decode("latin-1")),),
            )
        ),
    ),
    Fault(37, "a picture at the gateway's own address", "image", 0, stage=own_picture(GOOD)),
    Fault(
        37,
        "a picture over plain http",
        "image",
        8,
        stage=picture_elsewhere("http://127.0.0.1:{port}/pixel.png"),
    ),
    Fault(
        37,
        "a picture at a private address",
        "image",
        8,
        stage=picture_elsewhere("https://127.0.0.1:{port}/pixel.png"),
    ),
    Fault(
        37,
        "a picture at a mapped address",
        "image",
        8,
        stage=picture_elsewhere("https://[::ffff:127.0.0.1]:{port}/pixel.png"),
    ),
    Fault(
        37,
        "a picture at a name of this machine",
        "image",
        8,
        stage=picture_elsewhere("https://localhost:{port}/pixel.png"),
    ),
    Fault(37, "a picture behind a redirect", "image", 8, stage=picture_led_astray),
    Fault(
        37,
        "a picture in a file of this machine",
        "image",
        8,
        stage=picture_elsewhere("file:///etc/passwd?{port}"),
    ),
    Fault(
        37,
        "a picture that is a page",
        "image",
        8,
        stage=own_picture(*[ScriptedReply.text(HOME_PAGE, "text/html")] * 3),
    ),
    Fault(
        37,
        "a picture that was slow to appear",
        "image",
        0,
        stage=own_picture(ScriptedReply(status=403), GOOD),
    ),
    Fault(
        37,
        "a picture that is cut",
        "image",
        8,
        stage=own_picture(*[GOOD.replace(body=PNG[:-20])] * 3),
    ),
    Fault(
        38,
        "base64 that is cut",
        "image",
        8,
        answered(ScriptedReply.json({"data": [{"b64_json": b64encode(PNG).decode()[:-40]}]})),
    ),
    Fault(
        38,
        "base64 without its padding",
        "image",
        0,
        answered(ScriptedReply.json({"data": [{"b64_json": b64encode(PNG).decode().rstrip("=")}]})),
    ),
    Fault(
        38,
        "what is no base64",
        "image",
        8,
        answered(ScriptedReply.json({"data": [{"b64_json": "###"}]})),
    ),
    Fault(38, "what is no picture", "image", 8, answered(pictures(b"just words"))),
    Fault(
        38,
        "a data: prefix",
        "image",
        0,
        answered(
            ScriptedReply.json(
                {"data": [{"b64_json": "data:image/png;base64," + b64encode(PNG).decode()}]}
            )
        ),
    ),
    Fault(
        38,
        "one picture of two",
        "image",
        8,
        answered(pictures(PNG)),
        options="--n 2 --retries 0",
        out=b"a-cat-1.png\n",
    ),
    Fault(39, "fewer vectors than inputs", "embed", 8, answered(embeddings(VECTORS[0])), out=b""),
    Fault(
        39,
        "vectors in another order",
        "embed",
        0,
        answered(embeddings(*reversed(VECTORS), order={0: 1, 1: 0})),
        truth=EMBEDDED,
    ),
    # The numbers say nothing then, and the order is taken.
    Fault(
        39,
        "one place twice",
        "embed",
        0,
        answered(embeddings(*VECTORS, order={1: 0})),
        truth=EMBEDDED,
    ),
    Fault(
        39,
        "vectors of two lengths",
        "embed",
        8,
        answered(embeddings("[1.0,2.0]", "[1.0]")),
        out=b"",
    ),
    Fault(
        39, "a vector with NaN", "embed", 8, answered(embeddings("[1.0,NaN]", "[1.0,2.0]")), out=b""
    ),
    Fault(39, "vectors of null", "embed", 8, answered(embeddings("null", "null")), out=b""),
    Fault(
        44,
        "HTTP/1.0",
        f"{WHOLE} chat",
        0,
        lambda c: c.well.replace(version="1.0", transfer="close"),
    ),
    Fault(44, "no connection is kept", "chat embed", 0, lambda c: c.well.replace(keep_alive=False)),
    Fault(
        44,
        "hints before the answer",
        "chat chat-whole image",
        0,
        lambda c: c.well.replace(interim=(100, 103)),
    ),
)
