"""Responses requests from the same conversation that chat sends.

The history is sent with every request because the gateway may have lost the response that
`previous_response_id` names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiyi_cli.build.body import (
    TextRequest,
    apply_options,
    family_warnings,
    finish_text_call,
    option_fields,
    post,
)
from apiyi_cli.build.chat import answer_messages
from apiyi_cli.build.content import Attachment, attachment_error, data_url, detect_attachment_type
from apiyi_cli.core.call import Call, Source
from apiyi_cli.core.endpoints import RESPOND
from apiyi_cli.core.events import ToolCall
from apiyi_cli.core.families import find_family
from apiyi_cli.core.options.respond import RespondOptions
from apiyi_cli.text import Text


def build_items(
    text: str | None,
    *,
    earlier: Sequence[dict[str, Any]] = (),
    attachments: Sequence[Attachment] = (),
) -> tuple[str | list[dict[str, Any]], tuple[Source, ...]]:
    """Return `input`, a bare text if possible, and the sources of attached data."""
    if text is not None and not earlier and not attachments:
        return text, ()
    items = [item for message in earlier for item in _convert_message(message)]
    sources = []
    if attachments:
        content: list[dict[str, Any]] = [{"type": "input_text", "text": text}] if text else []
        for attachment in attachments:
            part, inner, prefix = _attachment_part(attachment)
            if attachment.content is not None:
                place = f"input.{len(items)}.content.{len(content)}.{inner}"
                sources.append(Source(place=place, path=attachment.name, prefix=prefix))
            content.append(part)
        items.append({"role": "user", "content": content})
    elif text is not None:
        items.append({"role": "user", "content": text})
    return items, tuple(sources)


def respond_call(
    model: str,
    items: str | Sequence[dict[str, Any]],
    respond_options: RespondOptions,
    text: TextRequest = TextRequest(),
    *,
    instructions: str | None = None,
) -> Call:
    """Return the request; functions, which come wrapped as for chat, are flattened."""
    body: dict[str, Any] = {"model": model, "input": items}
    if instructions is not None:
        body["instructions"] = instructions
    body.update(option_fields(respond_options, text.tools))
    if text.schema is not None:
        body.setdefault("text", {})["format"] = {"type": "json_schema", **text.schema}
    elif text.json_mode:
        body.setdefault("text", {})["format"] = {"type": "json_object"}
    # The spec requires both; null says "not given".
    flat = {"type": "function", "parameters": None, "strict": None}
    tools = [{**flat, **tool["function"]} for tool in text.functions]
    if respond_options.web_search:
        tools.append({"type": "web_search"})
    if tools:
        body["tools"] = tools
    choice = text.tool_choice
    if choice is not None:
        name = choice["function"]["name"] if isinstance(choice, dict) else None
        body["tool_choice"] = {"type": "function", "name": name} if name else choice
    if text.stream:
        body["stream"] = True
    notes = family_warnings(body, find_family(model, text.families))
    apply_options(body, text.options)
    return finish_text_call(post(RESPOND, body, notes=notes, sources=text.sources), text)


def answer_items(
    output: Sequence[dict[str, Any]], calls: Sequence[ToolCall], results: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the items that an answer with function calls adds to `input`.

    The answer's items go back unchanged, reasoning included, because reasoning models refuse
    a function call without the reasoning before it.
    """
    own = [item for item in output if item.get("type") in ("reasoning", "function_call", "message")]
    if not any(item.get("type") == "function_call" for item in own):
        own = _convert_message(answer_messages("", calls)[0])
    outputs = [
        {"type": "function_call_output", "call_id": call.id, "output": result}
        for call, result in zip(calls, results, strict=True)
    ]
    return [*own, *outputs]


def _convert_message(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the input items of a chat message; function calls are items, too."""
    role, content = message["role"], message.get("content")
    if role == "tool":
        texts = (part.get("text", "") for part in content or () if isinstance(part, dict))
        output = content if isinstance(content, str) else "".join(texts)
        call_id = message.get("tool_call_id", "")
        return [{"type": "function_call_output", "call_id": call_id, "output": output}]
    items: list[dict[str, Any]] = []
    if content:
        is_text = isinstance(content, str)
        parts = content if is_text else [_convert_part(part, role) for part in content]
        items.append({"role": role, "content": parts})
    for call in message.get("tool_calls") or ():
        function = call["function"]
        items.append(
            {
                "type": "function_call",
                "call_id": call["id"],
                "name": function["name"],
                "arguments": function["arguments"],
            }
        )
    return items


def _convert_part(part: dict[str, Any], role: str) -> dict[str, Any]:
    kind = part.get("type")
    if kind == "text":
        text_type = "output_text" if role == "assistant" else "input_text"
        return {"type": text_type, "text": part["text"]}
    if kind == "image_url":
        image = part["image_url"]
        detail = {"detail": image["detail"]} if "detail" in image else {}
        return {"type": "input_image", "image_url": image["url"], **detail}
    if kind == "file":
        return {"type": "input_file", **part["file"]}
    return part


def _attachment_part(attachment: Attachment) -> tuple[dict[str, Any], str, str]:
    if attachment.content is None:
        return {"type": "input_image", "image_url": attachment.name}, "image_url", ""
    kind = detect_attachment_type(attachment)
    prefix = f"data:{kind.mime};base64,"
    url = data_url(kind, attachment.content)
    if kind.family == "image":
        return {"type": "input_image", "image_url": url}, "image_url", prefix
    if kind.family == "document":
        part = {"type": "input_file", "filename": attachment.filename, "file_data": url}
        return part, "file_data", prefix
    raise attachment_error(
        attachment.name,
        Text("the Responses endpoint takes pictures and PDF, this is {mime}", mime=kind.mime),
        hint=Text("apiyi chat takes audio"),
    )
