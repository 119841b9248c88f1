"""What a gateway's refusal comes to: exit code, words and hint; unknown models and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


class Case(NamedTuple):
    """A reply, and the run it must lead to; `said` are parts of stderr."""

    name: str
    play: ScriptedReply
    code: int
    said: tuple[str, ...] = ()
    out: str = ""
    options: str = ""


PAGE = "<!doctype html><html><head><title>Just a moment</title></head></html>"

STATUSES = [
    Case(
        "400",
        ScriptedReply.error(400, "bad seed", code="invalid_value", param="seed"),
        6,
        ("HTTP 400", "bad seed", "seed"),
    ),
    Case(
        "401",
        ScriptedReply.error(401, "无效的令牌", code="invalid_api_key"),
        4,
        ("无效的令牌", "apiyi auth login", "APIYI_API_KEY"),
    ),
    Case("402", ScriptedReply.error(402, "pay"), 7, ("top up",)),
    Case("403", ScriptedReply.error(403, "无权访问 default 分组"), 4, ("无权访问", "group")),
    Case(
        "403 firewall",
        ScriptedReply.text(PAGE, "text/html", status=403),
        4,
        ("Just a moment", "firewall"),
    ),
    Case(
        "404",
        ScriptedReply.error(404, "Invalid URL (POST /v1/x)", type="invalid_request_error"),
        6,
        ("apiyi doctor",),
    ),
    Case("405", ScriptedReply.error(405, "method"), 6),
    Case("408", ScriptedReply.error(408, "slow"), 5),
    Case("409", ScriptedReply.error(409, "conflict"), 5),
    Case(
        "413",
        ScriptedReply.text(
            "<html><title>413 Request Entity Too Large</title>", "text/html", status=413
        ),
        6,
        ("Too Large", "send less"),
    ),
    Case("415", ScriptedReply.error(415, "type"), 6),
    Case(
        "422",
        ScriptedReply(status=422, body=b'{"detail":[{"loc":["body","n"],"msg":"too big"}]}'),
        6,
        ("too big",),
    ),
    Case("425", ScriptedReply.error(425, "early"), 5),
    Case(
        "429",
        ScriptedReply.error(429, "rate", code="rate_limit_exceeded"),
        5,
        ("HTTP 429", "rate_limit_exceeded"),
    ),
    Case(
        "451",
        ScriptedReply.error(
            451, "[x] rejected by the safety system", code="content_policy_violation"
        ),
        6,
        ("change the prompt",),
    ),
    Case(
        "500",
        ScriptedReply.error(500, "Panic detected, error: x", type="one_api_panic"),
        5,
        ("Panic",),
    ),
    Case(
        "501",
        ScriptedReply.error(501, "API not implemented", code="api_not_implemented"),
        6,
        ("does not offer this",),
    ),
    Case("502", ScriptedReply.error(502, "upstream"), 5),
    Case("503", ScriptedReply.error(503, "overloaded"), 5),
    Case(
        "504",
        ScriptedReply.text(
            "<html><title>504 Gateway Time-out</title></html>", "text/html", status=504
        ),
        8,
        ("504 Gateway Time-out", "billed"),
    ),
    Case("529", ScriptedReply.error(529, "Overloaded", type="overloaded_error"), 5),
]


@pytest.mark.parametrize("case", STATUSES, ids=lambda case: case.name)
def test_a_status_leads_to_its_exit_code(apiyi: Program, gateway: Gateway, case: Case) -> None:
    gateway.script(case.play)
    ran = apiyi(f"chat hi --retries 0 {case.options}")
    assert (ran.code, ran.text) == (case.code, case.out), ran.err
    for part in case.said:
        assert part in ran.err
    if case.code == 0 and not case.said:
        assert not ran.err.startswith("apiyi: the")
    assert not {"\x1b", "\x9b", "\u202e"} & set(ran.err)
    assert [received.method for received in gateway.ledger].count("POST") == 1


def test_an_error_names_status_code_request_id_and_host(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.error(400, "no", code="odd", headers=(("X-Request-Id", "r-7"),)))
    err = apiyi("chat hi").err
    assert "(HTTP 400, code odd, request id " in err
    assert "host 127.0.0.1)" in err


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(apiyi: Program, gateway: Gateway, status: int) -> None:
    with Gateway() as other:
        target = f"{other.base_url}/chat/completions"
        gateway.script(ScriptedReply(status=status, headers=(("Location", target),)))
        ran = apiyi("chat hi")
        assert ran.code == 6
        assert target in ran.err
        assert len(gateway.ledger) == 1
        assert other.connections == 0


def test_an_unknown_model_comes_with_the_nearest_names(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi -m gpt4o")
    assert ran.code == 6
    assert "try: -m gpt-4o" in ran.err
    posts = [received for received in gateway.ledger if received.method == "POST"]
    assert len(posts) == 1
    assert apiyi("chat hi -m claude-sonet-4").err.rstrip().endswith("-m claude-sonnet-4") or (
        "-m claude-sonnet-4 " in apiyi("chat hi -m claude-sonet-4").err
    )


def test_an_unknown_model_like_nothing_points_at_the_list(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi -m zzzzzz")
    assert (ran.code, ran.err.splitlines()[-1].strip()) == (6, "try: apiyi models")


def test_a_list_that_does_not_come_delays_no_error(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply().stall(), path="/models")
    ran = apiyi("chat hi -m gpt4o --max-time 3")
    assert (ran.code, ran.err.splitlines()[-1].strip()) == (6, "try: apiyi models")


def test_a_wrong_key_is_told_with_its_source(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi", env={"APIYI_API_KEY": "sk-wrong-one-of-the-user"})
    assert ran.code == 4
    assert "APIYI_API_KEY" in ran.err
    assert "sk-wrong-one" not in ran.err


def test_a_key_that_the_server_echoes_is_redacted(apiyi: Program, gateway: Gateway) -> None:
    key = apiyi.environ["APIYI_API_KEY"]
    gateway.script(ScriptedReply.error(401, f"Incorrect API key provided: {key}."))
    ran = apiyi("chat hi")
    assert ran.code == 4
    assert "Incorrect API key provided: " in ran.err
    assert not any(part in ran.err for part in (key[3:10], "5b8a"))


def test_without_a_key_the_ways_to_give_one_are_told(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi", env={"APIYI_API_KEY": None})
    assert ran.code == 4
    assert "apiyi auth login" in ran.err and "APIYI_API_KEY" in ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize(
    "key", ["sk-a b-secret", "sk-a\nb-secret", "sk-ключ-secret", '"sk-secret"']
)
def test_a_key_that_cannot_be_one_is_refused_unseen(
    apiyi: Program, gateway: Gateway, key: str
) -> None:
    ran = apiyi("chat hi", env={"APIYI_API_KEY": key})
    assert ran.code == 4
    assert "secret" not in ran.err
    assert gateway.ledger == []


def test_a_key_file_is_used_and_must_be_private(apiyi: Program, gateway: Gateway) -> None:
    path = apiyi.work.with_name("key")
    path.write_text(apiyi.environ["APIYI_API_KEY"] + "\n")
    path.chmod(0o644)
    unset = {"APIYI_API_KEY": None}
    refused = apiyi(["chat", "hi", "--key-file", str(path)], env=unset)
    assert refused.code == 10
    assert "chmod 600" in refused.err
    assert gateway.ledger == []
    path.chmod(0o600)
    assert apiyi(["chat", "hi", "--key-file", str(path)], env=unset).code == 0
    assert apiyi(["chat", "hi", "--key-file", str(path)]).code == 0
