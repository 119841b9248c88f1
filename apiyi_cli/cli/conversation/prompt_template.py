"""The text of a prompt from a template (`-t`) and from the user's editor (`-e`).

A template is a file `templates/NAME.md` in the configuration folder. Its front matter names
options: between two lines of `---` as `key: value`, or between two lines of `+++` as TOML. The
rest is the text, with `{input}` for the prompt and `{name}` for `-p name=value`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from apiyi_cli.cli.context import Context
from apiyi_cli.cli.inputs.editor import edit_text
from apiyi_cli.cli.inputs.prompt import join_pieces
from apiyi_cli.cli.settings import CommandSettings
from apiyi_cli.core.disk import read_regular
from apiyi_cli.core.nearest import find_nearest
from apiyi_cli.core.options.prompt import DraftOptions
from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.settings.values import InvalidValue, convert_value, find_options
from apiyi_cli.text import Text, system_reason

INPUT: Final = "input"
_NAME: Final = re.compile(r"[\w.-]+")
_ENTRY: Final = re.compile(r"\s*[\w-]+\s*[:=]")
_PLACE: Final = re.compile(r"\{(\w+)\}")
# Options that choose the server or run programs must be typed by the user.
_REFUSED: Final = frozenset(
    ("profile", "base_url", "node", "key_file", "yes", "template", "param", "edit", "last")
)


class PromptTemplate(NamedTuple):
    """A template: its text, and the values of its front matter by option."""

    path: Path
    text: str
    options: Mapping[str, Any]

    def fill(self, text: str | None, values: Mapping[str, str]) -> str:
        """Return the prompt; `text` replaces `{input}`, or follows a template without it.

        Raises UsageError for a `{name}` that nothing was given for.
        """
        names = set(_PLACE.findall(self.text))
        if unused := sorted(set(values) - names):
            raise UsageError(
                Text("cannot use -p {name}", name=unused[0]),
                Text("the template has no {{{name}}}", name=unused[0]),
            )
        given = {**values, **({INPUT: text} if text is not None else {})}
        if missing := sorted(names - set(given)):
            what = Text("a prompt") if missing == [INPUT] else f"-p {missing[0]}=VALUE"
            raise UsageError(
                Text("the template {path} is not filled", path=self.path),
                Text("it wants {what}", what=what),
            )
        filled = _PLACE.sub(lambda place: given[place[1]], self.text)
        return filled if text is None or INPUT in names else join_pieces([filled, text])


def begin_draft(settings: CommandSettings) -> PromptTemplate:
    """Return the template of the run, and put its options in force.

    They count before the environment and the profile, behind what was typed.
    """
    template = read_template(settings, settings.fill(DraftOptions()).template or "")
    settings.use_template(template.options)
    return template


def finish_draft(ctx: Context, template: PromptTemplate | None, text: str | None) -> str | None:
    """Return the prompt's text, filled into the template and edited by the user."""
    draft_options = ctx.settings.fill(DraftOptions())
    if template is None and draft_options.param:
        raise _no_template_error()
    if template is not None:
        text = template.fill(text, _read_params(draft_options.param or ()))
    if draft_options.edit:
        text = edit_text(ctx.process, text or "", Text("nothing was sent"))
        if not text.strip():
            raise UsageError(Text("nothing to send"), Text("the edited prompt is empty"))
    return text


def check_template(settings: CommandSettings, name: str | None, params: Sequence[str]) -> None:
    """Raise UsageError or SetupError for a template that would fail with the next prompt."""
    if name is None:
        raise _no_template_error()
    read_template(settings, name).fill("", _read_params(params))


def list_templates(settings: CommandSettings) -> list[str]:
    """Return the names of the user's templates, sorted."""
    return sorted(path.stem for path in template_folder(settings).glob("*.md"))


def template_folder(settings: CommandSettings) -> Path:
    """Return the folder of the templates; it may not exist."""
    return settings.config_path.parent / "templates"


def read_template(settings: CommandSettings, name: str) -> PromptTemplate:
    """Return the template of a name. Raises UsageError, or SetupError for a bad file."""
    folder = template_folder(settings)
    path = folder / f"{name}.md"
    if not _NAME.fullmatch(name) or name.startswith("."):
        raise _no_template(name, settings)
    try:
        data = read_regular(path)
    except FileNotFoundError:
        raise _no_template(name, settings) from None
    except OSError as failure:
        raise SetupError(Text("cannot read {path}", path=path), system_reason(failure)) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SetupError(Text("cannot read {path}", path=path), Text("this is not UTF-8")) from None
    header, body = _split(text, path)
    return PromptTemplate(path, body.strip("\n"), _read_options(settings, path, header))


def _no_template_error() -> UsageError:
    return UsageError(Text("cannot use -p"), Text("there is no template"), hint="-t NAME")


def _no_template(name: str, settings: CommandSettings) -> UsageError:
    known, folder = list_templates(settings), template_folder(settings)
    near = find_nearest(name, known)
    why: str = Text("there is none in {folder}", folder=folder)
    if near:
        why = Text("did you mean {near}?", near=near)
    elif known:
        why = Text("known are {known}", known=", ".join(known))
    return UsageError(Text("there is no template {name}", name=repr(name)), why)


def _read_params(params: Sequence[str]) -> dict[str, str]:
    values = {}
    for item in params:
        name, has_value, value = item.partition("=")
        if not has_value or not name.isidentifier():
            raise UsageError(Text("cannot use -p {item}", item=item), Text("it is not NAME=VALUE"))
        values[name] = value
    return values


def _split(text: str, path: Path) -> tuple[list[tuple[int, str, Any]], str]:
    """Return the front matter as (number, key, value) lines, and the text after it.

    Raises SetupError for one that does not end.
    """
    lines = text.split("\n")
    mark = lines[0].rstrip()
    ends = [at for at, line in enumerate(lines) if at and line.rstrip() == mark]
    if mark in ("---", "+++") and not ends and _ENTRY.match("".join(lines[1:2])):
        why = Text("no line of {mark} ends its front matter", mark=mark)
        raise SetupError(Text("cannot use the template {path}", path=path), why)
    if mark not in ("---", "+++") or not ends:
        return [], text
    head, body = lines[1 : ends[0]], "\n".join(lines[ends[0] + 1 :])
    if mark == "+++":
        import tomllib

        try:
            table = tomllib.loads("\n".join(head))
        except tomllib.TOMLDecodeError as error:
            what = Text("cannot use the template {path}", path=path)
            raise SetupError(what, str(error)) from None
        return [(2, key, value) for key, value in table.items()], body
    entries: list[tuple[int, str, Any]] = []
    for at, line in enumerate(head, 2):
        key, _, value = line.partition(":")
        if key.strip() and not key.lstrip().startswith("#"):
            entries.append((at, key.strip(), _read_value(value.strip())))
    return entries, body


def _read_value(text: str) -> Any:
    """Return a TOML value (number, true, "text", list), other text unchanged."""
    import tomllib

    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _read_options(
    settings: CommandSettings, path: Path, entries: Sequence[tuple[int, str, Any]]
) -> dict[str, Any]:
    """Return the values of the front matter by option. Raises SetupError naming the line."""
    flags = {name: flag for name, flag in settings.flags.items() if name not in _REFUSED}
    values: dict[str, Any] = {}
    for line, key, value in entries:
        name = key.replace("-", "_")
        option = flags.get(name)
        if option is None and name not in _REFUSED and find_options(name):
            # Another command has it, as with the options of a profile.
            continue
        if option is None:
            near = find_nearest(name, flags)
            why = Text("did you mean {near}?", near=near) if near else ""
            raise SetupError(
                Text("{path}:{line}: a template cannot set {key}", path=path, line=line, key=key),
                why,
            )
        try:
            values[name] = convert_value(option, value)
        except InvalidValue:
            try:
                values[name] = convert_value(option, str(value))
            except InvalidValue as unfit:
                place = Text("{path}:{line}: {key}", path=path, line=line, key=key)
                raise SetupError(place, str(unfit)) from None
    return values
