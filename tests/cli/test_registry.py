"""`apiyi models --update`: the registry and the price list, and what they are good for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

REGISTRY = "/model-registry.json"
NO_KEY = {"APIYI_API_KEY": None}


def registry(*rows: Any, **more: Any) -> ScriptedReply:
    return ScriptedReply.json({"schema_version": 1, "models": list(rows), **more})


def kept(apiyi: Program) -> dict[str, Any]:
    path = apiyi.home / "cache" / "apiyi" / "registry.json"
    models: dict[str, Any] = json.loads(path.read_bytes())["models"]
    return models


def test_both_are_fetched_without_the_key(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("models --update -H 'X-Mine: yes'")
    assert (ran.code, ran.out) == (0, b"")
    assert [request.path for request in gateway.ledger] == ["/api/pricing", REGISTRY]
    assert all("authorization" not in request.headers for request in gateway.ledger)
    assert all("x-mine" not in request.headers for request in gateway.ledger)
    assert kept(apiyi)["gpt-4o"] == {
        "kind": "text",
        "endpoints": ["chat", "complete", "respond"],
        "groups": ["default"],
        "successor": "",
    }


@pytest.mark.parametrize(
    "reply",
    [
        ScriptedReply.text("<html>moved</html>", "text/html"),
        ScriptedReply.text("{", "application/json"),
        ScriptedReply.json([1, 2]),
        ScriptedReply.json({"models": "none"}),
        ScriptedReply.json({"models": [{"name": "x"}, 3, {"id": ""}]}),
        ScriptedReply.json({"error": {"message": "gone"}}, 404),
    ],
)
def test_a_registry_that_is_none_is_said_and_the_prices_are_kept(
    apiyi: Program, gateway: Gateway, reply: ScriptedReply
) -> None:
    gateway.script(reply, path=REGISTRY)
    ran = apiyi("models --update --retries 0")
    assert ran.code == 0
    assert "cannot be read" in ran.err
    assert "kept the prices" in ran.err
    assert kept(apiyi)["gpt-4o"]["groups"] == ["default"]


def test_a_registry_from_the_future_is_read_as_far_as_it_is_understood(
    apiyi: Program, gateway: Gateway
) -> None:
    row = {"id": "new-1", "category": "hologram", "endpoints": {"chat": 1}, "groups": ["VIP", 7]}
    gateway.script(registry(row, schema_version=9, galaxies=[]), path=REGISTRY)
    ran = apiyi("models --update")
    assert ran.code == 0
    assert "schema version 9" in ran.err
    assert kept(apiyi)["new-1"] == {
        "kind": "hologram",
        "endpoints": [],
        "groups": ["VIP"],
        "successor": "",
    }


def test_a_retired_model_names_its_successor(apiyi: Program, gateway: Gateway) -> None:
    apiyi("models --update")
    ran = apiyi("chat hi -m gpt-5.2-chat-latest")
    assert ran.code == 6
    assert "try: -m chat-latest" in ran.err


def test_a_model_of_another_group_names_the_group(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(registry({"id": "wan-9", "groups": ["Wan&HappyHorse"]}), path=REGISTRY)
    apiyi("models --update")
    ran = apiyi("chat hi -m wan-9 --force-model")
    assert ran.code == 6
    assert "分组" in ran.err
    assert "Wan&HappyHorse" in ran.err


def test_without_a_key_the_public_list_is_shown(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("models gpt-4o mini", env=NO_KEY)
    assert ran.code == 0, ran.err
    assert "gpt-4o-mini" in ran.text.splitlines()
    assert "no key: these are the models of the public price list" in ran.err
    assert [request.path for request in gateway.ledger] == ["/api/pricing"]


def test_the_registry_may_be_elsewhere(apiyi: Program, gateway: Gateway) -> None:
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    before = config.read_text() if config.exists() else ""
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f'registry_url = "{gateway.origin}/mirror.json"\n{before}')
    config.chmod(0o600)
    gateway.script(registry({"id": "m-1"}), path="/mirror.json")
    assert apiyi("models --update").code == 0
    assert "m-1" in kept(apiyi)


@pytest.mark.parametrize("value", ["3", '"http://example.com/r.json"', '"file:///etc/passwd"'])
def test_an_address_that_is_no_https_is_refused(
    apiyi: Program, gateway: Gateway, value: str
) -> None:
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f"registry_url = {value}\n")
    config.chmod(0o600)
    ran = apiyi("models --update")
    assert ran.code == 10
    assert "https://" in ran.err
    assert gateway.ledger == []


def test_the_table_shows_kind_endpoints_price_and_groups(apiyi: Program) -> None:
    apiyi("models --update")
    text = "\n".join(apiyi.terminal("models gpt-4o", columns=160).lines)
    for word in ("kind", "endpoints", "price", "groups", "chat, complete, respond", "default"):
        assert word in text
