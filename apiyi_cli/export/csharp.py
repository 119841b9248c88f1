"""A Call as a C# program: top-level statements on HttpClient and System.Text.Json."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apiyi_cli.export.frame import Language, Templates
from apiyi_cli.export.pieces import FilePiece
from apiyi_cli.export.plan import STANDARD_METHODS, Field, ProgramPlan
from apiyi_cli.export.quote import Expressions, csharp, form_name, json_text
from apiyi_cli.text import Text

_EXPRESSIONS = Expressions(
    csharp,
    file="File.ReadAllBytes({})",
    decode='Convert.FromBase64String("{}")',
    text="Encoding.UTF8.GetBytes({})",
)


def _fill_in(plan: ProgramPlan, templates: Templates) -> dict[str, str]:
    named = plan.method in STANDARD_METHODS
    return {
        "body": _body(plan),
        "method": f"HttpMethod.{plan.method.title()}" if named else f"new({csharp(plan.method)})",
        "headers": "\n".join(_headers(plan)),
    }


def _notes(plan: ProgramPlan) -> Iterator[str]:
    for field in plan.fields:
        if not f"{field.name}{field.filename}".isascii():
            yield Text(
                ".NET sends names in ASCII: {filename} is changed",
                filename=field.filename or field.name,
            )


def _headers(plan: ProgramPlan) -> Iterator[str]:
    if plan.has_body:
        yield "request.Content = " + ("body;" if plan.fields else "new ByteArrayContent(body);")
    for name, value in plan.headers:
        # Headers that describe the body are refused among those of the request.
        place = "Content.Headers" if name.lower().startswith("content-") else "Headers"
        if place == "Headers" or plan.has_body:
            yield f"request.{place}.TryAddWithoutValidation({csharp(name)}, {csharp(value)});"


def _body(plan: ProgramPlan) -> str:
    if plan.body is not None:
        return _json(plan)
    if plan.sends_raw:
        return f"var body = {_EXPRESSIONS.raw(plan)};"
    if plan.fields:
        return "\n".join(
            ["using var body = new MultipartFormDataContent();", *map(_part, plan.fields)]
        )
    return ""


def _json(plan: ProgramPlan) -> str:
    """Return the body as a raw string. JSON text never has three quotes in a row."""
    plain = json_text(plan.body, lambda piece: "")
    depth = max(map(len, re.findall(r"\{+|\}+", plain)), default=0) + 1

    def splice(piece: FilePiece) -> str:
        read = "TextOf" if piece.text else "Base64Of"
        return f"{'{' * depth}{read}({csharp(piece.path)}){'}' * depth}"

    mark = "$" * depth if plan.reads else ""
    return (
        f'var json = {mark}"""\n{json_text(plan.body, splice)}\n""";\n'
        "var body = Encoding.UTF8.GetBytes(json);"
    )


def _part(field: Field) -> str:
    about = f'name="{_quote_for_form(field.name)}"'
    if field.value is not None:
        content, kind = f"Encoding.UTF8.GetBytes({csharp(field.value)})", "null"
    else:
        content = _EXPRESSIONS.content(field)
        about += f'; filename="{_quote_for_form(field.filename)}"'
        kind = csharp(field.type)
    return f"body.Add(Part({content}, {csharp(about)}, {kind}));"


def _quote_for_form(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "_", form_name(text))


LANGUAGE = Language(
    string=csharp,
    fill_in=_fill_in,
    functions=lambda plan: ["multipart"] if plan.fields else [],
    notes=_notes,
)
