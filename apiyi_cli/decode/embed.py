"""Reads the embeddings of a reply: each vector as the server's JSON text.

The numbers are never parsed: a vector is cut out of the body as bytes, the rest of the
object is read as JSON, and the numbers come out again with the digits they had. This is
also what makes it fast. Only base64 is turned into numbers.
"""

from __future__ import annotations

import binascii
from array import array
from collections.abc import Iterator, Mapping, Sequence
from sys import byteorder
from typing import Any, NamedTuple

from apiyi_cli.core.call import Reply
from apiyi_cli.core.events import Usage
from apiyi_cli.core.jsontext import (
    InvalidJSON,
    Verbatim,
    as_line,
    one_line,
    read,
    read_first,
    value_end,
    write,
)
from apiyi_cli.decode.frames.fields import find_places, read_object, read_objects, usage
from apiyi_cli.decode.frames.reply_body import is_complete, make_useless, read_body, read_json
from apiyi_cli.errors import ApiyiError, IncompleteError
from apiyi_cli.text import Text

_UNPAIRED = "unpaired"
_KEY = b'"embedding"'
_NUMERIC = b"0123456789+-.eE, \t\r\n"


class Vectors(NamedTuple):
    """The vectors of one reply as JSON arrays, in the order of its inputs.

    `raw` is the whole body, if it was asked for; `length` how many numbers a vector has.
    """

    texts: list[bytes | memoryview]
    usage: Usage | None
    raw: bytes
    length: int


def vectors(
    reply: Reply, wanted: int, dimensions: int | None = None, *, keep_body: bool = False
) -> Vectors:
    """Read the reply for `wanted` inputs; its body is kept on request.

    Sorted by `index`, whatever order they came in. Raises IncompleteError for a vector that
    is missing, surplus, of another length than the first (or than `dimensions`), or that
    holds anything but numbers: nothing is ever paired with the wrong input.
    """
    raw = read_body(reply) if reply.status < 300 else b""
    cut, spans = _cut_vectors(raw)
    skeleton = _read_skeleton(reply, raw, cut)
    answer = read_object(skeleton)
    items = read_objects(answer.get("data"))
    places = find_places(items)
    if places is None or len(items) != wanted:
        why = Text("the indexes in it are not those of the inputs")
        if len(items) != wanted:
            why = Text("{count} vectors came for {wanted} inputs", count=len(items), wanted=wanted)
        raise make_useless(reply, why).replace_facts(cause=_UNPAIRED if items else None)
    texts: list[bytes | memoryview] = [b""] * wanted
    for place, item in zip(places, items, strict=True):
        text = _find_vector(item.get("embedding"), raw, spans)
        if text is None:
            why = Text("the vector of input {place} holds something but numbers", place=place)
            raise make_useless(reply, why)
        texts[place] = text
    length = _check_lengths(reply, texts, dimensions)
    if keep_body:
        # Text between the vectors was skipped; a body that is kept is merged as a whole.
        try:
            read_first(raw)
        except InvalidJSON:
            raise make_useless(reply, Text("there is no answer in it")) from None
    return Vectors(texts, usage(answer.get("usage")), raw if keep_body else b"", length)


def _read_skeleton(reply: Reply, raw: bytes, cut: bytes) -> Any:
    """Return the answer without its vectors; raise the error of a reply without an answer."""
    try:
        return read_json(reply._replace(chunks=(cut,)) if raw else reply, cost="light")[0]
    except IncompleteError:
        if cut == raw or not is_complete(raw):
            raise
        # What was cut out at the first bracket holds more of them.
        raise make_useless(reply, Text("a vector holds something but numbers")) from None


def _check_lengths(
    reply: Reply, texts: Sequence[bytes | memoryview], dimensions: int | None
) -> int:
    """Return the length of the vectors; raise IncompleteError if they differ."""
    length = dimensions
    for place, text in enumerate(texts):
        count = bytes(text).count(b",") + 1
        length = length or count
        if count != length:
            why = Text(
                "the vector of input {place} has {count} numbers, not {length}",
                place=place,
                count=count,
                length=length,
            )
            raise make_useless(reply, why)
    return length or 0


def _cut_vectors(raw: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """Return a body without its arrays of numbers, and the spans of those.

    Each is replaced by an object with its number, which no vector can be.
    """
    rest: list[bytes] = []
    spans: list[tuple[int, int]] = []
    end = 0
    while (at := raw.find(_KEY, end)) >= 0:
        start = at + len(_KEY)
        opened = _find_bracket(raw, start)
        closed = raw.find(b"]", opened)
        if opened < 0 or closed < 0:
            rest.append(raw[end:start])
            end = start
            continue
        rest.append(raw[end:opened] + b'{"":%d}' % len(spans))
        end = closed + 1
        spans.append((opened, end))
    rest.append(raw[end:])
    return b"".join(rest), spans


def _find_bracket(raw: bytes, at: int) -> int:
    """Return where the array after a key opens, -1 for another value."""
    between, bracket, _ = raw[at : at + 64].partition(b"[")
    return at + len(between) if bracket and between.strip() == b":" else -1


def _find_vector(
    embedding: Any, raw: bytes, spans: list[tuple[int, int]]
) -> bytes | memoryview | None:
    if isinstance(embedding, dict) and isinstance(number := embedding.get(""), int):
        begin, end = spans[number]
        inner = raw[begin + 1 : end - 1].strip()
        lacking = not inner or b",," in inner or inner[:1] == b"," or inner[-1:] == b","
        return None if lacking or inner.translate(None, _NUMERIC) else memoryview(raw)[begin:end]
    if isinstance(embedding, str):
        return _decode_floats(embedding)
    return None


def _decode_floats(text: str) -> bytes | None:
    """Return the JSON text of little-endian 32-bit floats in base64, else None."""
    try:
        packed = binascii.a2b_base64(text)
        numbers = array("f", packed)
    except (ValueError, binascii.Error):
        return None
    if byteorder == "big":
        numbers.byteswap()
    written = write(numbers.tolist())
    return None if b"null" in written or not numbers else written


def is_misfit(error: ApiyiError | None) -> bool:
    """Return True for an answer whose vectors cannot be paired with the texts."""
    return isinstance(error, IncompleteError) and error.facts.kind == "misfit"


def helps_alone(error: ApiyiError | None) -> bool:
    """Return True for a misfit that may vanish if each text is asked for alone."""
    return is_misfit(error) and error is not None and error.facts.cause == _UNPAIRED


class InputAnswer(NamedTuple):
    """The answer to some of a request's inputs, as if asked alone.

    `text` is the vector of a single input.
    """

    body: bytes
    text: str
    usage: Usage | None


def split_answer(
    raw: bytes, counts: Sequence[int], weights: Sequence[int]
) -> Iterator[InputAnswer]:
    """Yield the answers to lists of inputs, of one body that `vectors` read.

    Numbers keep their digits. Each count of the usage is shared by the weights, so that the
    shares add up to it; what is not a count in the usage itself is left out.
    """
    cut, spans = _cut_vectors(raw)
    whole = read_first(cut, exact=True)
    items = read_objects(whole["data"])
    ordered = _in_order(items)
    first = weight = 0
    for count, share in zip(counts, weights, strict=True):
        own: list[dict[str, Any]] = []
        text = ""
        for index, item in enumerate(ordered[first : first + count]):
            vector = item["embedding"]
            if isinstance(vector, dict):
                begin, end = spans[vector[""]]
                line = one_line(raw[begin:end])
                vector, text = Verbatim(line), line.decode()
            elif count == 1:
                text = (_decode_floats(vector) or b"").decode()
            own.append({**item, "index": index, "embedding": vector})
        counted = _share(read_object(whole.get("usage")), weight, weight + share, sum(weights))
        answer = {**whole, "data": own, **({"usage": counted} if counted else {})}
        yield InputAnswer(write(answer), text if count == 1 else "", usage(counted))
        first, weight = first + count, weight + share


def _in_order(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    placed = zip(find_places(items) or range(len(items)), items, strict=True)
    return [item for _, item in sorted(placed, key=lambda pair: pair[0])]


def _share(counts: Mapping[str, Any], begin: int, end: int, whole: int) -> dict[str, int]:
    """Return each count's part between two weights, rounded so that parts add up."""
    return {
        name: count * end // whole - count * begin // whole
        for name, count in counts.items()
        if isinstance(count, int) and not isinstance(count, bool)
    }


def with_vector(line: bytes, vector: bytes | memoryview) -> bytes:
    """Return the object of a line with its vector added, all other bytes unchanged."""
    if b"embedding" in line:
        line = _without(line, "embedding")
    return b'%s,"embedding":%s}\n' % (line.strip()[:-1].rstrip(), vector)


def split_vector(line: bytes) -> tuple[bytes, bytes | None]:
    """Return the object of an output line without its vector, and the vector's JSON text.

    The vector is the last member, as `with_vector` puts it; None where there is none.
    """
    before, key, vector = line.rpartition(b',"embedding":[')
    if not key or not line.endswith(b"]}\n"):
        return line, None
    return before + b"}\n", b"[" + vector[:-2]


def with_error(line: bytes, error: bytes) -> bytes:
    """Return the object of a line with an error in place of a vector."""
    for name in ("embedding", "error"):
        if name.encode() in line:
            line = _without(line, name)
    inner = line.strip()[:-1].rstrip()
    separator = b"" if inner == b"{" else b","
    return b'%s%s"error":%s}\n' % (inner, separator, error)


def _without(line: bytes, member: str) -> bytes:
    """Return the object without a member; the others keep their bytes."""
    text = line.decode()
    members, at = [], text.index("{") + 1
    if text[_past_space(text, at)] == "}":
        return b"{}"
    while True:
        begin = _past_space(text, at)
        at = value_end(text, begin)
        name = read(text[begin:at])
        at = value_end(text, _past_space(text, _past_space(text, at) + 1))
        if name != member:
            members.append(text[begin:at])
        at = _past_space(text, at) + 1
        if text[at - 1] == "}":
            return ("{" + ",".join(members) + "}").encode()


def _past_space(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


def merge_replies(
    replies: Sequence[bytes],
    indexes: Sequence[Sequence[int]],
    errors: Sequence[dict[str, Any]] = (),
) -> bytes:
    """Return one object for several replies, their vectors in the order of the inputs.

    `indexes` are the numbers of the inputs of each reply, `errors` the inputs without a vector.
    One reply to all inputs comes back as it was, on one line.
    """
    if len(replies) == 1 and not errors and list(indexes[0]) == list(range(len(indexes[0]))):
        return as_line(replies[0])
    whole: dict[str, Any] = {}
    data: list[Any] = []
    counts: dict[str, Any] = {}
    for raw, numbers in zip(replies, indexes, strict=True):
        value = read_first(raw, exact=True)
        whole = whole or value
        ordered = _in_order(read_objects(value["data"]))
        data += [{**item, "index": index} for index, item in zip(numbers, ordered, strict=False)]
        for name, count in read_object(value.get("usage")).items():
            if isinstance(count, int) and not isinstance(count, bool):
                counts[name] = counts.get(name, 0) + count
    data.sort(key=lambda item: item["index"])
    more = {"errors": list(errors)} if errors else {}
    return write({"object": "list", **whole, "data": data, "usage": counts, **more})
