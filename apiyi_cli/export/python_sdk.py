"""A Call as a Python program around the official openai package.

Its typed methods are used where they send what the call says; fields that they do not know go
into `extra_body`, and endpoints without a method through `client.post`.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from apiyi_cli.core import endpoints
from apiyi_cli.errors import UsageError
from apiyi_cli.export.frame import Language, Templates, write_answer, write_delta
from apiyi_cli.export.plan import Field, ProgramPlan
from apiyi_cli.export.python_values import EXPRESSIONS, IMPORTS, write_value
from apiyi_cli.export.quote import python
from apiyi_cli.text import Text


class Method(NamedTuple):
    """A method of the package: its name, its required and its other arguments."""

    name: str
    needs: frozenset[str]
    takes: frozenset[str]


def _method(name: str, needs: str, takes: str) -> Method:
    return Method(name, frozenset(needs.split()), frozenset(f"{needs} {takes}".split()))


_SAMPLING = (
    "frequency_penalty logit_bias logprobs max_tokens n presence_penalty seed stop stream "
    "stream_options temperature top_p user"
)
# Parameters that every release since 1.60 has; a later one would fail in an older package.
SDK_METHODS = {
    endpoints.CHAT.path: _method(
        "chat.completions.create",
        "messages model",
        f"{_SAMPLING} max_completion_tokens metadata modalities audio parallel_tool_calls "
        "prediction reasoning_effort response_format service_tier store tool_choice tools "
        "top_logprobs",
    ),
    endpoints.COMPLETE.path: _method(
        "completions.create", "model prompt", f"{_SAMPLING} best_of echo suffix"
    ),
    endpoints.RESPOND.path: _method(
        "responses.create",
        "input model",
        "include instructions max_output_tokens metadata parallel_tool_calls previous_response_id "
        "reasoning store stream temperature text tool_choice tools top_p truncation user",
    ),
    endpoints.EMBED.path: _method(
        "embeddings.create", "encoding_format input model", "dimensions user"
    ),
    endpoints.IMAGE.path: _method(
        "images.generate", "prompt", "model n quality response_format size style user"
    ),
    endpoints.IMAGE_EDIT.path: _method(
        "images.edit", "image prompt", "mask model n response_format size user"
    ),
    endpoints.IMAGE_VARIATION.path: _method(
        "images.create_variation", "image", "model n response_format size user"
    ),
    endpoints.TRANSCRIBE.path: _method(
        "audio.transcriptions.create",
        "file model",
        "language prompt response_format stream temperature timestamp_granularities",
    ),
    endpoints.TRANSLATE.path: _method(
        "audio.translations.create", "file model", "prompt response_format temperature"
    ),
    endpoints.SPEAK.path: _method(
        "audio.speech.with_streaming_response.create", "input model voice", "response_format speed"
    ),
    endpoints.MODELS.path: _method("models.list", "", ""),
}

_FIELDS = {"respond": "output", "embed": "data", "image": "data", "models": "data"}
_VERBS = ("get", "post", "put", "patch", "delete")
_CASTS = {"embed": "CreateEmbeddingResponse", "image": "ImagesResponse"}
_PLAIN_EMBED = f'client.post(\n    "{endpoints.EMBED.path}"'
_NUMBERS = frozenset({"temperature", "n"})


def _fill_in(plan: ProgramPlan, templates: Templates) -> dict[str, str]:
    return {
        "base_url": python(plan.base_url),
        "timeout": str(plan.silence_s),
        "retries": "2" if plan.retried else "0",
    }


def _answer(plan: ProgramPlan, templates: Templates) -> str:
    """Return the request and the code that shows its answer.

    Raises UsageError for a method that the package does not send.
    """
    typed = _call_method(plan) if plan.is_below_base else None
    request = typed or _call_verb(plan)
    if plan.kind in ("messages", "generate"):
        # The package returns an answer of another protocol raw.
        if plan.stream:
            return templates.fill("stream", call=request, delta=write_delta(plan, templates))
        return f"reply = {request}\n{write_answer(plan, templates)}"
    if plan.stream and not typed:
        return templates.fill("events", call=request)
    if typed or plan.kind in _CASTS:
        return _show(plan, templates, request)
    return f"reply = {request}\nsys.stdout.buffer.write(reply.content)"


def _show(plan: ProgramPlan, templates: Templates, request: str) -> str:
    if plan.kind == "speak":
        return templates.fill("sound", call=request, suffix=plan.suffix)
    if plan.stream:
        return templates.fill("stream", call=request, delta=write_delta(plan, templates))
    # Without an encoding the method for embeddings would ask for base64, which the call does not.
    why = "# embeddings.create would ask for base64.\n" if request.startswith(_PLAIN_EMBED) else ""
    asked = f"{why}reply = {request}\n"
    if plan.plain_text:
        return f"{asked}print(reply if isinstance(reply, str) else reply.to_json())"
    if plan.kind == "transcribe":
        return asked + templates.fill("heard")
    checked = templates.fill("expected", field=_FIELDS.get(plan.kind, "choices"))
    return f"{asked}{checked}\n{write_answer(plan, templates)}"


def _call_method(plan: ProgramPlan) -> str | None:
    """Return the method call for this request, None if there is none."""
    method = SDK_METHODS.get(plan.path)
    given = _form(plan.fields) if plan.fields else plan.body or {}
    if method is None or plan.kind == "other" or plan.stream != plan.streamed:
        return None
    if not isinstance(given, dict) or not method.needs <= given.keys():
        return None
    extra = {name: value for name, value in given.items() if name not in method.takes}
    if any(_is_file(value) for value in extra.values()):
        return None
    lines = [
        f"{name}={_argument(name, value)}," for name, value in given.items() if name in method.takes
    ]
    if headers := _headers(plan):
        lines.append(f"extra_headers={write_value(headers, 1)},")
    if extra:
        lines.append(f"extra_body={write_value(extra, 1)},")
    return _format_call(f"client.{method.name}", lines)


def _call_verb(plan: ProgramPlan) -> str:
    verb = plan.method.lower()
    if verb not in _VERBS or (verb == "get" and plan.has_body):
        raise UsageError(
            Text("cannot write this {method} request with the openai package", method=plan.method),
            Text("the package does not send it"),
            hint="--code requests",
        )
    headers = _headers(plan)
    lines = [f"{python(plan.path)},"]
    if plan.stream:
        lines += ["cast_to=object,", "stream=True,", "stream_cls=Stream[object],"]
    else:
        lines.append(f"cast_to={_CASTS.get(plan.kind, 'HttpxBinaryResponseContent')},")
    if plan.body is not None:
        lines.append(f"body={write_value(plan.body, 1, top=True)},")
    elif plan.sends_raw:
        lines.append(f"content={EXPRESSIONS.raw(plan)},")
    elif plan.fields:
        values = _form(tuple(field for field in plan.fields if field.value is not None))
        lines.append(f"body={write_value(values, 1)},")
        files = [field for field in plan.fields if field.value is None]
        listed = [f"        ({python(field.name)}, {_file(field)})," for field in files]
        lines.append("\n".join(["files=[", *listed, "    ],"]))
        headers["Content-Type"] = "multipart/form-data"
    if plan.auth != "bearer":
        # The package sends the key as a Bearer unless a request leaves that out.
        own = ['"Authorization": Omit(),', f'"{plan.auth}": key,']
        own += [f"{python(name)}: {python(value)}," for name, value in headers.items()]
        inner = "\n".join(f"            {line}" for line in own)
        lines.append(f'options={{\n        "headers": {{\n{inner}\n        }},\n    }},')
    elif headers:
        lines.append(f"options={write_value({'headers': headers}, 1)},")
    return _format_call(f"client.{verb}", lines)


def _format_call(name: str, lines: list[str]) -> str:
    if not lines:
        return f"{name}()"
    return "\n".join([f"{name}(", *(f"    {line}" for line in lines), ")"])


def _headers(plan: ProgramPlan) -> dict[str, str]:
    own = ("Content-Type", "application/json")
    return dict(header for header in plan.headers if plan.body is None or header != own)


def _form(fields: tuple[Field, ...]) -> dict[str, Any]:
    """Return multipart fields as arguments: repeated or `name[]` fields become a list."""
    given: dict[str, Any] = {}
    for field in fields:
        name = field.name.removesuffix("[]")
        value = field if field.value is None else field.value
        if name != field.name or name in given:
            given.setdefault(name, [])
            if not isinstance(given[name], list):
                given[name] = [given[name]]
            given[name].append(value)
        else:
            given[name] = value
    return given


def _is_file(value: Any) -> bool:
    return isinstance(value[0] if isinstance(value, list) and value else value, Field)


def _argument(name: str, value: Any) -> str:
    if isinstance(value, Field):
        return _file(value)
    if isinstance(value, list) and _is_file(value):
        return "\n".join(["[", *(f"        {_file(field)}," for field in value), "    ]"])
    if name == "stream" and value == "true":
        return "True"
    if name in _NUMBERS and isinstance(value, str):
        return value if re.fullmatch(r"(0|[1-9]\d*)(\.\d*[1-9])?", value) else python(value)
    return write_value(value, 1)


def _file(field: Field) -> str:
    return f"({python(field.filename)}, {EXPRESSIONS.content(field)}, {python(field.type)})"


LANGUAGE = Language(string=python, fill_in=_fill_in, answer=_answer, imports=IMPORTS, blank_lines=2)
