"""POST /v1beta/models/M:generateContent and :streamGenerateContent: the sandbox as Gemini."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Any

from apiyi_cli.core.jsontext import read, write, write_text
from apiyi_cli.sandbox import checks
from apiyi_cli.sandbox.endpoints.catalogue import model_of
from apiyi_cli.sandbox.example_value import example_json
from apiyi_cli.sandbox.model_table import DRAWS_IN_GENERATE
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.request_summary import (
    RequestSummary,
    count_prompt,
    cut_short,
    describe,
    reasoning_text,
    tokens,
)
from apiyi_cli.sandbox.scripted_reply import ScriptedReply, invalid_argument
from apiyi_cli.sandbox.stream_events import content_events
from apiyi_cli.sandbox.toolcalls import ToolSpec, choose_calls

_FIELDS = frozenset(
    ("contents", "systemInstruction", "generationConfig", "tools", "toolConfig", "safetySettings")
)
_CONFIG = frozenset(
    (
        *("temperature", "topP", "topK", "maxOutputTokens", "candidateCount", "seed"),
        *("presencePenalty", "frequencyPenalty", "responseLogprobs", "logprobs", "stopSequences"),
        *("responseMimeType", "responseSchema", "responseJsonSchema", "thinkingConfig"),
        *("responseModalities", "imageConfig"),
    )
)
_STRUCTURE = frozenset(
    (
        *("responseMimeType", "responseSchema", "responseJsonSchema"),
        *("thinkingConfig", "candidateCount", "responseModalities"),
    )
)
_OWN_NAMES = frozenset(
    (
        *("args", "response", "parameters", "parametersJsonSchema"),
        *("responseSchema", "responseJsonSchema"),
    )
)
"""Members whose names are the user's."""
_PARTS = ("text", "inlineData", "fileData", "functionCall", "functionResponse")
_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_THOUGHTS = {"minimal": 0, "low": 403, "medium": 487, "high": 837}


def generate(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer generateContent; models that draw are in `picture_models`."""
    if _name_of(request) in DRAWS_IN_GENERATE:
        from apiyi_cli.sandbox.endpoints.picture_models import draw_content

        return draw_content(request, _name_of(request), read_fields(request))
    whole = _answer(request, finish)
    return ScriptedReply.json(whole, tokens=whole["usageMetadata"]["totalTokenCount"])


def stream(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer streamGenerateContent: events with `alt=sse`, else one array."""
    whole = _answer(request, finish)
    events = list(content_events(whole))
    count = whole["usageMetadata"]["totalTokenCount"]
    if "alt=sse" not in request.query.split("&"):
        return ScriptedReply.json(events, tokens=count)
    return ScriptedReply.sse(*events, tokens=count)


def read_fields(request: ReceivedRequest) -> dict[str, Any]:
    """Return the body with its names as `inlineData`: the API takes `inline_data` as well."""
    fields: dict[str, Any] = _rename(checks.json_fields(request))
    return fields


def _rename(value: Any) -> Any:
    if isinstance(value, list):
        return [_rename(item) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {}
    for name, item in value.items():
        first, *rest = name.split("_")
        name = first + "".join(map(str.capitalize, rest))
        renamed[name] = item if name in _OWN_NAMES else _rename(item)
    return renamed


def _name_of(request: ReceivedRequest) -> str:
    return request.path.rpartition("/models/")[2].rpartition(":")[0]


def _answer(request: ReceivedRequest, finish: str) -> dict[str, Any]:
    fields = read_fields(request)
    model = model_of({"model": _name_of(request)}, "generate")
    _check(fields)
    config = fields.get("generationConfig") or {}
    summary = _summarize(fields, config)
    parts = _parts(fields, config, summary, finish)
    count = config.get("candidateCount") or 1
    candidates = [
        {
            "content": {"role": "model", "parts": parts},
            "finishReason": _REASONS.get(finish, finish),
            "index": k,
        }
        for k in range(count)
    ]
    answer = sum(tokens(_quote_part(part)) for part in parts if not part.get("thought")) * count
    thought = _THOUGHTS.get((config.get("thinkingConfig") or {}).get("thinkingLevel", ""), 0)
    usage = {
        "promptTokenCount": summary.prompt_tokens,
        "candidatesTokenCount": answer,
        "thoughtsTokenCount": thought,
        "cachedContentTokenCount": summary.prompt_tokens if "again" in summary.prompt else 0,
        "totalTokenCount": summary.prompt_tokens + answer + thought,
    }
    digest = request.digest
    return {
        "candidates": candidates,
        "usageMetadata": usage,
        "modelVersion": model,
        "responseId": f"sandbox{digest}",
    }


def _check(fields: dict[str, Any]) -> None:
    config = fields.get("generationConfig") or {}
    checks.refuse_unknown(fields, _FIELDS)
    checks.refuse_unknown(config, _CONFIG, " at 'generation_config'")
    if not fields.get("contents"):
        raise invalid_argument("* GenerateContentRequest.contents: contents is not specified")
    level = (config.get("thinkingConfig") or {}).get("thinkingLevel", "low")
    if level.lower() not in _THOUGHTS:
        raise invalid_argument(f"Invalid value at 'thinking_level': {level}")
    for k, turn in enumerate(fields["contents"]):
        if turn.get("role", "user") not in ("user", "model"):
            raise invalid_argument("Please use a valid role: user, model.")
        for part in turn.get("parts") or ():
            if not any(name in part for name in _PARTS):
                raise invalid_argument(
                    f"contents[{k}].parts: required oneof field 'data' must have one"
                )
            if "functionCall" in part and part.get("thoughtSignature") != _sign(part):
                name = part["functionCall"].get("name")
                raise invalid_argument(f"Function call is missing a thought_signature in {name}")


def _sign(part: dict[str, Any]) -> str:
    call = part["functionCall"]
    own = write([call.get("name"), call.get("args")])
    return b64encode(sha256(b"sandbox" + own).digest()).decode()


def _summarize(fields: dict[str, Any], config: dict[str, Any]) -> RequestSummary:
    summary = RequestSummary(options={k: v for k, v in config.items() if k not in _STRUCTURE})
    system = (fields.get("systemInstruction") or {}).get("parts") or ()
    summary.system = "\n".join(part.get("text", "") for part in system)
    turns = fields["contents"]
    for part in turns[-1]["parts"]:
        if answer := part.get("functionResponse"):
            summary.results.append((answer["name"], str(answer["response"].get("result", ""))))
        elif "text" in part:
            summary.prompt = f"{summary.prompt}\n{part['text']}" if summary.prompt else part["text"]
        elif data := part.get("inlineData") or part.get("fileData"):
            kind = data["mimeType"].partition("/")[0]
            summary.attachments.append(kind if kind in ("image", "audio") else "file")
    summary.earlier = len(turns) - 1
    texts = [summary.system, *(_quote_part(part) for turn in turns for part in turn["parts"])]
    summary.prompt_tokens = count_prompt(texts, len(turns), summary.attachments)
    return summary


def _quote_part(part: dict[str, Any]) -> str:
    return part["text"] if "text" in part else write_text(part.get("functionCall") or {})


def _parts(
    fields: dict[str, Any], config: dict[str, Any], summary: RequestSummary, finish: str
) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if (config.get("thinkingConfig") or {}).get("includeThoughts"):
        parts.append({"text": reasoning_text(summary), "thought": True})
    calling = (fields.get("toolConfig") or {}).get("functionCallingConfig") or {}
    named = next(iter(calling.get("allowedFunctionNames") or ()), None)
    tools = [
        ToolSpec(row["name"], row.get("parameters") or row.get("parametersJsonSchema") or {})
        for tool in fields.get("tools") or ()
        for row in tool.get("functionDeclarations") or ()
    ]
    heeded = {"tool_choice": "none" if calling.get("mode") == "NONE" else "auto"}
    calls = choose_calls(tools, named, heeded, summary)
    if calls and finish == "stop":
        for call in calls:
            value = {"name": call.name, "args": read(call.arguments.encode())}
            part: dict[str, Any] = {"functionCall": value}
            parts.append({**part, "thoughtSignature": _sign(part)})
        return parts
    text = describe(summary)
    if schema := config.get("responseSchema") or config.get("responseJsonSchema"):
        text = example_json(_lower_types(schema), summary.prompt)
    elif config.get("responseMimeType") == "application/json":
        text = write_text({"sandbox": True, "answer": text})
    text = cut_short(text, finish)
    if text or finish != "content_filter":
        parts.append({"text": text})
    return parts


def _lower_types(schema: Any) -> Any:
    """Return a schema with the types' names as JSON Schema writes them."""
    if isinstance(schema, list):
        return [_lower_types(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: value.lower() if name == "type" and isinstance(value, str) else _lower_types(value)
        for name, value in schema.items()
    }
