"""Every command on a terminal, with hostile words in every field that a server fills."""

from __future__ import annotations

import base64
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program, Screen

EVIL = "a\x1b]52;c;ZXZpbA==\x07b\x1b]0;title\x1b\\c\x9b2Jd\x9d0;x\x9ce\x7ff\u202eg\u2066h\x1b[2J\rz"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PICTURE = base64.b64encode(PNG).decode()
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, EVIL: EVIL}
SRT = f"1\n00:00:00,000 --> 00:00:01,000\n{EVIL}\n"
HEADERS = (("x-request-id", "a\x9b2Jb"), ("x-oneapi-request-id", "a\x9b2Jb"))


def completion(**message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return {
        "id": EVIL,
        "object": "chat.completion",
        "model": EVIL,
        "system_fingerprint": EVIL,
        "choices": [choice],
        "usage": USAGE,
        EVIL: EVIL,
    }


def chunks(reason: str = "stop", **delta: Any) -> list[dict[str, Any]]:
    return [
        {"id": EVIL, "model": EVIL, "choices": [{"index": 0, "delta": delta}]},
        {"id": EVIL, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
        {"id": EVIL, "choices": [], "usage": USAGE},
    ]


def call(name: str = EVIL) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps({"x": EVIL}, ensure_ascii=False)}
    return {"index": 0, "id": EVIL, "type": "function", "function": function}


SAID = ScriptedReply.sse(*chunks(content=EVIL), "[DONE]")
WHOLE = ScriptedReply.json(completion(content=EVIL))
RESPONSE = {
    "id": EVIL,
    "object": "response",
    "status": "completed",
    "model": EVIL,
    "output": [
        {
            "id": EVIL,
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": EVIL, "annotations": []}],
        }
    ],
    "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
}
COMPLETION = {
    "id": EVIL,
    "object": "text_completion",
    "model": EVIL,
    "choices": [{"index": 0, "text": EVIL, "finish_reason": "stop"}],
    "usage": USAGE,
}
VECTORS = {
    "object": "list",
    "model": EVIL,
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.5], EVIL: EVIL}],
    "usage": USAGE,
}
PICTURES = {"created": 1, "data": [{"b64_json": PICTURE, "revised_prompt": EVIL}], "usage": USAGE}
SPEECH = {
    "text": EVIL,
    "language": EVIL,
    "duration": 1.0,
    "segments": [{"id": 0, "start": 0.0, "end": 1.0, "text": EVIL}],
}
MODELS = {
    "object": "list",
    "data": [
        {"id": EVIL, "object": "model", "created": 7, "owned_by": EVIL},
        {"id": "gpt-4o", "object": "model", "created": 9, "owned_by": "x"},
    ],
}
BAD = ScriptedReply.json(
    {"error": {"message": EVIL, "type": EVIL, "code": EVIL, "param": EVIL}}, status=400
).replace(headers=HEADERS)
CUT = ScriptedReply.sse(*chunks(content=EVIL)[:1]).cut(1)
SAID_NO = ScriptedReply.sse(*chunks(refusal=EVIL), "[DONE]")
THOUGHT = ScriptedReply.sse(*chunks(reasoning_content=EVIL, content=EVIL), "[DONE]")
ODD_END = ScriptedReply.sse(*chunks(EVIL, content=EVIL), "[DONE]")
CALLED = ScriptedReply.sse(*chunks("tool_calls", tool_calls=[call()]), "[DONE]")
CALLED_NOW = ScriptedReply.sse(*chunks("tool_calls", tool_calls=[call("now")]), "[DONE]")
TOOL = """'{"name":"now"}'"""
PAGE = ScriptedReply.text(
    f"<html><head><title>{EVIL}</title></head><body>{EVIL}</body></html>", "text/html"
)
ERROR_EVENT = ScriptedReply.sse(
    *chunks(content="x")[:1], {"error": {"message": EVIL, "code": EVIL}}
)

MESSAGE = {
    "id": EVIL,
    "type": "message",
    "role": "assistant",
    "model": EVIL,
    "content": [{"type": "thinking", "thinking": EVIL}, {"type": "text", "text": EVIL}],
    "stop_reason": EVIL,
    "usage": {"input_tokens": 1, "output_tokens": 1, EVIL: EVIL},
}
GENERATED = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [{"text": EVIL, "thought": True}, {"text": EVIL}],
            },
            "finishReason": EVIL,
            "index": 0,
        }
    ],
    "modelVersion": EVIL,
    "responseId": EVIL,
}
WITHHELD = {**GENERATED, "candidates": [{"finishReason": "SAFETY", "finishMessage": EVIL}]}
SCORES = {
    "model": EVIL,
    "results": [{"index": n, "relevance_score": 0.5, "document": {"text": EVIL}} for n in (0, 1)],
    "usage": USAGE,
}
TASK = {"id": EVIL, "task_id": EVIL, "status": EVIL, "request_id": EVIL}
FAILED = {"status": "failed", "fail_reason": EVIL, "error": {"code": EVIL, "message": EVIL}}
BALANCE = {"success": True, "data": {"quota": 7, "group": EVIL, "username": EVIL}}
CHARGES = {"success": True, "data": [{"created_at": time.time(), "quota": 7, "model_name": EVIL}]}
NO_ACCOUNT = {"success": False, "message": EVIL}
REGISTRY = {
    "schema_version": EVIL,
    "models": [{"id": EVIL, "category": EVIL, "successor": EVIL, "groups": [EVIL]}],
}
CLAUDE = "-m claude-opus-5 --protocol anthropic"
GEMINI = "-m gemini-3.6-flash --protocol google"

LINES: dict[str, tuple[str, tuple[ScriptedReply, ...]]] = {
    "chat": ("chat hi", (SAID,)),
    "chat plain": ("chat hi --no-markdown --color never", (SAID,)),
    "chat whole": ("chat hi --no-stream", (WHOLE,)),
    "chat extract": ("chat hi -x", (SAID,)),
    "chat json": ("chat hi --json", (WHOLE,)),
    "chat json stream": ("chat hi --json --stream", (SAID,)),
    "chat ndjson": ("chat hi --ndjson", (SAID,)),
    "chat jq": ("chat hi --jq .choices[0].message.content", (WHOLE,)),
    "chat jq object": ("chat hi --jq .choices[0]", (WHOLE,)),
    "chat tools": (f"chat hi --tool {TOOL}", (CALLED,)),
    "chat run": (f"chat hi --tool {TOOL} --run now=cat --yes", (CALLED_NOW, SAID)),
    "chat refusal": ("chat hi", (SAID_NO,)),
    "chat reasoning": ("chat hi", (THOUGHT,)),
    "chat finish": ("chat hi", (ODD_END,)),
    "chat usage": ("chat hi -u -v", (SAID,)),
    "chat compare": ("chat hi -m gpt-4o -m gpt-4.1", (SAID, SAID)),
    "chat compare json": ("chat hi -m gpt-4o -m gpt-4.1 --ndjson", (SAID, SAID)),
    "chat compare errors": ("chat hi -m gpt-4o -m gpt-4.1", (BAD, BAD)),
    "chat cut": ("chat hi --retries 0", (CUT,)),
    "chat error": ("chat hi", (BAD,)),
    "chat error json": ("chat hi --json", (BAD,)),
    "chat error event": ("chat hi --retries 0", (ERROR_EVENT,)),
    "chat page": ("chat hi --retries 0", (PAGE,)),
    "chat schema": ("chat hi --schema 'a int'", (SAID,)),
    "complete": (
        "complete hi -m gpt-3.5-turbo-instruct --no-stream",
        (ScriptedReply.json(COMPLETION),),
    ),
    "complete json": (
        "complete hi -m gpt-3.5-turbo-instruct --json",
        (ScriptedReply.json(COMPLETION),),
    ),
    "respond": ("respond hi --no-stream", (ScriptedReply.json(RESPONSE),)),
    "respond json": ("respond hi --json", (ScriptedReply.json(RESPONSE),)),
    "embed": ("embed hi -m text-embedding-3-small", (ScriptedReply.json(VECTORS),)),
    "embed json": ("embed hi -m text-embedding-3-small --json", (ScriptedReply.json(VECTORS),)),
    "embed error": ("embed hi -m text-embedding-3-small", (BAD,)),
    "image": ("image cat -m gpt-image-1", (ScriptedReply.json(PICTURES),)),
    "image json": ("image cat -m gpt-image-1 --json", (ScriptedReply.json(PICTURES),)),
    "image ndjson": ("image cat -m gpt-image-1 --ndjson", (ScriptedReply.json(PICTURES),)),
    "image words": (
        "image cat -m gpt-image-1",
        (ScriptedReply.json({"data": [{"revised_prompt": EVIL}]}),),
    ),
    "image link": (
        "image cat -m dall-e-3",
        (ScriptedReply.json({"data": [{"url": f"https://127.0.0.1/{EVIL}"}]}),),
    ),
    "image error": ("image cat -m gpt-image-1", (BAD,)),
    "speak error": ("speak hi -m tts-1 -o a.mp3", (BAD,)),
    "speak words": ("speak hi -m tts-1 -o a.mp3", (ScriptedReply.json({"text": EVIL}),)),
    "transcribe": ("transcribe a.wav -m whisper-1", (ScriptedReply.json(SPEECH),)),
    "transcribe text": ("transcribe a.wav -m whisper-1 --format text", (ScriptedReply.text(EVIL),)),
    "transcribe srt": ("transcribe a.wav -m whisper-1 --format srt", (ScriptedReply.text(SRT),)),
    "transcribe json": ("transcribe a.wav -m whisper-1 --json", (ScriptedReply.json(SPEECH),)),
    "transcribe verbose": (
        "transcribe a.wav -m whisper-1 --format verbose_json",
        (ScriptedReply.json(SPEECH),),
    ),
    "transcribe ndjson": ("transcribe a.wav -m whisper-1 --ndjson", (ScriptedReply.json(SPEECH),)),
    "transcribe stream": (
        "transcribe a.wav -m gpt-4o-transcribe --stream",
        (
            ScriptedReply.sse(
                {"type": "transcript.text.delta", "delta": EVIL},
                {"type": "transcript.text.done", "text": EVIL},
            ),
        ),
    ),
    "transcribe error": ("transcribe a.wav -m whisper-1", (BAD,)),
    "models": ("models", (ScriptedReply.json(MODELS),)),
    "models json": ("models --json", (ScriptedReply.json(MODELS),)),
    "models ndjson": ("models --ndjson", (ScriptedReply.json(MODELS),)),
    "models unknown": ("models zzz", (ScriptedReply.json(MODELS),)),
    "models error": ("models", (BAD,)),
    "api": ("api odd/path", (ScriptedReply.json({"x": EVIL}),)),
    "api text": ("api odd/path", (ScriptedReply.text(EVIL),)),
    "api jq": ("api odd/path --jq .x", (ScriptedReply.json({"x": EVIL}),)),
    "api error": ("api odd/path", (BAD,)),
    "batch": ("batch rows.jsonl", (WHOLE,)),
    "batch text": ("batch rows.jsonl --text", (WHOLE,)),
    "batch file": ("batch rows.jsonl -o out.jsonl", (BAD,)),
    "batch errors": ("batch rows.jsonl", (BAD,)),
    "claude": (f"chat hi {CLAUDE} --no-stream", (ScriptedReply.json(MESSAGE),)),
    "claude json": (f"chat hi {CLAUDE} --json --no-stream", (ScriptedReply.json(MESSAGE),)),
    "claude error": (
        f"chat hi {CLAUDE}",
        (ScriptedReply.json({"type": "error", "error": {"type": EVIL, "message": EVIL}}, 400),),
    ),
    "gemini": (f"chat hi {GEMINI}", (ScriptedReply.sse(GENERATED),)),
    "gemini json": (f"chat hi {GEMINI} --json", (ScriptedReply.sse(GENERATED),)),
    "gemini withheld": (f"chat hi {GEMINI}", (ScriptedReply.sse(WITHHELD),)),
    "gemini error": (
        f"chat hi {GEMINI}",
        (ScriptedReply.json({"error": {"code": 400, "message": EVIL, "status": EVIL}}, 400),),
    ),
    "rank": ("rank q -f evil.txt -f rows.jsonl", (ScriptedReply.json(SCORES),)),
    "rank json": ("rank q --json -f evil.txt -f rows.jsonl", (ScriptedReply.json(SCORES),)),
    "rank error": ("rank q -f evil.txt", (BAD,)),
    "rank misfit": (
        "rank q -f evil.txt -f rows.jsonl",
        (ScriptedReply.json({"results": [{"index": EVIL}] * 2}),),
    ),
    "video failed": (
        "video cat -m wan2.7-t2v --poll 0.1",
        (ScriptedReply.json(TASK), ScriptedReply.json(FAILED)),
    ),
    "video failed json": (
        "video cat -m wan2.7-t2v --poll 0.1 --ndjson",
        (ScriptedReply.json(TASK), ScriptedReply.json(FAILED)),
    ),
    "video looks": (
        "video cat -m wan2.7-t2v --poll 0.1 --max-time 2",
        (ScriptedReply.json(TASK), ScriptedReply.json(TASK), BAD),
    ),
    "video error": ("video cat -m wan2.7-t2v", (BAD,)),
    "balance": ("balance", (ScriptedReply.json(BALANCE),)),
    "balance json": ("balance --json", (ScriptedReply.json(BALANCE),)),
    "balance refused": ("balance", (ScriptedReply.json(NO_ACCOUNT, 401),)),
    "charges": ("usage --remote --since 1h", (ScriptedReply.json(CHARGES),)),
    "charges json": ("usage --remote --since 1h --json", (ScriptedReply.json(CHARGES),)),
    "charges refused": ("usage --remote --since 1h", (ScriptedReply.json(NO_ACCOUNT, 403),)),
    "registry": ("models --update", (ScriptedReply.json(REGISTRY),) * 3),
    "auth status": ("auth status", (BAD, BAD)),
    "doctor": ("doctor", (BAD,) * 6),
    "doctor json": ("doctor --json", (BAD,) * 6),
    "dry run": ("chat hi --dry-run -s @evil.txt", ()),
    "dry code": ("chat hi --code curl -s @evil.txt", ()),
}
WITHOUT_WORDS = {
    "image": "cat-1.png",
    "speak words": "came in place of audio",
    "embed": '"text":"hi"',
    "models unknown": "matches 'zzz'",
    "rank": "evil.txt",
    "balance": "left",
    "registry": "no prices",
}
"""What those lines show that print none of the server's words."""
JSON_LINES = [name for name, (line, _) in LINES.items() if "json" in name and "error" not in name]


def check_harmless(screen: Screen, *, redraws: bool = False) -> str:
    """Fail when anything but colours, erasures of our own line and text was written.

    What `redraws` goes up to its own rows as well; no server's words here hold such moves.
    """
    shown = screen.raw.decode()
    own = "\x1b\\[[0-9;]*m|\r\x1b\\[K" + ("|\x1b\\[[0-9]*[FK]" if redraws else "")
    rest = re.sub(own, "", shown).replace("\r\n", "\n")
    acting = [c for c in rest if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160]
    assert acting == [], shown
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", rest), shown
    assert screen.code != 1, shown
    return rest


@pytest.fixture
def files(apiyi: Program) -> Program:
    apiyi.environ["APIYI_SYSTEM_TOKEN"] = "syscanary9f3c0123456789"
    (apiyi.work / "a.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + bytes(32))
    (apiyi.work / "rows.jsonl").write_text('{"id":"r1","prompt":"hi"}\n')
    (apiyi.work / "evil.txt").write_text(EVIL.replace("\r", ""))
    return apiyi


@pytest.mark.off_schema
@pytest.mark.parametrize("name", LINES)
def test_nothing_that_a_server_says_acts_on_a_terminal(
    files: Program, gateway: Gateway, name: str
) -> None:
    line, replies = LINES[name]
    gateway.script(*replies)
    redraws = name.startswith("chat compare")
    shown = check_harmless(files.terminal(line, columns=4000), redraws=redraws)
    assert WITHOUT_WORDS.get(name, "ZXZpbA==") in shown
    if name in JSON_LINES:
        for text in shown.splitlines():
            if text.startswith("{"):
                json.loads(text)


@pytest.mark.off_schema
@pytest.mark.parametrize(
    ("line", "reply", "out"),
    [
        ("chat hi", SAID, f"{EVIL}\n"),
        ("transcribe a.wav -m whisper-1 --format srt", ScriptedReply.text(SRT), SRT),
        ("batch rows.jsonl --text", WHOLE, f"{EVIL}\n"),
        ("api odd/path", ScriptedReply.text(EVIL), EVIL),
        ("api odd/path --jq .x", ScriptedReply.json({"x": EVIL}), f"{EVIL}\n"),
        ("models", ScriptedReply.json(MODELS), None),
    ],
)
def test_in_a_pipe_the_answer_is_byte_exact_while_stderr_is_a_terminal(
    files: Program, gateway: Gateway, line: str, reply: ScriptedReply, out: str | None
) -> None:
    gateway.script(reply)
    check_harmless(files.terminal(line, redirect=">out"))
    if out is not None:
        assert (files.work / "out").read_bytes() == out.encode()
    else:
        assert EVIL.replace("\r", "\ufffd").encode() in (files.work / "out").read_bytes()


@pytest.mark.off_schema
@pytest.mark.parametrize("line", ["chat hi", "chat hi --json", "image x -m gpt-image-1", "models"])
def test_on_stderr_a_servers_words_are_safe_even_in_a_pipe(
    files: Program, gateway: Gateway, line: str
) -> None:
    gateway.script(BAD)
    ran = files(line)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", ran.err)
    if "--json" in line:
        assert "a\x1b]52" in json.loads(ran.err)["error"]["message"].replace("␛", "\x1b")


@pytest.mark.off_schema
def test_a_conversation_is_shown_safe(files: Program, gateway: Gateway) -> None:
    gateway.script(SAID)
    files("chat hi --session s")
    check_harmless(files.terminal("session show s"))
    check_harmless(files.terminal("session show s --json"))
    check_harmless(files.terminal("session list"))
    check_harmless(files.terminal("usage"))
    check_harmless(files.terminal("usage --json"))
    check_harmless(files.terminal("cache stats"))


def test_file_names_and_settings_are_shown_safe(files: Program, gateway: Gateway) -> None:
    odd = "a\x1b]0;t\x07\x9b2J.png"
    (files.work / odd).write_bytes(b"\x89PNG\r\n\x1a\n")
    gateway.script(ScriptedReply.json(PICTURES))
    shown = check_harmless(files.terminal(f"image cat -m gpt-image-1 -o 'new{odd}'"))
    assert "new" in shown
    check_harmless(files.terminal(f"image cat -m gpt-image-1 -o '{odd}'"))
    check_harmless(files.terminal(f"chat -f 'no{odd}' hi"))
    check_harmless(files.terminal(f"config set model 'x{odd}'"))
    check_harmless(files.terminal("config list"))
    check_harmless(files.terminal("config list --json"))
    check_harmless(files.terminal("config get model"))
