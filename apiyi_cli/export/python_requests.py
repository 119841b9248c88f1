"""A Call as a Python program around the requests package."""

from __future__ import annotations

from apiyi_cli.core.call import Call
from apiyi_cli.export.blocks import Blocks
from apiyi_cli.export.outline import Outline, outline
from apiyi_cli.export.program import Program
from apiyi_cli.export.python_values import BASE64, TEXT, bytes_of, imports, raw_bytes, value_of
from apiyi_cli.export.quote import fill, python

_PROGRAM = """\
# Needs Python 3.9 or newer: pip install requests
«imports»

import requests

URL = «url»
«functions»


def main() -> None:
    key = os.environ.get("APIYI_API_KEY") or sys.exit("APIYI_API_KEY is not set")
    «refusal»
    headers = «headers»
    «body»
    with requests.request(
        «method»,
        URL,
        headers=headers,
        «sent»
        timeout=(10, «silence»),
        allow_redirects=False,
        stream=True,
    ) as reply:
        reply.encoding = "utf-8"
        if not 200 <= reply.status_code < 300:
            sys.exit(f"HTTP {reply.status_code}: {reply.text}")
        «shown»


if __name__ == "__main__":
    try:
        main()
    except (requests.RequestException, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
"""

_PARSED = """\


def parsed(reply: requests.Response, field: str):
    try:
        answer = reply.json()
    except ValueError:
        sys.exit(f"not JSON: {reply.text}")
    if not isinstance(answer, dict) or answer.get(field) in (None, []):
        sys.exit(f"no {field} in the answer: {reply.text}")
    return answer[field]
"""

_SAVED = """\


def image_bytes(item: dict) -> bytes:
    if item.get("b64_json"):
        return base64.b64decode(item["b64_json"].split(",")[-1])
    # The link is not the gateway's: the key stays here.
    found = requests.get(item["url"], timeout=(10, 120))
    found.raise_for_status()
    return found.content
"""

_EVENTS = """\


def events(reply: requests.Response):
    kind = reply.headers.get("Content-Type", "")
    if "json" in kind or "html" in kind:
        sys.exit(f"not a stream: {reply.text}")
    for line in reply.iter_lines():
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        event = json.loads(data or b"null")
        if event is None:
            continue
        if event.get("error") or event.get("type") == "response.failed":
            sys.exit(f"the stream reports an error: {data.decode()}")
        yield event
"""

_STREAM = """\
finished = False
for event in events(reply):
    «delta»
print()
if not finished:
    sys.exit("the stream was cut")"""

_DELTAS = {
    "chat": """\
for choice in event.get("choices") or []:
    delta = choice.get("delta") or {}
    print(delta.get("content") or "", end="", flush=True)
    «calls»
    finished = finished or bool(choice.get("finish_reason"))""",
    "complete": """\
for choice in event.get("choices") or []:
    print(choice.get("text") or "", end="", flush=True)
    finished = finished or bool(choice.get("finish_reason"))""",
    "respond": """\
if event.get("type") == "response.output_text.delta":
    print(event["delta"], end="", flush=True)
«calls»
finished = finished or event.get("type") in ("response.completed", "response.incomplete")""",
    "transcribe": """\
if event.get("type") == "transcript.text.delta":
    print(event["delta"], end="", flush=True)
finished = finished or event.get("type") == "transcript.text.done\"""",
}

_CALL_DELTAS = {
    "chat": """\
for call in delta.get("tool_calls") or []:
    function = call.get("function") or {}
    if function.get("name"):
        print("\\n" + function["name"], end=" ")
    print(function.get("arguments") or "", end="", flush=True)""",
    "respond": """\
if event.get("type") == "response.output_item.done" and event["item"]["type"] == "function_call":
    print("\\n" + event["item"]["name"], event["item"]["arguments"])""",
}

_ANSWERS = {
    "chat": """\
for choice in parsed(reply, "choices"):
    message = choice["message"]
    if message.get("content"):
        print(message["content"])
    «calls»""",
    "complete": """\
for choice in parsed(reply, "choices"):
    print(choice["text"])""",
    "respond": """\
for item in parsed(reply, "output"):
    for part in item.get("content") or []:
        if part["type"] == "output_text":
            print(part["text"])
    «calls»""",
    "embed": """\
for item in parsed(reply, "data"):
    print(json.dumps(item["embedding"]))""",
    "image": """\
for number, item in enumerate(parsed(reply, "data"), 1):
    path = Path(f"image-{number}.«suffix»")
    path.write_bytes(image_bytes(item))
    print(path)""",
    "transcribe": """\
print(parsed(reply, "text"))""",
    "speak": """\
kind = reply.headers.get("Content-Type", "")
if "json" in kind or kind.startswith("text/"):
    sys.exit(f"not a recording: {reply.text}")
with open("speech.«suffix»", "wb") as file:
    for chunk in reply.iter_content(65536):
        file.write(chunk)
print("speech.«suffix»")""",
    "models": """\
for item in parsed(reply, "data"):
    print(item["id"])""",
    "other": """\
for chunk in reply.iter_content(65536):
    sys.stdout.buffer.write(chunk)""",
}

_CALLS = {
    "chat": """\
for call in message.get("tool_calls") or []:
    print(call["function"]["name"], call["function"]["arguments"])""",
    "respond": """\
if item["type"] == "function_call":
    print(item["name"], item["arguments"])""",
}

_REFUSED = """\
for name in [«names»]:
    if os.path.lexists(name):
        sys.exit(f"{name} exists already")"""

_BLOCKS = Blocks(
    base64=BASE64,
    text=TEXT,
    parsed=_PARSED,
    saved=_SAVED,
    events=_EVENTS,
    stream=_STREAM,
    deltas=_DELTAS,
    call_deltas=_CALL_DELTAS,
    answers=_ANSWERS,
    calls=_CALLS,
    refused=_REFUSED,
)


def program(call: Call, base_url: str) -> Program:
    """Write the call as a Python program that uses requests."""
    plan = outline(call, base_url)
    body, sent = _body(plan)
    shown = _BLOCKS.shown(plan)
    functions = _BLOCKS.functions(plan)
    text = fill(
        _PROGRAM,
        imports=imports(functions + body + shown),
        url=python(plan.url),
        functions=functions,
        refusal=_BLOCKS.refusal(plan, python),
        headers=_headers(plan),
        body=body,
        method=python(plan.method),
        sent=sent,
        silence=str(plan.silence_s),
        shown=shown,
    )
    return Program(text, plan.notes)


def _headers(plan: Outline) -> str:
    lines = ['    "Authorization": f"Bearer {key}",']
    for name, value in plan.headers:
        if plan.body is None or (name, value) != ("Content-Type", "application/json"):
            lines.append(f"    {python(name)}: {python(value)},")
    return "\n    ".join(["{", *lines, "}"]) if len(lines) > 1 else "{" + lines[0].strip(" ,") + "}"


def _body(plan: Outline) -> tuple[str, str]:
    if plan.body is not None:
        return f"body = {value_of(plan.body, top=True)}", "json=body,"
    if plan.sends_raw:
        return f"body = {raw_bytes(plan)}", "data=body,"
    if not plan.fields:
        return "", ""
    files = [one for one in plan.fields if one.value is None]
    # Without a file, requests would send a form; a nameless file makes it multipart.
    data = [one for one in plan.fields if one.value is not None] if files else []
    lines = ["data = ["] if data else []
    lines += [f"    ({python(one.name)}, {python(one.value or '')})," for one in data]
    lines += ["]", "files = ["] if data else ["files = ["]
    for one in files if files else plan.fields:
        about = (
            f"None, {python(one.value)}"
            if one.value is not None
            else f"{python(one.filename)}, {bytes_of(one)}, {python(one.type)}"
        )
        lines.append(f"    ({python(one.name)}, ({about})),")
    return "\n".join([*lines, "]"]), "data=data,\nfiles=files," if data else "files=files,"
