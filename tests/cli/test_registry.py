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


def read_registry(apiyi: Program) -> dict[str, Any]:
    path = apiyi.home / "cache" / "apiyi" / "registry.json"
    models: dict[str, Any] = json.loads(path.read_bytes())["models"]
    return models


def test_both_are_fetched_without_the_key(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("models --update -H 'X-Mine: yes'")
    assert (ran.code, ran.out) == (0, b"")
    *public, log = gateway.ledger
    assert [request.path for request in public] == ["/api/pricing", REGISTRY]
    assert all("authorization" not in request.headers for request in public)
    assert all("x-mine" not in request.headers for request in public)
    # The key's own log names its group.
    assert log.path == "/api/log/token" and log.headers["authorization"].startswith("Bearer ")
    gateway.ledger.clear()
    assert apiyi("models --update", env=NO_KEY).code == 0
    assert [request.path for request in gateway.ledger] == ["/api/pricing", REGISTRY]
    assert read_registry(apiyi)["gpt-4o"] == {
        "kind": "text",
        "endpoints": ["chat", "completions", "responses"],
        "groups": ["default"],
        "successor": "",
        "context": None,
        "page": "https://docs.apiyi.com/",
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
    assert read_registry(apiyi)["gpt-4o"]["groups"] == ["default"]


def test_a_registry_from_the_future_is_read_as_far_as_it_is_understood(
    apiyi: Program, gateway: Gateway
) -> None:
    row = {"id": "new-1", "category": "hologram", "endpoints": {"chat": 1}, "groups": ["VIP", 7]}
    row |= {"billing": {"type": "per_dream", "dream_usd": 3}, "context_window": "wide"}
    gateway.script(registry(row, schema_version=9, galaxies=[]), path=REGISTRY)
    ran = apiyi("models --update")
    assert ran.code == 0
    assert "schema version 9" in ran.err
    assert read_registry(apiyi)["new-1"] == {
        "kind": "hologram",
        "endpoints": [],
        "groups": ["VIP"],
        "successor": "",
        "context": None,
        "page": "",
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
    gateway.script(ScriptedReply.error(404, "gone"), path="/api/pricing")
    ran = apiyi("models gpt-4o mini", env=NO_KEY)
    assert ran.code == 0 and "gpt-4o-mini" in ran.text.splitlines()
    assert "no key: these are the models of the public registry" in ran.err


def test_the_registry_may_be_elsewhere(apiyi: Program, gateway: Gateway) -> None:
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    before = config.read_text() if config.exists() else ""
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f'registry_url = "{gateway.origin}/mirror.json"\n{before}')
    config.chmod(0o600)
    gateway.script(registry({"id": "m-1"}), path="/mirror.json")
    assert apiyi("models --update").code == 0
    assert "m-1" in read_registry(apiyi)


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
    for word in (
        "kind",
        "price",
        "context",
        "endpoints",
        "groups",
        "chat, completions, responses",
        "default",
    ):
        assert word in text


@pytest.mark.parametrize(
    ("columns", "headers"),
    [
        (100, ["model", "owner", "kind", "price", "context", "endpoints", "groups"]),
        (72, ["model", "owner", "kind", "price", "context", "endpo"]),
        (60, ["model", "kind", "price", "context"]),
    ],
)
def test_a_narrow_table_leaves_columns_out_and_no_name_or_price_is_cut(
    apiyi: Program, columns: int, headers: list[str]
) -> None:
    apiyi("models --update")
    head, *rows = apiyi.terminal("models gpt-4o", columns=columns).lines
    assert [word.rstrip("…") for word in head.split()] == headers
    row = next(row for row in rows if row.startswith("gpt-4o-transcribe-diarize "))
    assert "audio" in row and "$2 / $8 M" in row and "128,000" in row
    context = head.index("context") + len("context")
    assert all(row[:context].rstrip()[-1:].isdigit() for row in rows if "128,000" in row)


MESSAGES_ONLY = {
    "id": "glm-9",
    "category": "text",
    "endpoints": ["messages"],
    "groups": ["ClaudeCode"],
    "context_window": 200_000,
    "docs_url": "https://docs.apiyi.com/glm-9",
    "billing": {
        "type": "per_token",
        "input_usd_per_m": 100,
        "output_usd_per_m": 0,
        "cache_read_usd_per_m": 1,
    },
}


def set_group(apiyi: Program, group: str) -> None:
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.write_text(f'[profile.default]\ngroup = "{group}"\n{config.read_text()}')


def test_what_is_known_of_a_model_is_shown(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(registry(MESSAGES_ONLY), path=REGISTRY)
    apiyi("models --update")
    listed = ScriptedReply.json({"data": [{"id": "glm-9", "owned_by": "z", "created": 1735689600}]})
    gateway.script(*[listed] * 3, path="/models")
    assert apiyi("models show glm-9").json == {
        "id": "glm-9",
        "owned_by": "z",
        "created": 1735689600,
        "registry": {
            "kind": "text",
            "endpoints": ["messages"],
            "groups": ["ClaudeCode"],
            "context": 200_000,
            "page": "https://docs.apiyi.com/glm-9",
            "price": "$100 / $0 M",
            "cached_price": "$1 M",
        },
    }
    assert "registry" not in apiyi("models show glm-9 --json").json
    lines = apiyi.terminal("models show glm-9").lines
    rows = {" ".join(line.split()) for line in lines}
    wanted = {"kind text", "context 200000", "groups ClaudeCode", "price $100 / $0 M"}
    assert wanted | {"created 2025-01-01"} <= rows


def test_a_model_that_is_gone_is_shown_by_its_successor(apiyi: Program) -> None:
    apiyi("models --update")
    ran = apiyi("models show gpt-5.2-chat-latest")
    assert ran.code == 6
    assert ran.err.rstrip().endswith("try: apiyi models show chat-latest")


def test_the_registry_names_the_endpoints_that_a_model_has(
    apiyi: Program, gateway: Gateway
) -> None:
    other = {**MESSAGES_ONLY, "id": "glm-8", "endpoints": ["chat", "gemini"]}
    gateway.script(registry(MESSAGES_ONLY, other), path=REGISTRY)
    apiyi("models --update")
    assert apiyi("chat hi -m glm-9 --protocol anthropic --dry-run").code == 0
    ran = apiyi("chat hi -m glm-8 --protocol anthropic")
    assert ran.code == 2
    assert "its family has no /v1/messages, only /v1/chat/completions" in ran.err
    assert gateway.posts == []
    assert apiyi("chat hi -m glm-8 --protocol anthropic --dry-run --force-model").code == 0
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    own = '[families."glm-8*"]\nkind = "chat"\nprotocols = ["anthropic"]\n'
    config.write_text(f"{config.read_text()}\n{own}")
    assert apiyi("chat hi -m glm-8 --protocol anthropic --dry-run").code == 0


def test_cached_tokens_and_the_groups_ratio_count_in_every_estimate(
    apiyi: Program, gateway: Gateway
) -> None:
    groups = {"Default": {"label": "", "ratio": 1}, "ClaudeCode": {"label": "", "ratio": 0.5}}
    gateway.script(registry(MESSAGES_ONLY, groups=groups), path=REGISTRY)
    apiyi("models --update")
    usage = {"input_tokens": 0, "cache_read_input_tokens": 100_000, "output_tokens": 5}
    block = {"type": "text", "text": "hi"}
    answer = {"type": "message", "role": "assistant", "content": [block], "usage": usage}
    reply = ScriptedReply.json({**answer, "stop_reason": "end_turn"})
    line = "chat hi -m glm-9 --protocol anthropic --no-stream"
    gateway.script(reply, reply, path="/messages")
    # 100,000 cached tokens at $1 a million, and at half of it for the group of the profile.
    assert "≈ $0.1000" in apiyi(f"{line} -u").err
    set_group(apiyi, "claudecode")
    assert "≈ $0.0500" in apiyi(f"{line} -u").err
    records = [json.loads(row) for row in apiyi("usage --ndjson").text.splitlines()]
    assert sum(record["cost"] for record in records) == pytest.approx(0.15)
    # The limit counts the group's price, too: about 25 tokens at $50 a million.
    assert apiyi(f"{line} --max-cost 0.0001").code == 9
    assert len(gateway.posts) == 2


@pytest.mark.parametrize(
    ("group", "said"),
    [
        (
            "default",
            "the key's group (分组) default does not have it; those that do: Wan&HappyHorse",
        ),
        ("wan&happyhorse", "the group (分组) wan&happyhorse has it, but no channel serves it now"),
    ],
)
def test_a_hint_goes_by_the_group_of_the_profile(
    apiyi: Program, gateway: Gateway, group: str, said: str
) -> None:
    gateway.script(registry({"id": "wan-9", "groups": ["Wan&HappyHorse"]}), path=REGISTRY)
    apiyi("models --update")
    set_group(apiyi, group)
    ran = apiyi("chat hi -m wan-9 --force-model")
    assert ran.code == 6
    assert said in ran.err


def test_the_group_is_that_of_the_keys_own_log(apiyi: Program, gateway: Gateway) -> None:
    groups = {"Default": {"label": "", "ratio": 1}, "VIP": {"label": "", "ratio": 0.5}}
    rows = [{**MESSAGES_ONLY, "id": "glm-7", "endpoints": ["chat"]}]
    rows.append({"id": "wan-9", "groups": ["Wan&HappyHorse"]})
    gateway.script(registry(*rows, groups=groups), path=REGISTRY)
    log = [{"created_at": 5, "quota": 1, "group": "old"}]
    log.append({"created_at": 9, "quota": 1, "group": "vip"})
    gateway.script(ScriptedReply.json({"success": True, "data": log}), path="/api/log/token")
    assert apiyi("models --update").code == 0
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}
    message = {"role": "assistant", "content": "hi"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    answer = ScriptedReply.json({"choices": choices, "usage": usage})
    gateway.script(answer, answer, path="/chat/completions")
    assert "≈ $50.00" in apiyi("chat hi -m glm-7 --no-stream -u").err
    before = (apiyi.home / "config" / "apiyi" / "config.toml").read_text()
    # The profile's own word counts before it.
    set_group(apiyi, "default")
    assert "≈ $100.00" in apiyi("chat hi -m glm-7 --no-stream -u").err
    (apiyi.home / "config" / "apiyi" / "config.toml").write_text(before)
    ran = apiyi("chat hi -m wan-9 --force-model")
    assert "the key's group (分组) vip does not have it; those that do: Wan&HappyHorse" in ran.err


def test_a_hint_asks_the_keys_log_once_where_no_group_is_known(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(registry({"id": "wan-9", "groups": ["Wan&HappyHorse"]}), path=REGISTRY)
    assert apiyi("models --update").code == 0
    gateway.ledger.clear()
    assert apiyi("chat hi").code == 0
    for _ in range(2):
        ran = apiyi("chat hi -m wan-9 --force-model")
        assert "the key's group (分组) default does not have it" in ran.err
    assert [one.path for one in gateway.ledger].count("/api/log/token") == 1


def test_a_model_that_the_registry_knows_for_another_kind_is_refused_before_it_is_sent(
    apiyi: Program, gateway: Gateway
) -> None:
    rows = [
        {"id": "acme-vec", "category": "embedding", "endpoints": ["embeddings"]},
        {"id": "acme-paint", "category": "image", "endpoints": ["images", "chat"]},
        {"id": "acme-dream", "category": "hologram", "endpoints": ["holograms"]},
        {"id": "gpt-4o", "category": "video", "endpoints": ["videos"]},
    ]
    gateway.script(registry(*rows), path=REGISTRY)
    assert apiyi("models --update").code == 0
    gateway.ledger.clear()
    ran = apiyi("chat hi -m acme-vec")
    assert ran.code == 2
    assert "the registry says that it is an embedding model, which apiyi chat cannot use" in ran.err
    (apiyi.work / "rows.jsonl").write_text('{"prompt": "hi", "model": "acme-vec"}\n')
    assert "model: acme-vec cannot be used: the registry says" in apiyi("batch rows.jsonl").err
    assert gateway.ledger == []
    for line in (
        "chat hi -m acme-vec --force-model --dry-run",
        "embed hi -m acme-vec --dry-run",
        "chat hi -m acme-paint --dry-run",
        "chat hi -m acme-dream --dry-run",
        # What the program knows of a family counts before.
        "chat hi -m gpt-4o --dry-run",
    ):
        assert apiyi(line).code == 0, line
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.write_text(f'{config.read_text()}\n[families."acme-v*"]\nkind = "chat"\n')
    assert apiyi("chat hi -m acme-vec --dry-run").code == 0


def test_without_a_price_list_the_registrys_prices_are_used(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply.error(404, "gone"), path="/api/pricing")
    gateway.script(registry(MESSAGES_ONLY), path=REGISTRY)
    ran = apiyi("models --update")
    assert ran.code == 0
    assert "the price list cannot be read: " in ran.err and "list prices are used" in ran.err
    assert apiyi("chat hi -m glm-9 --max-cost 0.0001").code == 9
    both = (ScriptedReply.error(404, "gone"), ScriptedReply.error(404, "gone"))
    for reply, path in zip(both, ("/api/pricing", REGISTRY), strict=True):
        gateway.script(reply, path=path)
    assert apiyi("models --update").code == 6


def test_the_address_of_the_registry_is_listed(apiyi: Program) -> None:
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.write_text(f'registry_url = "https://mirror.example/r.json"\n{config.read_text()}')
    shown = apiyi("config list --origin").text
    assert "registry_url" in shown and "https://mirror.example/r.json" in shown
    assert apiyi("config get registry_url").text == "https://mirror.example/r.json\n"
    assert apiyi("config set registry_url https://other.example/r.json").code == 0
    assert "https://other.example/r.json" in config.read_text()
    assert apiyi("config set registry_url http://plain.example/r.json").code != 0
    assert apiyi("config unset registry_url").code == 0
    assert "registry_url" not in apiyi("config list").text
