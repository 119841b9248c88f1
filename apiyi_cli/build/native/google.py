"""A chat completion request in the form of Google's generateContent.

The request is built once, as a chat completion; this turns it into the other form, so that every
option means the same on both. Options without a field are left out, with a note.
Source: the gateway's pages on native Gemini calls (`/v1beta/models/M:generateContent`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apiyi_cli.build.body import describe_losses
from apiyi_cli.build.content import split_data_url
from apiyi_cli.build.schemas.openapi_schema import openapi_schema
from apiyi_cli.build.tools import parse_arguments
from apiyi_cli.text import Text

_CONFIG = {
    "temperature": "temperature",
    "top_p": "topP",
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "n": "candidateCount",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}
_MOVED = frozenset(
    (
        *_CONFIG,
        *("model", "messages", "response_format", "stream", "stream_options", "stop"),
        *("tools", "tool_choice", "reasoning_effort"),
    )
)
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_LEVELS = {"none": "minimal", "xhigh": "high", "max": "high"}


def generate_body(chat: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Text, ...]]:
    """Return the body for generateContent that a chat body means, and notes."""
    system, contents = _split(chat["messages"])
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
    config = {_CONFIG[name]: chat[name] for name in _CONFIG if name in chat}
    if "stop" in chat:
        config["stopSequences"] = [chat["stop"]] if isinstance(chat["stop"], str) else chat["stop"]
    wanted = chat.get("response_format", {})
    if wanted.get("type") in ("json_object", "json_schema"):
        config["responseMimeType"] = "application/json"
    if wanted.get("type") == "json_schema":
        config["responseSchema"] = openapi_schema(wanted["json_schema"]["schema"])
    if (effort := chat.get("reasoning_effort")) is not None:
        level = _LEVELS.get(effort, effort)
        config["thinkingConfig"] = {"thinkingLevel": level, "includeThoughts": level != "minimal"}
    if config:
        body["generationConfig"] = config
    if tools := [_declaration(item) for item in chat.get("tools", ())]:
        body["tools"] = [{"functionDeclarations": tools}]
        if (choice := chat.get("tool_choice")) is not None:
            body["toolConfig"] = {"functionCallingConfig": _choice(choice)}
    return body, describe_losses(chat, _MOVED, "generateContent")


def _declaration(item: Mapping[str, Any]) -> dict[str, Any]:
    function = item.get("function", {})
    declared = {"name": function.get("name", "")}
    if function.get("description"):
        declared["description"] = function["description"]
    if function.get("parameters"):
        declared["parameters"] = openapi_schema(function["parameters"])
    return declared


def _choice(tool_choice: Any) -> dict[str, Any]:
    if isinstance(tool_choice, Mapping):
        name = tool_choice.get("function", {}).get("name", "")
        return {"mode": "ANY", "allowedFunctionNames": [name]}
    return {"mode": _MODES.get(tool_choice, "AUTO")}


def _split(messages: Sequence[dict[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the system texts, and the rest in alternating turns of user and model."""
    system: list[str] = []
    turns: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for message in messages:
        role = message["role"]
        if role in ("system", "developer"):
            system += [part["text"] for part in _parts(message.get("content")) if "text" in part]
            continue
        speaker = "model" if role == "assistant" else "user"
        for call in message.get("tool_calls") or ():
            names[call.get("id", "")] = call.get("function", {}).get("name", "")
        parts = _turn_parts(message, names)
        if turns and turns[-1]["role"] == speaker:
            turns[-1]["parts"] += parts
        elif parts:
            turns.append({"role": speaker, "parts": parts})
    return system, turns


def _turn_parts(message: dict[str, Any], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a message's parts. A turn that came from this API goes back as it came."""
    native = message.get("native")
    if isinstance(native, dict) and native.get("protocol") == "google":
        return list(native["content"])
    if message["role"] in ("tool", "function"):
        id = message.get("tool_call_id", "")
        text = "".join(part.get("text", "") for part in _parts(message.get("content")))
        answer = {"name": names.get(id) or message.get("name", ""), "response": {"result": text}}
        return [{"functionResponse": answer}]
    return [*_parts(message.get("content")), *map(_call, message.get("tool_calls") or ())]


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function", {})
    arguments = parse_arguments(function.get("arguments"))
    part: dict[str, Any] = {"functionCall": {"name": function.get("name", ""), "args": arguments}}
    extra = call.get("extra_content")
    google = extra.get("google") if isinstance(extra, Mapping) else None
    signature = google.get("thought_signature") if isinstance(google, Mapping) else None
    return {**part, "thoughtSignature": signature} if signature else part


def _parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"text": content}] if content else []
    return [_part(part) for part in content] if isinstance(content, list) else []


def _part(part: dict[str, Any]) -> dict[str, Any]:
    match part.get("type"):
        case "text":
            return {"text": part["text"]}
        case "image_url":
            return _data(part["image_url"]["url"], "image/*")
        case "file":
            return _data(part["file"].get("file_data", ""), "application/pdf")
        case "input_audio":
            sound = part["input_audio"]
            return {"inlineData": {"mimeType": _SOUNDS[sound["format"]], "data": sound["data"]}}
        case _:
            # Parts that the user wrote in this API's own form.
            return part


_SOUNDS = {"wav": "audio/wav", "mp3": "audio/mp3"}


def _data(url: str, kind: str) -> dict[str, Any]:
    if inline := split_data_url(url):
        return {"inlineData": {"mimeType": inline[0], "data": inline[1]}}
    return {"fileData": {"mimeType": kind, "fileUri": url}}
