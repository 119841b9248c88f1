"""Random replies to random lines of every endpoint: mutated bodies, odd values, odd HTTP."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from apiyi_cli.core.jsontext import is_strict, write
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from tests.decode.test_odd_values import (
    BALANCE,
    CHAT,
    CHUNK,
    EMBEDDINGS,
    GENERATED,
    GENERATED_EVENTS,
    LOG,
    MESSAGE,
    MESSAGE_STREAM,
    ODD,
    PICTURES,
    RESPONSE,
    RESPONSE_EVENTS,
    SCORES,
    SPOKEN,
    STOP,
    SUBMITTED,
    TASK,
    TRANSCRIPT,
    TRANSCRIPT_EVENTS,
    bodies,
    mutate,
)

LISTED = {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "o"}]}
COMPLETION = {"id": "c", "choices": [{"text": "hello", "index": 0, "finish_reason": "stop"}]}
ERROR = {"error": {"message": "m", "type": "t", "code": "c", "param": None}}
OUTPUTS = (
    *("", "--json", "--ndjson", "--no-stream", "--json --stream", "-x", "-o out.txt --force", "-u"),
    *("--session s", "--schema 'a int'", "--n 2", "--json-mode", "--markdown --color always"),
    *("--tool t.json", "--run f=cat --yes --tool t.json --max-steps 2", "--cache 1h", "-m n"),
    *("--save {n}.{ext}", "-o got/", "--strict-finish", "-R", "-v", "--no-newline", "--force"),
)
CLAUDE = "-m claude-opus-5 --protocol anthropic"
GEMINI = "-m gemini-3.6-flash --protocol google"
BATCH = "batch rows.jsonl -o out.jsonl"
WAV = "talk.wav -m whisper-1"
PAID = b"paidanswer7"
"""What the texts of answers are here."""


class Surface(NamedTuple):
    """Commands that ask for one kind of answer, options that vary them, the answers."""

    lines: tuple[str, ...]
    options: tuple[str, ...]
    answers: tuple[Any, ...]


SURFACES = (
    Surface(("chat hi -m m",), OUTPUTS, (CHAT, [CHUNK, STOP])),
    Surface((f"chat hi {CLAUDE}",), OUTPUTS, (MESSAGE, MESSAGE_STREAM)),
    Surface((f"chat hi {GEMINI}",), OUTPUTS, (GENERATED, GENERATED_EVENTS)),
    Surface(("complete hi -m m",), OUTPUTS[:7], (COMPLETION, [COMPLETION, COMPLETION])),
    Surface(("respond hi -m m",), OUTPUTS[:12], (RESPONSE, RESPONSE_EVENTS)),
    Surface(
        ("embed a b -m e", "embed -f a.txt -f b.txt -m e"),
        ("", "--json", "--base64", "-o v.jsonl", "-o v.npy", "--dimensions 2", "--batch-size 1"),
        (EMBEDDINGS,),
    ),
    Surface(
        ("image cat -m gpt-image-1", "image cat -m gpt-image-1 -i pic.png"),
        ("", "--json", "--ndjson", "-o - --color never", "-o a.png --force", "--n 2", "--preview"),
        (PICTURES,),
    ),
    Surface(("image cat -m gemini-3-pro-image-preview",), ("", "--json", "--n 2"), (GENERATED,)),
    Surface(
        (f"transcribe {WAV}", f"transcribe --translate {WAV}", f"transcribe {WAV} --stream"),
        ("", "--format json", "--format srt", "--format vtt", "--format verbose_json", "-o t.txt"),
        (TRANSCRIPT, TRANSCRIPT_EVENTS),
    ),
    Surface(("speak hi -m tts-1",), ("", "-o a.mp3 --force"), (SPOKEN, ERROR)),
    Surface(
        ("rank q -f a.txt -f b.txt", "rank q -f a.txt"),
        ("", "--json", "--ndjson", "--top 1", "--threshold 0.1"),
        (SCORES,),
    ),
    Surface(("video cat -m wan2.7-t2v --poll 0.1 -o v.mp4",), ("", "--json"), (SUBMITTED, TASK)),
    Surface(("video list", "video resume"), ("", "--json"), (TASK,)),
    Surface(
        ("models", "models m", "models show m", "check", "doctor", "models --update"),
        ("", "--json"),
        (LISTED,),
    ),
    Surface(("balance", "check"), ("", "--json"), (BALANCE,)),
    Surface(("usage --remote", "usage --reconcile"), ("--since 1h", "--since 1h --json"), (LOG,)),
    Surface(
        ("api models", "api POST /v1/chat/completions --input t.json", "api /api/user/self"),
        ("", "--jq .", "-o got.json --force", "--json"),
        (CHAT, [CHUNK, STOP], LISTED, MESSAGE_STREAM, GENERATED_EVENTS, BALANCE, ERROR),
    ),
    Surface((f"{BATCH} -m m",), ("", "--text", "--json-mode"), (CHAT, [CHUNK, STOP])),
    Surface((f"{BATCH} {CLAUDE}",), ("", "--join"), (MESSAGE, MESSAGE_STREAM)),
    Surface((f"{BATCH} --endpoint respond -m m",), ("",), (RESPONSE, RESPONSE_EVENTS)),
    Surface((f"{BATCH} --endpoint embed -m e",), ("",), (EMBEDDINGS,)),
    Surface((f"{BATCH} --endpoint image -m gpt-image-1",), ("",), (PICTURES,)),
)
KINDS = (
    *("application/json", "text/event-stream", "text/plain", "application/octet-stream", ""),
    *("application/json; charset=gbk", "text/html", "audio/mpeg", "image/png", "\x01;=,"),
)
STATUSES = (200,) * 14 + (201, 204, 206, 302, 400, 401, 402, 403, 404, 408, 413, 429, 500, 503)
HEADERS = (
    *(("retry-after", text) for text in ("0", "-1", "nan", "9" * 400, "Wed, 99 Foo", "\xff")),
    *(("content-encoding", text) for text in ("gzip", "br", "none", "gzip, gzip", "x" * 99)),
    *(("x-oneapi-request-id", text) for text in ("\xe4\xb8", "a" * 9000, "\t")),
    *(("location", text) for text in ("", "http://[", "/v1/models", "//x")),
    ("x-ratelimit-reset-tokens", "1e400"),
)


class Cell(NamedTuple):
    """A line, the reply that all its requests get, and whether it holds words that are paid for.

    That is so if one of its events with them is sent as it was, or its object as it was or torn.
    """

    line: str
    reply: ScriptedReply
    is_paid: bool


def cells(count: int, seed: int) -> Iterator[Cell]:
    """Yield so many cells, the same for the same seed."""
    dice = random.Random(seed)
    for _ in range(count):
        surface = dice.choice(SURFACES)
        line = f"{dice.choice(surface.lines)} {dice.choice(surface.options)}"
        yield _cell(dice, line, dice.choice(surface.answers))


def _cell(dice: random.Random, line: str, answer: Any) -> Cell:
    body = whole = _body(dice, answer).replace(b"hello", PAID)
    if dice.random() < 0.6:
        body = mutate(body, dice)
    usual = "text/event-stream" if isinstance(answer, list) else "application/json"
    kind = usual if dice.random() < 0.7 else dice.choice(KINDS)
    reply = ScriptedReply(status=dice.choice(STATUSES), body=body, content_type=kind)
    if dice.random() < 0.6:
        return Cell(line, reply, _is_paid(reply.status, body, whole))
    at = dice.randrange(len(body) + 1)
    match dice.randrange(6):
        case 0:
            reply = reply.replace(headers=(dice.choice(HEADERS),))
        case 1 | 2 as kind_of_end:
            reply = reply.cut(at=at) if kind_of_end == 1 else reply.reset(at=at)
            # What a reset overtakes may never arrive.
            body = body[:at] if kind_of_end == 1 else b""
        case 3:
            reply = reply.replace(split="random", seed=dice.randrange(99))
        case 4:
            reply = reply.replace(length_off=dice.choice((-20, -1)), keep_alive=False)
            body = body[:-20]
        case _:
            reply = reply.replace(transfer="close", version="1.0", keep_alive=False)
    return Cell(line, reply, _is_paid(reply.status, body, whole))


def _is_paid(status: int, sent: bytes, whole: bytes) -> bool:
    if status not in (200, 201) or PAID not in sent:
        return False
    if whole.startswith(b"data: "):
        return any(event in sent for event in whole.split(b"\n\n") if PAID in event)
    return sent == whole or not is_strict(sent)


def _body(dice: random.Random, answer: Any) -> bytes:
    if dice.random() < 0.4:
        return dice.choice(list(bodies(answer, dice.choice(list(ODD.values())))))
    if isinstance(answer, list):
        return b"".join(b"data: %s\n\n" % write(event) for event in answer)
    return json.dumps(answer).encode()
