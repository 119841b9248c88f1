"""`ReceivedBody`: keeps the body of a paid reply until a decoder has used it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from apiyi_cli.cli.process import Process
from apiyi_cli.core.call import Reply
from apiyi_cli.core.jsontext import read_first
from apiyi_cli.core.secret import redact_body
from apiyi_cli.errors import ApiyiError, IncompleteError, RejectedError
from apiyi_cli.output.rescue import KEPT_MAX_BYTES
from apiyi_cli.text import Text, join_texts

T = TypeVar("T")

PARSED_MAX_BYTES: Final = 8 << 20
QUOTED_BYTES: Final = 400
"""Words of as many bytes are in the message of the error, whatever their language."""

_PAGE = re.compile(rb"\s*<(?:!doctype html|html|head|body)", re.IGNORECASE)


class ReceivedBody:
    """Keeps the body of a 2xx reply until something of it is used.

    What is saved goes to the rescue folder of the `process`, without its secrets.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_used = False
        self._has_items = False

    def record(
        self,
        decode: Callable[[Reply], Iterator[T]],
        is_used: Callable[[T], bool] = lambda item: True,
        *,
        until_end: bool = False,
    ) -> Callable[[Reply], Iterator[T]]:
        """Return the decoder, with the body of its reply kept while it is read.

        Each attempt begins anew. From the first item that `is_used` on nothing is kept: it is
        the answer, which the caller shows and keeps. With `until_end` that holds from the last
        item on: what is put together of them is shown whole.
        """

        def decode_and_keep(reply: Reply) -> Iterator[T]:
            self._forget()
            self._has_items = False
            self._is_used = not 200 <= reply.status < 300
            if not self._is_used:
                reply = reply._replace(chunks=self._keep_chunks(reply.chunks))
            items = decode(reply)
            for item in items:
                self._has_items = True
                if not is_used(item):
                    yield item
                    continue
                if not until_end:
                    self._stop()
                yield item
                yield from items
                self._stop()

        return decode_and_keep

    def keep(self, failure: ApiyiError, hint: str | None) -> str | None:
        """Save the body if the failure says that an answer came and is unusable.

        Returns the hint, with the place added to it. An error page or the gateway's own refusal is
        not an answer: the message has its words.
        """
        if failure.received and not self._size:
            # What the engine could not read as a body.
            self._pieces, self._size = [failure.received], len(failure.received)
        elif not self._is_answer(failure):
            return hint
        return join_texts(filter(None, (hint, self.keep_unused())), "; ") or None

    def keep_unused(self) -> str | None:
        """Save a complete body that was not used; return the hint that says where."""
        path = self.keep_partial()
        return None if path is None else Text("what came is in {path}", path=path)

    def keep_partial(self) -> Path | None:
        """Save the undecoded body; return its path, None if there is none."""
        if self._is_used or not self._size:
            return None
        with suppress(OSError):
            body = redact_body(b"".join(self._pieces), self._process.secrets)
            return self._process.rescue.keep([body])
        return None

    def _keep_chunks(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        pieces = iter(chunks)
        for piece in pieces:
            self._size += len(piece)
            if self._is_used or self._size > KEPT_MAX_BYTES:
                self._forget()
                yield piece
                yield from pieces
                return
            self._pieces.append(piece)
            yield piece

    def _stop(self) -> None:
        self._is_used = True
        self._forget()

    def _forget(self) -> None:
        self._pieces = []
        self._size = 0

    def _is_answer(self, failure: ApiyiError) -> bool:
        if isinstance(failure, IncompleteError):
            # An error after an opening event is none.
            return not self._has_items or failure.facts.phase == "content"
        return isinstance(failure, RejectedError) and self._is_foreign()

    def _is_foreign(self) -> bool:
        """Return True for an answer in an unknown form: neither an error nor a page.

        A large body is judged by its first byte, because no error is large, and what a body
        that unfolds without end becomes when it is parsed has no place in memory.
        """
        from apiyi_cli.core.filetypes import is_binary

        head = b"".join(self._pieces[:1])[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
        if head.startswith((b"{", b"[")):
            return self._size > PARSED_MAX_BYTES or _is_foreign_json(b"".join(self._pieces))
        return not _PAGE.match(head) and (
            self._size > QUOTED_BYTES or is_binary(b"".join(self._pieces))
        )


def _is_foreign_json(body: bytes) -> bool:
    from apiyi_cli.decode.errors.fault import classify_event

    try:
        value = read_first(body)
    except ValueError:
        return False
    return isinstance(value, dict | list) and bool(value) and classify_event(value) is None
