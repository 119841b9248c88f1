"""A request to the Responses endpoint out of the same conversation that chat sends.

History goes with every request: the gateway may forget what `previous_response_id` names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiyi_cli.build.body import extended, post, warnings_of, wired
from apiyi_cli.build.chat import turn as chat_turn
from apiyi_cli.build.content import Attachment, classified, data_url, refused
from apiyi_cli.core.call import Call, Source
from apiyi_cli.core.endpoints import RESPOND
from apiyi_cli.core.events import ToolCall
from apiyi_cli.core.families import Overrides, find_family
from apiyi_cli.core.groups import Responding, Tools
from apiyi_cli.text import Text


def items(
    text: str | None,
    *,
    earlier: Sequence[dict[str, Any]] = (),
    attachments: Sequence[Attachment] = (),
) -> tuple[str | list[dict[str, Any]], tuple[Source, ...]]:
    """Return `input`: the bare text where that is all, else items; and where data came from."""
    if text is not None and not earlier and not attachments:
        return text, ()
    found = [item for message in earlier for item in _items(message)]
    sources = []
    if attachments:
        content: list[dict[str, Any]] = [{"type": "input_text", "text": text}] if text else []
        for attachment in attachments:
            part, inner, prefix = _part(attachment)
            if attachment.content is not None:
                place = f"input.{len(found)}.content.{len(content)}.{inner}"
                sources.append(Source(place=place, path=attachment.name, prefix=prefix))
            content.append(part)
        found.append({"role": "user", "content": content})
    elif text is not None:
        found.append({"role": "user", "content": text})
    return found, tuple(sources)


def respond_call(
    *,
    model: str,
    given: str | Sequence[dict[str, Any]],
    responding: Responding,
    instructions: str | None = None,
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
    """Return the request. `functions` come wrapped as for chat and are sent flat."""
    body: dict[str, Any] = {"model": model, "input": given}
    if instructions is not None:
        body["instructions"] = instructions
    body.update(wired(responding, *([tools] if tools else [])))
    if schema is not None:
        body.setdefault("text", {})["format"] = {"type": "json_schema", **schema}
    elif json_mode:
        body.setdefault("text", {})["format"] = {"type": "json_object"}
    offered = [_flat(tool) for tool in functions]
    if responding.web_search:
        offered.append({"type": "web_search"})
    if offered:
        body["tools"] = offered
    if tool_choice is not None:
        named = tool_choice["function"]["name"] if isinstance(tool_choice, dict) else None
        body["tool_choice"] = {"type": "function", "name": named} if named else tool_choice
    if stream:
        body["stream"] = True
    notes = warnings_of(body, find_family(model, families))
    extended(body, options)
    return post(RESPOND, body, notes=notes, sources=sources)


def turn(
    output: Sequence[dict[str, Any]], calls: Sequence[ToolCall], results: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the items that an answer with function calls adds to `input`.

    The answer's own items go back as they came, its reasoning among them: reasoning models
    refuse a function call without the thought that led to it.
    """
    own = [item for item in output if item.get("type") in ("reasoning", "function_call", "message")]
    if not any(item.get("type") == "function_call" for item in own):
        own = _items({"role": "assistant", **chat_turn("", calls)[0]})
    outputs = [
        {"type": "function_call_output", "call_id": call.id, "output": result}
        for call, result in zip(calls, results, strict=True)
    ]
    return [*own, *outputs]


def _flat(tool: dict[str, Any]) -> dict[str, Any]:
    # The spec requires both; null says "not given".
    return {"type": "function", "parameters": None, "strict": None, **tool["function"]}


def _items(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the input items for one chat message: a call and its output are items here."""
    role, content = message["role"], message.get("content")
    if role == "tool":
        output = content if isinstance(content, str) else _text(content)
        call_id = message.get("tool_call_id", "")
        return [{"type": "function_call_output", "call_id": call_id, "output": output}]
    found: list[dict[str, Any]] = []
    if content:
        written = content if isinstance(content, str) else [_said(part, role) for part in content]
        found.append({"role": role, "content": written})
    for call in message.get("tool_calls") or ():
        function = call["function"]
        found.append(
            {
                "type": "function_call",
                "call_id": call["id"],
                "name": function["name"],
                "arguments": function["arguments"],
            }
        )
    return found


def _said(part: dict[str, Any], role: str) -> dict[str, Any]:
    kind = part.get("type")
    if kind == "text":
        spoken = "output_text" if role == "assistant" else "input_text"
        return {"type": spoken, "text": part["text"]}
    if kind == "image_url":
        image = part["image_url"]
        detail = {"detail": image["detail"]} if "detail" in image else {}
        return {"type": "input_image", "image_url": image["url"], **detail}
    if kind == "file":
        return {"type": "input_file", **part["file"]}
    return part


def _text(content: Any) -> str:
    return "".join(part.get("text", "") for part in content or () if isinstance(part, dict))


def _part(attachment: Attachment) -> tuple[dict[str, Any], str, str]:
    if attachment.content is None:
        return {"type": "input_image", "image_url": attachment.name}, "image_url", ""
    kind = classified(attachment)
    prefix = f"data:{kind.mime};base64,"
    url = data_url(kind, attachment.content)
    if kind.family == "image":
        return {"type": "input_image", "image_url": url}, "image_url", prefix
    if kind.family == "document":
        name = attachment.name.replace("\\", "/").rsplit("/", 1)[-1]
        return {"type": "input_file", "filename": name, "file_data": url}, "file_data", prefix
    raise refused(
        attachment.name,
        Text("the Responses endpoint takes pictures and PDF, this is {mime}", mime=kind.mime),
        hint=Text("apiyi chat takes audio"),
    )
