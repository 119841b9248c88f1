"""POST /v1/chat/completions: repeats the request, calls its tools, fits its schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from apiyi_cli.core.jsontext import write
from apiyi_cli.sandbox import checks, model_table
from apiyi_cli.sandbox.endpoints.catalogue import (
    CREATED,
    has_fixed_sampling,
    list_ignored,
    model_of,
    reasons,
)
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.request_summary import (
    MARK,
    RequestSummary,
    count_prompt,
    count_usage,
    cut_short,
    deltas,
    describe,
    read_content,
    reasoning_text,
    structured_answer,
    tokens,
)
from apiyi_cli.sandbox.scripted_reply import DONE, ScriptedReply, invalid

if TYPE_CHECKING:
    from apiyi_cli.sandbox.toolcalls import ChosenCall

ROLES = ("developer", "system", "user", "assistant", "tool", "function")
ATTACHMENTS = {"image_url": "image", "input_audio": "audio", "file": "file"}
_STRUCTURE = frozenset(
    (
        *("model", "messages", "stream", "stream_options"),
        *("tools", "tool_choice", "parallel_tool_calls", "response_format"),
    )
)
_BOUNDS: checks.Bounds = {
    **checks.SAMPLING,
    "max_completion_tokens": (int, 1, 1 << 31),
    "top_logprobs": (int, 0, 20),
}


def chat(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer a chat completion, streamed or whole."""
    fields = checks.json_fields(request)
    model = model_of(fields, "chat")
    _check(fields, model)
    if model in model_table.DRAWS_IN_CHAT:
        from apiyi_cli.sandbox.endpoints.images import draw_in_chat

        return draw_in_chat(request)
    if model in model_table.DRAWS_IN_WORDS:
        from apiyi_cli.sandbox.endpoints.picture_models import draw_in_words

        return draw_in_words(request, model)
    fields = {k: v for k, v in fields.items() if k not in list_ignored(model)}
    summary = summarize(fields)
    name = f"chatcmpl-sandbox{request.digest}"
    frame = {"id": name, "created": CREATED, "model": model, "system_fingerprint": "fp_sandbox"}
    choices = [_choice(fields, model, summary, finish, k) for k in range(fields.get("n") or 1)]
    usage = _usage(summary, choices)
    if fields.get("stream"):
        frame = {"object": "chat.completion.chunk", **frame}
        return stream_choices(fields, frame, [_chunks(choice) for choice in choices], usage)
    whole = {"object": "chat.completion", **frame, "choices": choices, "usage": usage}
    return ScriptedReply.json(whole, tokens=usage["total_tokens"])


def summarize(fields: dict[str, Any]) -> RequestSummary:
    """Return the summary of a body that has been checked."""
    summary = RequestSummary(options={k: v for k, v in fields.items() if k not in _STRUCTURE})
    messages = fields["messages"]
    names = {
        call.get("id"): call.get("function", {}).get("name", "")
        for message in messages
        for call in message.get("tool_calls") or ()
    }
    turns = [m for m in messages if m["role"] not in ("system", "developer")]
    summary.system = "\n".join(_text(m)[0] for m in messages if m not in turns)
    while turns and turns[-1]["role"] == "tool":
        result = turns.pop()
        call_id = result.get("tool_call_id", "")
        summary.results.insert(0, (names.get(call_id) or call_id, _text(result)[0]))
    last = next((m for m in reversed(turns) if m["role"] == "user"), None)
    if last is not None:
        summary.prompt, summary.attachments = _text(last)
    summary.earlier = max(0, len(turns) - 1)
    texts = (_text(message)[0] for message in messages)
    summary.prompt_tokens = count_prompt(texts, len(messages), summary.attachments)
    if tools := fields.get("tools"):
        summary.prompt_tokens += len(write(tools)) // 4
    return summary


def _text(message: dict[str, Any]) -> tuple[str, list[str]]:
    return read_content(message.get("content"), ("text",), ATTACHMENTS)


def _choice(
    fields: dict[str, Any], model: str, summary: RequestSummary, finish: str, k: int
) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if reasons(model) and fields.get("reasoning_effort") != "none":
        message["reasoning_content"] = reasoning_text(summary)
    calls = _choose_calls(fields, summary) if fields.get("tools") else ()
    if calls and finish == "stop":
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ]
        return {"index": k, "message": message, "logprobs": None, "finish_reason": "tool_calls"}
    text = structured_answer(fields.get("response_format"), summary) or describe(summary)
    if k and text.startswith(MARK):
        text = f"{MARK} (answer {k + 1}){text.removeprefix(MARK)}"
    message["content"] = cut_short(text, finish)
    if finish == "content_filter":
        message["refusal"] = f"{MARK} I will not answer that."
    logprobs = _logprobs(fields, message["content"]) if fields.get("logprobs") else None
    return {"index": k, "message": message, "logprobs": logprobs, "finish_reason": finish}


def _choose_calls(fields: dict[str, Any], summary: RequestSummary) -> tuple[ChosenCall, ...]:
    """Return the calls of the request's functions, none if their results are given."""
    from apiyi_cli.sandbox.toolcalls import ToolSpec, choose_calls

    functions = (tool.get("function") or tool.get("custom") or {} for tool in fields["tools"])
    tools = [ToolSpec(item.get("name", ""), item.get("parameters") or {}) for item in functions]
    choice = fields.get("tool_choice")
    named = None
    if isinstance(choice, dict):
        named = str((choice.get("function") or choice.get("custom") or {}).get("name"))
    return choose_calls(tools, named, fields, summary)


def _logprobs(fields: dict[str, Any], text: str) -> dict[str, Any]:
    def row(token: str, place: int) -> dict[str, Any]:
        raw = list(token.encode("utf-8", "surrogatepass"))
        return {"token": token, "logprob": -0.125 * (place + 1), "bytes": raw}

    top = range(fields.get("top_logprobs") or 0)
    found = [
        {**row(token, 0), "top_logprobs": [row(f"{token}{k or ''}", k) for k in top]}
        for token in deltas(text)
    ]
    return {"content": found, "refusal": None}


def _usage(summary: RequestSummary, choices: list[dict[str, Any]]) -> dict[str, Any]:
    said = reasoned = 0
    for choice in choices:
        message = choice["message"]
        reasoned += tokens(message.get("reasoning_content") or "")
        said += tokens(message["content"] or "")
        said += sum(
            tokens(call["function"]["arguments"]) + 4 for call in message.get("tool_calls", ())
        )
    return {
        **count_usage(summary.prompt_tokens, said + reasoned),
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoned, "audio_tokens": 0},
    }


def stream_choices(
    fields: dict[str, Any],
    frame: dict[str, Any],
    choices: Sequence[list[dict[str, Any]]],
    usage: dict[str, Any],
) -> ScriptedReply:
    """Return the stream of the chunks of these choices; several choices are interleaved."""
    events: list[Any] = []
    for step in range(max(len(chunks) for chunks in choices)):
        events += [{**frame, "choices": [chunks[step]]} for chunks in choices if step < len(chunks)]
    if (fields.get("stream_options") or {}).get("include_usage"):
        events.append({**frame, "choices": [], "usage": usage})
    return ScriptedReply.sse(*events, DONE, tokens=usage["total_tokens"])


def _chunks(choice: dict[str, Any]) -> list[dict[str, Any]]:
    message = choice["message"]
    found: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": None}]
    found += [{"reasoning_content": t} for t in deltas(message.get("reasoning_content") or "")]
    found += [{"content": text} for text in deltas(message["content"] or "")]
    if message["refusal"]:
        found.append({"refusal": message["refusal"]})
    for k, call in enumerate(message.get("tool_calls") or ()):
        function = {"name": call["function"]["name"], "arguments": ""}
        found.append({"tool_calls": [{"index": k, **call, "function": function}]})
        for piece in deltas(call["function"]["arguments"]):
            found.append({"tool_calls": [{"index": k, "function": {"arguments": piece}}]})
    rows = iter((choice["logprobs"] or {}).get("content") or ())
    chunks = []
    for delta in found:
        chunk = {"index": choice["index"], "delta": delta, "finish_reason": None}
        if choice["logprobs"] and delta.get("content"):
            chunk["logprobs"] = {"content": [next(rows)], "refusal": None}
        chunks.append(chunk)
    chunks.append({"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]})
    return chunks


def _check(fields: dict[str, Any], model: str) -> None:
    checks.check_bounds(fields, _BOUNDS)
    checks.check_flags(fields, "stream", "logprobs", "parallel_tool_calls", "store")
    checks.check_stop(fields)
    if has_fixed_sampling(model):
        _check_fixed(fields)
    if model.startswith(model_table.REFUSES_STOP):
        _refuse_given(fields, "stop", "presence_penalty", "frequency_penalty")
    effort = fields.get("reasoning_effort")
    has_tools = fields.get("tools") and effort != "none"
    if has_tools and model.startswith(model_table.TOOLS_WITHOUT_REASONING):
        raise invalid(
            f"Function tools with reasoning_effort are not supported for {model} in "
            "/v1/chat/completions. Please use /v1/responses or set reasoning_effort to 'none'.",
            "reasoning_effort",
        )
    messages = checks.require_field(fields, "messages")
    if not isinstance(messages, list):
        raise invalid("Invalid type for 'messages': expected an array", "messages", "invalid_type")
    for k, message in enumerate(messages):
        _check_message(message, f"messages[{k}]")
        if model.startswith(model_table.TEXT_ONLY) and "image" in _text(message)[1]:
            raise invalid("Model do not support image input", f"messages[{k}].content")
    if fields.get("stream_options") is not None and not fields.get("stream"):
        raise invalid("'stream_options' is only allowed with 'stream'", "stream_options")
    if fields.get("top_logprobs") is not None and not fields.get("logprobs"):
        raise invalid("'top_logprobs' needs 'logprobs'", "top_logprobs")
    _check_format(fields.get("response_format"))
    for k, tool in enumerate(fields.get("tools") or ()):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind not in ("function", "custom") or not (tool.get(kind) or {}).get("name"):
            raise invalid(f"Invalid 'tools[{k}]': a function with a name", f"tools[{k}]")


def _check_fixed(fields: dict[str, Any]) -> None:
    _refuse_given(
        fields,
        *("max_tokens", "stop", "top_p", "presence_penalty", "frequency_penalty"),
        *("logprobs", "top_logprobs", "logit_bias"),
    )
    if fields.get("temperature") not in (None, 1):
        message = "Unsupported value: 'temperature' supports only the default (1) value."
        raise invalid(message, "temperature", "unsupported_value")


def _refuse_given(fields: dict[str, Any], *names: str) -> None:
    for name in names:
        if fields.get(name):
            hint = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
            message = f"Unsupported parameter: '{name}' is not supported with this model.{hint}"
            raise invalid(message, name, "unsupported_parameter")


def _check_message(message: Any, place: str) -> None:
    if not isinstance(message, dict):
        raise invalid(f"Invalid type for '{place}': expected an object", place, "invalid_type")
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        raise invalid(f"Invalid '{place}.role': one of {', '.join(ROLES)}", f"{place}.role")
    if content is None and not (message.get("tool_calls") or message.get("function_call")):
        raise checks.missing(f"{place}.content")
    if not isinstance(content, str | list | None):
        raise invalid(f"Invalid type for '{place}.content'", f"{place}.content", "invalid_type")
    for k, part in enumerate(content if isinstance(content, list) else ()):
        where = f"{place}.content[{k}]"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in ("text", "refusal", *ATTACHMENTS) or kind not in part:
            raise invalid(f"Invalid '{where}': no known kind of content", where)
        if not isinstance(part[kind], dict if kind in ATTACHMENTS else str):
            raise invalid(f"Invalid type for '{where}.{kind}'", f"{where}.{kind}", "invalid_type")
    if role == "tool" and not message.get("tool_call_id"):
        raise checks.missing(f"{place}.tool_call_id")


def _check_format(wanted: Any) -> None:
    if wanted is None:
        return
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind not in ("text", "json_object", "json_schema"):
        message = "Invalid 'response_format.type': text, json_object or json_schema"
        raise invalid(message, "response_format.type")
    if kind == "json_schema" and not (wanted.get("json_schema") or {}).get("name"):
        raise checks.missing("response_format.json_schema.name")
