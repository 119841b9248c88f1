"""Frames out of bytes, wherever the network cuts them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator

import pytest

from apiyi_cli.decode.frames.sse import Frame, frames, json_events
from apiyi_cli.errors import ApiyiError, IncompleteError

F = Frame
OBJECT = b'{"a":1}'

STREAMS: dict[str, tuple[bytes, list[Frame]]] = {
    "nothing": (b"", []),
    "blank lines only": (b"\n\n\n\n", []),
    "one event": (b"data: x\n\n", [F(b"x")]),
    "two events": (b"data: x\n\ndata: y\n\n", [F(b"x"), F(b"y")]),
    "no space": (b"data:x\n\n", [F(b"x")]),
    "two spaces keep one": (b"data:  x\n\n", [F(b" x")]),
    "tab is data": (b"data:\tx\n\n", [F(b"\tx")]),
    "space at the end is data": (b"data: x \n\n", [F(b"x ")]),
    "colons in data": (b"data: a:b: c\n\n", [F(b"a:b: c")]),
    "CRLF": (b"data: x\r\n\r\ndata: y\r\n\r\n", [F(b"x"), F(b"y")]),
    "CR": (b"data: x\r\rdata: y\r\r", [F(b"x"), F(b"y")]),
    "LF then CRLF": (b"data: x\n\r\ndata: y\n\r\n", [F(b"x"), F(b"y")]),
    "CRLF then LF": (b"data: x\r\n\ndata: y\r\n\n", [F(b"x"), F(b"y")]),
    "CR then LF then LF": (b"data: x\r\n\n", [F(b"x")]),
    "CR then CRLF": (b"data: x\r\r\ndata: y\r\r\n", [F(b"x"), F(b"y")]),
    "LF then CR": (b"data: x\n\rdata: y\n\r", [F(b"x"), F(b"y")]),
    "CRLF at the end only": (b"data: x\r\n", [F(b"x")]),
    "no blank line at the end": (b"data: x\n\ndata: y\n", [F(b"x"), F(b"y")]),
    "no line end at the end": (b"data: x\n\ndata: y", [F(b"x"), F(b"y")]),
    "CR at the very end": (b"data: x\r", [F(b"x")]),
    "three line ends": (b"data: x\n\n\ndata: y\n\n\n", [F(b"x"), F(b"y")]),
    "four line ends": (b"data: x\n\n\n\ndata: y\n\n\n\n", [F(b"x"), F(b"y")]),
    "blank lines first": (b"\n\ndata: x\n\n", [F(b"x")]),
    "one blank line first": (b"\ndata: x\n\n", [F(b"x")]),
    "CRLF blank line first": (b"\r\ndata: x\r\n\r\n", [F(b"x")]),
    "byte order mark": (b"\xef\xbb\xbfdata: x\n\n", [F(b"x")]),
    "mark before a blank line": (b"\xef\xbb\xbf\n\ndata: x\n\n", [F(b"x")]),
    "only a mark": (b"\xef\xbb\xbf", []),
    "second mark is no field": (b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\n", []),
    "mark inside the data": (b"data: \xef\xbb\xbf\n\n", [F(b"\xef\xbb\xbf")]),
    "half a mark": (b"\xef\xbbdata: x\n\n", []),
    "empty data": (b"data: \n\ndata:\n\ndata\n\n", []),
    "empty data between": (b"data: x\n\ndata: \n\ndata: y\n\n", [F(b"x"), F(b"y")]),
    "comment": (b": PING\n\n", []),
    "comment without space": (b":PING\n\n", []),
    "bare colon": (b":\n\ndata: x\n\n", [F(b"x")]),
    "comments between": (b"data: x\n\n: PING\n\n: PING\n\ndata: y\n\n", [F(b"x"), F(b"y")]),
    "comment within an event": (b"data: x\n: note\ndata: y\n\n", [F(b"x"), F(b"y")]),
    "comment that looks like data": (b": data: z\ndata: x\n\n", [F(b"x")]),
    "event name": (b"event: e\ndata: x\n\n", [F(b"x", "e")]),
    "event name without space": (b"event:e\ndata:x\n\n", [F(b"x", "e")]),
    "name after data": (b"data: x\nevent: e\n\n", [F(b"x", "e")]),
    "last name holds": (b"event: a\nevent: b\ndata: x\n\n", [F(b"x", "b")]),
    "name without data": (b"event: e\n\ndata: x\n\n", [F(b"x")]),
    "name does not last": (b"event: e\ndata: x\n\ndata: y\n\n", [F(b"x", "e"), F(b"y")]),
    "name in UTF-8": ("event: é\ndata: x\n\n".encode(), [F(b"x", "é")]),
    "id, retry, unknown": (b"id: 1\nretry: 10\nfoo: bar\nbaz\ndata: x\n\n", [F(b"x")]),
    "bad retry": (b"retry: soon\ndata: x\n\n", [F(b"x")]),
    "only an id": (b"id: 7\n\n", []),
    "field in capitals": (b"Data: x\n\ndata: y\n\n", [F(b"y")]),
    "field with a space before": (b" data: x\n\ndata: y\n\n", [F(b"y")]),
    "datax is not data": (b"datax: x\n\ndata: y\n\n", [F(b"y")]),
    "JSON over two lines": (b'data: {"a":\ndata: 1}\n\n', [F(b'{"a":\n1}')]),
    "JSON over lines with CR": (b'data: {\rdata: "a":1\rdata: }\r\r', [F(b'{\n"a":1\n}')]),
    "JSON with an empty line": (b'data: {"a":\ndata:\ndata: 1}\n\n', [F(b'{"a":\n\n1}')]),
    "objects without a blank line": (
        b'data: {"a":1}\ndata: {"b":2}\n\n',
        [F(b'{"a":1}'), F(b'{"b":2}')],
    ),
    "objects and done without blank lines": (
        b'data: {"a":1}\ndata: {"b":2}\ndata: [DONE]\n',
        [F(b'{"a":1}'), F(b'{"b":2}'), F(b"[DONE]")],
    ),
    "done": (b'data: {"a":1}\n\ndata: [DONE]\n\n', [F(OBJECT), F(b"[DONE]")]),
    "done with one line end": (b'data: {"a":1}\n\ndata: [DONE]\n', [F(OBJECT), F(b"[DONE]")]),
    "done without data": (b'data: {"a":1}\n\n[DONE]\n\n', [F(OBJECT), F(b"[DONE]")]),
    "done without space": (b"data:[DONE]\n\n", [F(b"[DONE]")]),
    "more after done": (b'data: [DONE]\n\ndata: {"a":1}\n\n', [F(b"[DONE]"), F(OBJECT)]),
    "bare object": (b'data: x\n\n{"error":"e"}\n\n', [F(b"x"), F(b'{"error":"e"}')]),
    "null": (b"data: null\n\n", [F(b"null")]),
    "U+2028 and U+2029": ("data: \u2028\u2029x\n\n".encode(), [F("\u2028\u2029x".encode())]),
    "U+0085": ("data: a\u0085b\n\n".encode(), [F("a\u0085b".encode())]),
    "VT, FF, FS, GS, RS": (b"data: a\x0b\x0c\x1c\x1d\x1eb\n\n", [F(b"a\x0b\x0c\x1c\x1d\x1eb")]),
    "NUL": (b"data: a\x00b\n\n", [F(b"a\x00b")]),
    "emoji": ("data: 🙂é中\n\n".encode(), [F("🙂é中".encode())]),
    "bytes that are not UTF-8": (b"data: a\xff\xfeb\n\n", [F(b"a\xff\xfeb")]),
    "escaped line ends": (b'data: {"a":"\\r\\n\\n"}\n\n', [F(b'{"a":"\\r\\n\\n"}')]),
    "NaN over two lines": (b'data: {"a":\ndata: NaN}\n\n', [F(b'{"a":\nNaN}')]),
    "lone surrogate over two lines": (
        b'data: {"a":\ndata: "\\ud83d"}\n\n',
        [F(b'{"a":\n"\\ud83d"}')],
    ),
}


def flat(chunks: Iterable[bytes]) -> list[Frame]:
    return [frame for batch in frames(chunks) for frame in batch]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_gives_the_same_frames_wherever_it_is_cut(name: str) -> None:
    raw, expected = STREAMS[name]

    assert flat([raw]) == expected
    for cut in range(1, len(raw)):
        assert flat([raw[:cut], raw[cut:]]) == expected, (raw[:cut], raw[cut:])


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_gives_the_same_frames_in_single_bytes(name: str) -> None:
    raw, expected = STREAMS[name]

    assert flat([raw[at : at + 1] for at in range(len(raw))]) == expected
    assert flat([piece for at in range(len(raw)) for piece in (b"", raw[at : at + 1])]) == expected


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_ends_early_gives_whole_frames_and_at_most_a_part_of_one(name: str) -> None:
    raw, expected = STREAMS[name]
    data = b"".join(frame.data for frame in expected).replace(b"\n", b"")

    for end in range(len(raw)):
        got = b"".join(frame.data for frame in flat([raw[:end]])).replace(b"\n", b"")
        assert data.startswith(got), raw[:end]


def test_there_are_enough_streams() -> None:
    assert len(STREAMS) >= 60


def simple_frames(raw: bytes) -> list[Frame]:
    """Decode by the standard's own steps, line by line, with the two liberties that we take."""
    text = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    found: list[Frame] = []
    data: list[bytes] = []
    event = ""
    for line in [*text.split(b"\n"), b""]:
        if not line:
            joined = b"\n".join(data)
            parts = [joined]
            if len(data) > 1:
                try:
                    json.loads(joined.decode("utf-8", "replace"))
                except ValueError:
                    parts = data
            found += [Frame(part, event) for part in parts if part]
            data, event = [], ""
        elif line == b"[DONE]":
            data.append(line)
        else:
            field, colon, rest = line.partition(b":")
            rest = rest[1:] if rest[:1] == b" " else rest
            if field == b"data" and colon:
                data.append(rest)
            elif field == b"event" and colon:
                event = rest.decode("utf-8", "replace")
    return found


def generated(random: random.Random) -> bytes:
    """Return a stream of random lines with random line ends."""
    ends = random.choice([[b"\n"], [b"\r\n"], [b"\r"], [b"\n", b"\r\n", b"\r"]])
    lines = [b"\xef\xbb\xbf"] if random.random() < 0.1 else []
    for _ in range(random.randrange(14)):
        lines.append(
            random.choice(
                [
                    b"data: " + json.dumps({"t": random.choice(["", "é", "a\n", "🙂"])}).encode(),
                    b"data:" + random.choice([b"", b" ", b"x", b"  y", b"\xff", b"{", b"}"]),
                    b"data: \xe2\x80\xa8\xc2\x85",
                    b"event: " + random.choice([b"ping", b"", b"error"]),
                    random.choice([b": PING", b":", b"id: 1", b"retry: x", b"junk", b"data"]),
                    b"",
                    b"",
                    b"",
                ]
            )
        )
        lines.append(random.choice(ends))
    if random.random() < 0.5:
        lines += [b"data: [DONE]", random.choice(ends), random.choice(ends)]
    raw = b"".join(lines)
    return raw[: random.randrange(len(raw) + 1)] if random.random() < 0.2 else raw


def cut_up(raw: bytes, random: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(raw):
        size = random.choice([1, 2, 3, 7, 30, 200])
        yield raw[at : at + size]
        at += size


def test_ten_thousand_generated_streams_agree_with_a_simple_decoder() -> None:
    seeded = random.Random(20260819)
    several = 0
    for _ in range(10_000):
        raw = generated(seeded)
        expected = simple_frames(raw)
        assert flat([raw]) == expected, raw
        assert flat(cut_up(raw, seeded)) == expected, raw
        several += len(expected) > 1
    assert several > 4_000


def test_what_arrived_together_is_handed_on_together() -> None:
    reads = [
        b"data: a\n\ndata: b\n\nda",
        b"ta: c\n",
        b": PING\n\n",
        b"\n",
        b": PING\n\n",
        b"data: d",
    ]

    assert list(frames(reads)) == [[F(b"a"), F(b"b")], [F(b"c")], [F(b"d")]]


@pytest.mark.parametrize("done", [b"data: [DONE]\n", b"data:[DONE]\n"])
def test_done_with_a_single_line_end_does_not_wait_for_more(done: bytes) -> None:
    def reads() -> Iterator[bytes]:
        yield b'data: {"a":1}\n\n'
        yield done
        raise AssertionError("the connection stays open: a further read would wait for ever")

    stream = frames(reads())

    assert next(stream) == [F(OBJECT)]
    assert next(stream) == [F(b"[DONE]")]


def test_a_broken_connection_gives_up_its_last_event_first() -> None:
    def reads() -> Iterator[bytes]:
        yield b'data: x\n\ndata: {"a":1}\n'
        raise IncompleteError("the connection broke", "reset")

    stream = frames(reads())

    assert next(stream) == [F(b"x")]
    assert next(stream) == [F(OBJECT)]
    with pytest.raises(IncompleteError, match="reset"):
        next(stream)


def test_an_event_of_20_megabytes_arrives_whole_from_small_reads() -> None:
    payload = b'{"b64_json":"' + b"A" * 20_000_000 + b'"}'
    raw = b"event: image\ndata: " + payload + b"\n\ndata: [DONE]\n\n"
    reads = (raw[at : at + 4096] for at in range(0, len(raw), 4096))

    assert flat(reads) == [F(payload, "image"), F(b"[DONE]")]


def test_an_event_without_end_is_refused_before_memory_is_full() -> None:
    megabyte = b"x" * 2**20
    read = 0

    def reads() -> Iterator[bytes]:
        nonlocal read
        yield b"data: "
        # Bounded, so that a decoder without a limit fails and does not run for ever.
        for _ in range(140):
            read += 1
            yield megabyte

    with pytest.raises(ApiyiError, match="larger than 128 MB") as caught:
        flat(reads())
    assert caught.value.exit_code == 6
    assert read <= 129


def test_of_the_events_those_that_are_not_json_are_passed_over() -> None:
    stream = b'data: {"a":1}\n\ndata: words\n\n: note\n\ndata: [2]\n\n'
    assert list(json_events([stream])) == [{"a": 1}, [2]]


def test_words_among_the_events_are_handed_on() -> None:
    stray: list[bytes] = []
    stream = b": note\n\nupstream error\nretry: 3\nid\n\ndata: 1\n<p>\n\n"
    assert [frame.data for batch in frames([stream], stray.append) for frame in batch] == [b"1"]
    assert stray == [b"upstream error", b"<p>"]
