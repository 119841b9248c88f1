"""`apiyi usage --remote` and `--reconcile`: what the gateway's own log says."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from apiyi_cli.store.ledger import Ledger, Record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

TOKEN = "syscanary9f3c0123456789"
WITH_TOKEN = {"APIYI_SYSTEM_TOKEN": TOKEN}
LOG, KEY_LOG = "/api/log/self", "/api/log/token"
NO_KEY_LOG = ScriptedReply.json({"success": False, "message": "无权进行此操作"}, 401)


def log(*rows: Any) -> ScriptedReply:
    return ScriptedReply.json({"success": True, "message": "", "data": list(rows)})


def row(request_id: str | None, at: float, quota: Any = 5000, **more: Any) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "created_at": int(at),
        "quota": quota,
        "model_name": "gpt-4o",
        "prompt_tokens": 3,
        "completion_tokens": 4,
        **more,
    }


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_charges_are_paged_until_empty(apiyi: Program, gateway: Gateway) -> None:
    for _ in range(12):
        apiyi("chat hi")
    asked = len(gateway.ledger)
    ran = apiyi("usage --remote --since 1h", env=WITH_TOKEN)
    assert (ran.code, ran.err) == (0, "")
    assert lines(ran.text) == [
        {
            "model": "gpt-4o",
            "requests": 12,
            "prompt_tokens": 96,
            "completion_tokens": 48,
            "usd": 0.06,
        }
    ]
    pages = gateway.ledger[asked:]
    assert [request.path for request in pages] == [LOG] * 3
    assert all(request.headers["authorization"] == TOKEN for request in pages)


def test_the_log_is_asked_for_day_by_day(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("usage --remote --since 3d --by day", env=WITH_TOKEN)
    assert (ran.code, ran.out) == (0, b"")
    spans = []
    for request in gateway.ledger:
        query = dict(pair.split("=") for pair in request.query.split("&"))
        spans.append((int(query["start_timestamp"]), int(query["end_timestamp"])))
        assert query["type"] == "2"
    assert all(end - begin < 86400 for begin, end in spans)
    assert all(later[0] == earlier[1] + 1 for earlier, later in pairwise(spans))


def test_pages_that_are_counted_from_one_are_counted_once(apiyi: Program, gateway: Gateway) -> None:
    first = log(row("a", time.time()), row("b", time.time()))
    gateway.script(first, first, log(row("c", time.time())), log(), path=LOG)
    ran = apiyi("usage --remote --since 1h", env=WITH_TOKEN)
    assert lines(ran.text)[0]["requests"] == 3


def test_a_log_that_ignores_the_page_ends(apiyi: Program, gateway: Gateway) -> None:
    page = log(row("a", time.time()))
    gateway.script(page, page, page, path=LOG)
    ran = apiyi("usage --remote --since 1h", env=WITH_TOKEN)
    assert lines(ran.text)[0]["requests"] == 1


def test_what_is_not_a_charge_of_the_span_is_not_counted(apiyi: Program, gateway: Gateway) -> None:
    now_s = time.time()
    alike = row(None, now_s)
    gateway.script(
        # Money paid in fills a page; numbers are texts, and the order is any.
        log(row(None, now_s, 10**9, type=1), row(None, now_s, 10**9, type="1")),
        log(
            row("old", now_s - 86400 * 9),
            row("b", now_s - 5, "2500", type="2", prompt_tokens="3"),
            {**row("c", now_s - 9), "created_at": str(int((now_s - 9) * 1000))},
        ),
        # Two requests of one second that are alike in all else, then two that have numbers.
        log(alike, alike, row("d", now_s, id=1), row("d", now_s, id=2), {"quota": None}, "junk"),
        log(alike),
        log(row("e", now_s, quota=-5000)),
        log(),
        path=LOG,
    )
    ran = apiyi("usage --remote --since 1h", env=WITH_TOKEN)
    (total,) = lines(ran.text)
    assert (total["requests"], total["usd"]) == (7, 0.045), ran.err
    assert len(gateway.ledger) == 6


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (ScriptedReply.json({"success": True, "data": "CANARY"}), 8),
        (ScriptedReply.json([]), 8),
        (ScriptedReply.json({"success": True, "data": {"items": "CANARY"}}), 8),
        (ScriptedReply.json({"success": False, "message": "无权进行此操作，access token 无效"}), 4),
        (ScriptedReply.json({"success": False, "message": "no", "access_token": "CANARY"}), 6),
        (ScriptedReply.json({"success": False, "message": "access token 无效"}, 401), 4),
        (ScriptedReply.text("<html>CANARY</html>", "text/html"), 6),
    ],
)
@pytest.mark.parametrize("line", ["usage --remote --since 1h", "usage --reconcile"])
def test_a_log_that_is_none_is_an_error_that_repeats_none_of_it(
    apiyi: Program, gateway: Gateway, home: Path, line: str, reply: ScriptedReply, code: int
) -> None:
    add_record(home, ago_s=HOUR_S, request_id="r-1")
    gateway.script(reply, path=LOG)
    gateway.script(reply, path=KEY_LOG)
    ran = apiyi(f"{line} --retries 0 -v", env=WITH_TOKEN)
    assert (ran.code, ran.out) == (code, b"")
    assert "CANARY" not in ran.err and TOKEN not in ran.err


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("--remote --reconcile", "each asks for another list"),
        ("--remote --by profile", "the gateway's log does not say it"),
        ("--reconcile --by day", "it sums nothing"),
        ("--remote --since yesterday", "neither a span nor a date"),
    ],
)
def test_options_that_do_not_fit_send_nothing(
    apiyi: Program, gateway: Gateway, options: str, why: str
) -> None:
    ran = apiyi(f"usage {options}", env=WITH_TOKEN)
    assert ran.code == 2
    assert why in ran.err
    assert gateway.ledger == []


def test_without_a_token_the_charges_cannot_be_read(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("usage --remote")
    assert (ran.code, ran.out) == (4, b"")
    assert "auth login --system-token" in ran.err


def test_a_gateway_that_wants_the_accounts_number_gets_it(apiyi: Program, gateway: Gateway) -> None:
    refusal = {"success": False, "message": "无权进行此操作，未提供 New-Api-User"}
    gateway.script(ScriptedReply.json(refusal, 401), path="/api/user/self")
    ran = apiyi("balance", env=WITH_TOKEN)
    assert ran.code == 4
    assert "try: -H 'New-Api-User: N'" in ran.err
    assert apiyi(["balance", "-H", "New-Api-User: 1"], env=WITH_TOKEN).code == 0
    assert gateway.ledger[-1].headers["new-api-user"] == "1"


def test_a_cut_answer_names_the_command_that_tells_what_was_billed(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi("chat hi -m fault:cut@2 --retry-ambiguous 0")
    assert ran.code == 8
    assert "apiyi usage --reconcile" in ran.err
    id_ = gateway.ledger[0].request_id
    ran = apiyi("usage --reconcile")
    (verdict,) = lines(ran.text)
    assert {**verdict, "time": ""} == {
        "request_id": id_,
        "time": "",
        "command": "chat",
        "billed": True,
        "usd": 0.005,
    }


def add_record(home: Path, *, ago_s: float, request_id: str | None) -> None:
    record = Record(
        at=time.time() - ago_s,
        profile="default",
        model="gpt-4o",
        endpoint="/chat/completions",
        prompt_tokens=None,
        completion_tokens=None,
        total_tokens=None,
        ms=1000,
        exit=8,
        request_id=request_id,
        cached=False,
        cost=None,
        uncertain=True,
    )
    Ledger(home / "state" / "apiyi").append([record])


HOUR_S = 3600.0


@pytest.mark.parametrize(
    ("request_id", "ago_s", "rows", "billed", "usd"),
    [
        ("r-1", HOUR_S, [("r-1", 5000)], True, 0.01),
        ("r-1", HOUR_S, [("r-1", 0)], False, 0.0),
        ("r-1", HOUR_S, [("r-2", 5000)], False, 0.0),
        ("r-1", HOUR_S, [], False, 0.0),
        # Its charge may still come.
        ("r-1", 10.0, [], None, None),
        # Without an id it is one of those that nobody else claims, or none.
        (None, HOUR_S, [], False, 0.0),
        (None, HOUR_S, [("r-2", 5000)], None, None),
        # A log without ids: any charge of that time may be its own.
        ("r-1", HOUR_S, [(None, 5000), (None, 16)], None, None),
        ("r-1", HOUR_S, [("r-1", 5000), (None, 16)], True, 0.01),
    ],
)
def test_a_request_is_found_by_its_id_or_its_absence(
    apiyi: Program,
    gateway: Gateway,
    home: Path,
    request_id: str | None,
    ago_s: float,
    rows: list[tuple[str | None, int]],
    billed: bool | None,
    usd: float | None,
) -> None:
    add_record(home, ago_s=ago_s, request_id=request_id)
    gateway.script(NO_KEY_LOG, path=KEY_LOG)
    gateway.script(
        log(*(row(id_, time.time() - ago_s, quota) for id_, quota in rows)), log(), path=LOG
    )
    ran = apiyi("usage --reconcile", env=WITH_TOKEN)
    assert ran.code == 0, ran.err
    (verdict,) = lines(ran.text)
    assert (verdict["billed"], verdict["usd"]) == (billed, usd)
    assert verdict["request_id"] == request_id


def test_nothing_uncertain_asks_nothing(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("usage --reconcile")
    assert (ran.code, ran.out) == (0, b"")
    assert gateway.ledger == []


def test_no_log_at_all_is_said(apiyi: Program, gateway: Gateway, home: Path) -> None:
    add_record(home, ago_s=HOUR_S, request_id="r-1")
    gateway.script(NO_KEY_LOG, path=KEY_LOG)
    ran = apiyi("usage --reconcile")
    assert (ran.code, ran.out) == (4, b"")
    assert "auth login --system-token" in ran.err


def test_the_log_of_the_key_alone_may_be_too_short(
    apiyi: Program, gateway: Gateway, home: Path
) -> None:
    add_record(home, ago_s=HOUR_S, request_id="r-1")
    gateway.script(log(row("r-9", time.time())), path=KEY_LOG)
    ran = apiyi("usage --reconcile")
    (verdict,) = lines(ran.text)
    assert verdict["billed"] is None
    assert "only the key's own log could be read" in ran.err
