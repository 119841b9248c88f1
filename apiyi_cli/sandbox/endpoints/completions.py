"""POST /v1/completions, the legacy form: texts instead of messages."""

from __future__ import annotations

from typing import Any

from apiyi_cli.sandbox import checks
from apiyi_cli.sandbox.endpoints.catalogue import CREATED, model_of
from apiyi_cli.sandbox.endpoints.chat import stream_choices
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.request_summary import (
    MARK,
    RequestSummary,
    count_usage,
    cut_short,
    deltas,
    describe,
    tokens,
)
from apiyi_cli.sandbox.scripted_reply import ScriptedReply, invalid

_STRUCTURE = frozenset(("model", "prompt", "stream", "stream_options", "suffix"))
_BOUNDS: checks.Bounds = {
    **checks.SAMPLING,
    "best_of": (int, 0, 20),
    "logprobs": (int, 0, 5),
    "max_tokens": (int, 0, 1 << 31),
}


def completions(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer a completion; choices of several prompts are numbered prompt by prompt."""
    fields = checks.json_fields(request)
    model = model_of(fields, "complete")
    _check(fields)
    prompts = _prompts(checks.require_field(fields, "prompt"))
    count = fields.get("n") or 1
    choices = [
        _choice(fields, prompt, finish, at * count + k, k)
        for at, prompt in enumerate(prompts)
        for k in range(count)
    ]
    usage = count_usage(
        sum(map(tokens, prompts)), sum(tokens(choice["text"]) for choice in choices)
    )
    frame = {
        "id": f"cmpl-sandbox{request.digest}",
        "object": "text_completion",
        "created": CREATED,
        "model": model,
    }
    if fields.get("stream"):
        return stream_choices(fields, frame, [_chunks(choice) for choice in choices], usage)
    whole = {**frame, "choices": choices, "usage": usage}
    return ScriptedReply.json(whole, tokens=usage["total_tokens"])


def _choice(fields: dict[str, Any], prompt: str, finish: str, index: int, k: int) -> dict[str, Any]:
    options = {name: value for name, value in fields.items() if name not in _STRUCTURE}
    text = describe(RequestSummary(prompt=prompt, options=options))
    if suffix := fields.get("suffix"):
        text += f"\nSuffix: {suffix}"
    if k:
        text = f"{MARK} (answer {k + 1}){text.removeprefix(MARK)}"
    text = (prompt if fields.get("echo") else "") + cut_short(text, finish)
    logprobs = _logprobs(text, fields["logprobs"]) if fields.get("logprobs") is not None else None
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish}


def _logprobs(text: str, top: int) -> dict[str, Any]:
    pieces = deltas(text)
    offsets, at = [], 0
    for token in pieces:
        offsets.append(at)
        at += len(token)
    return {
        "tokens": pieces,
        "token_logprobs": [-0.125] * len(pieces),
        "top_logprobs": [{token: -0.125} for token in pieces] if top else None,
        "text_offset": offsets,
    }


def _chunks(choice: dict[str, Any]) -> list[dict[str, Any]]:
    blank = {"index": choice["index"], "logprobs": None, "finish_reason": None}
    texts = [{**blank, "text": piece} for piece in deltas(choice["text"])]
    return [*texts, {**blank, "text": "", "finish_reason": choice["finish_reason"]}]


def _prompts(prompt: Any) -> list[str]:
    """Return the prompts as texts: a text, several, or token lists as they are."""
    if isinstance(prompt, str):
        return [prompt]
    if isinstance(prompt, list) and all(isinstance(item, str) for item in prompt):
        return list(prompt)
    if isinstance(prompt, list) and all(isinstance(item, int) for item in prompt):
        return [f"tokens {prompt}"]
    if isinstance(prompt, list) and all(isinstance(item, list) for item in prompt):
        return [f"tokens {item}" for item in prompt]
    raise invalid("Invalid 'prompt': a string or an array", "prompt", "invalid_type")


def _check(fields: dict[str, Any]) -> None:
    checks.check_bounds(fields, _BOUNDS)
    checks.check_flags(fields, "stream", "echo")
    checks.check_stop(fields)
    best_of = fields.get("best_of")
    if best_of is not None and best_of < (fields.get("n") or 1):
        raise invalid("'best_of' must be at least 'n'", "best_of")
    if best_of is not None and best_of > 1 and fields.get("stream"):
        raise invalid("'best_of' cannot be streamed", "best_of")
