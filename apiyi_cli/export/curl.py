"""A Call as a bash script around curl, with jq to check and read the answer."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

from apiyi_cli.core.call import Call
from apiyi_cli.export.outline import Field, FilePiece, Outline, blob_text, outline
from apiyi_cli.export.program import Program
from apiyi_cli.export.quote import fill, json_text, shell

_SCRIPT = """\
#!/usr/bin/env bash
# Needs bash, «needs».
set -euo pipefail
: "${APIYI_API_KEY:?is not set}"

answer=$(mktemp)
trap 'rm -f "$answer" "$answer.type"' EXIT
fail() {
  cat "$answer" >&2
  printf '\\n%s\\n' "$1" >&2
  exit 1
}

«refusal»
«body»
# The key goes through a descriptor: every user of the machine can read a command's arguments.
«feed»curl --silent --show-error --fail-with-body «wait» \\
  --header @<(printf 'Authorization: Bearer %s\\n' "$APIYI_API_KEY") \\
  «options»
  «url»«here»
«json»

«shown»
"""

_LISTED = 'type == "array" and length > 0'
_SHAPES = {
    "chat": f".choices | {_LISTED}",
    "complete": f".choices | {_LISTED}",
    "respond": '.output | type == "array"',
    "embed": f".data | {_LISTED}",
    "image": f".data | {_LISTED}",
    "transcribe": 'has("text")',
    "models": '.data | type == "array"',
}
_CALL = '.name + " " + .arguments'
_SHOWN = {
    "chat": ".choices[] | .message.content // empty",
    "complete": ".choices[].text",
    "respond": '.output[].content[]? | select(.type == "output_text") | .text',
    "embed": ".data[].embedding",
    "transcribe": ".text",
    "models": ".data[].id",
}
_CALLS = {
    "chat": f".choices[].message.tool_calls[]?.function | {_CALL}",
    "respond": f'.output[] | select(.type == "function_call") | {_CALL}',
}
_CHECKED = """\
jq --exit-status '«shape»' "$answer" >/dev/null ||
  fail 'not the expected answer'
"""

_DELTAS = {
    "chat": ".choices[]?.delta?.content // empty",
    "complete": ".choices[]?.text // empty",
    "respond": 'select(.type == "response.output_text.delta") | .delta',
    "transcribe": 'select(.type == "transcript.text.delta") | .delta',
}
_CALL_DELTAS = {
    "chat": (
        ".choices[]?.delta?.tool_calls[]?.function"
        ' | (.name | strings | select(. != "") | "\\n\\(.) "), (.arguments // empty)'
    ),
    "respond": (
        'select(.type == "response.output_item.done") | .item'
        ' | select(.type == "function_call") | "\\n\\(.name) \\(.arguments)"'
    ),
}
_ENDED = {
    "chat": '.choices[]?.finish_reason | strings | select(. != "")',
    "complete": '.choices[]?.finish_reason | strings | select(. != "")',
    "respond": 'select(.type == "response.completed" or .type == "response.incomplete")',
    "transcribe": 'select(.type == "transcript.text.done")',
}
_SHOW = """\
event='select(startswith("data:")) | .[5:] | fromjson? | objects'
show() {
  tee "$answer" | jq --raw-input --join-output --unbuffered "$event"' | «shown»'
}
"""
_STREAM = """\
echo
told() {
  jq --null-input --raw-input --exit-status "any(inputs | $event | $1; true)" "$answer" >/dev/null
}
if told 'select(.error or .type == "response.failed")'; then
  fail 'the stream reports an error'
fi
told '«ended»' || fail 'the stream was cut'"""

_SAVE = """\
«checked»
for ((index = 0; index < $(jq '.data | length' "$answer"); index++)); do
  name=image-$((index + 1)).«suffix»
  jq --raw-output --argjson index "$index" \\
    '.data[$index].b64_json // "" | split(",")[-1] // ""' "$answer" | base64 --decode >"$name"
  if [ ! -s "$name" ]; then
    link=$(jq --raw-output --argjson index "$index" '.data[$index].url // ""' "$answer")
    curl --silent --show-error --fail --proto '=https,http' --connect-timeout 10 --max-time 120 \\
      --output "$name" --url "${link:-none}" || fail "image $((index + 1)) cannot be had"
  fi
  echo "$name"
done"""

_SOUND = """\
case $(cat "$answer.type") in
  *json* | text/*) fail 'not a recording' ;;
esac
mv "$answer" speech.«suffix»
echo speech.«suffix»"""


_REFUSED = """\
for name in «names»; do
  if [ -e "$name" ]; then fail "$name exists already"; fi
done
"""


def program(call: Call, base_url: str) -> Program:
    """Write the call as a bash script; JSON goes to curl's stdin, where its size has no limit."""
    plan = outline(call, base_url)
    body = _body(plan)
    shown = _stream(plan) if plan.stream else _answer(plan)
    heredoc = plan.body is not None and not plan.reads
    script = fill(
        _SCRIPT,
        needs="curl 7.76 or newer, jq" if "jq " in body + shown else "curl 7.76 or newer",
        refusal=fill(_REFUSED, names=" ".join(plan.saves)) + "\n" if plan.saves else "",
        body=body,
        feed="body | " if body.startswith("body()") else "",
        wait=_wait(plan),
        options="\n".join(f"{one} \\" for one in _options(plan)),
        url=shell(plan.url),
        here=(" <<'JSON'" if heredoc else "") + _ending(plan),
        json=json_text(plan.body, str) + "\nJSON" if heredoc else "",
        shown=shown,
    )
    return Program(script.rstrip("\n") + "\n", plan.notes)


def _wait(plan: Outline) -> str:
    if plan.stream:
        silence = f"--speed-limit 1 --speed-time {plan.silence_s}"
        return f"--connect-timeout 10 \\\n  {silence} --max-time {plan.timeout_s}"
    return f"--connect-timeout 10 --max-time {plan.timeout_s}"


def _options(plan: Outline) -> Iterator[str]:
    if plan.method == "HEAD":
        yield "--head"
    elif plan.method != ("POST" if plan.has_body else "GET"):
        yield f"--request {shell(plan.method)}"
    for name, value in plan.headers:
        # A header without a value is spelled with a semicolon, else curl takes it out.
        yield f"--header {shell(f'{name}: {value}' if value else f'{name};')}"
    for field in plan.fields:
        yield _form(field)
    if plan.raw_path is not None:
        yield f"--data-binary {shell('@' + plan.raw_path)}"
    elif plan.body is not None or plan.raw is not None:
        yield "--data-binary @-"
    if set(plan.url) & set("[]{}"):
        yield "--globoff"
    yield "--no-buffer" if plan.stream else '--output "$answer"'
    if plan.kind == "speak":
        yield "--write-out '%{content_type}'"


def _form(field: Field) -> str:
    if field.value is not None:
        return f"--form-string {shell(f'{field.name}={field.value}')}"
    about = f";type={field.type};filename={_form_quoted(field.filename)}"
    if field.path is not None:
        return f"--form {shell(f'{field.name}=@{_form_quoted(field.path)}{about}')}"
    content = b64encode(field.content).decode()
    start = shell(f"{field.name}=@")
    return f"--form {start}<(base64 --decode <<<'{content}'){shell(about)}"


def _form_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _body(plan: Outline) -> str:
    """Return what stands before the command: the body in pieces, and how an event is read."""
    lines: list[str] = []
    if plan.reads:
        mark = "\0"
        text = json_text(plan.body, lambda piece: mark)
        files = iter(plan.reads)
        for number, literal in enumerate(text.split(mark)):
            if number:
                lines.append(_file(next(files)))
            lines.append("printf '%s' '" + literal.replace("'", "'\\''") + "'")
    elif plan.raw is not None:
        literal_or_none = blob_text(plan.raw)
        if literal_or_none is None:
            lines.append(f"base64 --decode <<<'{b64encode(plan.raw).decode()}'")
        else:
            lines.append(f"printf '%s' {shell(literal_or_none)}")
    function = "body() {\n" + "".join(f"  {one}\n" for one in lines) + "}\n" if lines else ""
    if plan.streamed:
        shown = _DELTAS[plan.kind]
        if plan.tools:
            shown = f"({shown}),\n    ({_CALL_DELTAS[plan.kind]})"
        function += fill(_SHOW, shown=shown)
    return function + "\n" if function else ""


def _file(piece: FilePiece) -> str:
    if piece.text:
        return (
            f"jq --raw-input --slurp . <{shell(piece.path)} | sed 's/^\"//; s/\"$//' | tr -d '\\n'"
        )
    return f"base64 <{shell(piece.path)} | tr -d '\\n'"


def _ending(plan: Outline) -> str:
    failed = " || fail 'the request failed'"
    if plan.streamed:
        return f" | show{failed}"
    if plan.stream:
        return f' | tee "$answer"{failed}'
    return (' >"$answer.type"' if plan.kind == "speak" else "") + failed


def _stream(plan: Outline) -> str:
    return fill(_STREAM, ended=_ENDED[plan.kind]) if plan.streamed else ""


def _answer(plan: Outline) -> str:
    if plan.kind == "speak":
        return fill(_SOUND, suffix=plan.suffix)
    if plan.kind == "other":
        return 'cat "$answer"'
    if plan.plain_text:
        return '[ -s "$answer" ] || fail \'the answer is empty\'\ncat "$answer"'
    checked = fill(_CHECKED, shape=_SHAPES[plan.kind])
    if plan.kind == "image":
        return fill(_SAVE, checked=checked, suffix=plan.suffix)
    shown = _SHOWN[plan.kind]
    if plan.tools:
        shown = f"({shown}), ({_CALLS[plan.kind]})"
    option = "--compact-output" if plan.kind == "embed" else "--raw-output"
    return f"{checked}jq {option} '{shown}' \"$answer\""
