"""Reads replies to their end, and detects the kind of body.

The kind is judged by the first bytes and by the content type together: gateways send HTML and
errors with status 200, events as `text/plain`, and objects where events were asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Literal

from apiyi_cli.core.call import Cost, Reply
from apiyi_cli.core.jsontext import read_first, trim
from apiyi_cli.decode.frames.fields import is_markup, read_object
from apiyi_cli.decode.frames.filler import MOST_FILLER_BYTES, drop_endless_filler
from apiyi_cli.decode.frames.sse import frames, json_events
from apiyi_cli.decode.frames.utf8 import as_utf8
from apiyi_cli.errors import (
    PAGE,
    ApiyiError,
    Facts,
    IncompleteError,
    LimitError,
    Phase,
    RejectedError,
    TemporaryError,
    describe_billing,
)
from apiyi_cli.text import Text, join_texts

Kind = Literal["sse", "json", "html", "empty", "text"]

_MAX_BODY = 512 * 2**20
_MAX_REFUSAL = 2**20
_UNDECIDED = b"[deir\xef"
_EVENT_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":", b"[DONE]")
_EVENT_FIELD = rb"[A-Za-z][A-Za-z0-9_-]*(?::|\Z)"


def read_body(
    reply: Reply, chunks: Iterable[bytes] | None = None, *, limit: int = _MAX_BODY
) -> bytes:
    """Read the body to its end, from `chunks` if `detect_kind` has begun to read.

    A JSON text that is complete counts as the end, even if the connection breaks after it (some
    gateways send everything but the last chunk's mark). Raises IncompleteError where it breaks
    earlier, and RejectedError for a body of more than `limit` bytes.
    """
    parts: list[bytes] = []
    size = judged = 0
    try:
        for chunk in drop_endless_filler(reply.chunks if chunks is None else chunks):
            if not chunk:
                # Some servers keep a connection alive with these without end; they hold no data.
                if judged != size and is_complete(b"".join(parts)):
                    break
                judged = size
                continue
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                raise RejectedError(
                    Text("the answer cannot be read"),
                    Text("it is larger than {limit} MB", limit=limit // 2**20),
                    facts=facts_of(reply, "content"),
                )
    except RejectedError as error:
        raise make_incomplete(error, reply, "content", "") from None
    except ApiyiError as error:
        raw = as_utf8(reply, b"".join(parts))
        if is_complete(raw):
            return raw
        raise make_incomplete(
            error, reply, "content" if size else "opened", Text("{size} bytes had come", size=size)
        ) from error
    finally:
        reply.close()
    return as_utf8(reply, b"".join(parts))


def read_json(reply: Reply, *, cost: Cost = "text") -> tuple[dict[str, Any] | list[Any], bytes]:
    """Read a reply that is one JSON object or array; return it with its bytes.

    Raises the classified error for a status that is not 2xx, a redirect, and an error inside a
    2xx; RejectedError for a page or text; IncompleteError for an empty or cut answer. Events that
    were not requested are assembled as in `assemble_completion`.
    """
    kind, raw = read_whole(reply, cost, None, drops_comments=True)
    value = _merge_events(reply, raw, cost) if kind == "sse" else parse_body(reply, kind, raw)
    if error := find_refusal(reply, value, cost):
        raise error
    return value, raw


def read_whole(
    reply: Reply, cost: Cost, model: str | None, *, drops_comments: bool = False
) -> tuple[Kind, bytes]:
    """Return an answer's kind and whole body; raise the error of a refusal.

    With `drops_comments` a stream is its events alone: its comments may be endless.
    """
    try:
        if reply.status >= 300:
            raise classify_refusal(reply, cost=cost, model=model)
        kind, chunks = detect_kind(reply)
        is_filtered = drops_comments and kind == "sse"
        return kind, read_body(reply, _events_of(chunks) if is_filtered else chunks)
    finally:
        reply.close()


def find_refusal(
    reply: Reply, value: Any, cost: Cost, model: str | None = None, phase: Phase = "opened"
) -> ApiyiError | None:
    """Return the error in a value of a 2xx reply, None for an answer."""
    from apiyi_cli.decode.errors.fault import classify_event

    return classify_event(value, reply, cost=cost, model=model, phase=phase)


def find_event_refusal(
    reply: Reply,
    event: Any,
    cost: Cost,
    model: str | None = None,
    phase: Phase = "opened",
    *,
    begun: bool,
) -> ApiyiError | None:
    """Return the error in an event of a stream, None for an answer.

    The gateway bills the prompt of a stream that has `begun`, and of one whose first event is
    an upstream channel's passing trouble, sent on as it came (measured on new-api). Full
    channels are the gateway's own word.
    """
    from apiyi_cli.decode.errors.fault import is_passed_on

    if (error := find_refusal(reply, event, cost, model, phase)) is None:
        return None
    is_passing = isinstance(error, TemporaryError) and error.facts.cause != "saturated"
    is_paid = begun or (is_passing and is_passed_on(event))
    return error.replace_facts(billed="maybe") if is_paid else error


def read_events(
    reply: Reply,
    chunks: Iterable[bytes],
    model: str | None = None,
    on_damage: Callable[[bytes], object] = lambda data: None,
) -> Iterator[dict[str, Any]]:
    """Yield the objects of a stream of heavy work; raise an error among them."""
    begun = False
    for event in filter(None, map(read_object, json_events(chunks, on_damage))):
        if error := find_event_refusal(reply, event, "heavy", model, begun=begun):
            raise error
        begun = True
        yield event


def classify_refusal(reply: Reply, *, cost: Cost, model: str | None = None) -> ApiyiError:
    """Return the error of a reply whose status is not 2xx."""
    raw = bytearray()
    try:
        for chunk in reply.chunks:
            raw += chunk
            if len(raw) >= _MAX_REFUSAL:
                break
    except LimitError:
        raise
    except ApiyiError:
        pass  # The status says enough.
    finally:
        reply.close()
    from apiyi_cli.decode.errors.fault import classify_reply

    return classify_reply(reply, bytes(raw), cost=cost, model=model)


def detect_kind(reply: Reply) -> tuple[Kind, Iterator[bytes]]:
    """Return the kind of an answer, and its whole body.

    The iterator gives every byte, those that were read for the purpose included. Raises
    IncompleteError where the connection breaks before the kind is known.
    """
    declared = reply.headers.get("content-type", "").lower()
    chunks = iter(reply.chunks)
    read: list[bytes] = []
    blanks = 0
    head = b""
    try:
        for chunk in chunks:
            head = trim(head + chunk)
            blanks = 0 if head else blanks + len(chunk)
            if blanks < MOST_FILLER_BYTES:
                # More of them mean no more, and they may come without end.
                read.append(chunk)
            if len(head) >= 6 or (head and head[:1] not in _UNDECIDED):
                break
    except ApiyiError as error:
        raise make_incomplete(
            error, reply, "opened", Text("nothing of the answer had come")
        ) from error
    return _kind(head, declared), chain(read, chunks)


def _kind(head: bytes, declared: str) -> Kind:
    if not head:
        return "empty"
    if is_markup(head):
        return "html"
    cut_start = any(start.startswith(head) for start in _EVENT_STARTS) and head != b"["
    if head.startswith(_EVENT_STARTS) or cut_start:
        return "sse"
    if head[:1] in b"{[":
        return "json"
    # Plain words stay words, whatever a proxy calls them; events may begin with an unknown field.
    if "event-stream" in declared and re.match(_EVENT_FIELD, head):
        return "sse"
    return "json" if "json" in declared else "text"


def parse_body(
    reply: Reply, kind: Kind, raw: bytes, *, large: bool = False
) -> dict[str, Any] | list[Any]:
    """Return the JSON object or array of a 2xx answer.

    `large` is True for megabytes of base64. Raises IncompleteError when it is empty or cut,
    RejectedError if not the API answered.
    """
    if kind == "empty" or not trim(raw):
        raise IncompleteError(
            Text("the answer is empty"),
            Text("the gateway sent status {status} and nothing else", status=reply.status),
            facts=facts_of(reply, "opened"),
        )
    if kind == "html":
        raise _make_page_error(reply, raw)
    try:
        value = read_first(raw, fast=large)
    except ValueError as error:
        if trim(raw)[:1] in (b"{", b"["):
            why = Text("its {count} bytes are not complete JSON", count=len(raw))
            raise make_cut(reply, why) from error
        value = None
    if not isinstance(value, dict | list):
        raise _make_text_error(reply, raw)
    return value


def _make_page_error(reply: Reply, raw: bytes) -> RejectedError:
    from apiyi_cli.decode.errors.error_body import read_error_page

    page = read_error_page(trim(raw), reply.headers)
    url = reply.url or reply.host or "the gateway"
    why = Text("{message} instead of JSON, from {url}", message=page.message, url=url)
    return make_foreign(reply, why).replace_facts(request_id=page.request_id, cause=PAGE)


def make_foreign(reply: Reply, why: str, hint: str | None = None) -> RejectedError:
    """Return the error for an answer that does not come from the API."""
    from apiyi_cli.decode.errors.error_body import describe_address_check

    hint = describe_address_check(reply.url) if hint is None else hint
    facts = facts_of(reply, "opened")
    return RejectedError(Text("what answered is not the API"), why, hint=hint, facts=facts)


def _make_text_error(reply: Reply, raw: bytes) -> ApiyiError:
    from apiyi_cli.decode.errors.error_body import quote_text

    if kind := name_binary(raw):
        why = Text("{kind} instead of JSON, {size} bytes", kind=kind, size=len(raw))
    else:
        quote = quote_text(trim(raw), reply.headers)
        if known := find_refusal_in_words(reply, quote, "text"):
            return known
        why = Text("text instead of JSON: {said}", said=quote)
    return make_foreign(reply, why)


def find_refusal_in_words(reply: Reply, words: str, cost: Cost) -> ApiyiError | None:
    """Return the error that known words of a 2xx reply mean, else None."""
    known = find_refusal(reply, {"error": words}, cost)
    return known if known is not None and known.facts.cause is not None else None


def name_binary(raw: bytes) -> str:
    """Return the type of bytes that are not text, "" for text."""
    from apiyi_cli.core.filetypes import detect_type, is_binary

    if not is_binary(raw):
        return ""
    kind = detect_type(raw)
    return kind.mime if kind is not None else Text("binary data")


def facts_of(reply: Reply, phase: Phase, *, kind: str | None = None) -> Facts:
    """Return a reply's facts for a failure that its status does not show."""
    return Facts(
        status=reply.status,
        request_id=reply.request_id,
        host=reply.host or None,
        phase=phase,
        kind=kind,
    )


def make_cut(reply: Reply, why: str, *, hint: str | None = None) -> IncompleteError:
    """Return the error for an answer that ended early though the transport did not break."""
    facts = facts_of(reply, "content")
    return IncompleteError(Text("the answer was cut"), why, hint=hint, facts=facts)


def make_misfit(
    reply: Reply,
    why: str,
    phase: Phase = "content",
    *,
    hint: str | None = None,
    kind: str | None = None,
) -> IncompleteError:
    """Return the error for an answer of another kind than was asked for."""
    facts = facts_of(reply, phase, kind=kind)
    return IncompleteError(
        Text("the answer is not what was asked for"), why, hint=hint, facts=facts
    )


def make_useless(reply: Reply, why: str) -> IncompleteError:
    """Return the error for vectors or scores that do not belong to what was sent."""
    hint = describe_billing("yes", Text("nothing of it is used"))
    return make_misfit(reply, why, hint=hint, kind="misfit").replace_facts(billed="yes")


def make_incomplete(error: ApiyiError, reply: Reply, phase: Phase, why: str) -> ApiyiError:
    """Return the IncompleteError for a transport that broke during the body.

    The transport's facts (how it broke, after what time) are kept. A limit that the user set,
    and a body that cannot be decoded at all, stay the errors that they are.
    """
    if isinstance(error, LimitError | RejectedError):
        return error.add_facts(status=reply.status, host=reply.host or None, phase=phase)
    known = error.facts._replace(
        status=reply.status,
        request_id=error.facts.request_id or reply.request_id,
        host=error.facts.host or reply.host or None,
        phase=phase,
    )
    what = Text("the answer was cut")
    why = join_texts((error.why if error.what == what else error.summary(), why), "; ")
    return IncompleteError(what, why, hint=error.hint, facts=known, received=error.received)


def _merge_events(reply: Reply, raw: bytes, cost: Cost) -> dict[str, Any] | list[Any]:
    """Return the object that events form together; raise an error among them."""
    data = [frame.data for batch in frames([raw]) for frame in batch]
    for place, event in enumerate(data):
        try:
            value = read_first(event)
        except ValueError:
            continue
        if error := find_event_refusal(reply, value, cost, begun=place > 0):
            raise error
    from apiyi_cli.decode.answers.assemble import assemble_completion

    if answer := assemble_completion(data):
        return answer
    raise IncompleteError(
        Text("the answer is empty"),
        Text("the gateway sent events without an answer in them"),
        facts=facts_of(reply, "opened"),
    )


def _events_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the events of a stream without its comments, which may be endless."""
    for batch in frames(chunks):
        for frame in batch:
            yield b"data: %s\n\n" % frame.data.replace(b"\n", b"\ndata: ")
            if frame.data.startswith(b"[DONE]"):
                return


def is_complete(raw: bytes) -> bool:
    """Return True if the bytes are one whole JSON object or array."""
    if trim(raw)[:1] not in (b"{", b"["):
        return False
    try:
        read_first(raw)
    except ValueError:
        return False
    return True
