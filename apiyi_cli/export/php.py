"""A Call as a PHP program on the curl extension."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from apiyi_cli.export.frame import Language, Templates, write_answer, write_delta
from apiyi_cli.export.pieces import FilePiece
from apiyi_cli.export.plan import Field, ProgramPlan
from apiyi_cli.export.quote import Expressions, Notation, join_pieces, layout, php
from apiyi_cli.text import Text

_EXPRESSIONS = Expressions(php, "textOf({})", 'base64_decode("{}")')
_FLAGS = "JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_PRESERVE_ZERO_FRACTION"
_INTEGER = re.compile(r"0|-?[1-9]\d*", re.ASCII)
_RANGE = range(-(2**63), 2**63)


def _fill_in(plan: ProgramPlan, templates: Templates) -> dict[str, str]:
    options = (f"{option}," for option in _options(plan, templates))
    return {"body": _body(plan), "before": _before(plan, templates), "options": "\n".join(options)}


def _functions(plan: ProgramPlan) -> Iterator[str]:
    if _has_repeated_names(plan):
        yield "multipart"
    reads = _has_repeated_names(plan) and any(field.path is not None for field in plan.fields)
    if plan.raw_path is not None or reads:
        yield "text"


def _has_repeated_names(plan: ProgramPlan) -> bool:
    """Return True if fields repeat a name, which PHP's own forms cannot send."""
    return len({field.name for field in plan.fields}) < len(plan.fields)


def _answer(plan: ProgramPlan, templates: Templates) -> str:
    # The function that receives the events has printed them by then.
    printed = plan.stream and not plan.streamed
    return "" if printed else write_answer(plan, templates)


def _notes_on(value: Any) -> Iterator[str]:
    items: Iterable[Any] = ()
    if isinstance(value, dict):
        items = value.values()
    elif isinstance(value, list):
        items = value
    elif isinstance(value, int) and value not in _RANGE:
        yield Text("PHP has no integer as large as {value}: it is sent as a fraction", value=value)
    for item in items:
        yield from _notes_on(item)


def _before(plan: ProgramPlan, templates: Templates) -> str:
    if plan.streamed:
        return templates.fill("read", delta=write_delta(plan, templates))
    # The answer is held several times over while its images are decoded.
    return "ini_set('memory_limit', '1G');" if plan.kind == "image" else ""


def _options(plan: ProgramPlan, templates: Templates) -> Iterator[str]:
    if plan.method == "HEAD":
        yield "CURLOPT_NOBODY => true"
    elif plan.method != "GET" or plan.has_body:
        yield f"CURLOPT_CUSTOMREQUEST => {php(plan.method)}"
    headers = [
        # A header without a value is spelled with a semicolon, else curl takes it out.
        php(f"{name}: {value}" if value else f"{name};")
        for name, value in plan.headers
    ]
    key = '"Authorization: Bearer $key"' if plan.auth == "bearer" else f'"{plan.auth}: $key"'
    lines = "".join(f"    {header},\n" for header in [key, *headers])
    if _has_repeated_names(plan):
        lines += '    "Content-Type: multipart/form-data; boundary=$boundary",\n'
    yield f"CURLOPT_HTTPHEADER => [\n{lines}]"
    if plan.body is not None:
        yield f"CURLOPT_POSTFIELDS => json_encode(\n    $body,\n    {_FLAGS},\n)"
    elif plan.has_body:
        yield "CURLOPT_POSTFIELDS => $body"
    yield "CURLOPT_CONNECTTIMEOUT => 10"
    if plan.stream:
        yield "CURLOPT_LOW_SPEED_LIMIT => 1"
        yield f"CURLOPT_LOW_SPEED_TIME => {plan.silence_s}"
    yield f"CURLOPT_TIMEOUT => {plan.timeout_s}"
    keep = "$answer .= $chunk;" if not plan.stream else "echo $chunk;"
    write = "$read" if plan.streamed else templates.fill("kept", keep=keep)
    yield f"CURLOPT_WRITEFUNCTION => {write}"


def _key(key: str) -> str:
    return f"{php(key)} => "


def _braces(keys: Iterable[str]) -> tuple[str, str]:
    """Return the brackets of an object: keys like integers would make it a list."""
    names = list(keys)
    if not names:
        return "new stdClass(", ")"
    return ("(object) [" if any(map(_INTEGER.fullmatch, names)) else "[", "]")


def _read(piece: FilePiece) -> str:
    return f"{'textOf' if piece.text else 'base64Of'}({php(piece.path)})"


_NOTATION = Notation(php, _key, join_pieces(php, _read, " . "), _braces, indent="    ")


def _body(plan: ProgramPlan) -> str:
    if plan.body is not None:
        return f"$body = {layout(plan.body, _NOTATION)};"
    if plan.sends_raw:
        return f"$body = {_EXPRESSIONS.raw(plan)};"
    if not plan.fields:
        return ""
    if not _has_repeated_names(plan):
        lines = "".join(f"    {_key(field.name)}{_field(field)},\n" for field in plan.fields)
        return f"$body = [\n{lines}];"
    lines = "".join(f"    {_row(field)},\n" for field in plan.fields)
    return f"$boundary = bin2hex(random_bytes(16));\n$body = multipart([\n{lines}], $boundary);"


def _field(field: Field) -> str:
    if field.value is not None:
        return php(field.value)
    about = f"{php(field.filename)}, {php(field.type)}"
    if field.path is None:
        return f"new CURLStringFile({_EXPRESSIONS.format_bytes(field.content)}, {about})"
    return f"new CURLFile({php(field.path)}, {php(field.type)}, {php(field.filename)})"


def _row(field: Field) -> str:
    if field.value is not None:
        return f"[{php(field.name)}, {php(field.value)}, null, null]"
    content = _EXPRESSIONS.content(field)
    return f"[{php(field.name)}, {content}, {php(field.filename)}, {php(field.type)}]"


LANGUAGE = Language(
    string=php,
    fill_in=_fill_in,
    functions=_functions,
    answer=_answer,
    notes=lambda plan: _notes_on(plan.body),
)
