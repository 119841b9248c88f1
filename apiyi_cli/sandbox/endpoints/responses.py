"""POST /v1/responses: items instead of messages, typed events instead of chunks."""

from __future__ import annotations

from typing import Any

from apiyi_cli.core.jsontext import write_text
from apiyi_cli.sandbox import checks
from apiyi_cli.sandbox.endpoints.catalogue import CREATED, has_fixed_sampling, model_of, reasons
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.request_summary import (
    MARK,
    RequestSummary,
    count_prompt,
    cut_short,
    describe,
    read_content,
    reasoning_text,
    structured_answer,
    tokens,
)
from apiyi_cli.sandbox.scripted_reply import ScriptedReply, invalid
from apiyi_cli.sandbox.stream_events import response_events
from apiyi_cli.sandbox.toolcalls import ChosenCall, ToolSpec, choose_calls

_STRUCTURE = frozenset(("model", "input", "instructions", "stream", "tools", "tool_choice", "text"))
_ATTACHMENTS = {"input_image": "image", "input_audio": "audio", "input_file": "file"}
_TEXTS = ("input_text", "output_text", "text", "refusal")
_BOUNDS: checks.Bounds = {
    "temperature": (float, 0, 2),
    "top_p": (float, 0, 1),
    "max_output_tokens": (int, 16, 1 << 31),
    "top_logprobs": (int, 0, 20),
}
_SEARCHED = "https://example.com/sandbox"


def responses(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer a response, streamed or whole."""
    fields = checks.json_fields(request)
    model = model_of(fields, "respond")
    _check(fields, model)
    summary = summarize(fields)
    output = _output(fields, model, summary, finish, request.digest)
    whole = _make_response(request, summary, output, finish)
    used = whole["usage"]["total_tokens"]
    if fields.get("stream"):
        return ScriptedReply.sse(*response_events(whole), named=True, tokens=used)
    return ScriptedReply.json(whole, tokens=used)


def summarize(fields: dict[str, Any]) -> RequestSummary:
    """Return the summary of a body that has been checked."""
    summary = RequestSummary(options={k: v for k, v in fields.items() if k not in _STRUCTURE})
    summary.system = fields.get("instructions") or ""
    given = fields["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    names = {item.get("call_id"): item.get("name", "") for item in items if "name" in item}
    turns = []
    for item in items:
        if item.get("role") in ("system", "developer"):
            summary.system = "\n".join(filter(None, (summary.system, _text(item)[0])))
        elif item.get("type") == "function_call_output":
            call_id = item.get("call_id", "")
            output = item.get("output", "")
            text = output if isinstance(output, str) else write_text(output)
            summary.results.append((names.get(call_id) or call_id, text))
        elif item.get("role"):
            summary.results.clear()
            turns.append(item)
    last = next((item for item in reversed(turns) if item["role"] == "user"), None)
    if last is not None:
        summary.prompt, summary.attachments = _text(last)
    summary.earlier = max(0, len(turns) - 1)
    texts = [summary.system, *(_text(item)[0] for item in turns)]
    summary.prompt_tokens = count_prompt(texts, len(turns), summary.attachments)
    return summary


def _text(item: dict[str, Any]) -> tuple[str, list[str]]:
    return read_content(item.get("content"), _TEXTS, _ATTACHMENTS)


def _output(
    fields: dict[str, Any], model: str, summary: RequestSummary, finish: str, mark: str
) -> list[dict[str, Any]]:
    """Return the finished items: reasoning, then calls, or a search and the message."""
    items: list[dict[str, Any]] = []
    reasoning = fields.get("reasoning") or {}
    if reasons(model) or reasoning:
        thought = {"type": "summary_text", "text": reasoning_text(summary)}
        shown = [thought] if reasoning.get("summary") else []
        items.append({"id": f"rs_{mark}", "type": "reasoning", "summary": shown})
    calls = _choose_calls(fields, summary)
    if calls and finish == "stop":
        return items + [
            {
                "id": f"fc_{mark}{k}",
                "type": "function_call",
                "status": "completed",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
            }
            for k, call in enumerate(calls)
        ]
    tools = fields.get("tools") or ()
    searched = any(tool.get("type", "").startswith("web_search") for tool in tools)
    if searched:
        search = {"id": f"ws_{mark}", "type": "web_search_call", "status": "completed"}
        items.append({**search, "action": {"type": "search", "query": summary.prompt}})
    items.append(_message(fields, summary, finish, mark, searched=searched))
    return items


def _message(
    fields: dict[str, Any], summary: RequestSummary, finish: str, mark: str, *, searched: bool
) -> dict[str, Any]:
    text = structured_answer((fields.get("text") or {}).get("format"), summary)
    notes = []
    if text is None:
        text = describe(summary)
        if searched:
            start = len(text) + 1
            text += f"\n{_SEARCHED}"
            notes.append(
                {
                    "type": "url_citation",
                    "start_index": start,
                    "end_index": len(text),
                    "url": _SEARCHED,
                    "title": f"{MARK} example",
                }
            )
    text = cut_short(text, finish)
    notes = notes if finish == "stop" else []
    part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": notes}
    part["logprobs"] = []
    if finish == "content_filter":
        part = {"type": "refusal", "refusal": f"{MARK} I will not answer that."}
    status = "completed" if finish == "stop" else "incomplete"
    item = {"id": f"msg_{mark}", "type": "message", "status": status, "role": "assistant"}
    return {**item, "content": [part]}


def _choose_calls(fields: dict[str, Any], summary: RequestSummary) -> tuple[ChosenCall, ...]:
    functions = [tool for tool in fields.get("tools") or () if tool.get("type") == "function"]
    tools = [ToolSpec(value["name"], value.get("parameters") or {}) for value in functions]
    choice = fields.get("tool_choice")
    named = None
    if isinstance(choice, dict) and choice.get("type") == "function":
        named = str(choice.get("name"))
    return choose_calls(tools, named, fields, summary)


def _count_item_tokens(item: dict[str, Any]) -> int:
    """Return the tokens that the model spent on an item, without reasoning."""
    texts = [part.get("text") or part.get("refusal", "") for part in item.get("content", ())]
    return sum(map(tokens, [*texts, item.get("arguments", "")]))


def _make_response(
    request: ReceivedRequest, summary: RequestSummary, output: list[dict[str, Any]], finish: str
) -> dict[str, Any]:
    fields = request.fields
    incomplete = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish)
    return {
        "id": f"resp_{request.digest}",
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if incomplete else "completed",
        "error": None,
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "instructions": fields.get("instructions"),
        "max_output_tokens": fields.get("max_output_tokens"),
        "metadata": fields.get("metadata") or {},
        "model": request.model,
        "output": output,
        "parallel_tool_calls": fields.get("parallel_tool_calls") is not False,
        "previous_response_id": fields.get("previous_response_id"),
        "reasoning": fields.get("reasoning") or {"effort": None, "summary": None},
        "store": fields.get("store") is not False,
        "temperature": fields.get("temperature", 1.0),
        "text": fields.get("text") or {"format": {"type": "text"}},
        "tool_choice": fields.get("tool_choice") or "auto",
        "tools": fields.get("tools") or [],
        "top_p": fields.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": _count_usage(summary, output),
    }


def _count_usage(summary: RequestSummary, output: list[dict[str, Any]]) -> dict[str, Any]:
    reasoned = tokens(reasoning_text(summary)) if output[0]["type"] == "reasoning" else 0
    written = sum(map(_count_item_tokens, output)) + reasoned
    return {
        "input_tokens": summary.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": reasoned},
        "total_tokens": summary.prompt_tokens + written,
    }


def _check(fields: dict[str, Any], model: str) -> None:
    checks.check_bounds(fields, _BOUNDS)
    checks.check_flags(fields, "stream", "store", "parallel_tool_calls")
    for name in ("temperature", "top_p") if has_fixed_sampling(model) else ():
        if fields.get(name) not in (None, 1):
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise invalid(message, name, "unsupported_parameter")
    given = checks.require_field(fields, "input")
    if not isinstance(given, str | list):
        raise invalid("Invalid type for 'input': text or items", "input", "invalid_type")
    for k, item in enumerate(given if isinstance(given, list) else ()):
        if not isinstance(item, dict) or not (item.get("role") or item.get("type")):
            raise invalid(f"Invalid 'input[{k}]': an item has a role or a type", f"input[{k}]")
        content = item.get("content")
        for part in content if isinstance(content, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            if kind not in (*_ATTACHMENTS, *_TEXTS):
                where = f"input[{k}].content"
                raise invalid(f"Invalid '{where}': no known kind of content", where)
    for k, tool in enumerate(fields.get("tools") or ()):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if not kind or (kind == "function" and not tool.get("name")):
            raise checks.missing(f"tools[{k}].name")
