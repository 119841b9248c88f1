"""A Call as a Python program around the requests package."""

from __future__ import annotations

from apiyi_cli.export.frame import Language, Templates
from apiyi_cli.export.plan import ProgramPlan
from apiyi_cli.export.python_values import EXPRESSIONS, IMPORTS, write_value
from apiyi_cli.export.quote import python


def _fill_in(plan: ProgramPlan, templates: Templates) -> dict[str, str]:
    body, sent = _body(plan)
    return {"headers": _headers(plan), "body": body, "sent": sent}


def _headers(plan: ProgramPlan) -> str:
    is_bearer = plan.auth == "bearer"
    lines = ['    "Authorization": f"Bearer {key}",' if is_bearer else f'    "{plan.auth}": key,']
    for name, value in plan.headers:
        if plan.body is None or (name, value) != ("Content-Type", "application/json"):
            lines.append(f"    {python(name)}: {python(value)},")
    return "\n    ".join(["{", *lines, "}"]) if len(lines) > 1 else "{" + lines[0].strip(" ,") + "}"


def _body(plan: ProgramPlan) -> tuple[str, str]:
    if plan.body is not None:
        return f"body = {write_value(plan.body, top=True)}", "json=body,"
    if plan.sends_raw:
        return f"body = {EXPRESSIONS.raw(plan)}", "data=body,"
    if not plan.fields:
        return "", ""
    files = [field for field in plan.fields if field.value is None]
    # Without a file, requests would send a form; a nameless file makes it multipart.
    data = [field for field in plan.fields if field.value is not None] if files else []
    lines = ["data = ["] if data else []
    lines += [f"    ({python(field.name)}, {python(field.value or '')})," for field in data]
    lines += ["]", "files = ["] if data else ["files = ["]
    for field in files if files else plan.fields:
        about = (
            f"None, {python(field.value)}"
            if field.value is not None
            else f"{python(field.filename)}, {EXPRESSIONS.content(field)}, {python(field.type)}"
        )
        lines.append(f"    ({python(field.name)}, ({about})),")
    return "\n".join([*lines, "]"]), "data=data,\nfiles=files," if data else "files=files,"


LANGUAGE = Language(string=python, fill_in=_fill_in, imports=IMPORTS, blank_lines=2)
