"""A chat completion request in the form of Anthropic's Messages API.

The request is built once, as a chat completion; this turns it into the other form, so that every
option means the same on both. Options without a field are left out, with a note.
Source: the gateway's pages on effort, prompt caching and `/v1/messages`, version 2023-06-01.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from apiyi_cli.build.body import describe_losses, describe_refused_effort
from apiyi_cli.build.content import split_data_url
from apiyi_cli.build.tools import parse_arguments
from apiyi_cli.core.families import Family
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

ANTHROPIC_VERSION = "2023-06-01"
HEADERS = (("anthropic-version", ANTHROPIC_VERSION),)
MAX_TOKENS = 8192
"""`max_tokens` where the user gave none: the field is required, and the gateway holds back the
price of so many tokens until the answer is there."""
THINKING_TOKENS = {"low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32000}
"""`budget_tokens` for each effort, for models that do not choose by themselves."""

_MOVED = frozenset(
    (
        *("model", "messages", "user", "response_format", "stream", "stream_options"),
        *("max_tokens", "max_completion_tokens", "temperature", "top_p", "stop"),
        *("tools", "tool_choice", "parallel_tool_calls", "reasoning_effort"),
    )
)
_BREAKPOINT = {"cache_control": {"type": "ephemeral"}}
_JSON_ONLY = "Answer with one JSON object and nothing else."


def messages_body(
    chat: dict[str, Any], family: Family, *, cache_prompt: bool = False, cached_chars: int = 0
) -> tuple[dict[str, Any], tuple[Text, ...]]:
    """Return the body for /v1/messages that a chat completion's body means, and notes.

    `cache_prompt` marks the system text, and the first `cached_chars` characters of the last user
    message (what came from files), for the prompt cache. Raises UsageError for what the
    Messages API cannot carry: several choices, sound.
    """
    if chat.get("n", 1) != 1:
        raise UsageError(
            Text("cannot ask for {n} answers", n=chat["n"]),
            Text("/v1/messages gives one"),
            hint="--protocol openai",
        )
    system, messages = _split(chat["messages"])
    body: dict[str, Any] = {"model": chat["model"], "max_tokens": MAX_TOKENS}
    thinking = _think(body, chat.get("reasoning_effort"), family)
    limit = chat.get("max_completion_tokens", chat.get("max_tokens"))
    if limit is not None:
        body["max_tokens"] = limit
        if "budget_tokens" in (budget := body.get("thinking", {})):
            # It must be less than the length, and at least 1024.
            budget["budget_tokens"] = max(1024, min(budget["budget_tokens"], limit // 2))
    _add_tools(body, chat, family, thinking)
    if chat.get("response_format", {}).get("type") == "json_object":
        system = [*system, _JSON_ONLY]
    if cache_prompt:
        _mark_files(messages, cached_chars)
    if system:
        text = "\n\n".join(system)
        body["system"] = [{"type": "text", "text": text, **_BREAKPOINT}] if cache_prompt else text
    body["messages"] = messages
    body.update(_sampling_fields(chat))
    losses = describe_losses(chat, _MOVED, "/v1/messages")
    return body, (*losses, *_describe_effort(chat, family))


def _sampling_fields(chat: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: chat[name] for name in ("temperature", "top_p") if name in chat}
    if "stop" in chat:
        stop = chat["stop"]
        fields["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if "user" in chat:
        fields["metadata"] = {"user_id": chat["user"]}
    if chat.get("stream"):
        fields["stream"] = True
    return fields


def schema_name(chat: dict[str, Any]) -> str | None:
    """Return the name of the function whose arguments are the answer, None without a schema."""
    wanted = chat.get("response_format", {})
    if wanted.get("type") != "json_schema":
        return None
    name: str = wanted["json_schema"].get("name") or "answer"
    return name


def _describe_effort(chat: dict[str, Any], family: Family) -> Iterable[Text]:
    """Yield notes on settings of thinking and tool choice that the model refuses."""
    effort, model = chat.get("reasoning_effort"), chat["model"]
    if family.effort and effort not in (None, "none", "minimal", *family.effort):
        yield describe_refused_effort(model, family.effort, effort)
    if family.structured != "offered_tool":
        return
    if effort in ("none", "minimal"):
        yield Text(
            "{model} always thinks; --effort {effort} is sent as asked", model=model, effort=effort
        )
    if isinstance(chat.get("tool_choice"), dict):
        yield Text("{model} is known to refuse a forced tool; sent as asked", model=model)


def _think(body: dict[str, Any], effort: str | None, family: Family) -> bool:
    """Set the thinking budget; return True if the model will think."""
    if effort is None:
        return False
    if effort in ("none", "minimal"):
        body["thinking"] = {"type": "disabled"}
        return False
    if family.thinking != "adaptive":
        tokens = THINKING_TOKENS.get(effort, THINKING_TOKENS["high"])
        body["thinking"] = {"type": "enabled", "budget_tokens": tokens}
        body["max_tokens"] = tokens + MAX_TOKENS
        return True
    # Without `display` the newest models send thinking blocks without a text.
    body["thinking"] = {"type": "adaptive", "display": "summarized"}
    body["output_config"] = {"effort": effort}
    body["max_tokens"] = 2 * MAX_TOKENS
    return True


def _add_tools(body: dict[str, Any], chat: dict[str, Any], family: Family, thinking: bool) -> None:
    tools = [_tool(item) for item in chat.get("tools", ())]
    choice = _choice(chat.get("tool_choice"))
    wanted = schema_name(chat)
    if wanted is not None:
        schema = chat["response_format"]["json_schema"]
        description = schema.get("description") or "Give the answer."
        tools.append({"name": wanted, "description": description, "input_schema": schema["schema"]})
        # A function cannot be forced on a model that thinks, nor on the newest ones at all.
        forced = family.structured == "tool" and not thinking and not chat.get("tools")
        choice = {"type": "tool", "name": wanted} if forced else choice or {"type": "auto"}
    if tools:
        body["tools"] = tools
    if chat.get("parallel_tool_calls") is False and tools:
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    if choice is not None and tools:
        body["tool_choice"] = choice


def _tool(item: dict[str, Any]) -> dict[str, Any]:
    function = item.get("function", {})
    tool = {"name": function.get("name", "")}
    if function.get("description"):
        tool["description"] = function["description"]
    tool["input_schema"] = function.get("parameters") or {"type": "object", "properties": {}}
    return tool


def _choice(tool_choice: Any) -> dict[str, Any] | None:
    if tool_choice is None:
        return None
    if isinstance(tool_choice, dict):
        return {"type": "tool", "name": tool_choice.get("function", {}).get("name", "")}
    return {"type": {"required": "any"}.get(tool_choice, tool_choice)}


def _split(messages: Sequence[dict[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the system texts, and the rest in alternating turns of user and assistant."""
    system: list[str] = []
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = message["role"]
        if role in ("system", "developer"):
            system.append(_plain_text(message.get("content")))
            continue
        speaker = "assistant" if role == "assistant" else "user"
        blocks = _blocks(message)
        if turns and turns[-1]["role"] == speaker:
            turns[-1]["content"] = [*_as_blocks(turns[-1]["content"]), *_as_blocks(blocks)]
        elif blocks:
            turns.append({"role": speaker, "content": blocks})
    return system, turns


def _as_blocks(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _blocks(message: dict[str, Any]) -> str | list[dict[str, Any]]:
    """Return a message's content. A turn that came from this API goes back as it came."""
    native = message.get("native")
    if isinstance(native, dict) and native.get("protocol") == "anthropic":
        content: list[dict[str, Any]] = native["content"]
        return content
    if message["role"] in ("tool", "function"):
        result = {"type": "tool_result", "tool_use_id": message.get("tool_call_id", "")}
        return [{**result, "content": _plain_text(message.get("content"))}]
    content_ = message.get("content")
    calls = message.get("tool_calls") or ()
    if isinstance(content_, str) and not calls:
        return content_
    blocks = [_block(part) for part in _as_parts(content_)]
    blocks += [_call(call) for call in calls]
    return blocks


def _as_parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content if isinstance(content, list) else []


def _plain_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in _as_parts(content) if part.get("type") == "text")


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function", {})
    return {
        "type": "tool_use",
        "id": call.get("id", ""),
        "name": function.get("name", ""),
        "input": parse_arguments(function.get("arguments")),
    }


def _block(part: dict[str, Any]) -> dict[str, Any]:
    match part.get("type"):
        case "image_url":
            return {"type": "image", "source": _source(part["image_url"]["url"])}
        case "file":
            file = part["file"]
            block = {"type": "document", "source": _source(file.get("file_data", ""))}
            return {**block, "title": file["filename"]} if file.get("filename") else block
        case "input_audio":
            raise UsageError(
                Text("cannot attach sound"),
                Text("/v1/messages carries text, pictures and PDF"),
                hint="--protocol openai",
            )
        case _:
            # Text, and what the user wrote in this API's own form.
            return part


def _source(url: str) -> dict[str, Any]:
    if inline := split_data_url(url):
        return {"type": "base64", "media_type": inline[0], "data": inline[1]}
    return {"type": "url", "url": url}


def _mark_files(messages: list[dict[str, Any]], chars: int) -> None:
    """Mark the first characters of the last user message for the prompt cache."""
    if chars <= 0 or not messages or messages[-1]["role"] != "user":
        return
    first, *rest = _as_blocks(messages[-1]["content"])
    if first.get("type") != "text":
        return
    text = first["text"]
    blocks = [{"type": "text", "text": text[:chars], **_BREAKPOINT}]
    if text[chars:].strip():
        blocks.append({"type": "text", "text": text[chars:]})
    messages[-1]["content"] = [*blocks, *rest]
