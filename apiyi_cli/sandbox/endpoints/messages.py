"""POST /v1/messages: acts as Claude, with thinking, signatures and a prompt cache."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from apiyi_cli.core.jsontext import read, write
from apiyi_cli.sandbox import checks
from apiyi_cli.sandbox.endpoints.catalogue import model_of
from apiyi_cli.sandbox.model_table import CACHES_FROM, NEWEST_CLAUDE, REFUSES_FORCED_TOOLS
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.request_summary import (
    RequestSummary,
    count_prompt,
    cut_short,
    describe,
    reasoning_text,
    tokens,
)
from apiyi_cli.sandbox.scripted_reply import Refused, ScriptedReply
from apiyi_cli.sandbox.stream_events import message_events
from apiyi_cli.sandbox.toolcalls import ToolSpec, choose_calls

_KNOWN = frozenset(
    (
        *("model", "max_tokens", "messages", "system", "stream", "tools", "tool_choice"),
        *("thinking", "output_config", "temperature", "top_p", "top_k", "stop_sequences"),
        *("metadata", "service_tier"),
    )
)
_BLOCKS = {
    "text": ("text",),
    "image": ("source",),
    "document": ("source",),
    "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",),
    "tool_use": ("id", "name", "input"),
    "tool_result": ("tool_use_id",),
}
_ATTACHED = {"image": "image", "document": "file"}
_OPTIONS = ("temperature", "top_p", "top_k", "stop_sequences", "output_config")
_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
_STOP_DETAILS = {"type": "refusal", "category": None, "explanation": "[sandbox] I will not."}


def messages(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer a message, streamed or whole."""
    if "anthropic-version" not in request.headers:
        raise _invalid("anthropic-version: header is required")
    fields = checks.json_fields(request)
    model = model_of(fields, "messages")
    _check(fields, model)
    summary = _summarize(fields)
    content = _content(fields, model, summary, finish)
    reason = "tool_use" if content[-1]["type"] == "tool_use" else _REASONS.get(finish, finish)
    usage = {"input_tokens": summary.prompt_tokens, **_cache_counts(fields, model)}
    usage["input_tokens"] -= usage["cache_creation_input_tokens"]
    usage["input_tokens"] -= usage["cache_read_input_tokens"]
    whole: dict[str, Any] = {
        "id": f"msg_sandbox{request.digest}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {**usage, "output_tokens": sum(tokens(_quote_part(block)) for block in content)},
    }
    if reason == "refusal":
        whole["stop_details"] = _STOP_DETAILS
    count = sum(number for number in whole["usage"].values() if isinstance(number, int))
    if fields.get("stream"):
        return ScriptedReply.sse(*message_events(whole), named=True, tokens=count)
    return ScriptedReply.json(whole, tokens=count)


def _invalid(message: str) -> Refused:
    error = {"type": "invalid_request_error", "message": message}
    return Refused(ScriptedReply.json({"type": "error", "error": error}, 400))


def _check(fields: dict[str, Any], model: str) -> None:
    if unknown := sorted(fields.keys() - _KNOWN):
        raise _invalid(f"{unknown[0]}: Extra inputs are not permitted")
    length = fields.get("max_tokens")
    if length is None:
        raise _invalid("max_tokens: Field required")
    if not isinstance(length, int) or isinstance(length, bool) or length < 1:
        raise _invalid("max_tokens: Input should be a valid integer greater than 0")
    if model.startswith(NEWEST_CLAUDE):
        for name in ("temperature", "top_p", "top_k"):
            if name in fields:
                raise _invalid(f"`{name}` is deprecated for this model.")
    _check_thinking(fields, model)
    turns = fields.get("messages")
    if not isinstance(turns, list) or not turns:
        raise _invalid("messages: at least one message is required")
    for k, turn in enumerate(turns):
        _check_turn(turn, f"messages.{k}")
    _check_results(turns, thinks=(fields.get("thinking") or {}).get("type") in _THINKS)
    for k, tool in enumerate(fields.get("tools") or ()):
        if not isinstance(tool, dict) or not tool.get("name") or "input_schema" not in tool:
            raise _invalid(f"tools.{k}: a name and an input_schema are required")
    if write(fields).count(b'"cache_control"') > 4:
        raise _invalid("A maximum of 4 blocks with cache_control may be provided.")


_THINKS = ("enabled", "adaptive")


def _check_thinking(fields: dict[str, Any], model: str) -> None:
    thinking = fields.get("thinking") or {"type": "disabled"}
    kind = thinking.get("type")
    if kind == "enabled":
        if model.startswith(NEWEST_CLAUDE):
            raise _invalid(
                '"thinking.type.enabled" is not supported for this model. '
                'Use "thinking.type.adaptive" and "output_config.effort".'
            )
        if not 1024 <= (thinking.get("budget_tokens") or 0) < fields["max_tokens"]:
            raise _invalid("`max_tokens` must be greater than `thinking.budget_tokens`")
    elif kind == "adaptive" and not model.startswith(NEWEST_CLAUDE):
        raise _invalid("adaptive thinking is not supported on this model")
    elif kind not in (*_THINKS, "disabled"):
        raise _invalid("thinking.type: Input should be 'enabled', 'disabled' or 'adaptive'")
    choice = (fields.get("tool_choice") or {}).get("type")
    if choice in ("any", "tool") and (kind in _THINKS or model.startswith(REFUSES_FORCED_TOOLS)):
        raise _invalid("Thinking may not be enabled when tool_choice forces tool use.")
    effort = (fields.get("output_config") or {}).get("effort", "high")
    if effort not in ("low", "medium", "high", "xhigh", "max"):
        raise _invalid("output_config.effort: Input should be 'low', 'medium', 'high' or 'max'")


def _check_turn(turn: Any, place: str) -> None:
    if not isinstance(turn, dict) or turn.get("role") not in ("user", "assistant"):
        raise _invalid(f"{place}.role: Input should be 'user' or 'assistant'")
    if extra := sorted(turn.keys() - {"role", "content"}):
        raise _invalid(f"{place}.{extra[0]}: Extra inputs are not permitted")
    if not turn.get("content"):
        raise _invalid(f"{place}: all messages must have non-empty content")
    for k, block in enumerate(_blocks(turn)):
        where = f"{place}.content.{k}"
        kind = block.get("type") if isinstance(block, dict) else None
        if kind not in _BLOCKS:
            raise _invalid(f"{where}: Input tag '{kind}' does not match any of the expected tags")
        if missing := [name for name in _BLOCKS[kind] if name not in block]:
            raise _invalid(f"{where}.{kind}.{missing[0]}: Field required")
        if kind == "text" and not block["text"]:
            raise _invalid(f"{where}: text content blocks must be non-empty")
        if kind == "thinking" and block["signature"] != _sign(block["thinking"]):
            raise _invalid(f"{where}: Invalid `signature` in `thinking` block")


def _check_results(turns: list[dict[str, Any]], *, thinks: bool) -> None:
    """Refuse results without their calls, and calls without their thoughts."""
    called: set[str] = set()
    for k, turn in enumerate(turns):
        blocks = _blocks(turn)
        results = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        if results != called:
            raise _invalid(f"messages.{k}: `tool_use` ids and `tool_result` blocks do not match")
        called = {block["id"] for block in blocks if block["type"] == "tool_use"}
        if thinks and called and blocks[0]["type"] not in ("thinking", "redacted_thinking"):
            raise _invalid(
                f"messages.{k}.content.0.type: Expected `thinking` or `redacted_thinking`, but "
                f"found `{blocks[0]['type']}`. When `thinking` is enabled, a final `assistant` "
                "message must start with a thinking block."
            )


def _blocks(turn: dict[str, Any]) -> list[dict[str, Any]]:
    content = turn["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _sign(thought: str) -> str:
    return sha256(b"sandbox" + thought.encode("utf-8", "surrogatepass")).hexdigest()


def _summarize(fields: dict[str, Any]) -> RequestSummary:
    summary = RequestSummary(options={k: fields[k] for k in _OPTIONS if k in fields})
    system = fields.get("system") or ""
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
    summary.system = "\n".join(block["text"] for block in blocks)
    turns = fields["messages"]
    names = {
        block["id"]: block["name"]
        for turn in turns
        for block in _blocks(turn)
        if block["type"] == "tool_use"
    }
    last = _blocks(turns[-1])
    for block in last:
        if block["type"] == "tool_result":
            name = names.get(block["tool_use_id"], block["tool_use_id"])
            summary.results.append((name, _result_text(block.get("content"))))
    summary.prompt = "\n".join(block["text"] for block in last if block["type"] == "text")
    summary.attachments = [_ATTACHED[block["type"]] for block in last if block["type"] in _ATTACHED]
    summary.earlier = len(turns) - 1
    texts = [summary.system, *(_quote_part(block) for turn in turns for block in _blocks(turn))]
    summary.prompt_tokens = count_prompt(texts, len(turns), summary.attachments)
    return summary


def _result_text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(block.get("text", "") for block in content)
    return content or ""


def _quote_part(block: dict[str, Any]) -> str:
    if block["type"] == "tool_use":
        return write(block["input"]).decode()
    texts = (block.get(name) for name in ("text", "thinking", "content"))
    return next((text for text in texts if isinstance(text, str)), "")


def _content(
    fields: dict[str, Any], model: str, summary: RequestSummary, finish: str
) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    thinking = fields.get("thinking") or {}
    if thinking.get("type") in _THINKS:
        hides = model.startswith(NEWEST_CLAUDE) and thinking.get("display") != "summarized"
        thought = "" if hides else reasoning_text(summary)
        blocks.append({"type": "thinking", "thinking": thought, "signature": _sign(thought)})
    choice = fields.get("tool_choice") or {"type": "auto"}
    tools = [ToolSpec(tool["name"], tool["input_schema"]) for tool in fields.get("tools") or ()]
    heeded = {
        "tool_choice": choice["type"],
        "parallel_tool_calls": not choice.get("disable_parallel_tool_use"),
    }
    named = choice.get("name") if choice["type"] == "tool" else None
    calls = choose_calls(tools, named, heeded, summary)
    if calls and finish == "stop":
        return blocks + [
            {
                "type": "tool_use",
                "id": call.id.replace("call_", "toolu_"),
                "name": call.name,
                "input": read(call.arguments.encode()),
            }
            for call in calls
        ]
    return [*blocks, {"type": "text", "text": cut_short(describe(summary), finish)}]


def _cache_counts(fields: dict[str, Any], model: str) -> dict[str, int]:
    """Return the cache's written and read tokens: a prompt with "again" was cached before."""
    marked = 0
    system = fields.get("system")
    groups = [system if isinstance(system, list) else []]
    groups += [_blocks(turn) for turn in fields["messages"]]
    before = 0
    for block in (block for group in groups for block in group):
        before += tokens(_quote_part(block))
        if "cache_control" in block:
            marked = before
    if marked < next((n for start, n in CACHES_FROM.items() if model.startswith(start)), 1024):
        marked = 0
    is_read = "again" in _quote_part(_blocks(fields["messages"][-1])[-1])
    return {
        "cache_creation_input_tokens": 0 if is_read else marked,
        "cache_read_input_tokens": marked if is_read else 0,
    }
