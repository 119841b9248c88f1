"""`ScriptedReply`: a reply of the sandbox as a value, including where its bytes are cut.

Answers and faults are functions that make and change replies; `reply_sender` sends them on a
socket. The shapes of errors are those of the gateway's family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from apiyi_cli.core.jsontext import write

DONE = "[DONE]"

Body = bytes | tuple[bytes, ...] | Callable[[], Iterable[bytes]]
"""A body: whole; in pieces, each sent as one chunk (an SSE event, usually); or made
as it is sent, without end if it likes."""


class Stop(NamedTuple):
    """How and where a reply ends early.

    `cut` closes the socket, `reset` sends a TCP RST, `stall` says nothing more and keeps the
    socket open until the client leaves. `unit` counts `k`: pieces or bytes of the body as
    they are sent; `head` is before the status line.
    """

    kind: Literal["cut", "reset", "stall"]
    unit: Literal["head", "piece", "byte"] = "head"
    k: int = 0


@dataclass(frozen=True, slots=True)
class ScriptedReply:
    """One reply.

    `raw` replaces everything, status line included. `transfer` is chosen by the body when
    None: `length` for bytes, `chunked` otherwise; `length_off` makes Content-Length lie.
    `split` cuts the body anew for sending: `one` piece, single `bytes`, `random` sizes by
    `seed`, or given sizes (the last one repeats). `wait` is called before the head (with -1)
    and before each piece (with its number), and may block; `delay_s` and `gap_s` are waited
    for at the same places. `drip_head` sends the head byte by byte, a gap before each.
    `pings` comments go before each piece. `early` answers before the request's body is read.
    `billed` None means: decided by the status. `tokens` counts for the limits.
    """

    status: int = 200
    reason: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str | None = "application/json"
    body: Body = b""
    raw: bytes | None = None
    transfer: Literal["length", "chunked", "close"] | None = None
    length_off: int = 0
    split: Literal["one", "bytes", "random"] | tuple[int, ...] | None = None
    seed: int = 0
    gzip: bool = False
    version: Literal["1.1", "1.0"] = "1.1"
    interim: tuple[int, ...] = ()
    keep_alive: bool = True
    drip_head: bool = False
    delay_s: float = 0.0
    gap_s: float = 0.0
    wait: Callable[[int], object] | None = None
    pings: int = 0
    stop: Stop | None = None
    early: bool = False
    billed: bool | None = None
    tokens: int = field(default=0, compare=False)

    @classmethod
    def json(cls, value: Any, status: int = 200, **rest: Any) -> ScriptedReply:
        """Return a whole JSON reply."""
        return cls(status=status, body=write(value), **rest)

    @classmethod
    def text(
        cls, text: str, content_type: str = "text/plain; charset=utf-8", **rest: Any
    ) -> ScriptedReply:
        """Return a whole reply that is not JSON."""
        return cls(body=text.encode(), content_type=content_type, **rest)

    @classmethod
    def sse(cls, *payloads: Any, named: bool = False, **rest: Any) -> ScriptedReply:
        """Return an event stream with one piece per payload.

        A str or bytes payload is the data as it is (`DONE`), anything else is dumped as
        JSON. With `named` an object's `type` is also sent in an `event:` line.
        """
        rest.setdefault("content_type", "text/event-stream")
        return cls(body=tuple(frame(payload, named=named) for payload in payloads), **rest)

    @classmethod
    def chat(
        cls,
        *deltas: str | Mapping[str, Any],
        finish: str | None = "stop",
        usage: Mapping[str, Any] | None = None,
        done: bool = True,
        **rest: Any,
    ) -> ScriptedReply:
        """Return a chat stream: a role event, one event per delta, then finish, usage, `[DONE]`.

        A str delta is content. `finish` None leaves the finish_reason out, `done` the last line.
        """

        def chunk(delta: Mapping[str, Any], reason: str | None = None) -> dict[str, Any]:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            return {**_CHUNK, "choices": [choice]}

        events: list[Any] = [chunk({"role": "assistant", "content": ""})]
        events += [chunk({"content": d} if isinstance(d, str) else d) for d in deltas]
        if finish is not None:
            events.append(chunk({}, finish))
        if usage is not None:
            events.append({**_CHUNK, "choices": [], "usage": usage})
        if done:
            events.append(DONE)
        return cls.sse(*events, **rest)

    @classmethod
    def error(
        cls,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str = "shell_api_error",
        **rest: Any,
    ) -> ScriptedReply:
        """Return an error in the family's shape."""
        return cls.json(error_body(message, code=code, param=param, type=type), status, **rest)

    def replace(self, **changes: Any) -> ScriptedReply:
        """Return the reply with other values for some fields."""
        return replace(self, **changes)

    def cut(self, after: int | None = None, *, at: int | None = None) -> ScriptedReply:
        """Close after `after` pieces or `at` bytes; with neither, before the headers."""
        return replace(self, stop=_stop("cut", after, at))

    def reset(self, after: int | None = None, *, at: int | None = None) -> ScriptedReply:
        """Send a TCP RST after `after` pieces or `at` bytes; with neither, before the headers."""
        return replace(self, stop=_stop("reset", after, at))

    def stall(self, after: int | None = None, *, at: int | None = None) -> ScriptedReply:
        """Fall silent after `after` pieces or `at` bytes; with neither, before the headers."""
        return replace(self, stop=_stop("stall", after, at))

    def hold(self) -> ScriptedReply:
        """Send everything, then keep the socket open without ending the body."""
        return replace(self, stop=Stop("stall", "piece", 1 << 60))

    @property
    def is_billed(self) -> bool:
        """Return True if a real gateway would charge for this reply.

        A gateway time-out is charged: the model has worked.
        """
        if self.billed is not None:
            return self.billed
        return 200 <= self.status < 300 or self.status in (504, 524)


class Refused(Exception):
    """The sandbox refuses a request with this reply."""

    def __init__(self, reply: ScriptedReply) -> None:
        super().__init__(reply.status)
        self.reply = reply


_CHUNK = {
    "id": "chatcmpl-reply",
    "object": "chat.completion.chunk",
    "created": 1735689600,
    "model": "sandbox-1",
}


def _stop(kind: Literal["cut", "reset", "stall"], after: int | None, at: int | None) -> Stop:
    if after is not None:
        return Stop(kind, "piece", after)
    if at is not None:
        return Stop(kind, "byte", at)
    return Stop(kind)


def frame(payload: Any, *, named: bool = False) -> bytes:
    """Return one server-sent event with this payload, its blank line included."""
    if isinstance(payload, str | bytes):
        return b"data: " + (payload.encode() if isinstance(payload, str) else payload) + b"\n\n"
    data = b"data: " + write(payload) + b"\n\n"
    return b"event: " + payload["type"].encode() + b"\n" + data if named else data


def error_body(
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    type: str = "shell_api_error",
) -> dict[str, Any]:
    """Return an error object in the gateways' shape: absent texts are empty, not null."""
    return {"error": {"message": message, "type": type, "param": param or "", "code": code or ""}}


def invalid_argument(message: str) -> Refused:
    """Return the refusal of a malformed request as Google's API says it."""
    error = {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}
    return Refused(ScriptedReply.json({"error": error}, 400))


def invalid(message: str, param: str, code: str = "invalid_value") -> Refused:
    """Return the refusal of a malformed request, naming the parameter."""
    reply = ScriptedReply.error(400, message, code=code, param=param, type="invalid_request_error")
    return Refused(reply)
