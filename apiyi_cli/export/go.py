"""A Call as a Go program on the standard library.

The body stays JSON text: a map would be sent in the order of the alphabet, and the order of a
schema's properties matters to models.
"""

from __future__ import annotations

from collections.abc import Iterator

from apiyi_cli.export.frame import Imports, Language, Templates
from apiyi_cli.export.pieces import FilePiece
from apiyi_cli.export.plan import STANDARD_METHODS, ProgramPlan, blob_text
from apiyi_cli.export.quote import Expressions, go, json_text

_EXPRESSIONS = Expressions(
    go, file="os.ReadFile({})", decode='base64.StdEncoding.DecodeString("{}")'
)


def _fill_in(plan: ProgramPlan, templates: Templates) -> dict[str, str]:
    constant, body, reader = _body(plan, templates)
    headers = [f"request.Header.Set({go(name)}, {go(value)})" for name, value in plan.headers]
    if plan.fields:
        headers.append('request.Header.Set("Content-Type", form.FormDataContentType())')
    named = plan.method in STANDARD_METHODS
    return {
        "constant": constant,
        "body": body,
        "method": f"http.Method{plan.method.title()}" if named else go(plan.method),
        "reader": reader,
        "headers": "\n".join(headers),
    }


def _functions(plan: ProgramPlan) -> Iterator[str]:
    """Yield the names of functions and of the types into which Go reads JSON."""
    if any(field.value is None for field in plan.fields):
        yield "multipart"
    if plan.streamed:
        shared = {"complete": "chat", "transcribe": "respond"}
        yield f"event.{shared.get(plan.kind, plan.kind)}"
        yield "type.generate" if plan.kind == "generate" else "type.function"
    elif plan.is_parsed:
        yield f"type.{plan.kind}"
        if plan.kind in ("chat", "respond"):
            yield "type.function"


def _body(plan: ProgramPlan, templates: Templates) -> tuple[str, str, str]:
    """Return a constant, the statements before the request, and the reader of the body."""
    if plan.body is not None and not plan.reads:
        text = json_text(plan.body, str, "`")
        return f"\nconst body = `{text}`", "", "strings.NewReader(body)"
    if plan.body is not None:
        return "", "\n".join(_read_pieces(plan, templates)), "strings.NewReader(body)"
    if (raw := blob_text(plan.raw)) is not None:
        return f"\nconst body = {go(raw)}", "", "strings.NewReader(body)"
    if plan.sends_raw:
        return "", _read_checked(templates, "body", _EXPRESSIONS.raw(plan)), "bytes.NewReader(body)"
    if plan.fields:
        return "", "\n".join(_form(plan, templates)), "&body"
    return "", "", "nil"


def _read_pieces(plan: ProgramPlan, templates: Templates) -> Iterator[str]:
    names: dict[FilePiece, str] = {}
    for piece in plan.reads:
        if piece not in names:
            names[piece] = f"file{len(names) + 1}"
            read = "textOf" if piece.text else "base64Of"
            yield _read_checked(templates, names[piece], f"{read}({go(piece.path)})")
    text = json_text(plan.body, lambda piece: f"` + {names[piece]} + `", "`")
    yield f"body := `{text}`"


def _form(plan: ProgramPlan, templates: Templates) -> Iterator[str]:
    yield "var body bytes.Buffer"
    yield "form := multipart.NewWriter(&body)"
    for number, field in enumerate(plan.fields, 1):
        if field.value is not None:
            written = f"form.WriteField({go(field.name)}, {go(field.value)})"
        else:
            content = f"file{number}"
            yield _read_checked(templates, content, _EXPRESSIONS.content(field))
            about = ", ".join(map(go, (field.name, field.filename, field.type)))
            written = f"addFile(form, {about}, {content})"
        yield f"if err := {written}; err != nil {{\n\treturn err\n}}"
    yield "if err := form.Close(); err != nil {\n\treturn err\n}"


def _read_checked(templates: Templates, name: str, expression: str) -> str:
    return templates.fill("checked_value", name=name, expression=expression)


LANGUAGE = Language(
    string=go,
    fill_in=_fill_in,
    functions=_functions,
    imports=Imports(
        line=r'^\t"(?:\w+/)*(?P<names>\w+)"\n',
        use=r"\bNAME\.[A-Z]",
        literals=r'`[^`]*`|"(?:\\.|[^"\\])*"',
    ),
)
