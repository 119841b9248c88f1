"""A Call as a bash script around curl and jq."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

from apiyi_cli.export.frame import Language, Templates
from apiyi_cli.export.pieces import FilePiece
from apiyi_cli.export.plan import Field, ProgramPlan, blob_text
from apiyi_cli.export.quote import json_text, shell


def _fill_in(plan: ProgramPlan, templates: Templates) -> dict[str, str]:
    """Return the script's places; JSON goes to curl's stdin, which has no size limit."""
    heredoc = plan.body is not None and not plan.reads
    jq = plan.streamed or plan.is_parsed or any(piece.text for piece in plan.reads)
    body = _body(plan, templates)
    refusal = templates.fill("refusal", names=" ".join(plan.saves)) + "\n\n"
    return {
        "refusal": refusal if plan.saves else "",
        "needs": "curl 7.76 or newer, jq" if jq else "curl 7.76 or newer",
        "body": body,
        "feed": "body | " if body.startswith("body()") else "",
        "wait": _wait(plan),
        "options": "\n".join(f"{option} \\" for option in _options(plan)),
        "here": (" <<'JSON'" if heredoc else "") + _ending(plan),
        "json": json_text(plan.body, str) + "\nJSON" if heredoc else "",
    }


def _wait(plan: ProgramPlan) -> str:
    if plan.stream:
        silence = f"--speed-limit 1 --speed-time {plan.silence_s}"
        return f"--connect-timeout 10 \\\n  {silence} --max-time {plan.timeout_s}"
    return f"--connect-timeout 10 --max-time {plan.timeout_s}"


def _options(plan: ProgramPlan) -> Iterator[str]:
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
    about = f";type={field.type};filename={_quote_form(field.filename)}"
    if field.path is not None:
        return f"--form {shell(f'{field.name}=@{_quote_form(field.path)}{about}')}"
    content = b64encode(field.content).decode()
    start = shell(f"{field.name}=@")
    return f"--form {start}<(base64 --decode <<<'{content}'){shell(about)}"


def _quote_form(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _body(plan: ProgramPlan, templates: Templates) -> str:
    """Return the text before the command: the body in pieces, the function for events."""
    lines: list[str] = []
    if plan.reads:
        mark = "\0"
        text = json_text(plan.body, lambda piece: mark)
        files = iter(plan.reads)
        for number, literal in enumerate(text.split(mark)):
            if number:
                lines.append(_file(next(files)))
            lines.append("printf '%s' '" + literal.replace("'", "'\\''") + "'")
    elif (raw := blob_text(plan.raw)) is not None:
        lines.append(f"printf '%s' {shell(raw)}")
    elif plan.raw is not None:
        lines.append(f"base64 --decode <<<'{b64encode(plan.raw).decode()}'")
    function = "body() {\n" + "".join(f"  {line}\n" for line in lines) + "}\n" if lines else ""
    if plan.streamed:
        delta = templates.block(f"delta.{plan.kind}", "filters")
        if plan.tools:
            calls = templates.block(f"call_delta.{plan.kind}", "filters")
            delta = f"({delta}),\n    ({calls})"
        function += templates.fill("show", filter=delta) + "\n"
    return function + "\n" if function else ""


def _file(piece: FilePiece) -> str:
    if piece.text:
        return (
            f"jq --raw-input --slurp . <{shell(piece.path)} | sed 's/^\"//; s/\"$//' | tr -d '\\n'"
        )
    return f"base64 <{shell(piece.path)} | tr -d '\\n'"


def _ending(plan: ProgramPlan) -> str:
    failed = " || fail 'the request failed'"
    if plan.streamed:
        return f" | show{failed}"
    if plan.stream:
        return f' | tee "$answer"{failed}'
    return (' >"$answer.type"' if plan.kind == "speak" else "") + failed


def _answer(plan: ProgramPlan, templates: Templates) -> str:
    if plan.stream:
        ended = templates.block(f"ended.{plan.kind}", "filters") if plan.streamed else ""
        return templates.fill("stream", ended=ended) if plan.streamed else ""
    if plan.kind == "speak":
        return templates.fill("answer.speak", suffix=plan.suffix)
    if plan.kind == "other":
        return templates.block("answer.other")
    if plan.plain_text:
        return templates.block("answer.text")
    checked = templates.fill("checked", shape=templates.block(f"shape.{plan.kind}", "filters"))
    if plan.kind == "image":
        return templates.fill("answer.image", checked=checked, suffix=plan.suffix)
    value = templates.block(f"answer.{plan.kind}", "filters")
    if plan.kind == "generate":
        return templates.fill("answer.generate", checked=checked, texts=value, suffix=plan.suffix)
    if plan.tools:
        calls = templates.block(f"calls.{plan.kind}", "filters")
        value = f"({value}), ({calls})"
    option = "--compact-output" if plan.kind == "embed" else "--raw-output"
    return f"{checked}\njq {option} '{value}' \"$answer\""


LANGUAGE = Language(string=shell, fill_in=_fill_in, answer=_answer)
