"""A Call as a Python program around the official openai package.

Its typed methods are used where they send what the call says; fields that they do not know go
into `extra_body`, and endpoints without a method through `client.post`.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from apiyi_cli.core.call import Call
from apiyi_cli.errors import UsageError
from apiyi_cli.export.outline import Field, Outline, outline
from apiyi_cli.export.program import Program
from apiyi_cli.export.python_values import bytes_of, imports, raw_bytes, readers, value_of
from apiyi_cli.export.quote import fill, python
from apiyi_cli.text import Text

_PROGRAM = """\
# Needs Python 3.9 or newer: pip install --upgrade openai
«imports»

from openai import «names»
«types»
«functions»


def main() -> None:
    key = os.environ.get("APIYI_API_KEY") or sys.exit("APIYI_API_KEY is not set")
    client = OpenAI(
        api_key=key,
        base_url=«base_url»,
        timeout=«timeout»,
        max_retries=«retries»,
    )
    «refusal»
    «shown»


if __name__ == "__main__":
    try:
        main()
    except APIStatusError as error:
        sys.exit(f"HTTP {error.status_code}: {error.response.text}")
    except (OpenAIError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
"""


class Method(NamedTuple):
    """A method of the package: its name, what it must be given, and what else it takes."""

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
METHODS = {
    "/chat/completions": _method(
        "chat.completions.create",
        "messages model",
        f"{_SAMPLING} max_completion_tokens metadata modalities audio parallel_tool_calls "
        "prediction reasoning_effort response_format service_tier store tool_choice tools "
        "top_logprobs",
    ),
    "/completions": _method(
        "completions.create", "model prompt", f"{_SAMPLING} best_of echo suffix"
    ),
    "/responses": _method(
        "responses.create",
        "input model",
        "include instructions max_output_tokens metadata parallel_tool_calls previous_response_id "
        "reasoning store stream temperature text tool_choice tools top_p truncation user",
    ),
    "/embeddings": _method("embeddings.create", "encoding_format input model", "dimensions user"),
    "/images/generations": _method(
        "images.generate", "prompt", "model n quality response_format size style user"
    ),
    "/images/edits": _method(
        "images.edit", "image prompt", "mask model n response_format size user"
    ),
    "/images/variations": _method(
        "images.create_variation", "image", "model n response_format size user"
    ),
    "/audio/transcriptions": _method(
        "audio.transcriptions.create",
        "file model",
        "language prompt response_format stream temperature timestamp_granularities",
    ),
    "/audio/translations": _method(
        "audio.translations.create", "file model", "prompt response_format temperature"
    ),
    "/audio/speech": _method(
        "audio.speech.with_streaming_response.create",
        "input model voice",
        "response_format speed",
    ),
    "/models": _method("models.list", "", ""),
}

_EXPECTED = """\
if not getattr(reply, "«field»", None):
    sys.exit(f"no «field» in the answer: {reply}")
"""

_HEARD = """\
if not hasattr(reply, "text"):
    sys.exit(f"no text in the answer: {reply}")
print(reply.text)"""

_ANSWERS = {
    "chat": """\
for choice in reply.choices:
    if choice.message.content:
        print(choice.message.content)
    «calls»""",
    "complete": """\
for choice in reply.choices:
    print(choice.text)""",
    "respond": """\
for item in reply.output:
    for part in getattr(item, "content", None) or []:
        if part.type == "output_text":
            print(part.text)
    «calls»""",
    "embed": """\
for item in reply.data:
    print(item.embedding)""",
    "image": """\
for number, item in enumerate(reply.data, 1):
    path = Path(f"image-{number}.«suffix»")
    if item.b64_json:
        path.write_bytes(base64.b64decode(item.b64_json.split(",")[-1]))
    else:
        # The link is not the gateway's: the key stays here.
        if not (item.url or "").startswith(("https:", "http:")):
            sys.exit(f"no image {number} in the answer")
        with urlopen(item.url, timeout=120) as found:
            path.write_bytes(found.read())
    print(path)""",
    "models": """\
for model in reply:
    print(model.id)""",
}
_FIELDS = {"respond": "output", "embed": "data", "image": "data", "models": "data"}

_CALLS = {
    "chat": """\
for call in choice.message.tool_calls or []:
    print(call.function.name, call.function.arguments)""",
    "respond": """\
if item.type == "function_call":
    print(item.name, item.arguments)""",
}

_STREAM = """\
finished = False
with «call» as stream:
    kind = stream.response.headers.get("Content-Type", "")
    if "json" in kind or "html" in kind:
        sys.exit(f"not a stream: {stream.response.read().decode()}")
    for event in stream:
        «delta»
print()
if not finished:
    sys.exit("the stream was cut")"""

_DELTAS = {
    "chat": """\
for choice in event.choices or []:
    if choice.delta:
        print(choice.delta.content or "", end="", flush=True)
        «calls»
    finished = finished or bool(choice.finish_reason)""",
    "complete": """\
for choice in event.choices or []:
    print(choice.text or "", end="", flush=True)
    finished = finished or bool(choice.finish_reason)""",
    "respond": """\
if event.type == "response.output_text.delta":
    print(event.delta, end="", flush=True)
elif event.type == "response.failed":
    sys.exit(f"the stream reports an error: {event.response.error}")
«calls»
finished = finished or event.type in ("response.completed", "response.incomplete")""",
    "transcribe": """\
if event.type == "transcript.text.delta":
    print(event.delta, end="", flush=True)
finished = finished or event.type == "transcript.text.done\"""",
}

_CALL_DELTAS = {
    "chat": """\
for call in choice.delta.tool_calls or []:
    if call.function and call.function.name:
        print("\\n" + call.function.name, end=" ")
    if call.function:
        print(call.function.arguments or "", end="", flush=True)""",
    "respond": """\
if event.type == "response.output_item.done" and event.item.type == "function_call":
    print("\\n" + event.item.name, event.item.arguments)""",
}

_SOUND = """\
with «call» as reply:
    kind = reply.headers.get("Content-Type", "")
    if "json" in kind or kind.startswith("text/"):
        sys.exit(f"not a recording: {reply.read().decode()}")
    reply.stream_to_file("speech.«suffix»")
print("speech.«suffix»")"""

_REFUSED = """\
for name in [«names»]:
    if os.path.lexists(name):
        sys.exit(f"{name} exists already")"""

_EVENTS = """\
with «call» as stream:
    for event in stream:
        print(json.dumps(event, ensure_ascii=False), flush=True)"""


_VERBS = ("get", "post", "put", "patch", "delete")
_CASTS = {"embed": "CreateEmbeddingResponse", "image": "ImagesResponse"}
_PLAIN_EMBED = 'client.post(\n    "/embeddings"'
_NUMBERS = frozenset({"temperature", "n"})


def program(call: Call, base_url: str) -> Program:
    """Write the call as a Python program that uses the openai package.

    Raises UsageError for a method that the package does not send.
    """
    plan = outline(call, base_url)
    request = None if call.from_host else _typed(plan)
    if request is not None:
        shown = _shown(plan, request)
    else:
        request = _untyped(plan)
        shown = _shown_untyped(plan, request)
    functions = readers(plan)
    names = [name for name in ("HttpxBinaryResponseContent", "Stream") if f"{name}" in request]
    types = [f"from openai.types import {name}" for name in _CASTS.values() if name in request]
    standard = imports(functions + shown)
    if "urlopen(" in shown:
        standard += "\nfrom urllib.request import urlopen"
    text = fill(
        _PROGRAM,
        imports=standard,
        names=", ".join(sorted([*names, "APIStatusError", "OpenAI", "OpenAIError"])),
        types="\n".join(types),
        functions=functions,
        base_url=python(plan.base_url),
        timeout=str(plan.silence_s),
        retries="2" if plan.retried else "0",
        refusal=fill(_REFUSED, names=", ".join(map(python, plan.saves))) if plan.saves else "",
        shown=shown,
    )
    return Program(text, plan.notes)


def _typed(plan: Outline) -> str | None:
    """Return the call of a method that sends just this request, None where there is none."""
    method = METHODS.get(plan.path)
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
        lines.append(f"extra_headers={value_of(headers, 1)},")
    if extra:
        lines.append(f"extra_body={value_of(extra, 1)},")
    return _called(f"client.{method.name}", lines)


def _untyped(plan: Outline) -> str:
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
        lines.append(f"body={value_of(plan.body, 1, top=True)},")
    elif plan.sends_raw:
        lines.append(f"content={raw_bytes(plan)},")
    elif plan.fields:
        values = _form(tuple(one for one in plan.fields if one.value is not None))
        lines.append(f"body={value_of(values, 1)},")
        files = [one for one in plan.fields if one.value is None]
        told = [f"        ({python(one.name)}, {_file(one)})," for one in files]
        lines.append("\n".join(["files=[", *told, "    ],"]))
        headers["Content-Type"] = "multipart/form-data"
    if headers:
        lines.append(f"options={value_of({'headers': headers}, 1)},")
    return _called(f"client.{verb}", lines)


def _called(name: str, lines: list[str]) -> str:
    return "\n".join([f"{name}(", *(f"    {one}" for one in lines), ")"]) if lines else f"{name}()"


def _headers(plan: Outline) -> dict[str, str]:
    own = ("Content-Type", "application/json")
    return dict(header for header in plan.headers if plan.body is None or header != own)


def _form(fields: tuple[Field, ...]) -> dict[str, Any]:
    """Return multipart fields as arguments: a list where `name[]` or a repetition makes one."""
    given: dict[str, Any] = {}
    for one in fields:
        name = one.name.removesuffix("[]")
        value = one if one.value is None else one.value
        if name != one.name or name in given:
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
        return "\n".join(["[", *(f"        {_file(one)}," for one in value), "    ]"])
    if name == "stream" and value == "true":
        return "True"
    if name in _NUMBERS and isinstance(value, str):
        return value if re.fullmatch(r"(0|[1-9]\d*)(\.\d*[1-9])?", value) else python(value)
    return value_of(value, 1)


def _file(field: Field) -> str:
    return f"({python(field.filename)}, {bytes_of(field)}, {python(field.type)})"


def _shown(plan: Outline, request: str) -> str:
    if plan.kind == "speak":
        return fill(_SOUND, call=request, suffix=plan.suffix)
    if plan.stream:
        calls = _CALL_DELTAS[plan.kind] if plan.tools else ""
        return fill(_STREAM, call=request, delta=fill(_DELTAS[plan.kind], calls=calls))
    # Without an encoding the method for embeddings would ask for base64, which the call does not.
    why = "# embeddings.create would ask for base64.\n" if request.startswith(_PLAIN_EMBED) else ""
    asked = f"{why}reply = {request}\n"
    if plan.plain_text:
        return f"{asked}print(reply if isinstance(reply, str) else reply.to_json())"
    if plan.kind == "transcribe":
        return f"{asked}{_HEARD}"
    calls = _CALLS[plan.kind] if plan.tools else ""
    checked = fill(_EXPECTED, field=_FIELDS.get(plan.kind, "choices"))
    return asked + checked + fill(_ANSWERS[plan.kind], calls=calls, suffix=plan.suffix)


def _shown_untyped(plan: Outline, request: str) -> str:
    if plan.stream:
        return fill(_EVENTS, call=request)
    if plan.kind in _CASTS:
        return _shown(plan, request)
    return f"reply = {request}\nsys.stdout.buffer.write(reply.content)"
