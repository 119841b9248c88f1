"""A chat completion request out of a conversation and its options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiyi_cli.build.body import extended, loaded, post, tuned, wired
from apiyi_cli.build.content import Attachment, parts
from apiyi_cli.core.call import Call, Source
from apiyi_cli.core.endpoints import CHAT
from apiyi_cli.core.events import ToolCall
from apiyi_cli.core.families import Overrides, find_family
from apiyi_cli.core.groups import ChatSampling, Tools
from apiyi_cli.core.jsontext import InvalidJSON
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def conversation(
    text: str | None,
    *,
    system: str | None = None,
    earlier: Sequence[dict[str, Any]] = (),
    attachments: Sequence[Attachment] = (),
) -> tuple[list[dict[str, Any]], tuple[Source, ...]]:
    """Return the messages in the order the API reads them, and where attached data came from.

    What was said earlier comes first, then the prompt with its attachments as one user
    message (left out when there is neither). The system text stands before everything, or,
    where the earlier messages have one of their own, after them.
    """
    messages = list(earlier)
    if system is not None:
        opened = any(message["role"] in ("system", "developer") for message in messages)
        place = len(messages) if opened else 0
        messages.insert(place, {"role": "system", "content": system})
    sources: tuple[Source, ...] = ()
    if attachments:
        where = f"messages.{len(messages)}.content"
        content, sources = parts(text or "", attachments, where)
        messages.append({"role": "user", "content": content})
    elif text is not None:
        messages.append({"role": "user", "content": text})
    return messages, sources


def messages_of(text: str, name: str) -> list[dict[str, Any]]:
    """Read a conversation: a JSON array of messages, or one message per line.

    Raises UsageError naming the file and line of what is not a message.
    """
    if text.lstrip().startswith("["):
        try:
            items = loaded(text)
        except InvalidJSON as failure:
            raise UsageError(
                Text("cannot read {name}", name=name),
                Text("not valid JSON: {reason}", reason=failure),
            ) from None
        found = [
            _message(item, Text("{name}: message {n}", name=name, n=n))
            for n, item in enumerate(items, 1)
        ]
    else:
        lines = enumerate(text.split("\n"), 1)
        found = [_message(_item(line, name, n), f"{name}:{n}") for n, line in lines if line.strip()]
    if not found:
        raise UsageError(Text("cannot read {name}", name=name), Text("it holds no messages"))
    return found


def chat_call(
    *,
    model: str,
    messages: Sequence[dict[str, Any]],
    sampling: ChatSampling,
    tools: Tools | None = None,
    functions: Sequence[dict[str, Any]] = (),
    tool_choice: str | dict[str, Any] | None = None,
    schema: dict[str, Any] | None = None,
    json_mode: bool = False,
    stream: bool = True,
    options: Sequence[str] | None = None,
    families: Overrides | None = None,
    sources: tuple[Source, ...] = (),
) -> Call:
    """Return the request. Only what was given is in it; `options` (`-O`) have the last word.

    `schema` is what stands under `response_format.json_schema`. A stream asks for its usage.
    """
    body: dict[str, Any] = {"model": model, "messages": list(messages)}
    body.update(wired(sampling, *([tools] if tools else [])))
    if schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif json_mode:
        body["response_format"] = {"type": "json_object"}
    if functions:
        body["tools"] = list(functions)
    if tool_choice is not None:
        body["tool_choice"] = tool_choice
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    family = find_family(model, families)
    notes = tuned(body, family)
    if functions and family.tools_need_effort_none and body.get("reasoning_effort") != "none":
        notes = (*notes, _describe_tools_need(model))
    extended(body, options)
    return post(CHAT, body, notes=notes, sources=sources)


def _describe_tools_need(model: str) -> Text:
    return Text(
        "{model} takes tools on chat completions only without reasoning: --reasoning-effort none,"
        " or apiyi respond; sent as asked",
        model=model,
    )


def turn(text: str, calls: Sequence[ToolCall], results: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the messages that a finished answer adds to the conversation.

    The assistant's own, with its function calls, then one for each call's result, in order.
    """
    said: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
    if calls:
        said["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ]
    answers = [
        {"role": "tool", "tool_call_id": call.id, "content": result}
        for call, result in zip(calls, results, strict=False)
    ]
    return [said, *answers]


def _item(line: str, name: str, number: int) -> Any:
    try:
        return loaded(line)
    except InvalidJSON as failure:
        raise UsageError(
            Text(
                "cannot read {name}:{number}:{colno}", name=name, number=number, colno=failure.colno
            ),
            Text("not valid JSON: {msg}", msg=failure.msg),
        ) from None


def _message(item: Any, where: str) -> dict[str, Any]:
    role = item.get("role") if isinstance(item, dict) else None
    if role not in _ROLES:
        raise UsageError(
            Text("cannot use {where}", where=where),
            Text("a message is an object whose role is one of {roles}", roles=", ".join(_ROLES)),
        )
    return dict(item)
