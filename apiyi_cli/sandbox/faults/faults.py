"""The faults of the sandbox: the words of `--fault SPEC` and of `fault:` model names.

A spec is terms joined by `+`; a term is `NAME[@K][*TIMES][%PERCENT]`. NAME is a status, or:

    drop       close before the headers          stall[@K]  fall silent [after event K]
    cut@K      close after event K               hold       never end the body
    reset[@K]  TCP RST [after event K]           slow[@S]   wait S seconds before each event
    error@K    error event after event K         nodone     no `[DONE]`
    html       200 and the website's home page   nofinish   `[DONE]` without finish_reason
    nothing    200 and no bytes                  length     answer cut by max_tokens
    quota      403 insufficient_user_quota       filter     answer withheld by the filter
    pings      keep-alive comments               quota429   429 insufficient_quota

    error-after-role  error event after the opening one, which holds nothing
    restart[@K]       the answer begins anew in its stream [after event K]
    empty[@1|@2]      a whole, paid answer without content ["", null, absent]
    reasoning-only    a whole, paid answer of reasoning alone
    huge-usage[@K]    token counts of 10**9 [10**K]
    blanks            a body of blanks without end
    misfit            a whole answer that is not what was asked for
    missing-rows      scores, vectors or pictures without the last one
    saturated         429, the upstream channel is full
    upstream-401      an upstream channel's 401, passed on
    failed, expired, lost, running   how a video task ends (see `videos`)

TIMES is how often each distinct request suffers before it is answered well; PERCENT is the
share of requests that suffers. A whole reply suffers the like: it is cut in its middle.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from apiyi_cli.core.endpoints import GENERATE, GENERATE_STREAM, MESSAGES
from apiyi_cli.errors import UsageError
from apiyi_cli.sandbox.endpoints.account import LastRefusal
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import DONE, ScriptedReply, error_body, frame, invalid

MODEL_PREFIX = "fault:"
SLOW_REPLY_S = 0.2
HOME_PAGE = (
    "<!doctype html>\n<html><head><title>API易</title></head>"
    "<body><h1>API易</h1><p>[sandbox] the website, not the API</p></body></html>\n"
)

Answer = Callable[[ReceivedRequest, str], ScriptedReply]
"""Makes the answer to a request with this finish_reason; raises Refused."""


class Fault(NamedTuple):
    """One term of a spec."""

    name: str
    at: float | None = None
    times: int | None = None
    percent: float | None = None


End = Callable[[ScriptedReply, Fault], ScriptedReply]
"""Changes how a reply is sent, or how it ends."""

_TERM = re.compile(
    r"([a-z0-9]+(?:-[a-z0-9]+)*)(?:@(\d+(?:\.\d+)?))?(?:\*(\d+))?(?:%(\d+(?:\.\d+)?))?"
)


def parse_faults(spec: str) -> tuple[Fault, ...]:
    """Return the terms of a spec. Raises ValueError naming an invalid term."""
    from apiyi_cli.sandbox.faults.answer_faults import CHANGES

    names = (*_ENDS, *CHANGES, *_REFUSALS, *_PLAYED_ELSEWHERE)
    faults = []
    for term in spec.split("+"):
        match = _TERM.fullmatch(term.strip())
        if not match or not (match[1] in names or _status(match[1])):
            raise ValueError(f"not a fault: {term!r}")
        kinds = {"at": float, "times": int, "percent": float}
        given = zip(kinds, match.groups()[1:], strict=True)
        faults.append(Fault(match[1], **{key: kinds[key](text) for key, text in given if text}))
    return tuple(faults)


class Faults:
    """The faults of one gateway: those of its spec, and those in model names."""

    def __init__(self, spec: str | None = None, seed: int = 0) -> None:
        try:
            self._always = parse_faults(spec) if spec else ()
        except ValueError as error:
            raise UsageError(
                "--fault", str(error), hint="a status, or a name such as cut@3, slow, html"
            ) from None
        self._draw = _draws(seed)
        self._suffered: Counter[tuple[str, Fault]] = Counter()
        self._lock = threading.Lock()
        self._refusal = LastRefusal()

    def reply(self, request: ReceivedRequest, answer: Answer) -> ScriptedReply:
        """Return the answer to a request with its faults applied."""
        faults = [*self._always, *_of_model(request)]
        if faults:
            faults = [fault for fault in faults if self._strikes(fault, request)]
        if asked := self._refusal.answer(request):
            return asked
        if request.method == "POST":
            endless = (f.name for f in faults if f.times is None and f.percent is None)
            self._refusal.note(next(endless, ""))
        finish = next((_FINISH[f.name] for f in faults if f.name in _FINISH), "stop")
        # A refusal needs no answer, and must come even where the request has mistakes.
        refusal = next(filter(None, (_refuse(fault.name) for fault in faults)), None)
        return _last(refusal or answer(request, finish), request, faults)

    def _strikes(self, fault: Fault, request: ReceivedRequest) -> bool:
        with self._lock:
            if fault.percent is not None and next(self._draw) * 100 >= fault.percent:
                return False
            if fault.times is None:
                return True
            key = (_identity(request), fault)
            self._suffered[key] += 1
            return self._suffered[key] <= fault.times


def _draws(seed: int) -> Iterator[float]:
    """Yield pseudorandom numbers from 0 to 1, the same for the same seed."""
    import random

    draw = random.Random(seed)
    while True:
        yield draw.random()


def _of_model(request: ReceivedRequest) -> tuple[Fault, ...]:
    # Parsing a large form only to see that its model has no fault would be waste.
    is_named = "/models/" in request.path or MODEL_PREFIX.encode() in request.body
    if request.method != "POST" or not is_named:
        return ()
    model = request.model
    if not model.startswith(MODEL_PREFIX):
        return ()
    try:
        # What follows a slash is the model that suffers: `fault:failed/wan2.7-t2v`.
        return parse_faults(model.removeprefix(MODEL_PREFIX).partition("/")[0])
    except ValueError as error:
        raise invalid(str(error), "model") from None


def _identity(request: ReceivedRequest) -> str:
    """Return what identifies a request: its content and sender, without form boundaries."""
    import hashlib

    digest = hashlib.sha256(f"{request.method} {request.path}?{request.query}\0".encode())
    digest.update(request.headers.get("authorization", "").encode() + b"\0")
    for part in request.parts if request.is_form else ():
        digest.update(f"{part.name}\0{part.filename}\0".encode() + part.content)
    if not request.is_form:
        digest.update(request.body)
    return digest.hexdigest()


def _last(reply: ScriptedReply, request: ReceivedRequest, faults: list[Fault]) -> ScriptedReply:
    """Return the reply with every fault applied, those of content before those of the end."""
    if not faults:
        return reply
    from apiyi_cli.sandbox.faults.answer_faults import CHANGES
    from apiyi_cli.sandbox.faults.native_faults import NATIVE_CHANGES

    is_native = request.endpoint in (MESSAGES, GENERATE, GENERATE_STREAM)
    native = NATIVE_CHANGES if is_native else {}
    for fault in faults:
        change = native.get(fault.name) or CHANGES.get(fault.name)
        if reply.status == 200 and change:
            reply = change(reply, request, fault.at)
    for fault in faults:
        if fault.name not in native and (end := _ENDS.get(fault.name)):
            reply = end(reply, fault)
    return reply


def _status(name: str) -> int:
    return int(name) if name.isdigit() and 200 < int(name) <= 999 else 0


def _refuse(name: str) -> ScriptedReply | None:
    """Return the reply of a fault that answers in the endpoint's place."""
    if status := _status(name):
        return _status_reply(status)
    return _REFUSALS.get(name)


def _status_reply(status: int) -> ScriptedReply:
    """Return the family's, or its proxy's, reply with a status."""
    if status < 300:
        return ScriptedReply(status=status)
    if status < 400:
        return ScriptedReply(status=status, headers=(("Location", "https://example.invalid/v1"),))
    if status in (413, 502, 504) or status >= 520:
        return ScriptedReply.text(
            f"<html><head><title>{status} [sandbox]</title></head>"
            f"<body><center><h1>{status}</h1></center><hr>[sandbox]</body></html>\n",
            "text/html",
            status=status,
        )
    message, code, kind = _STATUS_ERRORS.get(
        status, (f"[sandbox] status {status} as asked for", "bad_response_status_code", "")
    )
    return ScriptedReply.error(status, message, code=code, type=kind or "shell_api_error")


_STATUS_ERRORS = {
    400: ("[sandbox] bad request as asked for", "invalid_request", "invalid_request_error"),
    401: ("无效的令牌", "invalid_api_key", ""),
    402: ("[sandbox] payment required", "billing_hard_limit_reached", ""),
    403: ("无权访问 default 分组", "access_denied", ""),
    429: ("您已达到请求数限制：1分钟内最多请求100次", "rate_limit_exceeded", "rate_limit_error"),
    451: ("[sandbox] rejected by the safety system", "content_policy_violation", ""),
    501: ("API not implemented", "api_not_implemented", ""),
}

_REFUSALS = {
    # The family's word for an upstream channel that is full; its code misleads.
    "saturated": ScriptedReply.error(
        429,
        "当前分组上游负载已饱和，请稍后再试",
        code="content-type-not-allowed",
        type="rate_limit_error",
    ),
    # An upstream channel's 401, passed on: not about the caller's key.
    "upstream-401": ScriptedReply.error(
        401,
        "Incorrect API key provided: the key of the channel. [sandbox] not yours",
        code="invalid_api_key",
        type="invalid_request_error",
    ),
}
_QUOTA = ScriptedReply.error(
    403, "用户额度不足, 剩余额度: ＄0.000000", code="insufficient_user_quota"
)
_QUOTA_429 = ScriptedReply.error(429, "You exceeded your current quota", code="insufficient_quota")
_FINISH = {"length": "length", "filter": "content_filter"}


def _pieces(reply: ScriptedReply) -> tuple[bytes, ...]:
    return reply.body if isinstance(reply.body, tuple) else ()


def _make_ending(how: Callable[..., ScriptedReply]) -> End:
    """Return the change that ends a reply early: after event K, or in its middle."""

    def change(reply: ScriptedReply, fault: Fault) -> ScriptedReply:
        if fault.at is None and fault.name != "cut":
            return how(reply)
        if isinstance(reply.body, tuple):
            return how(reply, int(fault.at) if fault.at is not None else len(reply.body) // 2)
        return how(reply, at=len(reply.body) // 2 if isinstance(reply.body, bytes) else 0)

    return change


def _tear(reply: ScriptedReply, fault: Fault) -> ScriptedReply:
    """Return the reply without the second half of an event, or of its object."""
    if not isinstance(reply.body, tuple):
        body = reply.body if isinstance(reply.body, bytes) else b""
        return reply.replace(body=body[: len(body) // 2])
    at = len(reply.body) // 2 if fault.at is None else int(fault.at)
    torn = (piece[: len(piece) // 2] + b"\n\n" for piece in reply.body[at : at + 1])
    return reply.replace(body=(*reply.body[:at], *torn, *reply.body[at + 1 :]))


def _error(reply: ScriptedReply, fault: Fault) -> ScriptedReply:
    body = error_body(
        "您已达到请求数限制：1分钟内最多请求100次",
        code="rate_limit_exceeded",
        type="rate_limit_error",
    )
    pieces = _pieces(reply)
    if not pieces:
        return ScriptedReply.json(body, billed=False)
    return reply.replace(body=(*pieces[: int(fault.at or 0)], frame(body), frame(DONE)))


def _make_gap(is_gone: Callable[[bytes], bool]) -> End:

    def change(reply: ScriptedReply, fault: Fault) -> ScriptedReply:
        kept = tuple(piece for piece in _pieces(reply) if not is_gone(piece))
        return reply.replace(body=kept) if _pieces(reply) else reply

    return change


def _slow(reply: ScriptedReply, fault: Fault) -> ScriptedReply:
    pause_s = SLOW_REPLY_S if fault.at is None else fault.at
    return reply.replace(gap_s=pause_s) if _pieces(reply) else reply.replace(delay_s=pause_s)


_ENDS: dict[str, End] = {
    "drop": lambda reply, fault: reply.cut(),
    "cut": _make_ending(ScriptedReply.cut),
    "reset": _make_ending(ScriptedReply.reset),
    "stall": _make_ending(ScriptedReply.stall),
    "torn": _tear,
    "hold": lambda reply, fault: reply.hold(),
    "slow": _slow,
    "pings": lambda reply, fault: reply.replace(pings=2),
    "error": _error,
    "nodone": _make_gap(lambda piece: piece == frame(DONE)),
    "nofinish": _make_gap(lambda piece: b'"finish_reason":"' in piece or b".completed" in piece),
    "html": lambda reply, fault: ScriptedReply.text(
        HOME_PAGE, "text/html; charset=utf-8", billed=False
    ),
    "nothing": lambda reply, fault: ScriptedReply(),
    "quota": lambda reply, fault: _QUOTA,
    "quota429": lambda reply, fault: _QUOTA_429,
}
_PLAYED_ELSEWHERE = ("200", *_FINISH, "failed", "expired", "lost", "running")
"""Faults that the endpoints play."""
