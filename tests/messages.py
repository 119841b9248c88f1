"""What people may read, taken from the source: the messages that the Chinese catalogue needs.

Run as a program it brings `apiyi.po` up to date: translations stay, new messages come in
without one, those that are gone go. Every text in the code that looks like language counts,
unless it is listed in `untranslated` as something else; so a message that is new cannot be missed.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from apiyi_cli.cli.described import program
from apiyi_cli.core.catalogue import FOLDER, Template
from apiyi_cli.manual import po
from apiyi_cli.manual.handwritten import SECTIONS, exit_codes
from apiyi_cli.manual.markdown import blocks
from tests.untranslated import ELSEWHERE, NO_MESSAGES

PACKAGE = Path(__file__).parents[1] / "apiyi_cli"
_LANGUAGE = re.compile(r"[A-Za-z]{2,}\S* .*[A-Za-z{]|[A-Za-z{]\S* .*[a-z]{2,}")
"""Two words, one of them a value perhaps: language, or something that is listed as no message."""

_INTERNAL = (
    "AssertionError",
    "TypeError",
    "ValueError",
    "KeyError",
    "AttributeError",
    "RuntimeError",
)
"""Exceptions that are caught, or whose text is for a crash file."""

_SPEAKERS = {"say", "note", "tell", "translate"}
"""Functions whose literal argument is a message, be it one word only."""

_CODE = re.compile(
    r"\(\?:|\\[bdsw]|\S\|\S"
    r"|^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|BEGIN)\b"
    r"|^\.[A-Za-z]{2} |^\\f"
)
"""Patterns, statements for a database, and requests of roff."""


class Reader(ast.NodeVisitor):
    """Collects the messages of one module."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit(self, node: ast.AST) -> None:
        """Read a node: a text as a whole, anything else for the texts in it."""
        if isinstance(node, ast.expr) and _is_text(node):
            self.found += [text for text in _variants(node) if _is_language(text)]
            for inner in _others(node):
                self.visit(inner)
        else:
            super().visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        """Pass over docstrings."""
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        """Pass over exceptions that nobody is shown."""
        called = node.exc.func if isinstance(node.exc, ast.Call) else None
        if not (isinstance(called, ast.Name) and called.id in _INTERNAL):
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Take the words of those who speak, however short; exit codes are read as sentences."""
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name == "ExitCode":
            return
        if (name in _SPEAKERS or name.endswith("Error")) and node.args:
            for one in node.args:
                if _is_text(one):
                    self.found += [text for text in _variants(one) if _is_word(text)]
        self.generic_visit(node)


def _is_language(text: str) -> bool:
    return bool(_LANGUAGE.search(text)) and not _CODE.search(text)


def _is_word(text: str) -> bool:
    return bool(re.search(r"[A-Za-z]{2}", text)) and not re.match(r"-{1,2}\w\S*$", text)


def _is_text(node: ast.expr) -> bool:
    match node:
        case ast.Constant():
            return isinstance(node.value, str)
        case ast.JoinedStr():
            return True
        case ast.IfExp():
            return _is_text(node.body) or _is_text(node.orelse)
        case ast.BinOp(op=ast.Add()):
            return _is_text(node.left) or _is_text(node.right)
    return False


def _variants(node: ast.expr) -> list[str]:
    """Return every form that a text can take, with `{}` for what only a run knows."""
    match node:
        case ast.Constant() if isinstance(node.value, str):
            return [node.value]
        case ast.JoinedStr():
            pieces = [_variants(one) for one in node.values]
            return ["".join(row) for row in itertools.product(*pieces)]
        case ast.FormattedValue() if node.conversion == -1 and node.format_spec is None:
            return _variants(node.value) if _is_text(node.value) else ["{}"]
        case ast.IfExp():
            return [*_variants(node.body), *_variants(node.orelse)]
        case ast.BinOp(op=ast.Add()):
            left, right = _variants(node.left), _variants(node.right)
            return [one + other for one in left for other in right]
    return ["{}"]


def _others(node: ast.expr) -> Iterator[ast.AST]:
    """Yield the expressions in a text that are no texts themselves."""
    match node:
        case ast.JoinedStr():
            for one in node.values:
                yield from _others(one)
        case ast.FormattedValue():
            yield from _others(node.value) if _is_text(node.value) else (node.value,)
        case ast.IfExp():
            yield node.test
            for one in (node.body, node.orelse):
                yield from _others(one)
        case ast.BinOp():
            for one in (node.left, node.right):
                yield from _others(one)
        case ast.Constant():
            return
        case _:
            yield node


def of_module(source: str) -> list[str]:
    """Return the messages of a module's source, in order."""
    reader = Reader()
    reader.visit(ast.parse(source))
    return list(dict.fromkeys(reader.found))


def of_programs(source: str) -> list[str]:
    """Return the messages of a module whose other texts are programs: its notes and errors."""
    reader = Reader()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="notes"), attr="append")):
                reader.visit(node.args[0])
            case ast.Raise():
                reader.visit(node)
            case ast.FunctionDef(name="_notes"):
                for one in ast.walk(node):
                    if isinstance(one, ast.Yield) and one.value is not None:
                        reader.visit(one.value)
    return list(dict.fromkeys(reader.found))


def of_help() -> Iterator[str]:
    """Yield what `--help` says, with its headings."""
    for command in program().walk():
        texts: list[str] = []

        def collect(text: str, texts: list[str] = texts) -> str:
            texts.append(text)
            return text

        command.translated(collect)
        yield from filter(None, texts)
        yield from (command.panel, *command.panels())


def of_sections(path: Path) -> list[str]:
    """Return the running texts of a hand-written section."""
    found: list[str] = []

    def collect(text: str) -> str:
        found.append(text)
        return text

    list(blocks(path.read_text("utf-8"), collect))
    return [text for text in found if re.search("[A-Za-z]{2}", re.sub(r"`[^`]*`|^{.*}$", "", text))]


def of_exit_codes() -> list[str]:
    """Return the sentences of the table of exit codes."""
    found: list[str] = []

    def collect(text: str) -> str:
        found.append(text)
        return text

    exit_codes(collect)
    return found


@cache
def needed() -> dict[str, list[str]]:
    """Return every message with the files that it comes from."""
    return {text: places for text, places in found().items() if text not in NO_MESSAGES}


def found() -> dict[str, list[str]]:
    """Return every text that looks like a message with the files that it comes from."""
    places: dict[str, list[str]] = {}

    def add(place: str, texts: Iterable[str]) -> None:
        for text in texts:
            known = places.setdefault(text.removeprefix("; "), [])
            if place not in known:
                known.append(place)

    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith("export/"):
            add(name, of_programs(path.read_text("utf-8")))
        elif not name.startswith(ELSEWHERE):
            add(name, of_module(path.read_text("utf-8")))
    made = [Template(tuple(text.split("{}")), "") for text in places if "{}" in text]
    # A help with a list in it is a template of the code.
    own = [one for one in made if len(one.parts[0]) > 12]
    add("--help", (text for text in of_help() if not any(one.values(text) for one in own)))
    for path in sorted(SECTIONS.rglob("*.md")):
        add(path.relative_to(PACKAGE).as_posix(), of_sections(path))
    add("errors.py", of_exit_codes())
    add("tests/messages.py", [*TYPER, *SYSTEM, *JOINED])
    return places


def update() -> tuple[list[str], list[str]]:
    """Write the catalogue's source anew; return what lacks a translation and what is gone."""
    path = FOLDER / "apiyi.po"
    known = po.read(path.read_text("utf-8")) if path.exists() else {}
    wanted = needed()
    kept = [po.Message(text, known.get(text, ""), tuple(at)) for text, at in wanted.items()]
    path.write_text(po.write(kept), "utf-8", newline="\n")
    gone = [text for text in known if text not in wanted]
    return [one.source for one in kept if not one.target], gone


TYPER = (
    "no such option: {}",
    "no such command {}",
    "missing argument {}",
    "missing argument {}. Choose from:{}",
    "missing option {}",
    "invalid value for {}: {}",
    "{} is not a valid int",
    "{} is not a valid float",
    "{} is not one of {}",
    "{} is not in the range {}",
    "option {} requires an argument",
    "option {} does not take a value",
    "got unexpected extra argument(s) ({})",
)
"""What Typer says of a command line, as `cli.app.suggestion` passes it on."""

SYSTEM = (
    "No such file or directory",
    "Permission denied",
    "Is a directory",
    "Not a directory",
    "File exists",
    "File name too long",
    "Bad file descriptor",
    "Input/output error",
    "No space left on device",
    "Disk quota exceeded",
    "Read-only file system",
    "Too many open files",
    "Address already in use",
    "Connection refused",
    "Connection reset by peer",
    "Network is unreachable",
    "No route to host",
)
"""What the operating system says most."""

JOINED = (
    ": ",
    "Arguments",
    "{} rows: {} ok, {} failed, {} skipped ({} from before)",
    "its field {} is no text (its fields: {})",
    "cannot reach the gateway through the proxy {}",
    "a number from {} to {}",
    "a number of at least {}",
    "a whole number from {} to {}",
    "a whole number of at least {}",
    "key_command of profile {} did not start",
    "key_command of profile {} failed",
    "key_command of profile {} was stopped",
    "no file ({}), profile {}",
    "the keyring cannot be changed",
    "the keyring cannot be read",
    "the keyring cannot be written",
    "{} ended with status {}: {}",
    "{} requests and {} tokens in {} s, {} at once, shared by all processes",
)
"""Messages that the code puts together from pieces; the pieces stand among `NO_MESSAGES`."""


if __name__ == "__main__":
    missing, gone = update()
    for text in missing:
        print(f"new: {text!r}")
    for text in gone:
        print(f"gone: {text!r}")
