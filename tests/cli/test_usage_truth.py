"""The usage ledger tells the truth: what nobody knows, what a group pays, whatever is told."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
PRICING = {
    "data": [
        {
            "model_name": "gpt-4o",
            "quota_type": 0,
            "model_ratio": 1,
            "completion_ratio": 4,
            "cache_ratio": 0.5,
        },
        {"model_name": "gpt-image-1", "quota_type": 1, "model_price": 0.04},
        {"model_name": "whisper-1", "quota_type": 0, "model_ratio": 15, "completion_ratio": 1},
        {"model_name": "bad\ud83d", "quota_type": {}, "model_ratio": [1]},
        {"model_name": None, "model_ratio": 1},
        None,
        7,
    ],
    "group_ratio": {"default": 1, "vip": 0.5, "odd": "x"},
    "from_the_future": {"a": [1]},
}


ANSWER = {
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    ]
}


def priced(apiyi: Program, gateway: Gateway, word: str = "--update") -> None:
    gateway.script(ScriptedReply(body=json.dumps(PRICING).encode()))
    assert apiyi(f"models {word}").code == 0


def rows(apiyi: Program) -> list[dict[str, Any]]:
    ran = apiyi("usage")
    assert ran.code == 0, ran.err
    return [json.loads(line) for line in ran.text.splitlines()]


def state(apiyi: Program) -> Path:
    return apiyi.home / "state" / "apiyi"


@pytest.mark.parametrize("word", ["--update", "--update-prices"])
def test_one_odd_row_does_not_take_the_price_list_away(
    apiyi: Program, gateway: Gateway, word: str
) -> None:
    priced(apiyi, gateway, word)
    gateway.script(ScriptedReply.chat("a", usage=USAGE))
    assert apiyi("chat hi").code == 0
    (row,) = rows(apiyi)
    assert row["cost"] == pytest.approx((1000 * 2 + 500 * 8) / 1e6)


def test_a_timed_out_request_that_was_repeated_is_two_records(
    apiyi: Program, gateway: Gateway
) -> None:
    priced(apiyi, gateway)
    gateway.script(ScriptedReply.json({}).stall(), ScriptedReply.chat("a", usage=USAGE))
    assert apiyi("chat hi --no-stream --timeout 0.3 --no-failover").code == 0
    (row,) = rows(apiyi)
    assert (row["requests"], row["failed"], row["uncertain"]) == (2, 1, 1)
    sure = (1000 * 2 + 500 * 8) / 1e6
    assert row["uncertain_cost"] > 0
    assert row["cost"] == pytest.approx(sure + row["uncertain_cost"])


def test_an_answer_that_was_cut_has_an_uncertain_cost(apiyi: Program, gateway: Gateway) -> None:
    priced(apiyi, gateway)
    assert apiyi("chat hi -m fault:cut@3 --retries 0").code == 8
    gateway.script(ScriptedReply.json({}).stall())
    assert apiyi("chat hi --timeout 0.3 --retries 0 --max-tokens 1000 --no-failover").code == 8
    by_model = {row["model"]: row for row in rows(apiyi)}
    assert by_model["fault:cut@3"]["uncertain"] == 1
    row = by_model["gpt-4o"]
    assert row["uncertain"] == 1 and row["uncertain_cost"] == pytest.approx(0.008, rel=0.05)


def test_a_refused_request_is_not_uncertain_and_costs_nothing(
    apiyi: Program, gateway: Gateway
) -> None:
    priced(apiyi, gateway)
    gateway.script(ScriptedReply.error(400, "no"), ScriptedReply.error(503, "busy"))
    assert apiyi("chat hi --retries 0").code == 6
    assert apiyi("chat hi --retries 0 --no-failover").code == 5
    (row,) = rows(apiyi)
    assert (row["failed"], row["uncertain"], row["cost"]) == (2, 0, None)


def test_the_group_of_the_profile_and_cached_tokens_count(apiyi: Program, gateway: Gateway) -> None:
    priced(apiyi, gateway)
    assert apiyi("config set group vip").code == 0
    assert apiyi("config get group").text == "vip\n"
    usage = {**USAGE, "prompt_tokens_details": {"cached_tokens": 400}}
    gateway.script(ScriptedReply.chat("a", usage=usage))
    assert apiyi("chat hi").code == 0
    (row,) = rows(apiyi)
    assert row["cost"] == pytest.approx(0.5 * (600 * 2 + 400 * 1 + 500 * 8) / 1e6)


def test_pictures_are_counted_by_their_number(apiyi: Program, gateway: Gateway) -> None:
    priced(apiyi, gateway)
    assert apiyi("image cat -m gpt-image-1 --n 3 -o 'a-{n}.png'").code == 0
    (row,) = rows(apiyi)
    assert row["cost"] == pytest.approx(3 * 0.04)


COUNTS = [2**63, 2**64, 10**30, 10**400, -5, 1.5e300, "12", None, True, [], {}]


@pytest.mark.parametrize("count", COUNTS)
def test_no_count_of_a_gateway_breaks_the_ledger(
    apiyi: Program, gateway: Gateway, count: Any
) -> None:
    priced(apiyi, gateway)
    usage = {"prompt_tokens": count, "completion_tokens": count, "total_tokens": count}
    body = json.dumps({"usage": usage})[1:-1]
    text = json.dumps(ANSWER)[:-1] + "," + body + "}"
    gateway.script(*[ScriptedReply(body=text.encode())] * 2)
    for _ in range(2):
        assert apiyi("chat hi --no-stream").code == 0
    (row,) = rows(apiyi)
    assert row["requests"] == 2
    assert apiyi("usage --by day").code == 0


def test_rows_of_version_0_1_that_no_integer_can_sum_are_read(
    apiyi: Program, gateway: Gateway
) -> None:
    folder = state(apiyi)
    folder.mkdir(mode=0o700, parents=True)
    names = (
        "at, profile, model, endpoint, prompt_tokens, completion_tokens, total_tokens, ms, "
        "exit, request_id, cached, cost"
    )
    with sqlite3.connect(folder / "usage.sqlite3") as database:
        database.execute(f"CREATE TABLE calls ({names})")
        for count in (2**63 - 1, 2**63 - 1, "text", -3, 7):
            values = (time.time(), "default", "m", "/x", count, count, count, 5, 0, None, 0, 1e300)
            database.execute(f"INSERT INTO calls VALUES ({', '.join('?' * 12)})", values)
    database.close()
    spooled = [time.time(), "default", "m", "/x", 2**70, 10**40, -1, 5, 0, None, False, 0.5]
    (folder / "usage.spool").write_text(json.dumps(spooled) + "\nnot json\n[1]\n")
    (row,) = rows(apiyi)
    assert row["requests"] == 6
    assert row["total_tokens"] >= 7
    assert apiyi("chat hi").code == 0
    assert sum(row["requests"] for row in rows(apiyi)) == 7


@pytest.mark.parametrize("kind", ["fifo", "folder", "text", "unreadable", "locked"])
@pytest.mark.parametrize("name", ["usage.spool", "usage.sqlite3", "replies.sqlite3", "prices.json"])
def test_whatever_stands_in_place_of_a_database_a_paid_answer_is_exit_0(
    apiyi: Program, gateway: Gateway, name: str, kind: str
) -> None:
    kept = name in ("replies.sqlite3", "prices.json")
    path = (apiyi.home / "cache" / "apiyi" if kept else state(apiyi)) / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock: sqlite3.Connection | None = None
    if kind == "fifo":
        os.mkfifo(path, 0o600)
    elif kind == "folder":
        path.mkdir(mode=0o700)
    elif kind == "locked" and path.suffix == ".sqlite3":
        lock = sqlite3.connect(path, isolation_level=None)
        lock.execute("CREATE TABLE x (y)")
        lock.execute("BEGIN EXCLUSIVE")
    else:
        path.write_text("what is this?")
        path.chmod(0 if kind == "unreadable" else 0o600)
    try:
        ran = apiyi("chat hi --no-stream")
        assert ran.code == 0 and ran.out, ran.err
        cached = apiyi("chat hi --no-stream --cache --max-time 20")
        assert cached.code == 0 or (name == "replies.sqlite3" and cached.code == 10), cached.err
        assert len(cached.err.splitlines()) <= 2
    finally:
        if lock is not None:
            lock.close()


def test_the_gateways_own_request_id_is_kept(apiyi: Program, gateway: Gateway) -> None:
    headers = (("x-request-id", "upstream"), ("x-oneapi-request-id", "gateways"))
    gateway.script(ScriptedReply(body=json.dumps(ANSWER).encode(), headers=headers))
    assert apiyi("chat hi --no-stream").code == 0
    assert 'gateways"' in (state(apiyi) / "usage.spool").read_text()
