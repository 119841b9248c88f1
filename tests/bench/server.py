"""The gateway that benchmarks talk to, in a process of its own. Prints its base URL.

`server.py events N` streams N prepared events to every chat request, `server.py event MB` one
of that size; `server.py vectors D` answers embeddings with prepared vectors of length D;
`server.py picture MB` answers with a picture in that much base64, as Gemini does;
`server.py scores` scores documents; without arguments it is the sandbox.
"""

from __future__ import annotations

import base64
import json
import random
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

ROUNDS = 200


def events(count: int) -> ScriptedReply:
    """Return a stream of `count` small events and its end, as one body."""
    words = [{"content": f"word{number} "} for number in range(97)]
    return _stream([words[number % 97] for number in range(count)])


def _stream(deltas: Sequence[dict[str, str]]) -> ScriptedReply:
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1, "model": "m"}

    def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n"

    body = b"".join(map(chunk, deltas))
    return ScriptedReply(
        body=body + chunk({}, "stop") + b"data: [DONE]\n\n",
        content_type="text/event-stream",
    )


def event(megabytes: int) -> ScriptedReply:
    """Return a stream whose text comes in one event of so many MB."""
    text = "A word of the long answer, and another. " * (megabytes * 25_000)
    return _stream([{"content": text}])


class Vectors:
    """An HTTP server of its own: the sandbox would spend its time on making vectors."""

    def __init__(self, length: int) -> None:
        chance = random.Random(7)
        numbers = [chance.uniform(-1, 1) for _ in range(length)]
        self._vector = json.dumps(numbers).encode()

    def answer(self, body: bytes) -> bytes:
        inputs = json.loads(body)["input"]
        count = 1 if isinstance(inputs, str) else len(inputs)
        items = (
            b'{"object":"embedding","index":%d,"embedding":%s}' % (index, self._vector)
            for index in range(count)
        )
        tail = b'],"model":"m","usage":{"prompt_tokens":%d,"total_tokens":%d}}' % (count, count)
        return b'{"object":"list","data":[' + b",".join(items) + tail


def picture(megabytes: int) -> bytes:
    """Return an answer of generateContent with a picture of so much base64."""
    content = random.Random(7).randbytes(megabytes * 750_000)
    whole = b"\x89PNG\r\n\x1a\n" + content + b"\0\0\0\0IEND\xaeB`\x82"
    part = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(whole).decode()}}
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
    return json.dumps({"candidates": [candidate]}).encode()


def scores(body: bytes) -> bytes:
    """Return a score for each document of a request, in another order than they came."""
    count = len(json.loads(body)["documents"])
    chance = random.Random(count)
    rows = [{"index": index, "relevance_score": chance.random()} for index in range(count)]
    chance.shuffle(rows)
    return json.dumps({"results": rows, "usage": {"total_tokens": count}}).encode()


def serve(answer_to: Callable[[bytes], bytes]) -> None:
    """Serve what `answer_to` makes of each body, until a signal."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body in one piece and at once: otherwise each answer waits for 40 ms.
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            answer = answer_to(body)
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    server.serve_forever()


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) > 1 else ""
    if kind == "vectors":
        serve(Vectors(int(sys.argv[2])).answer)
    if kind == "picture":
        answer = picture(int(sys.argv[2]))
        serve(lambda body: answer)
    if kind == "scores":
        serve(scores)
    gateway = Gateway().start()
    if kind == "event":
        gateway.script(*[event(int(sys.argv[2]))] * ROUNDS)
    if kind == "events":
        gateway.script(*[events(int(sys.argv[2]))] * ROUNDS)
    print(gateway.base_url, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
