"""Every exported program is run against a receiver, and what arrives is the call itself."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from apiyi_cli.core.call import Call, Part, Source
from apiyi_cli.core.endpoints import GENERATE, GENERATE_STREAM, MESSAGES
from apiyi_cli.export.program import program
from apiyi_cli.wire.http.request import build_request

KEY = "sk-canary-5f1e"
NASTY = (
    "\"double\" 'single' \\back \\n \\u0041 $HOME ${x} $(id) `id` #{x} #$0 %s %{x} {{x}} {x} "
    "<?php echo 1 ?> */ // --> <<EOF\nEOF\nJSON\n'''\n\"\"\"\r\n\ttab \x01\x1b[31m\x7f\x85 "
    "中文 é 👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿 \u2028\u2029\u202e\ufeff\u00ad end \\"
)
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 2
URL = "data:image/png;base64,"
BIG = bytes(range(256)) * 80
LONG_TEXT = (NASTY.replace("\r\n", "\n") + "\n") * 60
# The environment as it was before fixtures replace HOME: Go's build cache lies there.
ENVIRONMENT = dict(os.environ)


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def parts(self) -> list[tuple[str, str, str, bytes]]:
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + self.body)
        found = []
        for part in message.iter_parts():
            about = part["Content-Disposition"]
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            kind = part.get_content_type() if part.get_filename() else ""
            found.append((str(about.params["name"]), part.get_filename() or "", kind, content))
        return found


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[Received]

    def handle_any(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.seen.append(Received(self.command, self.path, headers, body))
        status, kind, answer = answered(self.path, body, headers["host"])
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if kind == "text/event-stream":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(0, len(answer), 7):
                piece = answer[at : at + 7]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def log_message(self, format: str, *args: Any) -> None: ...


def sse(*events: Any, ended: str = "\r\n\r\n") -> tuple[int, str, bytes]:
    lines = [": PING", *(f"data: {json.dumps(one, ensure_ascii=False)}" for one in events)]
    return 200, "text/event-stream", ended.join([*lines, "data: [DONE]", ""]).encode()


def whole(answer: Any, status: int = 200) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(answer, ensure_ascii=False).encode()


FUNCTION = {"name": "weather", "arguments": '{"city": "北京"}'}


def delta(content: str | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": content, **more}, "finish_reason": finish}],
    }


def answered(path: str, body: bytes, host: str) -> tuple[int, str, bytes]:
    asked = json.loads(body) if body.startswith(b"{") else {}
    model = asked.get("model", "")
    if model == "refused":
        return whole({"error": {"message": '参数 "bad"', "code": "bad_value"}}, 400)
    if model == "page":
        return 200, "text/html", b"<!doctype html><p>home page</p>"
    if model == "empty":
        return whole({"note": "no choices here"})
    if path == "/v1/chat/completions" and asked.get("stream"):
        return chat_stream(asked)
    if path == "/v1/chat/completions":
        message: dict[str, Any] = {"role": "assistant", "content": '你好 "you"\n2'}
        if asked.get("tools"):
            call = {"id": "t", "type": "function", "function": FUNCTION}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return whole({"id": "c", "object": "chat.completion", "choices": [choice]})
    if path == "/v1/messages":
        return native_messages(asked)
    if "GenerateContent" in path or ":generateContent" in path:
        return native_contents(path, asked)
    if path == "/v1/completions":
        return whole({"choices": [{"index": 0, "text": "legacy", "finish_reason": "stop"}]})
    if path == "/v1/responses" and asked.get("stream"):
        text = {"type": "response.output_text.delta", "delta": "答 "}
        item = {"type": "function_call", "call_id": "t", **FUNCTION}
        done = {"type": "response.output_item.done", "output_index": 0, "item": item}
        return sse(text, text, done, {"type": "response.completed", "response": {"output": []}})
    if path == "/v1/responses":
        content = [{"type": "output_text", "text": "replied", "annotations": []}]
        message = {"type": "message", "role": "assistant", "content": content}
        call = {"type": "function_call", "call_id": "t", **FUNCTION}
        return whole({"object": "response", "output": [{"type": "reasoning"}, message, call]})
    if path == "/v1/embeddings":
        vector = {"object": "embedding", "index": 0, "embedding": [0.5, -1.25]}
        return whole({"object": "list", "data": [vector], "model": "m"})
    if path.startswith("/v1/images/"):
        coded = "data:image/png;base64," + base64.b64encode(PICTURE).decode()
        if model == "none":
            return whole({"data": [], "note": "moderated"})
        items = [{"url": "", "b64_json": coded}, {"b64_json": base64.b64encode(PICTURE).decode()}]
        link = {"b64_json": "", "url": f"http://{host}/picture"}
        return whole({"created": 1, "data": [link] if model == "linked" else items})
    if path == "/v1/audio/speech":
        return 200, "audio/mpeg", BIG
    if path.startswith("/v1/audio/") and b'name="stream"' in body:
        pieces = [{"type": "transcript.text.delta", "delta": one} for one in "你好"]
        return sse(*pieces, {"type": "transcript.text.done", "text": "你好"})
    if path.startswith("/v1/audio/"):
        return (
            whole({"text": "听到了"}) if b"srt" not in body else (200, "text/plain", b"1\nsaid\n")
        )
    if path == "/v1/models":
        return whole({"object": "list", "data": [{"id": "gpt-x"}, {"id": "模型/b"}]})
    return (200, "image/png", PICTURE) if path == "/picture" else whole({"seen": path})


def native_messages(asked: dict[str, Any]) -> tuple[int, str, bytes]:
    thinking = {"type": "thinking", "thinking": "hidden", "signature": "s"}
    call = {"type": "tool_use", "id": "t", "name": "weather", "input": {"city": "北京"}}
    if not asked.get("stream"):
        blocks = [thinking, {"type": "text", "text": "答"}, *([call] if asked.get("tools") else [])]
        return whole({"type": "message", "content": blocks, "stop_reason": "end_turn"})
    pieces: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"content": []}},
        {"type": "content_block_start", "index": 0, "content_block": thinking},
        {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hidden"}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "你"}},
        {"type": "ping"},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "好"}},
    ]
    if asked.get("tools"):
        arguments = {"type": "input_json_delta", "partial_json": '{"city": "北京"}'}
        pieces += [
            {"type": "content_block_start", "index": 1, "content_block": {**call, "input": {}}},
            {"type": "content_block_delta", "index": 1, "delta": arguments},
        ]
    pieces.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
    if asked["model"] != "cut":
        pieces.append({"type": "message_stop"})
    lines = (f"event: {one['type']}\ndata: {json.dumps(one, ensure_ascii=False)}" for one in pieces)
    return 200, "text/event-stream", "\n\n".join([*lines, ""]).encode()


def native_contents(path: str, asked: dict[str, Any]) -> tuple[int, str, bytes]:
    def candidate(*parts: Any, **more: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"role": "model", "parts": parts}, **more}]}

    thought = {"text": "hidden", "thought": True}
    if "/cut:" in path:
        return sse(candidate({"text": "half"}))
    if "stream" in path:
        call = {"functionCall": {"name": "weather", "args": {}}}
        end = candidate(call, finishReason="STOP")
        return sse(candidate(thought, {"text": "你"}), candidate({"text": "好"}), end)
    if "generationConfig" not in asked:
        return whole(candidate(thought, {"text": "答"}, finishReason="STOP"))
    coded = base64.b64encode(PICTURE).decode()
    drawn = [{"inlineData": {"mimeType": "image/png", "data": head + coded}} for head in ("", URL)]
    return whole(candidate({"text": "here"}, *drawn, finishReason="STOP"))


def chat_stream(asked: dict[str, Any]) -> tuple[int, str, bytes]:
    if asked["model"] == "cut":
        return sse(delta("half"))
    if asked["model"] == "broken":
        return sse(delta("half"), {"error": {"message": "饱和", "type": "rate_limit_error"}})
    if asked.get("tools"):
        first = {"index": 0, "id": "t", "function": {"name": "weather", "arguments": '{"city": '}}
        then = {"index": 0, "function": {"arguments": '"北京"}'}}
        pieces = [delta(None, tool_calls=[first]), delta(None, tool_calls=[then])]
        return sse(*pieces, delta(None, "tool_calls"), ended="\n\n")
    usage = {**delta(None), "choices": [], "usage": {"total_tokens": 3}}
    return sse(
        delta("", role="assistant"), delta("你"), delta("好\u2028"), delta(None, "stop"), usage
    )


@contextmanager
def receiving() -> Iterator[tuple[str, list[Received]]]:
    seen: list[Received] = []
    handler = type("Kept", (Receiver,), {"seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Case:
    """A call, what its program prints, the files that it saves, and whether it fails; where
    files are `there`, it fails before it sends, and they stay."""

    call: Call
    prints: tuple[str, ...] = ()
    saves: dict[str, bytes] = field(default_factory=dict)
    complains: tuple[str, ...] = ()
    there: dict[str, bytes] = field(default_factory=dict)


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "properties": {"z": {"type": "string"}, "a": {"type": "number"}, "0": {}},
                "required": [],
                "additionalProperties": False,
            },
        },
    }
]


def chat(content: Any = "hi", *, model: str = "gpt-4o", **more: Any) -> Call:
    body = {"model": model, "messages": [{"role": "user", "content": content}], **more}
    return Call("POST", "/chat/completions", json=body, stream=bool(more.get("stream")))


def pictured() -> Call:
    prefix = "data:image/png;base64,"
    items = [
        {"type": "text", "text": f"before\n\n{LONG_TEXT}\n\nafter 'it'"},
        {"type": "image_url", "image_url": {"url": prefix + base64.b64encode(BIG).decode()}},
        {"type": "image_url", "image_url": {"url": prefix + base64.b64encode(PICTURE).decode()}},
    ]
    sources = (
        Source("messages.0.content.0.text", "a b.txt", "before\n\n", True, len(LONG_TEXT)),
        Source("messages.0.content.1.image_url.url", "it's $5.png", prefix),
        Source("messages.0.content.2.image_url.url", "small.png", prefix),
    )
    return chat(items)._replace(sources=sources)


def messages(*, model: str = "claude-opus-5", **more: Any) -> Call:
    body = {
        "model": model,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
        **more,
    }
    version = (("anthropic-version", "2023-06-01"),)
    return MESSAGES.call(json=body, headers=version, stream=bool(more.get("stream")))


def contents(model: str = "gemini", *, stream: bool = False, **more: Any) -> Call:
    body = {"contents": [{"role": "user", "parts": [{"text": NASTY}]}], **more}
    endpoint = GENERATE_STREAM if stream else GENERATE
    path = endpoint.path.format(model=model) + ("?alt=sse" if stream else "")
    return endpoint.call(json=body, stream=stream)._replace(path=path)


def audio(path: str = "/audio/transcriptions", *more: Part) -> Call:
    parts = (Part("file", path="it's $5.png", filename="声.wav", type="audio/wav"), *more)
    return Call("POST", path, parts=(*parts, Part("model", "whisper-1")), cost="heavy")


GRANULAR = (Part("timestamp_granularities[]", "word"), Part("timestamp_granularities[]", "segment"))
ODD: dict[str, Any] = {
    "seed": 2**62 + 1, "temperature": 0.2, "top_p": 1e-05, "logit_bias": {"0": 1, "1": -100},
    "metadata": {}, "stop": [], "class": None, "__proto__": {"x": True}, "a-b $x": False,
    "if": [[], [1, [2]], {}],
}  # fmt: skip
EDIT = (
    Part("image[]", path="small.png"),
    Part("image[]", path="it's $5.png", type="image/webp"),
    Part("mask", content=PICTURE, filename="mask.png"),
    Part("prompt", "@file <x \"q\" 'q' \\ $HOME `id` 中文"),
    Part("model", "gpt-image-1"),
)
CASES: dict[str, Case] = {
    "chat": Case(chat(), ('你好 "you"\n2',)),
    "stream": Case(chat(stream=True), ("你好\u2028",)),
    "nasty": Case(chat(NASTY), ("你好",)),
    "nasty stream": Case(chat(NASTY, stream=True, **{NASTY: NASTY}), ("你好\u2028",)),
    "long": Case(chat("长 $x😀\n" * 20_000), ("你好",)),
    "odd values": Case(chat(**ODD), ("你好",)),
    "files": Case(pictured(), ("你好",)),
    "tools": Case(chat(tools=TOOLS), ("weather", '{"city": "北京"}')),
    "tools stream": Case(chat(tools=TOOLS, stream=True), ("weather", '{"city": "北京"}')),
    "messages": Case(messages(tools=TOOLS), ("答", "weather", "北京")),
    "messages stream": Case(
        messages(stream=True, tools=TOOLS), ("你好", "weather", '{"city": "北京"}')
    ),
    "cut messages": Case(messages(model="cut", stream=True), ("你好",), complains=("cut",)),
    "contents": Case(contents(), ("答\n",)),
    "contents stream": Case(contents(stream=True), ("你好", "weather")),
    "cut contents": Case(contents("cut", stream=True), ("half",), complains=("cut",)),
    "drawn contents": Case(
        contents(generationConfig={"responseModalities": ["IMAGE"]}),
        ("here", "image-1.png", "image-2.png"),
        {"image-1.png": PICTURE, "image-2.png": PICTURE},
    ),
    "complete": Case(Call("POST", "/completions", json={"model": "m", "prompt": "x"}), ("legacy",)),
    "respond": Case(
        Call(
            "POST",
            "/responses",
            json={"model": "m", "input": "x", "tools": [{"type": "function"}]},
        ),
        ("replied", "weather", '{"city": "北京"}'),
    ),
    "respond stream": Case(
        Call(
            "POST",
            "/responses",
            json={"model": "m", "input": "x", "stream": True, "tools": [{"type": "function"}]},
            stream=True,
        ),
        ("答 答", "weather", '{"city": "北京"}'),
    ),
    "embed": Case(
        Call("POST", "/embeddings", json={"model": "m", "input": ["a", "b"]}, cost="light"),
        ("0.5", "-1.25"),
    ),
    "embed base64": Case(
        Call("POST", "/embeddings", json={"model": "m", "input": "a", "encoding_format": "float"}),
        ("0.5", "-1.25"),
    ),
    "image": Case(
        Call("POST", "/images/generations", json={"model": "i", "prompt": "猫", "steps": 3}),
        ("image-1.png", "image-2.png"),
        {"image-1.png": PICTURE, "image-2.png": PICTURE},
    ),
    "linked image": Case(
        Call(
            "POST",
            "/images/generations",
            json={"model": "linked", "prompt": "x", "output_format": "jpeg"},
        ),
        ("image-1.jpg",),
        {"image-1.jpg": PICTURE},
    ),
    "edit": Case(
        Call("POST", "/images/edits", parts=EDIT, cost="heavy"),
        ("image-1.png",),
        {"image-1.png": PICTURE, "image-2.png": PICTURE},
    ),
    "transcribe": Case(audio(), ("听到了",)),
    "transcribe srt": Case(
        audio("/audio/transcriptions", Part("response_format", "srt"), *GRANULAR), ("1\nsaid",)
    ),
    "speak": Case(
        Call("POST", "/audio/speech", json={"model": "t", "input": "说", "voice": "alloy"}),
        ("speech.mp3",),
        {"speech.mp3": BIG},
    ),
    "models": Case(Call("GET", "/models", cost="free"), ("gpt-x", "模型/b")),
    "raw": Case(
        Call("POST", "/other?q=[1]&e=é", raw=NASTY.encode(), content_type="text/x; charset=utf-8"),
        ("seen",),
    ),
    "raw bytes": Case(
        Call("POST", "/pricing", raw=PICTURE, content_type="image/png", root="host"), ("seen",)
    ),
    "delete": Case(
        Call("DELETE", "/responses/x", headers=(("X-Odd", 'it\'s "$x" \\ `#{y}`'), ("Empty", ""))),
        ("seen",),
    ),
    "refused": Case(chat(model="refused"), complains=("400", "bad_value")),
    "refused stream": Case(chat(model="refused", stream=True), complains=("400", "bad_value")),
    "page": Case(chat(model="page"), complains=("home page",)),
    "page stream": Case(chat(model="page", stream=True), complains=("home page",)),
    "empty": Case(chat(model="empty"), complains=("no choices here",)),
    "no image": Case(
        Call("POST", "/images/generations", json={"model": "none", "prompt": "x"}),
        complains=("moderated",),
    ),
    "two answers": Case(chat(stream=True, n=2), ("你", '"finish_reason"', "total_tokens")),
    "heard events": Case(
        audio("/audio/transcriptions", Part("stream", "true"))._replace(stream=True), ("你好\n",)
    ),
    "put": Case(Call("PUT", "/x", json=["a", 1, None], headers=(("X-A", "1"),)), ("seen",)),
    "kept image": Case(
        Call("POST", "/images/generations", json={"model": "i", "prompt": "x", "n": 2}),
        complains=("image-2.png exists already",),
        there={"image-2.png": b"dear"},
    ),
    "kept speech": Case(
        Call("POST", "/audio/speech", json={"model": "t", "input": "x", "voice": "v"}),
        complains=("speech.mp3 exists already",),
        there={"speech.mp3": b"dear"},
    ),
    "cut": Case(chat(model="cut", stream=True), ("half",), complains=("cut",)),
    "broken": Case(chat(model="broken", stream=True), ("half",), complains=("饱和",)),
    "silence": Case(
        Call("POST", "/audio/speech", json={"model": "empty", "input": "x", "voice": "v"}),
        complains=("no choices here",),
    ),
}

SLOW = ("java", "node", "go", "python")
EVERY_KIND = (
    "chat", "nasty stream", "files", "tools stream", "complete", "respond stream", "embed",
    "image", "edit", "transcribe srt", "speak", "models", "raw", "refused", "cut", "kept image",
    "messages", "messages stream", "contents stream", "drawn contents",
)  # fmt: skip
"""What the languages that take long to compile, or to start, are tried with by day."""

SUFFIXES = {
    "curl": "sh", "python": "py", "requests": "py", "node": "mjs", "java": "java",
    "csharp": "cs", "go": "go", "php": "php", "ruby": "rb",
}  # fmt: skip
TOOLS_NEEDED = {
    "curl": "curl", "python": "python3", "requests": "python3", "node": "node", "java": "javac",
    "go": "go", "php": "php", "ruby": "ruby",
}  # fmt: skip
Ran = subprocess.CompletedProcess[str]


def laid_out(language: str, name: str, base_url: str, home: Path) -> Path:
    home.mkdir()
    (home / "it's $5.png").write_bytes(BIG)
    (home / "small.png").write_bytes(PICTURE)
    (home / "a b.txt").write_text(LONG_TEXT, newline="")
    for there, content in CASES[name].there.items():
        (home / there).write_bytes(content)
    stem = "Program" if language == "java" else "main"
    path = home / f"{stem}.{SUFFIXES[language]}"
    path.write_text(program(language, CASES[name].call, base_url).text, newline="")
    return path


def run(command: list[str], home: Path, **environment: str) -> Ran:
    kept = {name: value for name, value in ENVIRONMENT.items() if "proxy" not in name.lower()}
    return subprocess.run(
        command,
        cwd=home,
        env={**kept, "APIYI_API_KEY": KEY, "LC_ALL": "C.UTF-8", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def built(command: list[str], folder: Path, **environment: str) -> None:
    ran = run(command, folder, **environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr


GO = {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOPROXY": "off"}


def go_runs(sources: list[Path], folder: Path) -> Iterator[Ran]:
    (folder / "go.mod").write_text("module programs\n\ngo 1.20\n")
    (folder / "bin").mkdir()
    built(["go", "build", "-ldflags=-s -w", "-o", "bin", "./..."], folder, **GO)
    for path in sources:
        yield run([str(folder / "bin" / path.parent.name)], path.parent)


def has_compiled_library(folder: Path) -> bool:
    """Return True if Go's cache holds its HTTP library, or there is no Go to ask."""
    if shutil.which("go") is None:
        return True
    return run(["go", "list", "-f", "{{.Stale}}", "net/http"], folder, **GO).stdout == "false\n"


COMPILE = """
import javax.tools.ToolProvider;

class Compile {
    public static void main(String[] homes) {
        for (String home : homes) {
            String file = home + "/Program.java";
            String[] how = {"-encoding", "UTF-8", "-Xlint:all", "-Werror", "-d", home, file};
            if (ToolProvider.getSystemJavaCompiler().run(null, null, null, how) != 0) {
                System.exit(1);
            }
        }
    }
}
"""


def java_runs(sources: list[Path], folder: Path) -> Iterator[Ran]:
    (folder / "Compile.java").write_text(COMPILE)
    # Short runs: a better compiler, or another collector, would only take time.
    java = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    built([*java, "Compile.java", *(str(path.parent) for path in sources)], folder)
    java += ["-Xlog:disable", "-XX:CICompilerCount=1", "-Xmx256m"]
    # The first run keeps the JDK's classes as the others can map them: a quarter of their time.
    archive = f"-XX:ArchiveClassesAtExit={folder}/classes.jsa"
    for path in sources:
        yield run([*java, archive, "-cp", ".", "Program"], path.parent, LC_ALL="C", LANG="C")
        archive = f"-XX:SharedArchiveFile={folder}/classes.jsa"


FORK = """
import gc, os, runpy, sys
{imports}
gc.freeze()
for path in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        os.chdir(os.path.dirname(path))
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT, 0o600), descriptor)
        runpy.run_path(path, run_name="__main__")
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
OPENAI = """
import openai

client = openai.OpenAI(api_key="x")
client.chat.completions, client.responses, client.images, client.embeddings, client.audio.speech
"""
RUBY_FORK = """
%w[json net/http openssl uri base64 securerandom].each { |name| require name }
ARGV.each do |path|
  child = fork do
    Dir.chdir(File.dirname(path))
    $stdout.reopen("stdout", "w")
    $stderr.reopen("stderr", "w")
    ARGV.clear
    load path
  end
  puts Process.wait2(child)[1].exitstatus
end
"""


def forked(*warm: str) -> Callable[[list[Path], Path], Iterator[Ran]]:
    """Run the programs in forks of one process: what they load takes longer than what they do."""

    def runs(sources: list[Path], folder: Path) -> Iterator[Ran]:
        paths = [str(path) for path in sources]
        codes = run([*warm, *paths], folder).stdout.split()
        for path, code in zip(sources, codes, strict=True):
            told = ((path.parent / name).read_text("utf-8") for name in ("stdout", "stderr"))
            yield subprocess.CompletedProcess([], int(code), *told)

    return runs


def plain_runs(tool: str) -> Callable[[list[Path], Path], Iterator[Ran]]:
    def runs(sources: list[Path], folder: Path) -> Iterator[Ran]:
        for path in sources:
            yield run([tool, path.name], path.parent)

    return runs


RUNS: dict[str, Callable[[list[Path], Path], Iterator[Ran]]] = {
    "curl": plain_runs("bash"),
    "python": forked(sys.executable, "-c", FORK.format(imports=OPENAI)),
    "requests": forked(sys.executable, "-c", FORK.format(imports="import requests")),
    "node": plain_runs("node"),
    "java": java_runs,
    "go": go_runs,
    "php": plain_runs("php"),
    "ruby": forked("ruby", "-e", RUBY_FORK),
}


def sent_by_apiyi(call: Call, base_url: str) -> Received:
    sent = build_request(call, base_url, (), "", KEY)
    headers = {name.lower(): value for name, value in sent.headers}
    body = sent.body if isinstance(sent.body, bytes) else b"".join(sent.body)
    return Received(sent.method, "/" + sent.url.split("/", 3)[3], headers, body)


def check_request(call: Call, seen: list[Received], own: Received) -> None:
    received = seen[0]
    assert received.method == own.method
    assert unquote(received.path) == unquote(own.path)
    assert all("authorization" not in other.headers for other in seen[1:])
    key_header = "authorization" if call.auth == "bearer" else call.auth
    for name in (key_header, *(name.lower() for name, _ in call.headers)):
        assert received.headers[name] == own.headers[name]
    assert ("authorization" in received.headers) == (call.auth == "bearer")
    if call.parts:
        assert sorted(received.parts) == sorted(own.parts)
        return
    if own.body:
        assert received.headers["content-type"] == own.headers["content-type"]
    if call.json is not None:
        assert json.loads(received.body) == json.loads(own.body) == call.json
    else:
        assert received.body == own.body


def check_answer(case: Case, ran: Ran, home: Path) -> None:
    for text in case.prints:
        assert text in ran.stdout
    assert "hidden" not in ran.stdout
    for name, content in {**case.saves, **case.there}.items():
        assert (home / name).read_bytes() == content
    assert KEY not in ran.stdout + ran.stderr
    assert (ran.returncode == 0) == (not case.complains)
    if not case.complains:
        assert ran.stderr == ""
    for text in case.complains:
        assert text in ran.stderr


@pytest.mark.parametrize("language", RUNS)
def test_a_program_sends_the_call_and_shows_or_saves_the_answer(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: Iterable[str] = EVERY_KIND if language in SLOW else CASES
    if language == "go" and not has_compiled_library(tmp_path):
        pytest.skip("a first build would compile Go's library for 40 s; `make nightly` does")
    if language == "java":
        # A virtual machine takes half a second to start.
        names = EVERY_KIND[::3]
    check_programs(language, {name: CASES[name] for name in names}, tmp_path, monkeypatch)


@pytest.mark.nightly
@pytest.mark.parametrize("language", SLOW)
def test_a_slow_program_does_all_that_the_others_do(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_programs(language, CASES, tmp_path, monkeypatch)


def check_programs(
    language: str, cases: dict[str, Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(TOOLS_NEEDED[language]) is None:
        pytest.skip(f"{TOOLS_NEEDED[language]} is not installed")
    problems = []
    with ExitStack() as stack:
        servers = [stack.enter_context(receiving()) for _ in cases]
        sources = [
            laid_out(language, name, f"{origin}/v1", tmp_path / f"case{number:02}")
            for number, (name, (origin, _)) in enumerate(zip(cases, servers, strict=True))
        ]
        runs = RUNS[language](sources, tmp_path)
        for (name, case), path, (origin, seen), ran in zip(
            cases.items(), sources, servers, runs, strict=True
        ):
            monkeypatch.chdir(path.parent)
            try:
                own = sent_by_apiyi(case.call, f"{origin}/v1")
                if case.there:
                    assert not seen
                else:
                    check_request(case.call, seen, own)
                check_answer(case, ran, path.parent)
            except (AssertionError, IndexError) as error:
                problems.append(f"{name}: {error!r:.1500}\n{ran.stdout:.800}\n{ran.stderr:.1200}")
    assert not problems, "\n\n".join(problems)


@pytest.mark.skipif(shutil.which("gofmt") is None, reason="gofmt is not installed")
def test_a_go_program_is_go_as_gofmt_writes_it(tmp_path: Path) -> None:
    for number, case in enumerate(CASES.values()):
        text = program("go", case.call, "https://api.apiyi.com/v1").text
        (tmp_path / f"case{number:02}.go").write_text(text, newline="")
    ran = run(["gofmt", "-d", "."], tmp_path)
    assert ran.stdout + ran.stderr == ""


def test_a_csharp_program_is_csharp() -> None:
    """The syntax alone: the tests bring no .NET, whose first start would reach for the net."""
    grammar = pytest.importorskip("tree_sitter_c_sharp", reason="no C# grammar is installed")
    from tree_sitter import Language, Parser

    parser = Parser(Language(grammar.language()))
    for name, case in CASES.items():
        text = program("csharp", case.call, "https://api.apiyi.com/v1").text
        assert not parser.parse(text.encode()).root_node.has_error, f"{name}\n{text}"
