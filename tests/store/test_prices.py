"""Estimates from the gateway's price list: unknown is unknown, never 0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.store.prices import BilledUnits, Price, Prices, encode_price_list, format_cost

ROWS: list[Any] = [
    {"model_name": "tokens", "quota_type": 0, "model_ratio": "2.5", "completion_ratio": 6},
    {"model_name": "plain", "quota_type": 0, "model_ratio": 0.5},
    {"model_name": "call", "quota_type": 1, "model_price": 0.04, "model_ratio": 9},
    {"model_name": "unpriced", "quota_type": 1},
    {"model_name": "broken", "quota_type": 0, "model_ratio": "much"},
    {"model_name": "free", "quota_type": 0, "model_ratio": 0, "completion_ratio": 0},
    {"model_name": "", "model_ratio": 1},
    "no row",
]


def cost(listed: Prices, model: str, prompt: int | None, completion: int | None) -> float | None:
    return listed.estimate(model, BilledUnits(prompt, completion))


def prices(tmp_path: Path, **more: Any) -> Prices:
    path = tmp_path / "prices.json"
    path.write_bytes(encode_price_list({"data": ROWS, **more}, 1000.0))
    return Prices(path)


def test_a_ratio_of_one_is_two_dollars_a_million(tmp_path: Path) -> None:
    found = prices(tmp_path)
    assert found.of("tokens") == Price(5.0, 30.0, None)
    assert cost(found, "tokens", 1_000_000, 0) == 5.0
    assert cost(found, "tokens", 0, 1_000_000) == 30.0
    assert cost(found, "plain", 1_000_000, 1_000_000) == 2.0
    assert found.fetched == 1000.0


def test_the_default_groups_ratio_counts(tmp_path: Path) -> None:
    found = prices(tmp_path, group_ratio={"default": 0.5, "vip": 9})
    assert cost(found, "tokens", 1_000_000, 0) == 2.5
    assert cost(found, "call", None, None) == 0.02


def test_a_price_for_each_request_needs_no_tokens(tmp_path: Path) -> None:
    assert cost(prices(tmp_path), "call", None, None) == 0.04


def test_a_model_that_is_free_costs_nothing(tmp_path: Path) -> None:
    assert cost(prices(tmp_path), "free", 10, 10) == 0.0


@pytest.mark.parametrize(
    ("model", "prompt", "completion"),
    [
        ("other", 1, 1),
        ("broken", 1, 1),
        ("unpriced", 1, 1),
        ("tokens", None, 1),
        ("tokens", 1, None),
    ],
)
def test_what_is_not_known_has_no_estimate(
    tmp_path: Path, model: str, prompt: int | None, completion: int | None
) -> None:
    assert cost(prices(tmp_path), model, prompt, completion) is None


def test_a_date_behind_the_name_does_not_matter(tmp_path: Path) -> None:
    found = prices(tmp_path)
    assert found.of("tokens-2024-08-06") == found.of("tokens-20240806") == found.of("tokens")
    assert found.of("tokens-mini") is None


@pytest.mark.parametrize("value", [None, [], {}, {"data": 3}, {"data": []}, {"data": [{}]}])
def test_what_is_not_a_price_list_is_not_kept(value: Any) -> None:
    with pytest.raises(ValueError, match="it has no"):
        encode_price_list(value, 0.0)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"fetched":1}', '{"fetched":"x","models":{}}'])
def test_a_damaged_file_is_no_list(tmp_path: Path, content: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(content)
    assert len(Prices(path)) == 0
    assert cost(Prices(path), "tokens", 1, 1) is None


def test_a_missing_file_is_no_list(tmp_path: Path) -> None:
    assert len(Prices(tmp_path / "none.json")) == 0


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (None, "unknown"),
        (0.0, "≈ $0.000000"),
        (0.00000004, "< $0.000001"),
        (0.0000123, "≈ $0.000012"),
        (0.0123, "≈ $0.0123"),
        (12.3456, "≈ $12.35"),
    ],
)
def test_an_estimate_says_that_it_is_one(cost: float | None, text: str) -> None:
    assert format_cost(cost) == text


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    prices(tmp_path)
    value = json.loads((tmp_path / "prices.json").read_bytes())
    assert value["models"]["plain"] == [1.0, 1.0, None]


REGISTRY: dict[str, Any] = {
    "schema_version": 1,
    "groups": {
        "Default": {"label": "默认", "ratio": 0.9},
        "ClaudeCode": {"label": "Claude Code", "ratio": 0.95},
        "Odd": {"label": "?"},
        "Null": None,
    },
    "models": [
        {
            "id": "tokens",
            "billing": {
                "type": "per_token",
                "input_usd_per_m": 4,
                "output_usd_per_m": 20,
                "cache_read_usd_per_m": 0.4,
                "tiered": True,
            },
        },
        {"id": "listed", "billing": {"type": "per_token", "input_usd_per_m": 1}},
        {"id": "drawn", "billing": {"type": "per_call", "per_call_usd": 0.03}},
        {"id": "odd", "billing": {"type": "per_token", "input_usd_per_m": "much"}},
        {"id": "bare"},
        {"id": 3, "billing": {}},
        "no row",
    ],
}


def with_registry(tmp_path: Path, group: str | None = None, **more: Any) -> Prices:
    path = tmp_path / "prices.json"
    path.write_bytes(encode_price_list({"data": ROWS, **more}, 1000.0, REGISTRY))
    return Prices(path, lambda: group)


def test_the_registry_fills_what_the_price_list_does_not_have(tmp_path: Path) -> None:
    found = with_registry(tmp_path, group_ratio={"default": 1})
    assert found.of("tokens") == Price(5.0, 30.0, None)
    assert found.of("listed") == Price(1.0, 0.0, None)
    assert found.of("drawn") == Price(None, None, 0.03)
    assert found.of("odd") is found.of("bare") is None


def test_cached_tokens_cost_what_the_registry_says(tmp_path: Path) -> None:
    found = with_registry(tmp_path, group_ratio={"default": 1})
    used = BilledUnits(prompt=1_000_000, completion=0, cached=600_000)
    assert found.estimate("tokens", used) == pytest.approx(0.4 * 5 + 0.6 * 0.4)
    own = [{**ROWS[0], "cache_ratio": 0.5}]
    assert with_registry(tmp_path, data=own).find_cached("tokens") == pytest.approx(2.5 * 0.9)


def test_a_long_prompt_costs_what_its_tier_says(tmp_path: Path) -> None:
    first = {"input_usd_per_m": 2, "output_usd_per_m": 10, "cache_read_usd_per_m": 0.2}
    second = {"input_usd_per_m": 4, "output_usd_per_m": 15, "cache_read_usd_per_m": 0.4}
    forms: list[dict[str, Any]] = [
        {"tiered": [{"up_to_tokens": 200_000, **first}, second]},
        {"tiered": True, "tiers": [first, {"min_input_tokens": 200_000, **second}]},
    ]
    for form in forms:
        row = {"id": "long", "billing": {"type": "per_token", **first, **form}}
        path = tmp_path / "prices.json"
        path.write_bytes(encode_price_list({"data": []}, 1000.0, {"models": [row]}))
        found = Prices(path)
        assert cost(found, "long", 200_000, 1000) == pytest.approx(0.41)
        assert cost(found, "long-2026-11-01", 300_000, 1000) == pytest.approx(1.215)
        used = BilledUnits(prompt=300_000, completion=0, cached=100_000)
        assert found.estimate("long", used) == pytest.approx(0.84)
    odd = {"tiered": [{"up_to_tokens": "many", "input_usd_per_m": "x"}]}
    row = {"id": "odd", "billing": {"type": "per_token", **first, **odd}}
    (tmp_path / "prices.json").write_bytes(encode_price_list(None, 1.0, {"models": [row]}))
    assert cost(Prices(tmp_path / "prices.json"), "odd", 300_000, 0) == pytest.approx(0.6)


def test_the_ratio_of_a_group_may_come_from_the_registry(tmp_path: Path) -> None:
    assert cost(with_registry(tmp_path), "listed", 1_000_000, 0) == pytest.approx(0.9)
    for name in ("ClaudeCode", "claudecode"):
        found = with_registry(tmp_path, name)
        assert cost(found, "listed", 1_000_000, 0) == pytest.approx(0.95)
        assert found.find_cached("tokens") == pytest.approx(0.38)
    # The gateway's own word counts before the vendor's page.
    later = with_registry(tmp_path, "claudecode", group_ratio={"default": 1, "ClaudeCode": 0.8})
    assert cost(later, "listed", 1_000_000, 0) == pytest.approx(0.8)
    assert cost(with_registry(tmp_path, "unheard of"), "tokens", 1_000_000, 0) == 4.5


def test_the_registry_alone_is_a_price_list(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_bytes(encode_price_list({"success": False}, 1000.0, REGISTRY))
    assert Prices(path).estimate("drawn", BilledUnits()) == pytest.approx(0.027)
