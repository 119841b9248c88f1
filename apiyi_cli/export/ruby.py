"""A Call as a Ruby program on Net::HTTP, without gems."""

from __future__ import annotations

import re

from apiyi_cli.export.frame import Imports, Language, Templates
from apiyi_cli.export.pieces import FilePiece
from apiyi_cli.export.plan import Field, ProgramPlan
from apiyi_cli.export.quote import Expressions, Notation, join_pieces, layout, ruby

_EXPRESSIONS = Expressions(ruby, "File.binread({})", '"{}".unpack1("m")')


def _fill_in(plan: ProgramPlan, templates: Templates) -> dict[str, str]:
    headers = (f"request[{ruby(name)}] = {ruby(value)}" for name, value in plan.headers)
    return {
        "sends": str(plan.has_body).lower(),
        "shows": str(plan.method != "HEAD").lower(),
        "headers": "\n".join(headers),
        "body": _body(plan),
    }


def _key(key: str) -> str:
    return f"{key}: " if re.fullmatch(r"[a-z_]\w*", key, re.ASCII) else f"{ruby(key)}: "


def _read(piece: FilePiece) -> str:
    return f"{'text_of' if piece.text else 'base64_of'}({ruby(piece.path)})"


_NOTATION = Notation(
    ruby, _key, join_pieces(ruby, _read), null="nil", last_comma=False, padding=" "
)


def _body(plan: ProgramPlan) -> str:
    if plan.body is not None:
        return f"request.body = JSON.generate({layout(plan.body, _NOTATION)})"
    if plan.sends_raw:
        return f"request.body = {_EXPRESSIONS.raw(plan)}"
    if plan.fields:
        fields = "\n".join(f"  {_field(field)}," for field in plan.fields)
        return f'form = [\n{fields}\n]\nrequest.set_form(form, "multipart/form-data")'
    return ""


def _field(field: Field) -> str:
    if field.value is not None:
        return f"[{ruby(field.name)}, {ruby(field.value)}]"
    content = f"StringIO.new({_EXPRESSIONS.format_bytes(field.content)})"
    if field.path is not None:
        content = f'File.open({ruby(field.path)}, "rb")'
    about = f"{{ filename: {ruby(field.filename)}, content_type: {ruby(field.type)} }}"
    return f"[{ruby(field.name)}, {content}, {about}]"


LANGUAGE = Language(
    string=ruby,
    fill_in=_fill_in,
    file_name=str,
    between=" ",
    imports=Imports(
        line=r'^require "(?P<names>stringio)"\n', use=r"\bStringIO\b", literals=r'"(?:\\.|[^"\\])*"'
    ),
)
