"""The commands that the fault matrix runs: their lines, their right answers, what they print."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from apiyi_cli.core.call import Cost
from apiyi_cli.sandbox.drawing import png
from apiyi_cli.sandbox.scripted_reply import DONE, ScriptedReply

WORDS = ("Rivers ", "run ", "to ", "the ", "sea.")
TEXT = "".join(WORDS)
USAGE = {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}
PNG = png(b"matrix" * 8, 16, 16)
SOUND = b"ID3\4\0\0\0\0\0\0" + b"\xff\xfb\x90\xc4" + bytes(range(256)) * 4
RECORDING = b"RIFF" + (1036).to_bytes(4, "little") + b"WAVEfmt " + bytes(1024)
VECTORS = ("[0.1,0.25,-0.5]", "[1.0,-0.125,0.30000000000000004]")


class Command(NamedTuple):
    """One way to use the gateway.

    `path` is what its request asks for, `well` the right answer to it, `out` what stdout is
    then. `reads` tells how the answer arrives: as `events`, as one `object`, or as `bytes`
    that go out as they come; `shows` that parts of it are printed before it is known to be
    whole.
    """

    name: str
    line: str
    path: str
    cost: Cost
    reads: str
    well: ScriptedReply
    out: bytes
    shows: bool = False

    @property
    def body(self) -> bytes:
        """Return the right answer in one piece."""
        assert not callable(self.well.body)
        return self.well.body if isinstance(self.well.body, bytes) else b"".join(self.well.body)

    def said(self, out: bytes) -> bytes:
        """Return what stdout says of the answer, as `out` says it of the right one."""
        if self.name != "chat-joined" or not out:
            return out
        (choice,) = orjson.loads(out)["choices"]
        content = choice["message"]["content"]
        return f"{content}\n".encode() if content else b""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return what the tables may call it, the most special first."""
        shown = ("shown",) if self.shows else ()
        return self.name, *shown, self.reads, self.cost, "else"


def whole_chat(content: str = TEXT) -> dict[str, Any]:
    """Return a chat completion as one object."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1735689600,
        "model": "gpt-4o",
        "choices": [{**choice, "finish_reason": "stop"}],
        "usage": USAGE,
    }


def completion(*words: str) -> ScriptedReply:
    """Return the stream of a legacy completion."""
    frame = {"id": "cmpl-1", "object": "text_completion", "created": 1735689600, "model": "m"}
    rows = [{"text": word, "index": 0, "finish_reason": None} for word in words]
    last = {"text": "", "index": 0, "finish_reason": "stop"}
    return ScriptedReply.sse(*({**frame, "choices": [row]} for row in [*rows, last]), DONE)


def response(*words: str) -> ScriptedReply:
    """Return the stream of a response."""
    told = {"id": "resp_1", "object": "response", "model": "m", "status": "in_progress"}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    text = "".join(words)
    content = [{"type": "output_text", "text": text, "annotations": []}]
    delta = {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0}
    done = {
        **told,
        "status": "completed",
        "output": [{**item, "content": content}],
        "usage": {"input_tokens": 5, "output_tokens": 6, "total_tokens": 11},
    }
    return ScriptedReply.sse(
        {"type": "response.created", "response": {**told, "output": []}},
        *({**delta, "content_index": 0, "delta": word} for word in words),
        {"type": "response.completed", "response": done},
        named=True,
    )


def embeddings(*vectors: str, order: Mapping[int, int] | None = None) -> ScriptedReply:
    """Return vectors with the digits that they are given in; `order` changes their indices."""
    rows = ",".join(
        f'{{"object":"embedding","index":{(order or {}).get(k, k)},"embedding":{vector}}}'
        for k, vector in enumerate(vectors)
    )
    usage = '{"prompt_tokens":2,"total_tokens":2}'
    return ScriptedReply(
        body=f'{{"object":"list","data":[{rows}],"model":"e","usage":{usage}}}'.encode()
    )


def pictures(*contents: bytes) -> ScriptedReply:
    """Return pictures in base64."""
    rows = [{"b64_json": b64encode(content).decode()} for content in contents]
    return ScriptedReply.json({"created": 1735689600, "data": rows, "usage": {"total_tokens": 9}})


LIST = {
    "object": "list",
    "data": [{"id": f"model-{k}", "object": "model", "owned_by": "o"} for k in range(3)],
}
LISTED = orjson.dumps(LIST)
TYPED = TEXT.encode() + b"\n"
CHAT = ScriptedReply.chat(*WORDS, usage=USAGE)
EMBEDDED = b"".join(
    b'{"index":%d,"text":"%b","embedding":%b}\n' % (k, text, vector.encode())
    for k, (text, vector) in enumerate(zip((b"rivers", b"seas"), VECTORS, strict=True))
)

COMMANDS: dict[str, Command] = {
    one.name: one
    for one in (
        Command("chat", "chat hi", "/chat/completions", "text", "events", CHAT, TYPED, True),
        Command(
            "chat-whole",
            "chat hi --no-stream",
            "/chat/completions",
            "text",
            "object",
            ScriptedReply.json(whole_chat()),
            TYPED,
        ),
        Command(
            "chat-joined",
            "chat hi --json --stream",
            "/chat/completions",
            "text",
            "events",
            CHAT,
            TYPED,
        ),
        Command(
            "complete",
            "complete hi",
            "/completions",
            "text",
            "events",
            completion(*WORDS),
            TYPED,
            True,
        ),
        Command(
            "respond", "respond hi", "/responses", "text", "events", response(*WORDS), TYPED, True
        ),
        Command(
            "embed",
            "embed rivers seas -m text-embedding-3-small",
            "/embeddings",
            "light",
            "object",
            embeddings(*VECTORS),
            EMBEDDED,
        ),
        # Of several texts that are refused each is asked about alone.
        Command(
            "embed-one",
            "embed rivers -m text-embedding-3-small --json",
            "/embeddings",
            "light",
            "object",
            embeddings(VECTORS[0]),
            b"",
        ),
        Command(
            "image",
            "image a cat -m gpt-image-1",
            "/images/generations",
            "heavy",
            "object",
            pictures(PNG),
            b"a-cat-1.png\n",
        ),
        Command(
            "transcribe",
            "transcribe talk.wav -m whisper-1",
            "/audio/transcriptions",
            "heavy",
            "object",
            ScriptedReply.json({"text": TEXT}),
            TYPED,
        ),
        Command(
            "speak",
            "speak hi -m tts-1",
            "/audio/speech",
            "heavy",
            "bytes",
            ScriptedReply(
                body=(SOUND[:300], SOUND[300:600], SOUND[600:]), content_type="audio/mpeg"
            ),
            SOUND,
            True,
        ),
        Command(
            "models",
            "models",
            "/models",
            "free",
            "object",
            ScriptedReply(body=LISTED),
            b"model-0\nmodel-1\nmodel-2\n",
        ),
        Command(
            "api",
            "api models",
            "/models",
            "free",
            "bytes",
            ScriptedReply(body=LISTED),
            LISTED,
            True,
        ),
    )
}
