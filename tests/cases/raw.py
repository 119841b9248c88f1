"""Raw HTTP replies: the bytes that a gateway, a proxy or a firewall was seen to send.

The builders return whole HTTP/1.1 replies; a test may as well write the bytes down itself.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program, Ran
    from tests.quick import Quick

DONE = "[DONE]"
Reply = bytes | ScriptedReply


def http(
    body: bytes | str,
    content_type: str | None = "application/json",
    status: str = "200 OK",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return a whole reply with its length; text is sent as UTF-8."""
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines.append(f"Content-Length: {len(data)}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + data


def json_reply(value: Any, status: str = "200 OK", **headers: str) -> bytes:
    """Return a JSON reply; a lone surrogate is sent as its escape."""
    return http(json.dumps(value), status=status, headers=headers)


def sse(*payloads: Any, named: bool = False) -> bytes:
    """Return an event stream; a text is the data as it stands, anything else becomes JSON."""
    pieces = []
    for payload in payloads:
        data = payload if isinstance(payload, str) else json.dumps(payload)
        pieces.append(f"event: {payload['type']}\n" if named and data != payload else "")
        pieces.append(f"data: {data}\n\n")
    return http("".join(pieces), "text/event-stream")


def completion(message: Any, finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    """Return a whole chat completion; a text is the message's content."""
    if isinstance(message, str):
        message = {"role": "assistant", "content": message}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], **more}


def chunk(delta: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a chunk of a chat stream; a text is content."""
    if isinstance(delta, str):
        delta = {"content": delta}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more}


class Replaying(Gateway):
    """Plays its replies in order, the last one to every further request."""

    def __init__(self) -> None:
        super().__init__()
        self._replies: list[Reply] = []
        self._turn = threading.Lock()

    def set(self, replies: Iterable[Reply]) -> None:
        with self._turn:
            self._replies = list(replies)

    def _reply_to(self, request: ReceivedRequest) -> ScriptedReply:
        with self._turn:
            reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return reply if isinstance(reply, ScriptedReply) else ScriptedReply(raw=reply)


class Case:
    """A typed line against raw replies; `reply` says which, `requests` what was sent."""

    def __init__(self, apiyi: Program | Quick, gateway: Replaying) -> None:
        self.apiyi = apiyi
        self.gateway = gateway

    @property
    def work(self) -> Path:
        """The folder that the lines are typed in."""
        return self.apiyi.work

    @property
    def requests(self) -> list[ReceivedRequest]:
        """All requests that came, in their order."""
        return list(self.gateway.ledger)

    @property
    def posts(self) -> list[ReceivedRequest]:
        """The requests that a gateway may charge for: all but the free questions."""
        return [request for request in self.requests if request.method == "POST"]

    def reply(self, *replies: Reply) -> None:
        """Answer with these replies in order; the last one is played to all that follow."""
        self.gateway.set(replies)

    def write(self, name: str, content: bytes | str) -> Path:
        """Write a file into the folder that the lines are typed in."""
        path = self.work / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def read(self, name: str) -> str:
        """Return a file's text; half a surrogate pair in it is an error."""
        return (self.work / name).read_bytes().decode()

    def records(self, name: str) -> list[Any]:
        """Return the objects of a file of JSON lines."""
        return [json.loads(line) for line in self.read(name).splitlines()]

    def __call__(self, line: str | Sequence[str], **how: Any) -> Ran:
        env = {"APIYI_BASE_URL": self.gateway.base_url, **how.pop("env", {})}
        return self.apiyi(line, env=env, **how)
