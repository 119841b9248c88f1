"""Writes a program: reads a language's templates, chooses blocks, fills places.

The texts lie in `templates/LANGUAGE/`: `program` is the whole, `functions` what it may define,
`statements` what it may contain. The last two consist of blocks, each behind a comment with its
name in brackets; `[end]` closes the last one. What is before the first block or behind the
last only makes the file a legal one of its language.
A place is `__NAME__`; where code would be wrong without a semicolon, it is a comment by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from apiyi_cli.export.plan import ProgramPlan

_FOLDER = Path(__file__).with_name("templates")
_HEADING = re.compile(r"^[ \t]*(?://|#) \[([\w.]+)\]\n", re.MULTILINE)
_PLACE = re.compile(
    r"^(?P<indent>[ \t]*)(?:(?://|#) )?__(?P<lines>[A-Z]+(?:_[A-Z]+)*)__(?P<end>\n|\Z)"
    r"|__(?P<word>[A-Z]+(?:_[A-Z]+)*)__",
    re.MULTILINE,
)


def fill(template: str, **values: str) -> str:
    """Return the text with each value at its place; `__URL__` takes the value `url`.

    A value alone on its line, behind a comment sign or not, keeps that line's indentation on
    all its lines; an empty one takes the line away. Values are not searched for places.
    """

    def lines(match: re.Match[str]) -> str:
        if match["word"]:
            return values[match["word"].lower()]
        value = values[match["lines"].lower()].removesuffix("\n")
        filled = (f"{match['indent']}{line}" if line else "" for line in value.split("\n"))
        return "\n".join(filled) + match["end"] if value else ""

    return _PLACE.sub(lines, template)


class Program(NamedTuple):
    """The text of a program. `notes` for stderr say what of the request it leaves out."""

    text: str
    notes: tuple[str, ...] = ()


class Templates:
    """One language's templates: `program`, and every block by its file's name and its own.

    `statements` and `functions` are the files; the shell script has `filters` for jq besides.
    """

    program: str

    def __init__(self, language: str) -> None:
        self._blocks: dict[str, dict[str, str]] = {}
        for path in (_FOLDER / language).glob("*.*"):
            text = path.read_text("utf-8")
            if path.stem == "program":
                self.program = text
            else:
                self._blocks[path.stem] = dict(_read_blocks(text))

    def block(self, name: str, file: str = "statements") -> str:
        """Return the block `name` unchanged."""
        return self._blocks[file][name]

    def fill(self, name: str, /, **values: str) -> str:
        """Return the block `name` of the statements with its places filled."""
        return fill(self.block(name), **values)

    def functions(self, names: Iterable[str], blank_lines: int = 1) -> str:
        """Return the named functions in the order of the file, separated by blank lines.

        Names that the language has no function for are skipped: its library does the work.
        """
        wanted = set(names)
        chosen = (
            text for name, text in self._blocks.get("functions", {}).items() if name in wanted
        )
        return "".join("\n" * blank_lines + f"{text}\n" for text in chosen)


def _read_blocks(text: str) -> Iterator[tuple[str, str]]:
    _, *parts = _HEADING.split(text)
    for name, block in zip(parts[::2], parts[1::2], strict=True):
        if name != "end":
            yield name, dedent(block).strip("\n")


class Imports(NamedTuple):
    """How to find the unused imports of a language.

    `line` matches an import with its `names`, `use` the use of the name at `NAME`, `literals`
    all that is not code.
    """

    line: str
    use: str
    literals: str

    def keep_used(self, template: str, text: str) -> str:
        """Return the template with only the imports that `text`, filled from it, uses."""
        bare = re.sub(self.line, "", text, flags=re.MULTILINE)
        bare = re.sub(self.literals, "", bare)

        def keep(match: re.Match[str]) -> str:
            names = match["names"].split(", ")
            used = [name for name in names if re.search(self.use.replace("NAME", name), bare)]
            return match[0].replace(match["names"], ", ".join(used)) if used else ""

        return re.sub(self.line, keep, template, flags=re.MULTILINE)


_BEARER_FORMS = (
    ('.Set("Authorization", "Bearer "+key)', '.Set("{name}", key)'),
    (
        'request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);',
        'request.Headers.Add("{name}", key);',
    ),
    ('.header("Authorization", "Bearer " + key)', '.header("{name}", key)'),
    ('request["Authorization"] = "Bearer #{key}"', 'request["{name}"] = key'),
    ("'Authorization: Bearer %s", "'{name}: %s"),
)
"""The line by which each language sends the key, and that for a header of another name."""


def name_key_header(template: str, name: str) -> str:
    """Return the frame of a program with the key in the header `name`."""
    for bearer, other in _BEARER_FORMS:
        template = template.replace(bearer, other.replace("{name}", name))
    return template


def write_answer(plan: ProgramPlan, templates: Templates) -> str:
    """Return the code that shows or saves the answer."""
    if plan.streamed:
        return templates.fill("stream", delta=write_delta(plan, templates))
    if plan.stream or plan.plain_text:
        return templates.fill("answer.other")
    calls = templates.fill(f"calls.{plan.kind}") if plan.tools else ""
    return templates.fill(f"answer.{plan.kind}", calls=calls, suffix=plan.suffix)


def write_delta(plan: ProgramPlan, templates: Templates) -> str:
    """Return the code that shows one event of a stream."""
    calls = templates.fill(f"call_delta.{plan.kind}") if plan.tools else ""
    return templates.fill(f"delta.{plan.kind}", calls=calls)


def needed_functions(plan: ProgramPlan) -> Iterator[str]:
    """Yield the names of functions that every language needs for this plan."""
    for piece in plan.reads:
        yield "text" if piece.text else "base64"
    if plan.streamed:
        yield "events"
    elif plan.is_parsed:
        yield "parse"
        if plan.kind == "image":
            yield "image"


@dataclass(frozen=True, slots=True)
class Language:
    """The language-specific parts of a program.

    `string` writes a literal, `fill_in` returns the values for the places that only this
    language has, `functions` names those that it needs besides `needed_functions`, `answer`
    replaces `write_answer`, `notes` yields what it cannot send as it is. Names of files are
    put in a list with `between`; functions are `blank_lines` apart.
    """

    string: Callable[[str], str]
    fill_in: Callable[[ProgramPlan, Templates], dict[str, str]]
    functions: Callable[[ProgramPlan], Iterable[str]] = lambda plan: ()
    answer: Callable[[ProgramPlan, Templates], str] = write_answer
    notes: Callable[[ProgramPlan], Iterable[str]] = lambda plan: ()
    imports: Imports | None = None
    file_name: Callable[[str], str] | None = None
    between: str = ", "
    blank_lines: int = 1

    def write(self, plan: ProgramPlan, templates: Templates) -> Program:
        """Return the program for `plan`."""
        if plan.auth != "bearer":
            templates.program = name_key_header(templates.program, plan.auth)
        file_names = self.between.join(map(self.file_name or self.string, plan.saves))
        functions = [*needed_functions(plan), *self.functions(plan)]
        values = {
            "url": self.string(plan.url),
            "method": self.string(plan.method),
            "timeout": str(plan.timeout_s),
            "silence": str(plan.silence_s),
            "refusal": templates.fill("refusal", names=file_names) if plan.saves else "",
            "answer": self.answer(plan, templates),
            "functions": templates.functions(functions, self.blank_lines),
            **self.fill_in(plan, templates),
        }
        text = fill(templates.program, **values)
        if self.imports:
            text = fill(self.imports.keep_used(templates.program, text), **values)
        return Program(text.rstrip("\n") + "\n", (*plan.notes, *self.notes(plan)))
