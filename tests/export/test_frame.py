"""Templates are programs of their language, and what is put into them stays what it is."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import pytest

from apiyi_cli.core.call import Call, Part
from apiyi_cli.export import frame
from apiyi_cli.export.frame import Imports, Templates, fill
from apiyi_cli.export.plan import plan_program
from apiyi_cli.export.program import LANGUAGES
from tests.export.test_programs import CASES

FOLDER = Path(frame.__file__).with_name("templates")
CHECKS = {
    "curl": ["bash", "-n"],
    "go": ["gofmt", "-e"],
    "java": ["javac", "--should-stop=ifNoError=PARSE", "--should-stop=ifError=PARSE"],
    "node": ["node", "--check"],
    "php": ["php", "-l"],
    "ruby": ["ruby", "-c"],
}
BASE = "https://api.apiyi.com/v1"
OTHER_CALLS = [
    Call("POST", "/completions", json={"model": "m", "prompt": "x", "stream": True}, stream=True),
    Call("POST", "/form", parts=(Part("a", path="a"), Part("a", path="b"))),
]
ONE_BY_ONE = ("curl", "node", "php")


def parse_with_own_tool(language: str, paths: list[Path]) -> None:
    tool = CHECKS[language]
    if shutil.which(tool[0]) is None:
        pytest.skip(f"{tool[0]} is not installed")
    for group in [[path] for path in paths] if language in ONE_BY_ONE else [paths]:
        ran = subprocess.run([*tool, *group], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def parse_csharp(paths: list[Path]) -> None:
    grammar = pytest.importorskip("tree_sitter_c_sharp", reason="no C# grammar is installed")
    from tree_sitter import Language, Parser

    parser = Parser(Language(grammar.language()))
    for path in paths:
        assert not parser.parse(path.read_bytes()).root_node.has_error, path


def templates_of(language: str) -> list[Path]:
    """Return the files of a language's templates; a folder among them holds compiled ones."""
    return sorted(path for path in (FOLDER / language).iterdir() if path.is_file())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_template_is_a_legal_file_of_its_language(language: str) -> None:
    paths = [path for path in templates_of(language) if path.suffix != ".jq"]
    assert paths
    if language in ("python", "requests"):
        for path in paths:
            ast.parse(path.read_text("utf-8"), path.name)
    elif language == "csharp":
        parse_csharp(paths)
    else:
        parse_with_own_tool(language, paths)


def test_every_filter_of_the_shell_script_is_a_jq_program() -> None:
    jq = pytest.importorskip("jq")
    templates = Templates("curl")
    text = (FOLDER / "curl" / "filters.jq").read_text("utf-8")
    names = re.findall(r"(?m)^# \[(.+)\]$", text)
    assert "answer.chat" in names
    for name in names:
        jq.compile(templates.block(name, "filters"))


def test_there_is_a_folder_for_each_language_and_none_besides() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(LANGUAGES)


class RecordingTemplates(Templates):
    """Templates that know which blocks were asked for."""

    def __init__(self, language: str) -> None:
        super().__init__(language)
        self.used: set[tuple[str, str]] = set()

    def block(self, name: str, file: str = "statements") -> str:
        self.used.add((file, name))
        return super().block(name, file)

    def functions(self, names: Iterable[str], blank_lines: int = 1) -> str:
        wanted = list(names)
        self.used.update(("functions", name) for name in wanted)
        return super().functions(wanted, blank_lines)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_block_is_used_by_some_program(language: str) -> None:
    templates = RecordingTemplates(language)
    written = import_module(f"apiyi_cli.export.{LANGUAGES[language]}").LANGUAGE
    for call in (*(case.call for case in CASES.values()), *OTHER_CALLS):
        written.write(plan_program(call, BASE), templates)
    known = {
        (path.stem, name)
        for path in templates_of(language)
        for name in re.findall(r"(?m)^\s*(?://|#) \[([\w.]+)\]$", path.read_text("utf-8"))
        if name != "end"
    }
    assert known <= templates.used


def test_a_value_fills_its_place_and_keeps_the_indentation() -> None:
    template = "a(\n  // __LINES__\n  # __NONE__\n)__TAIL__\n  __LINES__"
    filled = fill(template, lines="one\n\ntwo", none="", tail=" __LINES__")
    assert filled == "a(\n  one\n\n  two\n) __LINES__\n  one\n\n  two"


def test_places_may_touch_and_names_of_the_languages_are_no_places() -> None:
    filled = fill("__THE_URL____HERE__ __name__ __FILE", the_url="u", here="|")
    assert filled == "u| __name__ __FILE"


def test_a_template_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        fill("__URL__")


def test_blocks_lose_the_indentation_of_what_makes_their_file_legal() -> None:
    assert Templates("java").block("answer.embed").startswith("for (Object item")
    assert not Templates("java").block("call_delta.respond").endswith("}\n}")


def test_functions_come_in_the_order_of_their_file() -> None:
    functions = Templates("ruby").functions(["image", "base64", "multipart"], 2)
    assert functions.startswith("\n\ndef base64_of(path)\n")
    assert functions.index("base64_of") < functions.index("image_bytes")
    assert functions.endswith("\nend\n")


def test_imports_are_kept_when_code_uses_them_and_not_when_a_literal_names_them() -> None:
    imports = Imports(r"^from m import (?P<names>.+)\n", r"\bNAME\(", r'"[^"]*"')
    template = "from m import one, two\nfrom m import three\n__BODY__\n"
    text = fill(template, body='two("three(one(")')
    assert imports.keep_used(template, text) == "from m import two\n__BODY__\n"
