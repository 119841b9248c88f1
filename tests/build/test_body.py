"""Bodies out of options: places, types, and what model families need."""

from __future__ import annotations

from typing import Any

import pytest

from apiyi_cli.build.body import adapt_to_family, apply_options, option_fields, read_value, set_path
from apiyi_cli.core.families import find_family
from apiyi_cli.core.jsontext import Number
from apiyi_cli.core.options.chat import ChatSampling, Tools
from apiyi_cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-0", 0),
        ("1.0", 1.0),
        ("true", True),
        ("null", None),
        ('"1"', "1"),
        ("[1,{}]", [1, {}]),
        (" 1 ", 1),
        ("True", "True"),
        ("NaN", "NaN"),
        ("01", "01"),
        ("", ""),
        ("{a}", "{a}"),
        ("9007199254740993", 9007199254740993),
        ("18446744073709551616", 18446744073709551616),
        ('{"n": [123456789012345678901234567890]}', {"n": [123456789012345678901234567890]}),
    ],
)
def test_a_value_is_json_where_it_is_json(text: str, value: Any) -> None:
    assert read_value(text) == value
    # A fraction is a float that is written as it was typed.
    assert type(read_value(text)) in (type(value), Number)


@pytest.mark.parametrize(
    ("body", "place", "whole"),
    [
        ({}, "a", {"a": 7}),
        ({}, "a.b.c", {"a": {"b": {"c": 7}}}),
        ({"a": {"x": 1}}, "a.b", {"a": {"x": 1, "b": 7}}),
        ({"a": 1}, "a", {"a": 7}),
        ({}, "a\\.b.c", {"a.b": {"c": 7}}),
        ({"a": {"b": 1}}, "a", {"a": 7}),
    ],
)
def test_a_dotted_place_makes_the_objects_on_its_way(
    body: dict[str, Any], place: str, whole: dict[str, Any]
) -> None:
    set_path(body, place, 7)
    assert body == whole


@pytest.mark.parametrize("body", [{"a": 1}, {"a": None}, {"a": [1]}, {"a": {"b": "x"}}])
def test_what_is_not_an_object_is_not_replaced_on_the_way(body: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="not an object"):
        set_path(body, "a.b.c", 7)


def test_body_options_apply_in_order() -> None:
    assert apply_options({"n": 1}, ["a=1", "a=2", "n=", "b.c=x=y"]) == {
        "n": "",
        "a": 2,
        "b": {"c": "x=y"},
    }
    assert apply_options({"n": 1}, None) == {"n": 1}


def test_only_what_was_given_is_in_the_body() -> None:
    assert option_fields(ChatSampling(), Tools()) == {}
    sampling = ChatSampling(temperature=0.0, stop=["a"], logprobs=False, seed=0)
    assert option_fields(sampling) == {
        "temperature": 0.0,
        "stop": ["a"],
        "seed": 0,
        "logprobs": False,
    }


@pytest.mark.parametrize(
    ("pairs", "biases"),
    [
        (["1=2"], {"1": 2}),
        (["50256=-100", "7=0.5"], {"50256": -100, "7": 0.5}),
        (["1=1", "1=2"], {"1": 2}),
    ],
)
def test_biases_are_numbers_by_token(pairs: list[str], biases: dict[str, float]) -> None:
    assert option_fields(ChatSampling(logit_bias=pairs)) == {"logit_bias": biases}


@pytest.mark.parametrize("pair", ["1", "=1", "x=1", "1=x", "1=100.5", "1=-101", "1=inf", "-1=1"])
def test_what_is_not_a_bias_is_refused(pair: str) -> None:
    with pytest.raises(UsageError, match="--logit-bias"):
        option_fields(ChatSampling(logit_bias=[pair]))


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("gpt-4o", "max_tokens"),
        ("gpt-5", "max_completion_tokens"),
        ("gpt-5.4-mini", "max_completion_tokens"),
        ("gpt-5-chat-latest", "max_completion_tokens"),
        ("openai/gpt-5", "max_completion_tokens"),
        ("O3-mini", "max_completion_tokens"),
        ("o1", "max_completion_tokens"),
        ("ollama", "max_tokens"),
        ("claude-opus-4", "max_tokens"),
        ("grok-4", "max_tokens"),
        ("gpt-50", "max_completion_tokens"),
        ("", "max_tokens"),
    ],
)
def test_a_familys_token_limit_is_found_by_the_models_name(model: str, field: str) -> None:
    body = {"model": model, "max_tokens": 5}
    adapt_to_family(body, find_family(model))
    assert body == {"model": model, field: 5}


def test_the_users_families_come_first_and_a_refused_field_is_still_sent() -> None:
    own: dict[str, dict[str, Any]] = {
        "gpt-5*": {"refuses": ["seed"], "max_tokens": "max_tokens"},
        "My-*": {"max_tokens": "limit"},
    }
    body = {"model": "gpt-5", "max_tokens": 5, "seed": 1, "temperature": 0}
    notes = adapt_to_family(body, find_family("gpt-5", own))
    assert body == {"model": "gpt-5", "max_tokens": 5, "seed": 1, "temperature": 0}
    assert notes == ("gpt-5 is known to refuse seed; sent as asked",)
    mine = {"model": "my-model", "max_tokens": 5}
    assert adapt_to_family(mine, find_family("my-model", own)) == ()
    assert mine == {"model": "my-model", "limit": 5}


def test_both_limits_together_are_left_to_the_user() -> None:
    body = {"model": "o3", "max_tokens": 5, "max_completion_tokens": 7}
    adapt_to_family(body, find_family("o3"))
    assert body["max_completion_tokens"] == 7
