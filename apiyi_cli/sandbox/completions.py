"""POST /v1/completions, the legacy form: texts instead of messages."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from apiyi_cli.sandbox import checks
from apiyi_cli.sandbox.catalogue import CREATED, model_of
from apiyi_cli.sandbox.received import ReceivedRequest
from apiyi_cli.sandbox.request_summary import (
    MARK,
    RequestSummary,
    cut_short,
    deltas,
    describe,
    tokens,
)
from apiyi_cli.sandbox.scripted_reply import DONE, ScriptedReply, invalid

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
    asked = sum(tokens(prompt) for prompt in prompts)
    said = sum(tokens(choice["text"]) for choice in choices)
    usage = {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
    frame = {
        "id": f"cmpl-sandbox{sha256(request.body).hexdigest()[:16]}",
        "object": "text_completion",
        "created": CREATED,
        "model": model,
    }
    if fields.get("stream"):
        return _stream_chunks(fields, frame, choices, usage)
    return ScriptedReply.json({**frame, "choices": choices, "usage": usage}, tokens=asked + said)


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
    found = deltas(text)
    offsets, at = [], 0
    for token in found:
        offsets.append(at)
        at += len(token)
    return {
        "tokens": found,
        "token_logprobs": [-0.125] * len(found),
        "top_logprobs": [{token: -0.125} for token in found] if top else None,
        "text_offset": offsets,
    }


def _stream_chunks(
    fields: dict[str, Any],
    frame: dict[str, Any],
    choices: list[dict[str, Any]],
    usage: dict[str, Any],
) -> ScriptedReply:
    runs = []
    for choice in choices:
        blank = {"index": choice["index"], "logprobs": None, "finish_reason": None}
        run = [{**blank, "text": piece} for piece in deltas(choice["text"])]
        runs.append([*run, {**blank, "text": "", "finish_reason": choice["finish_reason"]}])
    events: list[Any] = []
    for step in range(max(len(run) for run in runs)):
        events += [{**frame, "choices": [run[step]]} for run in runs if step < len(run)]
    if (fields.get("stream_options") or {}).get("include_usage"):
        events.append({**frame, "choices": [], "usage": usage})
    return ScriptedReply.sse(*events, DONE, tokens=usage["total_tokens"])


def _prompts(prompt: Any) -> list[str]:
    """Return the prompts as texts: a text, several, or token lists as they are."""
    if isinstance(prompt, str):
        return [prompt]
    if isinstance(prompt, list) and all(isinstance(one, str) for one in prompt):
        return list(prompt)
    if isinstance(prompt, list) and all(isinstance(one, int) for one in prompt):
        return [f"tokens {prompt}"]
    if isinstance(prompt, list) and all(isinstance(one, list) for one in prompt):
        return [f"tokens {one}" for one in prompt]
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
