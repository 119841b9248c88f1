"""Rows for embeddings: many in one request, and each with its record."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from apiyi_cli.sandbox.endpoints.embeddings import unit_vector
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.request_summary import tokens
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.cli.test_batch import read, write
from tests.conftest import Program

LINE = "batch rows.jsonl -o out.jsonl --endpoint embed -m text-embedding-3-small --dimensions 4"
TOO_LONG = "word " * 9000


def inputs(received: ReceivedRequest) -> list[str]:
    given = received.json["input"]
    return [given] if isinstance(given, str) else given


def test_rows_of_one_kind_share_a_request_and_each_has_its_own_vector_and_usage(
    apiyi: Program, gateway: Gateway
) -> None:
    texts = {f"r{number}": f"text {number} " + "x " * (number % 7) for number in range(50)}
    rows = [{"id": id, "input": text} for id, text in texts.items()]
    base64: dict[str, Any] = {
        "model": "text-embedding-3-small",
        "dimensions": 4,
        "encoding_format": "base64",
    }
    bodies: list[dict[str, Any]] = [
        {"custom_id": id, "url": "/v1/embeddings", "body": {**base64, "input": texts[id]}}
        for id in ("r1", "r2")
    ]
    whole = [{**body, "custom_id": body["custom_id"] + "b"} for body in bodies]
    several = {"id": "list", "input": ["one", "two"], "model": "text-embedding-3-large"}
    write(apiyi, [*rows, *whole, several, {"id": "bad", "input": " "}])
    ran = apiyi(f"{LINE} --summary sum.json")
    assert ran.code == 3 and "≈ $" not in ran.err, ran.err
    assert sorted(len(inputs(one)) for one in gateway.posts) == [2, 2, 50]
    records = {one["custom_id"]: one for one in read(apiyi)}
    for id, text in texts.items():
        one = records[id]
        body = one["response"]["body"]
        assert one["packed"] == 50 and one["attempts"] == 1 and one["error"] is None
        vector = {"object": "embedding", "index": 0, "embedding": unit_vector(text, 4).tolist()}
        assert body["data"] == [vector] and body["model"] == "text-embedding-3-small"
        assert one["usage"] == body["usage"]
    assert sum(records[id]["usage"]["prompt_tokens"] for id in texts) == sum(
        map(tokens, texts.values())
    )
    assert isinstance(records["r1b"]["response"]["body"]["data"][0]["embedding"], str)
    assert [one["index"] for one in records["list"]["response"]["body"]["data"]] == [0, 1]
    assert "packed" not in records["list"] and "packed" not in records["bad"]
    summary = json.loads((apiyi.work / "sum.json").read_bytes())
    assert (summary["total"], summary["ok"], summary["requests"]) == (54, 53, 3)
    assert summary["prompt_tokens"] == sum(
        one["usage"]["prompt_tokens"] for one in records.values() if one["usage"]
    )
    verified = apiyi("batch verify out.jsonl --json --rows rows.jsonl --endpoint embed").json
    assert verified["problems"] == [] and verified["requests"] == 3
    # A line that is new goes alone, and what has its record is not asked for again.
    write(apiyi, [*rows, *whole, several, {"id": "new", "input": "new"}])
    gateway.ledger.clear()
    assert apiyi(LINE).code == 0
    assert [inputs(one) for one in gateway.posts] == [["new"]]


def test_a_text_that_is_refused_is_named_and_the_others_go_on(
    apiyi: Program, gateway: Gateway
) -> None:
    rows = [{"id": f"r{n}", "input": f"text {n}"} for n in range(9)]
    rows[4]["input"] = TOO_LONG
    write(apiyi, rows)
    ran = apiyi(f"{LINE} --ordered --summary sum.json")
    assert ran.code == 3 and "maximum context length is 8192" in ran.err
    records = read(apiyi)
    assert [one["custom_id"] for one in records] == [f"r{n}" for n in range(9)]
    assert [one["custom_id"] for one in records if one["error"]] == ["r4"]
    assert records[4]["error"]["class"] == "rejected" and "packed" not in records[4]
    assert {one["attempts"] for one in records} == {1}
    asked = Counter(text for one in gateway.ledger if one.billed for text in inputs(one))
    assert asked == Counter(row["input"] for row in rows if row["id"] != "r4")
    requests = len(gateway.ledger)
    assert json.loads((apiyi.work / "sum.json").read_bytes())["requests"] == requests < 9
    for _ in range(2):
        verified = apiyi("batch verify out.jsonl --json").json
        assert verified["problems"] == [] and verified["requests"] == requests
        assert (verified["unknown"], verified["maybe_billed_twice"]) == (0, 0)
        assert apiyi("batch compact out.jsonl").code == 0


def test_the_size_of_a_pack_is_that_of_embed_and_may_be_chosen(
    apiyi: Program, gateway: Gateway
) -> None:
    texts = [f"text {number}" for number in range(300)]
    (apiyi.work / "rows.txt").write_text("\n".join(texts) + "\n")
    line = "batch rows.txt --lines --endpoint embed -m text-embedding-3-small --dimensions 2"
    shown = [json.loads(one) for one in apiyi(f"{line} --dry-run").out.splitlines()]
    assert [len(one["body"]["input"]) for one in shown] == [128, 128, 44]
    checked = apiyi(f"{line} --check --json --batch-size 100").json
    assert (checked["rows"], checked["requests"]) == (300, 3)
    ran = apiyi(f"{line} --text --ordered -j 1")
    assert ran.code == 0 and ran.out.count(b"\n") == 300
    assert json.loads(ran.out.splitlines()[7]) == unit_vector("text 7", 2).tolist()
    assert sorted(len(inputs(one)) for one in gateway.posts) >= [44]
    assert Counter(text for one in gateway.posts for text in inputs(one)) == Counter(texts)
    gateway.ledger.clear()
    assert apiyi(f"{line} --limit 3 --batch-size 1").code == 0
    assert sorted(inputs(one)[0] for one in gateway.posts) == texts[:3]
    long = {"input": "long " * 30_000}
    write(apiyi, [{**long, "id": str(number)} for number in range(3)])
    shown = [json.loads(one) for one in apiyi(f"{LINE} --dry-run").out.splitlines()]
    assert [type(one["body"]["input"]) for one in shown] == [list, str]


def test_no_pack_is_sent_that_would_cost_more_than_allowed(
    apiyi: Program, gateway: Gateway
) -> None:
    assert apiyi("models --update").code == 0
    # Packs of one size: a smaller one at the end could fit where another does not.
    write(apiyi, [{"id": f"r{n}", "input": "word " * 300} for n in range(640)])
    gateway.ledger.clear()
    # 500 tokens by the estimate of bytes at $0.02 a million for each row: 128 of them $0.00128.
    ran = apiyi(f"{LINE} --max-cost 0.003 --no-limits --summary sum.json")
    assert ran.code == 9 and "the next request would cost ≈ $0.0013" in ran.err, ran.err
    assert len(gateway.posts) == 2
    write(apiyi, [{"id": "small", "input": "four words and more"}])
    # A cost above 0 never looks like 0.
    assert "< $0.000001" in apiyi("batch rows.jsonl --endpoint embed -m text-embedding-3-small").err
    summary = json.loads((apiyi.work / "sum.json").read_bytes())
    assert (summary["ok"], summary["skipped"]) == (256, 384)
    assert apiyi("batch verify out.jsonl --json").json["problems"] == []


def test_a_pack_that_fails_fails_all_its_rows_and_counts_as_one_request(
    apiyi: Program, gateway: Gateway
) -> None:
    rows = [{"id": f"r{n}", "input": f"text {n}"} for n in range(5)]
    write(apiyi, rows)
    line = "batch rows.jsonl -o out.jsonl --endpoint embed --summary sum.json --retries 1"
    ran = apiyi(f"{line} -m fault:500*2")
    assert ran.code == 3
    summary = json.loads((apiyi.work / "sum.json").read_bytes())
    assert (summary["failed"], summary["requests"], summary["retries"]) == (5, 2, 1)
    assert {(one["error"]["class"], one["attempts"], one["packed"]) for one in read(apiyi)} == {
        ("temporary", 2, 5)
    }
    assert apiyi("batch verify out.jsonl --json").json["problems"] == []


@pytest.mark.off_schema
def test_vectors_that_are_not_those_of_the_rows_are_no_row_s(
    apiyi: Program, gateway: Gateway
) -> None:
    rows = [{"id": f"r{n}", "input": f"text {n}"} for n in range(3)]
    write(apiyi, rows)
    short = {"data": [{"index": 0, "embedding": [0.25] * 2000}], "usage": {"prompt_tokens": 3}}
    gateway.script(ScriptedReply.json(short), path="/embeddings")
    ran = apiyi(LINE)
    assert ran.code == 3 and "1 vectors came for 3 inputs" in ran.err
    records = read(apiyi)
    assert [one["error"]["class"] for one in records] == ["incomplete"] * 3
    assert all(one["error"]["maybe_billed"] for one in records)
    # The paid answer is kept once.
    assert [bool(one["response"]["body"]) for one in records] == [True, False, False]


def short_answer(count: int) -> ScriptedReply:
    """Return an answer to a pack with so many vectors, whatever was asked."""
    data = [{"index": n, "embedding": [0.5] * 4} for n in range(count)]
    usage = {"prompt_tokens": 40, "total_tokens": 40}
    return ScriptedReply.json({"object": "list", "data": data, "usage": usage})


def test_a_pack_whose_answer_does_not_fit_is_not_paid_for_again_unasked(
    apiyi: Program, gateway: Gateway
) -> None:
    write(apiyi, [{"id": f"r{n}", "input": f"text {n}"} for n in range(8)])
    gateway.script(short_answer(3))
    ran = apiyi(LINE)
    assert (ran.code, len(gateway.posts)) == (3, 1)
    assert "3 vectors came for 8 inputs" in ran.err
    assert "--batch-size 1 --retry-failed" in ran.err
    again = apiyi(f"{LINE} --batch-size 1 --retry-failed")
    assert again.code == 0, again.err
    assert len(gateway.posts) == 9
