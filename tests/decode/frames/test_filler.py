"""Filler is recognised wherever it is cut, and nothing of an answer is taken for it."""

from __future__ import annotations

from itertools import chain, repeat
from time import process_time

import pytest

from apiyi_cli.decode.frames.filler import MOST_FILLER_BYTES, Filler, drop_endless_filler

ANSWER = b'data: {"a": ": no comment\\n"}\n\n'
FILLERS = {
    "blanks": b" \r\n\t",
    "comments": b": still here\n\n",
    "one comment": b":" * 16,
    "empty events": b"data:\n\ndata: \n\n",
    "names and ids": b"event: ping\nid: 7\nretry: 10\n\n",
    "long names": b"id: " + b"7" * 300 + b"\n",
}


@pytest.mark.parametrize("filler", FILLERS.values(), ids=FILLERS)
@pytest.mark.parametrize("size", [1, 3, 7, 4096])
def test_filler_is_recognised_wherever_it_is_cut(filler: bytes, size: int) -> None:
    text = filler * 40
    reader = Filler()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert all(map(reader.matches, pieces))


@pytest.mark.parametrize("filler", FILLERS.values(), ids=FILLERS)
def test_endless_filler_takes_no_memory_and_the_answer_after_it_is_whole(filler: bytes) -> None:
    amount = 4 * MOST_FILLER_BYTES
    text = filler * (amount // len(filler)) + b"\n" + ANSWER
    for size in (61, 4093, 65536):
        pieces = (text[at : at + size] for at in range(0, len(text), size))
        kept = b"".join(drop_endless_filler(pieces))
        assert kept.endswith(ANSWER)
        assert len(kept) < MOST_FILLER_BYTES + 3 * 65536


@pytest.mark.parametrize(
    "content",
    [b"{", b"x: 1", b"data: 1", b"data: {}", b"datum", b'{"a":\n: 1', b"[DONE]", b"\x00", b"dx"],
)
def test_content_is_no_filler(content: bytes) -> None:
    assert not Filler().matches(content + b"\n")
    reader = Filler()
    assert not all(reader.matches(bytes([byte])) for byte in content + b"\n")


def test_lines_within_content_are_judged_by_where_they_begin() -> None:
    reader = Filler()
    pieces = [b'{"a": "b', b": c", b"   ", b"\n", b": comment", b" goes on\n", b"da", b"ta: 1\n"]
    matched = [reader.matches(piece) for piece in pieces]
    assert matched == [False, False, True, True, True, True, True, False]
    assert not reader.matches(b"data: 1\n: a comm")
    assert reader.matches(b"ent\n")


def test_few_bytes_of_filler_are_kept_as_they_came() -> None:
    pieces = [b"data:", b" \n", b"\n", ANSWER, b": bye\n"]
    assert list(drop_endless_filler(pieces)) == pieces


def test_a_field_that_began_in_what_was_dropped_is_whole() -> None:
    many = [b":\n" * 32768] * (1 + MOST_FILLER_BYTES // 65536)
    *_, dropped, last = drop_endless_filler(chain(many, [b":\nda", b"ta: 1\n\n"]))
    assert (dropped, last) == (b"", b"data: 1\n\n")


def test_large_bodies_are_judged_by_their_first_bytes() -> None:
    piece = b"d" * 65536
    began_s = process_time()
    assert sum(map(len, drop_endless_filler(repeat(piece, 1000)))) == 65_536_000
    blanks = b" \n" * 32768
    for _ in drop_endless_filler(repeat(blanks + b"x\n", 100)):
        pass
    assert process_time() - began_s < 2
