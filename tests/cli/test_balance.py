"""`apiyi balance` and the account's system token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

TOKEN = "syscanary9f3c0123456789"
WITH_TOKEN = {"APIYI_SYSTEM_TOKEN": TOKEN}


def test_the_balance_in_a_pipe_is_a_number(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("balance", env=WITH_TOKEN)
    assert (ran.code, ran.text, ran.err) == (0, "12.35\n", "")
    (request,) = gateway.ledger
    assert (request.method, request.path) == ("GET", "/api/user/self")
    assert request.headers["authorization"] == TOKEN


def test_the_object_is_ours_and_holds_no_secret_of_the_account(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi("balance --json -v", env=WITH_TOKEN)
    assert json.loads(ran.out) == {
        "quota": 6172500,
        "used_quota": 1000000,
        "usd": 12.345,
        "used_usd": 2.0,
        "requests": 42,
        "group": "default",
    }
    assert "CANARY" not in ran.text + ran.err
    assert TOKEN not in ran.text + ran.err


def test_numbers_may_be_texts(apiyi: Program, gateway: Gateway) -> None:
    data = {"quota": "6172500", "used_quota": "0", "request_count": "42"}
    gateway.script(ScriptedReply.json({"success": True, "data": data}), path="/api/user/self")
    assert apiyi("balance", env=WITH_TOKEN).text == "12.35\n"


def test_the_object_goes_through_a_filter(apiyi: Program) -> None:
    assert apiyi("balance --jq .quota", env=WITH_TOKEN).text == "6172500\n"


def test_without_a_system_token_nothing_is_sent(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("balance")
    assert (ran.code, ran.out) == (4, b"")
    assert "apiyi auth login --system-token" in ran.err
    assert "https://api.apiyi.com/account/profile" in ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("sk-1234567890abcdef", "it is an API key"),
        ("Bearer abc", "leave out `Bearer`"),
        ("schlüssel", "characters that are not ASCII"),
        (" ", "it is empty"),
    ],
)
def test_what_cannot_be_a_system_token_is_not_sent(
    apiyi: Program, gateway: Gateway, token: str, why: str
) -> None:
    ran = apiyi("balance", env={"APIYI_SYSTEM_TOKEN": token})
    assert ran.code == 4
    assert why in ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (ScriptedReply.json({"success": False, "message": "access token 无效"}, 401), 4),
        (ScriptedReply.json({"success": False, "message": "access token 无效"}), 4),
        (ScriptedReply.json({"success": False, "message": "try later", "email": "CANARY"}), 6),
        (ScriptedReply.json({"success": True, "data": {"access_token": "CANARY"}}), 8),
        (ScriptedReply.json({"success": True, "data": {"quota": "much"}}), 8),
        (ScriptedReply.json({"success": True, "data": None}), 8),
        (ScriptedReply.json([1]), 8),
        (ScriptedReply.text("<html>CANARY</html>", "text/html"), 6),
        (ScriptedReply.json({"data": {"quota": True, "email": "CANARY"}}), 8),
    ],
)
def test_an_answer_without_a_balance_is_an_error_that_repeats_none_of_it(
    apiyi: Program, gateway: Gateway, reply: ScriptedReply, code: int
) -> None:
    gateway.script(reply, path="/api/user/self")
    ran = apiyi("balance --json --retries 0", env=WITH_TOKEN)
    assert (ran.code, ran.out) == (code, b"")
    assert TOKEN not in ran.err
    assert "access_token" not in ran.err and "CANARY" not in ran.err


def test_login_keeps_the_system_token_beside_the_key(apiyi: Program, gateway: Gateway) -> None:
    login = "auth login --system-token --with-token --insecure-storage"
    ran = apiyi(login, stdin=TOKEN.encode() + b"\n")
    assert (ran.code, ran.out) == (0, b"")
    assert "the system token …6789 of profile default is kept in" in ran.err
    assert TOKEN not in ran.err
    assert [request.path for request in gateway.ledger] == ["/api/user/self"]


def test_login_keeps_no_token_that_the_gateway_refuses(apiyi: Program, gateway: Gateway) -> None:
    refusal = ScriptedReply.json({"success": False, "message": "access token 无效"}, 401)
    gateway.script(refusal, path="/api/user/self")
    login = "auth login --system-token --with-token --insecure-storage"
    ran = apiyi(login, stdin=TOKEN.encode())
    assert ran.code == 4
    assert "nothing was kept" in ran.err
    assert apiyi("balance").code == 4


def test_doctor_shows_the_balance_where_a_token_is_kept(apiyi: Program, gateway: Gateway) -> None:
    checks = {row["check"]: row for row in apiyi("doctor --json", env=WITH_TOKEN).json["checks"]}
    assert checks["balance"]["told"] == "$12.35 left"
    checks = {row["check"]: row for row in apiyi("doctor --json").json["checks"]}
    assert "balance" not in checks
