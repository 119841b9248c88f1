"""The completion scripts in real shells: what TAB offers, and what it costs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from apiyi_cli.cli.app import describe_all
from apiyi_cli.manual.completion import SCRIPTS, script
from tests.tabs import tab

NEEDS = {
    shell: pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")
    for shell in ("bash", "zsh", "fish")
}
CONFIG = """\
[profile.work]
model = "x"
[profile.work.limits]
rpm = 1
[ profile . "of.mine" ]
# [profile.commented]
"""
MODELS = (
    "gpt-4o\ngpt-4o-mini\nclaude-sonnet-4\nfault:429\n$(touch pwned)\n`touch pwned`\nwith space\n"
)

# What is typed up to the cursor, and what is offered: the whole words, in any order.
CASES = [
    ("apiyi ch", "chat"),
    ("apiyi --profile ", "default sandbox work of.mine"),
    ("apiyi --profile=w", "work"),
    ("apiyi --profile work mod", "models"),
    ("apiyi -q chat --col", "--color"),
    ("apiyi chat --color ", "auto always never"),
    ("apiyi chat --color=a", "auto always"),
    ("apiyi chat -m ", "gpt-4o gpt-4o-mini claude-sonnet-4 fault:429"),
    ("apiyi chat --model=gpt-4o-", "gpt-4o-mini"),
    ("apiyi chat -m fault:4", "fault:429"),
    ("apiyi chat -m gpt-4o --mod", "--model"),
    ("apiyi chat --profile work -m ", "of-work"),
    ("apiyi --profile work chat -m ", "of-work"),
    ("apiyi chat --profile ../models/work -m ", ""),
    ("apiyi chat -t ", "review translate.de"),
    ("apiyi complete --template=t", "translate.de"),
    ("apiyi chat --no-st", "--no-stdin --no-stream"),
    ("apiyi chat --stream --no-st", "--no-stdin"),
    ("apiyi chat -n --no-st", "--no-stream"),
    ("apiyi chat hi --no-std", "--no-stdin"),
    ("apiyi chat -- --no-std", ""),
    ("apiyi chat --temperature ", ""),
    ("apiyi chat --code r", "requests ruby"),
    ("apiyi auth ", "login status logout token"),
    ("apiyi auth login --w", "--with-token"),
    ("apiyi auth login --insecure-storage --w", "--with-token"),
    ("apiyi config get temp", "temperature"),
    ("apiyi completion ", "bash zsh fish powershell"),
    ("apiyi help ex", "exit-codes"),
    ("apiyi models cl", "claude-sonnet-4"),
]


@pytest.fixture
def user(home: Path) -> dict[str, str]:
    """A user with profiles and model lists, and the environment to run a shell in."""
    (home / "config" / "apiyi").mkdir(parents=True)
    (home / "config" / "apiyi" / "config.toml").write_text(CONFIG)
    templates = home / "config" / "apiyi" / "templates"
    templates.mkdir()
    for name in ("review.md", "translate.de.md", "$(touch pwned).md", ".hidden.md", "notes.txt"):
        (templates / name).touch()
    models = home / "cache" / "apiyi" / "models"
    models.mkdir(parents=True)
    (models / "default").write_text(MODELS)
    (models / "work").write_text("of-work\n")
    (home / "here").mkdir()
    (home / "here" / "a file.txt").touch()
    (home / "here" / "other").touch()
    return {**os.environ, "PWD": str(home / "here")}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completions")
    program = describe_all()
    for shell, name in SCRIPTS.items():
        (folder / name).write_text(script(program, shell), "utf-8")
    return folder


def ran(words: list[str], user: dict[str, str], source: str = "") -> str:
    done = subprocess.run(
        words,
        input=source,
        capture_output=True,
        text=True,
        env=user,
        cwd=user["PWD"],
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not (Path(user["PWD"]) / "pwned").exists()
    return done.stdout


def divided(line: str) -> list[str]:
    """Divide a line as bash divides it for completion: at blanks, and around = : and @."""
    words = re.findall(r"[=:@]+|[^\s=:@]+", line)
    return [*words, ""] if line.endswith(" ") else words


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.mark.parametrize("shell", [pytest.param(one, marks=NEEDS[one]) for one in NEEDS])
def test_a_shell_reads_its_script(shell: str, scripts: Path, user: dict[str, str]) -> None:
    ran([shell, "-n", str(scripts / SCRIPTS[shell])], user)


@NEEDS["bash"]
def test_bash_offers_what_fits(scripts: Path, user: dict[str, str]) -> None:
    lines = [f". {scripts / 'apiyi.bash'}", "set -u"]
    for line, _ in CASES:
        words = divided(line)
        lines += [
            f"COMP_LINE={quoted(line)} COMP_POINT={len(line)} COMP_CWORD={len(words) - 1}",
            f"COMP_WORDS=({' '.join(map(quoted, words))})",
            '_apiyi 2>/dev/null; printf "%s|" ${COMPREPLY[@]+"${COMPREPLY[@]}"}; echo',
        ]
    offered = ran(["bash", "--norc"], user, "\n".join(lines)).split("\n")
    for (line, wanted), found in zip(CASES, offered, strict=False):
        # Readline replaces what follows the last colon, so only that is offered.
        begin = re.sub(r"[^:]*$", "", line.split(" ")[-1]) if ":" in line else ""
        words = [begin + one for one in found.split("|") if one]
        assert sorted(words) == sorted(wanted.split()), line


@NEEDS["fish"]
def test_fish_offers_what_fits(scripts: Path, user: dict[str, str]) -> None:
    lines = [f"source {scripts / 'apiyi.fish'}"]
    for line, _ in CASES:
        found = f"(complete -C {quoted(line)} | string replace -r '\\t.*' '')"
        lines.append(f"echo (string join '|' -- {found})")
    offered = ran(["fish", "--no-config"], user, "\n".join(lines)).split("\n")
    for (line, wanted), found in zip(CASES, offered, strict=False):
        last = line.split(" ")[-1]
        lead = last[: last.find("=") + 1]
        # Where nothing begins with what was typed, fish offers what contains it.
        words = [one for one in found.split("|") if one and one.startswith(last)]
        assert sorted(words) == sorted(lead + one for one in wanted.split()), line


class Typist:
    """Types at an interactive shell, and reads the line that TAB makes of it."""

    def __init__(self, shell: str, arguments: list[str], user: dict[str, str], setup: str) -> None:
        env = {**user, "TERM": "dumb", "INPUTRC": "/dev/null", "HISTFILE": "/dev/null"}
        self.child = pexpect.spawn(
            shell,
            arguments,
            env=env,
            cwd=user["PWD"],
            encoding="utf-8",
            timeout=20,
            dimensions=(100, 400),
        )
        self.child.sendline(setup + " echo RE''ADY")
        self.child.expect("READY")

    def line(self, typed: str) -> str:
        """Return the edited line after a TAB."""
        self.child.send(f"{typed}\t\x07")
        self.child.expect(r"LINE<([^>]*)>")
        found = str(self.child.match[1])
        self.child.send("\x15")
        return found

    def close(self) -> None:
        self.child.close(force=True)


@pytest.fixture
def bash(scripts: Path, user: dict[str, str]) -> Iterator[Typist]:
    show = 'bind -x \'"\\C-g": echo "LINE<$READLINE_LINE>"\';'
    typist = Typist(
        "bash", ["--norc", "--noprofile", "-i"], user, f". {scripts / 'apiyi.bash'}; {show}"
    )
    yield typist
    typist.close()


@pytest.fixture
def zsh(scripts: Path, user: dict[str, str]) -> Iterator[Typist]:
    setup = (
        f"fpath=({scripts} $fpath); autoload -U compinit; compinit -D -u; unsetopt beep;"
        'show() { print -r -- "LINE<$BUFFER>" }; zle -N show;'
        "bindkey '^G' show; bindkey '^U' kill-whole-line;"
    )
    typist = Typist("zsh", ["-f", "-i"], user, setup)
    yield typist
    typist.close()


@NEEDS["bash"]
@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("apiyi comple\t", "apiyi complet"),
        ("apiyi chat --colo", "apiyi chat --color "),
        ("apiyi chat --color=al", "apiyi chat --color=always "),
        ("apiyi chat -m fault:", "apiyi chat -m fault:429 "),
        ("apiyi chat -f a", r"apiyi chat -f a\ file.txt "),
        ("apiyi chat --file=a", r"apiyi chat --file=a\ file.txt "),
        ("apiyi chat -s @o", "apiyi chat -s @other "),
        ("apiyi chat -s o", "apiyi chat -s o"),
        ("apiyi chat o", "apiyi chat o"),
        ("true; apiyi auth stat", "true; apiyi auth status "),
    ],
)
def test_bash_completes_the_line_that_is_edited(bash: Typist, typed: str, line: str) -> None:
    assert bash.line(typed) == line


@NEEDS["zsh"]
def test_zsh_completes_the_line_that_is_edited(zsh: Typist) -> None:
    for typed, line in [
        ("apiyi cha", "apiyi chat "),
        ("apiyi chat --temperat", "apiyi chat --temperature="),
        ("apiyi chat --color=al", "apiyi chat --color=always "),
        ("apiyi chat --color nev", "apiyi chat --color never "),
        ("apiyi chat -m fault", "apiyi chat -m fault:429 "),
        ("apiyi chat -m cl", "apiyi chat -m claude-sonnet-4 "),
        ("apiyi --profile work chat -m of", "apiyi --profile work chat -m of-work "),
        ("apiyi --profile w", "apiyi --profile work "),
        ("apiyi --profile of", "apiyi --profile of.mine "),
        ("apiyi chat -f a", r"apiyi chat -f a\ file.txt "),
        ("apiyi chat -s @o", "apiyi chat -s @other "),
        ("apiyi chat --stream --no-st", "apiyi chat --stream --no-stdin "),
        ("apiyi -q chat hi --no-std", "apiyi -q chat hi --no-stdin "),
        ("apiyi auth stat", "apiyi auth status "),
        ("apiyi auth login --with", "apiyi auth login --with-token "),
        ("apiyi config get reasoning_e", "apiyi config get reasoning_effort "),
        ("apiyi help exi", "apiyi help exit-codes "),
        ("apiyi models sho", "apiyi models show "),
        ("apiyi completion power", "apiyi completion powershell "),
    ]:
        assert zsh.line(typed).rstrip() == line.rstrip(), typed
    assert not (Path(os.environ["HOME"]) / "here" / "pwned").exists()


@pytest.mark.parametrize("shell", [pytest.param(one, marks=NEEDS[one]) for one in ("bash", "fish")])
def test_a_tab_starts_no_program(shell: str, scripts: Path, user: dict[str, str]) -> None:
    # What it costs in milliseconds is printed by `make bench`. The loops count with `seq`.
    alone = Path(user["HOME"]) / "bin"
    alone.mkdir()
    for name in (shell, "seq"):
        (alone / name).symlink_to(shutil.which(name) or "")
    count, _ = tab(shell, scripts, {**user, "PATH": str(alone)})
    assert count > 50


def test_the_powershell_script_is_powershell(scripts: Path) -> None:
    """The syntax alone: no package that the tests could install brings the shell itself."""
    grammar = pytest.importorskip("tree_sitter_powershell", reason="no grammar is installed")
    from tree_sitter import Language, Parser

    source = (scripts / SCRIPTS["powershell"]).read_bytes()
    assert source.isascii()
    parser = Parser(Language(grammar.language()))
    assert not parser.parse(source).root_node.has_error
    assert parser.parse(source.replace(b"($here.Commands)", b"($here.Commands")).root_node.has_error
