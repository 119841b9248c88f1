"""An odd value where an answer has a list is no part of the turn that a session keeps."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest

from apiyi_cli.core.call import Call
from apiyi_cli.decode.answers.turns import read_turn


@pytest.mark.parametrize("odd", [1, 10**30, 0.5, "abc", True, {"a": 1}, [None, 1, "a"]])
@pytest.mark.parametrize(
    ("protocol", "answer"),
    [
        ("anthropic", {"content": None}),
        ("google", {"candidates": [{"content": {"parts": None}}]}),
        ("openai", {"choices": [{"message": {"content": "hi", "tool_calls": None}}]}),
    ],
)
def test_an_odd_list_is_no_turn(
    protocol: Literal["openai", "anthropic", "google"], answer: dict[str, Any], odd: object
) -> None:
    body = json.dumps(answer).replace("null", json.dumps(odd), 1)
    call = Call("POST", "/", protocol=protocol, model="m")
    assert read_turn(call, [body.encode()]) is None
