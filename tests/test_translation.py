"""The Chinese messages: none missing, none stale, and what a Chinese user sees of them."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from apiyi_cli.core.language import to_chinese
from apiyi_cli.text import Text
from tests.conftest import Program
from tests.generate import FOLDER, compile_messages
from tests.messages import PACKAGE, SOURCE, needed, translations
from tests.source import nodes

CHINESE = re.compile(r"[\u4e00-\u9fff]")
SPELLED = re.compile(r"--[a-z][a-z-]+|APIYI_[A-Z_]+|`[^`]+`|https?://\S+?(?=[ ,;)]|$)")
"""What a translation must not change: options, variables, code and addresses."""

NAMES = re.compile(r"\{\w+\}")
SAME = {"low, medium, high, auto (gpt-image); standard, hd (dall-e)."}
INTERNAL = (
    "AssertionError",
    "AttributeError",
    "KeyError",
    "RuntimeError",
    "TypeError",
    "ValueError",
    "OSError",
)
"""Exceptions that are caught, or whose words are for a crash file."""
COMMAND = re.compile(r"""f?['"](apiyi|models|-|pip|chmod|iconv|jq|export) ?""")
SPEAKING = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if not path.relative_to(PACKAGE).as_posix().startswith(("sandbox/", "export/"))
)

KEYLESS = {"APIYI_API_KEY": None, "APIYI_BASE_URL": None}


def chinese(**more: str | None) -> dict[str, str | None]:
    return {"LANG": "zh_CN.UTF-8", **more}


def test_every_message_has_a_translation() -> None:
    missing = [text for text in needed() if not translations().get(text)]
    assert missing == [], "run make messages, translate what it names, then make manual"


def test_no_translation_is_left_of_a_message_that_is_gone() -> None:
    assert [text for text in translations() if text not in needed()] == []


def test_every_translation_with_words_is_chinese() -> None:
    same = {text for text, said in translations().items() if not CHINESE.search(said)}
    assert {text for text in same if re.search("[a-z]{3} [a-z]", NAMES.sub("", text))} <= SAME


def test_a_translation_keeps_what_is_typed_or_looked_up() -> None:
    for text, said in translations().items():
        for spelled in SPELLED.findall(text):
            assert spelled.rstrip(",;:.") in said, (text, said)


def test_a_translation_has_values_of_its_message_alone() -> None:
    for text, said in translations().items():
        assert _names(said) <= _names(text), (text, said)


def _names(template: str) -> set[str]:
    """Return the names of a template's values; a lone brace is text."""
    try:
        return {name for _, name, _, _ in Formatter().parse(template) if name}
    except ValueError:
        return set()


def test_the_committed_catalogue_is_the_compiled_source() -> None:
    assert (FOLDER / "apiyi.mo").read_bytes() == compile_messages(), "run make manual"


@pytest.mark.skipif(shutil.which("msgfmt") is None, reason="gettext is not installed")
def test_msgfmt_has_nothing_to_say_about_the_source(tmp_path: Path) -> None:
    ran = subprocess.run(
        ["msgfmt", "--check-format", "--check-domain", "-o", tmp_path / "apiyi.mo", SOURCE],
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def _literals(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the literal texts that an argument can be."""
    match node:
        case ast.Constant(value=str()) | ast.JoinedStr():
            yield node
        case ast.IfExp():
            yield from _literals(node.body)
            yield from _literals(node.orelse)
        case ast.BinOp():
            yield from _literals(node.left)
            yield from _literals(node.right)


@pytest.mark.parametrize("path", SPEAKING, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_people_are_told_is_a_message(path: Path) -> None:
    """An error's and a notice's words are Text: a plain str would stay English."""
    untold = []
    for node in nodes(path):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        hints = [one.value for one in node.keywords if one.arg == "hint"]
        if (name.endswith("Error") and name not in INTERNAL) or name in ("note", "notice", "tell"):
            for argument in (*node.args, *hints):
                for text in _literals(argument):
                    words = ast.unparse(text)
                    if re.search("[a-z]{2,} [a-z]{2,}", words) and not COMMAND.match(words):
                        untold.append(f"{path.name}:{text.lineno}: {words}")
    assert untold == []


def test_an_error_and_its_hint_are_chinese(apiyi: Program) -> None:
    ran = apiyi("chat hi -m x", env=chinese(**KEYLESS))
    assert ran.code == 4
    assert ran.err.startswith("apiyi: 配置档 default 没有密钥\n  试试：apiyi auth login，或设置")


def test_an_error_of_the_gateway_keeps_its_facts(apiyi: Program) -> None:
    ran = apiyi("--profile sandbox chat hi -m fault:401", env=chinese(**KEYLESS))
    assert ran.code == 4
    assert re.search(
        r"网关拒绝了密钥：.*（HTTP 401，代码 invalid_api_key，请求 id \d+，主机", ran.err
    )


def test_an_error_of_the_command_line_is_chinese(apiyi: Program) -> None:
    ran = apiyi("chat hi --moddel x", env=chinese())
    assert (ran.code, ran.err) == (
        2,
        "apiyi: 没有这个选项：--moddel：是否想用 --model？\n  试试：apiyi chat --help\n",
    )


def test_a_notice_is_chinese_and_the_answer_is_the_same(apiyi: Program) -> None:
    line = "--profile sandbox chat hi -m fault:length"
    told = {name: apiyi(line, env={**KEYLESS, "APIYI_LANG": name}) for name in ("zh", "en")}
    assert "回答因 token 上限被截断" in told["zh"].err
    assert "the answer was cut off by the token limit" in told["en"].err
    assert told["zh"].out == told["en"].out


@pytest.mark.parametrize("line", ["chat --help", "help config set", "help retries", "-h"])
def test_help_is_chinese(apiyi: Program, line: str) -> None:
    ran = apiyi(line, env=chinese())
    assert ran.code == 0
    lines = [line for line in ran.text.splitlines() if line.strip()]
    assert sum(1 for line in lines if CHINESE.search(line)) > len(lines) / 2


def test_help_is_no_wider_than_the_terminal(apiyi: Program) -> None:
    from apiyi_cli.manual.wrap import columns

    ran = apiyi("image --help", env=chinese(COLUMNS="60"))
    prose = [line for line in ran.text.splitlines() if not line.startswith("    apiyi ")]
    assert max(map(columns, prose)) <= 60


def test_punctuation_beside_chinese_is_full_width() -> None:
    wide = CHINESE.pattern
    half = re.compile(rf"{wide}(?:[,;:!(]|[?.](?:$| ))|[,;:!?)]{wide}")
    assert {text: said for text, said in translations().items() if half.search(said)} == {}


@pytest.mark.parametrize("width", range(20, 101, 8))
def test_no_line_begins_with_a_mark_that_ends_or_ends_with_one_that_begins(width: int) -> None:
    from apiyi_cli.manual.wrap import fill_lines

    for said in translations().values():
        lines = fill_lines(said, width)
        assert not [line for line in lines[1:] if line[0] in "，。、；：！？）」』】》”’…"], said
        assert not [line for line in lines[:-1] if line[-1] in "（「『【《“‘"], said


def test_an_empty_line_shows_the_chinese_help(apiyi: Program) -> None:
    ran = apiyi("", env=chinese())
    assert ran.code == 2
    assert ran.err.startswith("用法：apiyi")


@pytest.mark.parametrize(
    ("environ", "is_chinese"),
    [
        ({"APIYI_LANG": "zh", "LANG": "en_US.UTF-8"}, True),
        ({"APIYI_LANG": "en", "LANG": "zh_CN.UTF-8"}, False),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, False),
        ({"LC_MESSAGES": "zh_TW.UTF-8", "LANG": "en_US.UTF-8"}, True),
    ],
)
def test_the_environment_chooses_the_language(
    apiyi: Program, environ: dict[str, str], is_chinese: bool
) -> None:
    ran = apiyi("chat hi --n 0", env=environ)
    assert ran.err.startswith("apiyi: 无法使用 --n" if is_chinese else "apiyi: cannot use --n")


@pytest.mark.parametrize(
    ("language", "more", "word"), [("zh", {}, "没有"), ("en", chinese(), "no")]
)
def test_the_configuration_chooses_the_language(
    apiyi: Program, language: str, more: dict[str, str | None], word: str
) -> None:
    path = apiyi.home / "config.toml"
    path.write_text(f'language = "{language}"\n')
    ran = apiyi("chat hi --moddel x", env={"APIYI_CONFIG": str(path), **more})
    assert ran.err.startswith(f"apiyi: {word}")


def test_what_machines_read_is_the_same_in_every_language(apiyi: Program) -> None:
    for line in (
        "chat hi -m fault:401 --json",
        "chat hi -m fault:401 --ndjson",
        "chat hi --dry-run",
        "chat hi --code python",
        "chat hi --json",
        "chat hi --no-such-option --json",
        "doctor --json",
        "models",
        "completion bash",
    ):
        env = {**KEYLESS, "APIYI_PROFILE": "sandbox"}
        ran = [apiyi(line, env={**env, "APIYI_LANG": name}) for name in ("zh", "en")]
        outputs = [(one.code, *map(_without_times, (one.text, one.err))) for one in ran]
        assert outputs[0] == outputs[1], line


def _without_times(text: str) -> str:
    return re.sub(r"127\.0\.0\.1:\d+|\d+ ms|\d+ s\b|\b1\d{9}\b|\d{20,}", "", text)


def test_an_error_for_machines_is_english(apiyi: Program) -> None:
    ran = apiyi("chat hi -m x --json", env=chinese(**KEYLESS))
    assert json.loads(ran.err)["error"]["message"].startswith("no key for profile")


def test_english_pays_nothing_for_it(apiyi: Program) -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "apiyi_cli", "chat", "hi"],
        env={name: value for name, value in apiyi.environ.items() if value is not None},
        cwd=apiyi.work,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0
    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "apiyi_cli.cli.context" in loaded
    ours = {"apiyi_cli.core.language", "apiyi_cli.settings.language"}
    assert loaded & ours == set()


def test_the_chinese_pages_say_what_the_english_ones_say() -> None:
    top = Path(__file__).parents[1] / "man"
    for english in sorted(top.glob("*.1")):
        pages = english.read_text("utf-8"), (top / "zh_CN" / english.name).read_text("utf-8")
        requests = [re.findall(r"^\.(?:SH|SS|TP|EX)\b", page, re.M) for page in pages]
        assert requests[0] == requests[1], english.name
        bold = [set(re.findall(r"\\fB(\\-[^\\]*(?:\\-[^\\]*)*)\\fR", page)) for page in pages]
        assert bold[0] == bold[1], english.name


def test_the_words_of_others_are_never_translated() -> None:
    """A server, a row or a file may say by chance what the program says."""
    say = to_chinese()
    assert say("no model") == "no model"
    own = Text("{what}: {why}", what=Text("no model"), why="no model {why}")
    assert say(own) == f"{say(Text('no model'))}：no model {{why}}"
    assert say(Text("no model")) != "no model"


def test_the_words_of_a_server_stay_as_they_are(apiyi: Program) -> None:
    ran = apiyi(["--profile", "sandbox", "chat", "-m", "fault:no such file; cannot read x", "hi"])
    said = apiyi(
        ["--profile", "sandbox", "chat", "-m", "fault:no such file; cannot read x", "hi"],
        env=chinese(),
    )
    assert ran.code == said.code
    assert "no such file; cannot read x" in said.err
