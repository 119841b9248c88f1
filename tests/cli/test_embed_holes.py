"""`apiyi embed`: one text that cannot be embedded is named, and the others go on."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

LONG = "word " * 7000
"""More tokens than the gateway takes in one text."""


@pytest.fixture
def apiyi(apiyi: Program) -> Program:
    apiyi.environ["APIYI_MODEL"] = "text-embedding-3-small"
    return apiyi


def records(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def paid(gateway: Gateway) -> Counter[str]:
    """Return how often each text was embedded."""
    found: Counter[str] = Counter()
    for one in gateway.ledger:
        if one.status == 200 and one.path.endswith("/embeddings"):
            given = one.json["input"]
            found.update([given] if isinstance(given, str) else given)
    return found


@pytest.mark.parametrize("size", [1, 8, 128])
@pytest.mark.parametrize("bad", [0, 17, 33])
def test_a_text_that_is_too_long_is_named_and_the_others_are_paid_once(
    apiyi: Program, gateway: Gateway, size: int, bad: int
) -> None:
    texts = [f"text {number}" for number in range(34)]
    texts[bad] = LONG
    lines = [json.dumps({"id": number, "t": text}) for number, text in enumerate(texts)]
    ran = apiyi(
        f"embed --jsonl t --batch-size {size} --dimensions 2 -j 3 -o v",
        stdin="\n".join(lines).encode(),
    )
    assert ran.code == 3, ran.err
    found = records((apiyi.work / "v").read_bytes())
    assert [one["id"] for one in found] == list(range(34))
    assert [one["id"] for one in found if "embedding" not in one] == [bad]
    error = found[bad]["error"]
    assert error["class"] == "rejected" and error["code"] == "context_length_exceeded"
    assert f"stdin:{bad + 1}: " in ran.err and "maximum context length" in ran.err
    assert set(paid(gateway).values()) == {1} and len(paid(gateway)) == 33
    assert len(gateway.ledger) <= 34 + 2 * 8
    again = apiyi(
        f"embed --jsonl t --batch-size {size} --dimensions 2 -o v", stdin="\n".join(lines).encode()
    )
    assert again.code == 3
    assert len(paid(gateway)) == 33 and set(paid(gateway).values()) == {1}


def test_several_refused_texts_are_found_among_many(apiyi: Program, gateway: Gateway) -> None:
    texts = [LONG if number in (3, 4, 90) else f"t{number}" for number in range(120)]
    ran = apiyi("embed --lines --dimensions 2 --no-text", stdin="\n".join(texts).encode())
    assert ran.code == 3
    found = records(ran.out)
    assert [one["index"] for one in found] == list(range(120))
    assert [one["index"] for one in found if "error" in one] == [3, 4, 90]
    assert set(paid(gateway).values()) == {1}
    assert "3 inputs have no vector" in ran.err


def test_what_is_wrong_with_all_texts_is_no_text_s_fault(apiyi: Program, gateway: Gateway) -> None:
    stdin = "\n".join(f"t{number}" for number in range(500)).encode()
    ran = apiyi("embed --lines --dimensions 999999", stdin=stdin)
    assert ran.code == 2 or (ran.code == 6 and len(gateway.ledger) <= 30)
    gateway.ledger.clear()
    ran = apiyi("embed --lines --dimensions 3000 -o v", stdin=stdin)
    assert ran.code == 6 and "dimensions" in ran.err
    assert len(gateway.ledger) <= 30
    assert (apiyi.work / "v").read_bytes() == b""
    assert apiyi("embed one --dimensions 3000").code == 6


def test_holes_get_records_and_the_others_their_vectors(apiyi: Program, gateway: Gateway) -> None:
    lines = [
        '{"t": "a"}',
        '{"t": ""}',
        '{"t": null}',
        '{"x": 1}',
        "{}",
        '["t"]',
        '{"t":',
        '{"t": "b"}',
    ]
    ran = apiyi("embed --jsonl t --dimensions 1", stdin="\n".join(lines).encode())
    assert ran.code == 3
    found = records(ran.out)
    assert len(found) == len(lines)
    assert [number for number, one in enumerate(found) if "embedding" in one] == [0, 7]
    assert all(one["error"]["class"] == "usage" for one in found[1:7])
    assert found[3]["x"] == 1
    assert [one.get("index") for one in found] == [None] * 5 + [5, 6, None]
    for number in range(2, 8):
        assert f"stdin:{number}" in ran.err
    assert [one.json["input"] for one in gateway.ledger] == [["a", "b"]]


def test_the_index_is_the_line_and_blank_lines_are_told(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("embed --lines --dimensions 1", stdin=b"first\n\nthird\n\n\n")
    assert ran.code == 3
    found = records(ran.out)
    assert [one["index"] for one in found] == [0, 1, 2]
    assert [one.get("text") for one in found] == ["first", None, "third"]
    assert "blank" in found[1]["error"]["message"]
    assert "stdin:2" in ran.err and "stdin:4" not in ran.err


def test_a_line_that_is_no_text_is_a_hole_like_the_others(apiyi: Program, gateway: Gateway) -> None:
    lines = [b"text %d" % number for number in range(9000)]
    lines[8999] = b"\xff\xfe"
    ran = apiyi("embed --lines --dimensions 1 --no-text", stdin=b"\n".join(lines))
    assert ran.code == 3
    assert "not UTF-8" in records(ran.out)[8999]["error"]["message"]


def test_one_object_of_several_requests_leaves_out_what_was_refused(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi(["embed", "a", LONG, "b", "c", "--json", "--batch-size", "2", "--dimensions", "1"])
    assert ran.code == 3
    assert [one["index"] for one in ran.json["data"]] == [0, 2, 3]
    assert [one["index"] for one in ran.json["errors"]] == [1]
    assert ran.json["usage"]["total_tokens"] == 3
    assert "input 2: " in ran.err


def test_a_single_text_that_is_refused_keeps_its_own_exit_code(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi("embed", stdin=LONG.encode())
    assert (ran.code, ran.out) == (6, b"")
    assert len(gateway.ledger) == 1


def test_an_answer_that_does_not_fit_is_not_paid_for_again_unasked(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply.json({"data": [{"index": 0, "embedding": [0, 1]}]}))
    ran = apiyi("embed --lines --dimensions 2", stdin=b"a\nb\n")
    assert ran.code == 8 and "1 vectors came for 2 inputs" in ran.err
    assert "--batch-size 1 asks for each text alone" in ran.err
    assert len(gateway.posts) == 1


@pytest.mark.parametrize("data", [[], [{"index": 0, "embedding": [1, 2, 3]}] * 2])
def test_nothing_is_advised_that_would_be_paid_for_in_vain(
    apiyi: Program, gateway: Gateway, data: list[Any]
) -> None:
    gateway.script(ScriptedReply.json({"data": data}))
    ran = apiyi("embed --lines --dimensions 2", stdin=b"a\nb\n")
    assert ran.code == 8 and "it was billed" in ran.err
    assert "--batch-size" not in ran.err
