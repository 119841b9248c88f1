"""Chat completion requests, and the messages of a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from apiyi_cli.build.body import (
    TextRequest,
    adapt_to_family,
    apply_options,
    finish_text_call,
    option_fields,
    post,
)
from apiyi_cli.core.call import Call, Source
from apiyi_cli.core.endpoints import CHAT
from apiyi_cli.core.events import ToolCall
from apiyi_cli.core.families import find_family
from apiyi_cli.core.jsontext import InvalidJSON, read_typed
from apiyi_cli.core.options.chat import ChatSampling
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.build.content import Attachment

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def build_messages(
    text: str | None,
    *,
    system: str | None = None,
    earlier: Sequence[dict[str, Any]] = (),
    attachments: Sequence[Attachment] = (),
) -> tuple[list[dict[str, Any]], tuple[Source, ...]]:
    """Return the messages in the order of the API, and the sources of attached data.

    Earlier messages come first, then the prompt with its attachments as one user message
    (left out if there is neither). The system text goes first, or after the earlier messages
    if they have a system message already.
    """
    messages = list(earlier)
    if system is not None:
        has_system = any(message["role"] in ("system", "developer") for message in messages)
        place = len(messages) if has_system else 0
        messages.insert(place, {"role": "system", "content": system})
    sources: tuple[Source, ...] = ()
    if attachments:
        from apiyi_cli.build.content import content_parts

        where = f"messages.{len(messages)}.content"
        content, sources = content_parts(text or "", attachments, where)
        messages.append({"role": "user", "content": content})
    elif text is not None:
        messages.append({"role": "user", "content": text})
    return messages, sources


def parse_messages(text: str, name: str) -> list[dict[str, Any]]:
    """Return the messages of a JSON array, or of NDJSON with one message per line.

    Raises UsageError naming the file and line of an item that is not a message.
    """
    if text.lstrip().startswith("["):
        try:
            items = read_typed(text)
        except InvalidJSON as failure:
            raise UsageError(
                Text("cannot read {name}", name=name),
                Text("not valid JSON: {reason}", reason=failure),
            ) from None
        messages = [
            _check_message(item, Text("{name}: message {n}", name=name, n=n))
            for n, item in enumerate(items, 1)
        ]
    else:
        lines = enumerate(text.split("\n"), 1)
        messages = [
            _check_message(_parse_line(line, name, n), f"{name}:{n}")
            for n, line in lines
            if line.strip()
        ]
    if not messages:
        raise UsageError(Text("cannot read {name}", name=name), Text("it holds no messages"))
    return messages


def chat_call(
    model: str,
    messages: Sequence[dict[str, Any]],
    sampling: ChatSampling,
    text: TextRequest = TextRequest(),
) -> Call:
    """Return the request: it has only given fields, and a stream asks for its usage.

    In another protocol it says the same. Raises UsageError for a model that does not have it.
    """
    body: dict[str, Any] = {"model": model, "messages": list(messages)}
    body.update(option_fields(sampling, text.tools))
    if text.schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": text.schema}
    elif text.json_mode:
        body["response_format"] = {"type": "json_object"}
    if text.functions:
        body["tools"] = list(text.functions)
    if text.tool_choice is not None:
        body["tool_choice"] = text.tool_choice
    if text.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    family = find_family(model, text.families)
    if text.protocol != "openai" and (
        text.protocol != "auto" or text.cache_prompt or "reasoning_effort" in body
    ):
        from apiyi_cli.build.native.protocols import build_native_call

        native = build_native_call(body, family, text)
        if native is not None:
            return finish_text_call(native, text)
    body["messages"] = [_to_openai(message, model) for message in messages]
    notes = adapt_to_family(body, family)
    if text.functions and family.tools_need_effort_none and body.get("reasoning_effort") != "none":
        notes = (*notes, _describe_tools_need(model))
    apply_options(body, text.options)
    return finish_text_call(post(CHAT, body, notes=notes, sources=text.sources), text)


def _describe_tools_need(model: str) -> Text:
    return Text(
        "{model} takes tools on chat completions only without reasoning: --reasoning-effort none,"
        " or apiyi respond; sent as asked",
        model=model,
    )


def _to_openai(message: dict[str, Any], model: str) -> dict[str, Any]:
    """Return a message without our own `native` field, or the same model's native turn."""
    native = message.get("native")
    if not isinstance(native, dict) or "protocol" not in native:
        return message
    if native["protocol"] == "openai" and native.get("model") == model:
        content: dict[str, Any] = native["content"]
        return content
    return {name: value for name, value in message.items() if name != "native"}


def answer_messages(
    text: str,
    calls: Sequence[ToolCall],
    results: Sequence[str] = (),
    native: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return the messages that a finished answer adds to the conversation.

    The first is the assistant's, with its function calls; one for each result follows. `native`
    is the turn as it came, which the same protocol gets back (see `decode.answers.turns`).
    """
    message: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
    if calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ]
    if native is not None:
        message["native"] = native
    answers = [
        {"role": "tool", "tool_call_id": call.id, "content": result}
        for call, result in zip(calls, results, strict=False)
    ]
    return [message, *answers]


def _parse_line(line: str, name: str, number: int) -> Any:
    try:
        return read_typed(line)
    except InvalidJSON as failure:
        raise UsageError(
            Text(
                "cannot read {name}:{number}:{colno}", name=name, number=number, colno=failure.colno
            ),
            Text("not valid JSON: {msg}", msg=failure.msg),
        ) from None


def _check_message(item: Any, where: str) -> dict[str, Any]:
    role = item.get("role") if isinstance(item, dict) else None
    if role not in _ROLES:
        raise UsageError(
            Text("cannot use {where}", where=where),
            Text("a message is an object whose role is one of {roles}", roles=", ".join(_ROLES)),
        )
    # That an answer was cut is a mark of stored conversations, not a field of the API.
    return {name: value for name, value in item.items() if name != "cut"}
