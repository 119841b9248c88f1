"""A Call as a Java program of one file on the JDK's HTTP client.

The JDK reads no JSON, so that a program which looks into its answer carries a small reader.
"""

from __future__ import annotations

from collections.abc import Iterator

from apiyi_cli.export.frame import Imports, Language, Templates
from apiyi_cli.export.pieces import FilePiece
from apiyi_cli.export.plan import ProgramPlan, blob_text
from apiyi_cli.export.quote import Expressions, form_name, java, json_text

_EXPRESSIONS = Expressions(
    java,
    file="BodyPublishers.ofFile(Path.of({}))",
    decode='BodyPublishers.ofByteArray(Base64.getDecoder().decode("{}"))',
)
_CONSTANT_BYTES = 40_000


def _fill_in(plan: ProgramPlan, templates: Templates) -> dict[str, str]:
    body, publisher = _body(plan)
    headers = [f".header({java(name)}, {java(value)})" for name, value in plan.headers]
    if plan.fields:
        headers.append('.header("Content-Type", "multipart/form-data; boundary=" + boundary)')
    return {"body": body, "publisher": publisher, "headers": "\n".join(headers)}


def _functions(plan: ProgramPlan) -> Iterator[str]:
    if any(field.value is None for field in plan.fields):
        yield "multipart"
    if plan.streamed or plan.is_parsed:
        yield "json"


def _text_block(text: str) -> str:
    """Return JSON text, which never has three quotes in a row, as a text block."""
    if len(text.encode(errors="replace")) > _CONSTANT_BYTES:
        return _string(text)
    return '"""\n' + text.replace("\\", "\\\\") + '"""'


def _string(text: str) -> str:
    """Return an expression for any text: a Java constant holds only 64 kB."""
    if len(text.encode(errors="replace")) <= _CONSTANT_BYTES:
        return java(text)
    step = _CONSTANT_BYTES // 4
    pieces = (java(text[at : at + step]) for at in range(0, len(text), step))
    return 'String.join("",\n    ' + ",\n    ".join(pieces) + ")"


def _body(plan: ProgramPlan) -> tuple[str, str]:
    """Return the statements before the request, and the publisher of the body."""
    if plan.body is not None:
        return _json(plan), "BodyPublishers.ofString(body)"
    if (text := blob_text(plan.raw)) is not None:
        return f"String body = {_string(text)};", "BodyPublishers.ofString(body)"
    if plan.sends_raw:
        return "", _EXPRESSIONS.raw(plan)
    if plan.fields:
        return "\n".join(_form(plan)), "BodyPublishers.concat(parts)"
    return "", "BodyPublishers.noBody()"


def _json(plan: ProgramPlan) -> str:
    names: dict[FilePiece, str] = {}
    mark = "@FILE"
    plain = json_text(plan.body, lambda piece: "")
    while mark in plain:
        mark += "_"
    for piece in plan.reads:
        names.setdefault(piece, f"{mark}{len(names) + 1}@")
    lines = [f"String body = {_text_block(json_text(plan.body, names.__getitem__))}"]
    for piece, name in names.items():
        read = "textOf" if piece.text else "base64Of"
        lines.append(f"    .replace({java(name)}, {read}({java(piece.path)}))")
    return "\n".join(lines) + ";"


def _form(plan: ProgramPlan) -> Iterator[str]:
    yield "String boundary = UUID.randomUUID().toString();"
    yield "BodyPublisher[] parts = {"
    for field in plan.fields:
        name = form_name(field.name)
        head = f'\r\nContent-Disposition: form-data; name="{name}"'
        if field.value is not None:
            head += f"\r\n\r\n{field.value}\r\n"
            yield f'    BodyPublishers.ofString("--" + boundary + {_string(head)}),'
            continue
        head += f'; filename="{form_name(field.filename)}"\r\nContent-Type: {field.type}\r\n\r\n'
        content = _EXPRESSIONS.content(field)
        yield f'    file("--" + boundary + {java(head)}, {content}),'
    yield '    BodyPublishers.ofString("--" + boundary + "--\\r\\n"),'
    yield "};"


LANGUAGE = Language(
    string=java,
    fill_in=_fill_in,
    functions=_functions,
    imports=Imports(
        line=r"^import (?:\w+\.)+(?P<names>\w+);\n",
        use=r"\bNAME\b",
        literals=(
            r'"""(?:[^\\]|\\.)*?"""|"(?:\\.|[^"\\])*"'
            r"|'(?:\\.|[^'\\])'|//.*"
        ),
    ),
)
