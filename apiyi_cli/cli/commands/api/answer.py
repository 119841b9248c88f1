"""The answer to a raw call: printed as it arrives, checked at its end."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.jsontext import read_first
from apiyi_cli.decode.frames.reply_body import (
    classify_refusal,
    detect_kind,
    find_refusal,
    make_cut,
    parse_body,
    read_body,
)
from apiyi_cli.errors import ApiyiError
from apiyi_cli.text import Text

JUDGED_MAX_BYTES = 1 << 20
_END_BYTES = 256
_STREAM_START = re.compile(
    rb'"choices"\s*:|"candidates"\s*:|"type"\s*:\s*"(?:response\.|message_start)'
)
"""The marks of streams of the three protocols; other streams are not checked."""
_STREAM_END = re.compile(
    rb'"(?:finish_reason|finishReason)"\s*:\s*"'
    rb'|"type"\s*:\s*"(?:response\.(?:completed|incomplete)|message_stop)"'
)
"""The marks of a complete stream."""


class RawAnswer:
    """Passes an answer on as it arrives, and checks it at its end.

    It remembers the first and the last bytes: an object is judged whole or not at all, and
    the last event says how a stream ended.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self.refusal = b""
        """The body of a refusal, empty if the last attempt was not refused."""

    def decode(self, reply: Reply) -> Iterator[bytes]:
        """Yield the body in pieces. Raises the error of a refusal or of an incomplete body."""
        self.refusal = b""
        if reply.status >= 300:
            self.refusal = read_body(reply, limit=JUDGED_MAX_BYTES)
            reply = reply._replace(chunks=(self.refusal,))
            raise classify_refusal(reply, cost=self._call.cost, model=self._call.model)
        head, tail, is_finished = bytearray(), b"", False
        for piece in reply.chunks:
            if len(head) <= JUDGED_MAX_BYTES:
                head += piece
            seen = tail + piece
            is_finished = is_finished or _STREAM_END.search(seen) is not None
            tail = seen[-_END_BYTES:]
            yield piece
        if error := self._find_error(reply, bytes(head), is_finished):
            raise error

    def _find_error(self, reply: Reply, head: bytes, is_finished: bool) -> ApiyiError | None:
        """Return the error that the answer means: a web page, a refusal, a cut stream."""
        kind, _ = detect_kind(reply._replace(chunks=(head,)))
        if kind == "sse":
            is_known = _STREAM_START.search(head) is not None
            why = Text("the stream ended without its last event")
            return make_cut(reply, why) if is_known and not is_finished else None
        if kind == "html":
            try:
                parse_body(reply, kind, head)
            except ApiyiError as error:
                return error
        if kind != "json" or len(head) > JUDGED_MAX_BYTES:
            return None
        try:
            value = read_first(head)
        except ValueError:
            return None
        return find_refusal(reply, value, self._call.cost, self._call.model)
