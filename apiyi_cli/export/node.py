"""A Call as a Node program: an ECMAScript module on the built-in fetch, without packages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from apiyi_cli.export.frame import Imports, Language, Templates
from apiyi_cli.export.pieces import FilePiece
from apiyi_cli.export.plan import Field, ProgramPlan
from apiyi_cli.export.quote import Expressions, Notation, javascript, join_pieces, json_text, layout
from apiyi_cli.text import Text

_EXPRESSIONS = Expressions(javascript, "await readFile({})", 'Buffer.from("{}", "base64")')
_EXACT = 2**53
# Node's fetch gives up on headers that take longer, whatever the signal says.
_HEADERS_S = 300


def _fill_in(plan: ProgramPlan, templates: Templates) -> dict[str, str]:
    body, sent = _body(plan)
    timeout = f"{plan.timeout_s}_000"
    return {"headers": _headers(plan), "body": body, "sent": sent, "timeout": timeout}


def _notes(plan: ProgramPlan) -> Iterator[str]:
    if not plan.stream and plan.timeout_s > _HEADERS_S:
        yield Text(
            "Node's fetch waits at most {headers_s} s for an answer to begin", headers_s=_HEADERS_S
        )
    if any(re.search(r"\r(?!\n)|(?<!\r)\n", field.value or "") for field in plan.fields):
        yield Text("Node's FormData sends the line ends of a field as CR LF")


def _headers(plan: ProgramPlan) -> str:
    is_bearer = plan.auth == "bearer"
    lines = ["    Authorization: `Bearer ${key}`," if is_bearer else f"    {_key(plan.auth)}key,"]
    for name, value in plan.headers:
        lines.append(f"    {_key(name)}{javascript(value)},")
    return "\n".join(["{", *(f"  {line}" for line in lines), "    }"])


def _key(key: str) -> str:
    if key == "__proto__":
        return '["__proto__"]: '
    return f"{key}: " if re.fullmatch(r"[A-Za-z_]\w*", key, re.ASCII) else f"{javascript(key)}: "


def _read(piece: FilePiece) -> str:
    return f"await {'textOf' if piece.text else 'base64Of'}({javascript(piece.path)})"


_NOTATION = Notation(
    javascript, _key, join_pieces(javascript, lambda piece: f"({_read(piece)})"), padding=" "
)


def _body(plan: ProgramPlan) -> tuple[str, str]:
    """Return the statements before the request, and the option that sends the body."""
    if plan.body is not None and _keeps_order(plan.body):
        return f"const body = {layout(plan.body, _NOTATION)};", "body: JSON.stringify(body),"
    if plan.body is not None:
        # JSON text, because an object would round a number or move a key.
        text = json_text(
            plan.body, lambda piece: f"${{JSON.stringify({_read(piece)}).slice(1, -1)}}", "`$"
        )
        return f"const body = String.raw`{text}`;", "body,"
    if plan.sends_raw:
        return f"const body = {_EXPRESSIONS.raw(plan)};", "body,"
    if plan.fields:
        return "\n".join(["const body = new FormData();", *map(_append, plan.fields)]), "body,"
    return "", ""


def _keeps_order(value: Any) -> bool:
    """Return True if an object literal keeps every number and the order of every key."""
    if isinstance(value, dict):
        whole = [key for key in value if re.fullmatch(r"0|[1-9]\d*", key, re.ASCII)]
        in_place = whole == sorted(whole, key=int) == list(value)[: len(whole)]
        return in_place and all(map(_keeps_order, value.values()))
    if isinstance(value, list):
        return all(map(_keeps_order, value))
    return not isinstance(value, int) or abs(value) < _EXACT


def _append(field: Field) -> str:
    name = javascript(field.name)
    if field.value is not None:
        return f"body.append({name}, {javascript(field.value)});"
    blob = f"new Blob([{_EXPRESSIONS.content(field)}], {{ type: {javascript(field.type)} }})"
    return f"body.append({name}, {blob}, {javascript(field.filename)});"


LANGUAGE = Language(
    string=javascript,
    fill_in=_fill_in,
    notes=_notes,
    imports=Imports(
        line=r"^import \{ (?P<names>.+) \} from .+\n",
        use=r"\bNAME\(",
        literals=r'"(?:\\.|[^"\\])*"',
    ),
)
