"""Legacy completion requests."""

from __future__ import annotations

from typing import Any

from apiyi_cli.build.complete import complete_call
from apiyi_cli.core.options.chat import Sampling
from apiyi_cli.core.options.complete import CompleteOptions


def body(prompt: Any = "p", *, stream: bool = False, **values: Any) -> dict[str, Any]:
    ours = {name: values.pop(name) for name in list(values) if name in vars(CompleteOptions())}
    options = values.pop("options", None)
    call = complete_call(
        model="m",
        prompt=prompt,
        sampling=Sampling(**values),
        complete_options=CompleteOptions(**ours),
        stream=stream,
        options=options,
    )
    assert (call.method, call.path, call.cost, call.model) == (
        "POST",
        "/completions",
        "text",
        "m",
    )
    found: dict[str, Any] = call.json
    return found


def test_nothing_is_sent_that_was_not_set() -> None:
    assert body() == {"model": "m", "prompt": "p"}


def test_every_field_of_the_endpoint_has_its_place() -> None:
    found = body(
        stream=True,
        suffix="s",
        echo=True,
        best_of=3,
        logprobs=2,
        max_tokens=5,
        n=2,
        stop=["a", "b"],
        logit_bias=["50256=-100"],
        options=["custom.deep=1"],
    )
    assert found == {
        "model": "m",
        "prompt": "p",
        "suffix": "s",
        "echo": True,
        "best_of": 3,
        "logprobs": 2,
        "max_tokens": 5,
        "n": 2,
        "stop": ["a", "b"],
        "logit_bias": {"50256": -100},
        "stream": True,
        "stream_options": {"include_usage": True},
        "custom": {"deep": 1},
    }


def test_several_prompts_are_a_list_even_if_there_is_one() -> None:
    assert body(["a"])["prompt"] == ["a"]
    assert body(("a", "b"))["prompt"] == ["a", "b"]
