"""What the READMEs show is what happens: every shell block is run, on the sandbox."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.manual.handwritten import SECTIONS
from apiyi_cli.sandbox.sample_files import sample_files, write_samples
from apiyi_cli.sandbox.server import Gateway
from tests.generate import READMES as RECIPES
from tests.generate import insert_recipes
from tests.screen import PICTURES, take_picture

if TYPE_CHECKING:
    from tests.quick import Warm

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
VIDEO = "apiyi video --poll 0.1"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, int, str]]:
    found = []
    for name in READMES:
        text = (ROOT / name).read_text("utf-8")
        for match in BLOCK.finditer(text):
            found.append((name, text.count("\n", 0, match.start()) + 1, match[1]))
    return found


def picture() -> bytes:
    """Return a small PNG."""
    return dict(sample_files())["photo.png"]


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """A repository with the files of `apiyi sandbox --samples`, which the examples name."""
    assert len(list(write_samples(tmp_path))) == len(list(sample_files()))
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "Begin"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "line", "block"), blocks(), ids=lambda value: str(value).partition("\n")[0][:40]
)
def test_a_shown_block_runs(name: str, line: int, block: str, samples: Path, warm: Warm) -> None:
    for tool in ("jq", "git"):
        if re.search(rf"\b{tool} ", block) and shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    config = Path(os.environ["XDG_CONFIG_HOME"], "apiyi", "config.toml")
    config.parent.mkdir(mode=0o700, parents=True)
    # The gateway's families are asked every few seconds.
    config.write_text("[profile.sandbox.video]\npoll = 0.1\n")
    config.chmod(0o600)
    path = f"{warm.launcher(samples / 'bin')}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=samples,
        env={**os.environ, "APIYI_PROFILE": "sandbox", "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{name}:{line}\n{done.stderr.decode()}"
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("name", READMES)
@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_shown_configuration_makes_the_cookbook_work(
    name: str, samples: Path, warm: Warm
) -> None:
    shown = re.search(r"^```toml\n(.*?)^```$", (ROOT / name).read_text("utf-8"), re.M | re.S)
    assert shown is not None
    config = samples / "config.toml"
    config.write_text(shown[1] + "[profile.default.limits]\nrpm = 100000\n", "utf-8")
    config.chmod(0o600)
    path = f"{warm.launcher(samples / 'bin')}:{os.environ['PATH']}"
    # Its models serve their own endpoints only, and it knows one key.
    with Gateway(key="sk-readme-0123456789abcdef") as gateway:
        named = {"BASE_URL": gateway.base_url, "API_KEY": gateway.key, "CONFIG": str(config)}
        env = {**os.environ, "PATH": path, **{f"APIYI_{key}": str(named[key]) for key in named}}
        for block in (text for file, _, text in blocks() if file == name):
            if "completion" in block or "fault" in block:
                continue
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.replace("apiyi video", VIDEO)],
                cwd=samples,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, f"{block}\n{done.stderr.decode()}"


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_shows_what_the_program_does(name: str) -> None:
    shown = _text((ROOT / "man" / name).read_text("utf-8"))
    assert shown == _text(take_picture(name)), "run python -m tests.screen"


def _text(svg: str) -> str:
    """Return a picture's text without blanks, with 0 for every time that was measured.

    How it is divided depends on jq, whose versions have their own colours.
    """
    texts = re.findall(r"<text [^>]*>([^<]*)</text>", svg)
    told = "".join(html.unescape("".join(texts)).split())
    return re.sub(r"\d+\.\d+s", "0s", told)


def test_the_cookbook_has_fifteen_pipes_and_more() -> None:
    shown = [block for name, _, block in blocks() if name == READMES[0]]
    assert sum(block.count("apiyi ") for block in shown) >= 25
    assert len(shown) >= 15


@pytest.mark.parametrize("name", READMES)
def test_the_cookbook_of_a_readme_is_the_topic_recipes(name: str) -> None:
    readme = (ROOT / name).read_text("utf-8")
    source = (SECTIONS / "topics" / RECIPES[name]).read_text("utf-8")
    assert readme == insert_recipes(readme, source), "run make manual"


def recipe(language: str, name: str = READMES[0]) -> str:
    """Return the only block of a language."""
    text = (ROOT / name).read_text("utf-8")
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)
    return str(block)


def recipe_environment(samples: Path, warm: Warm) -> dict[str, str]:
    path = f"{warm.launcher(samples / 'bin')}:{os.environ['PATH']}"
    return {**os.environ, "APIYI_PROFILE": "sandbox", "PATH": path}


def test_the_makefile_rule_keeps_paid_answers(samples: Path, warm: Warm) -> None:
    (samples / "Makefile").write_text(recipe("make"), "utf-8")
    environ = recipe_environment(samples, warm)
    for _ in range(2):
        subprocess.run(["make", "answers.done"], cwd=samples, env=environ, check=True)
    assert len((samples / "answers.jsonl").read_text("utf-8").splitlines()) == 3


@pytest.mark.parametrize("name", READMES)
def test_the_line_for_cron_runs_in_its_shell(name: str, samples: Path, warm: Warm) -> None:
    schedule, line = re.fullmatch(r"((?:\S+ ){5}) *(.*)\n", recipe("cron", name)).groups()  # type: ignore[union-attr]
    # In a crontab % ends the line.
    assert schedule.split() == ["0", "3", "*", "*", "*"] and "%" not in line
    config = samples / "config.toml"
    config.touch(0o600)
    with Gateway() as gateway:
        config.write_text(
            f'[profile.night]\nbase_urls = ["{gateway.base_url}"]\nmodel = "gpt-4o"\n'
        )
        environ = recipe_environment(samples, warm) | {"HOME": str(samples), "APIYI_PROFILE": ""}
        environ |= {"APIYI_CONFIG": str(config), "APIYI_API_KEY": "sk-night-0123456789"}
        (samples / "reviews").symlink_to(samples)
        subprocess.run(["sh", "-c", line], cwd="/", env=environ, check=True)
    assert len((samples / "out.jsonl").read_text("utf-8").splitlines()) == 3
    assert (samples / "batch.log").read_text() == ""


@pytest.mark.skipif(shutil.which("vim") is None, reason="vim is not installed")
def test_the_line_for_vim_replaces_the_selected_lines(samples: Path, warm: Warm) -> None:
    text = samples / "text.txt"
    text.write_text("keep\nthis line\nand this one\nkeep\n")
    select = 'exe "normal! 2GVj\\<Esc>"'
    keys = [word for command in (select, recipe("vim").strip(), "wq") for word in ("-c", command)]
    subprocess.run(
        ["vim", "-es", "-N", "-u", "NONE", *keys, str(text)],
        cwd=samples,
        env=recipe_environment(samples, warm),
        stdin=subprocess.DEVNULL,
        check=True,
    )
    first, *answer, last = text.read_text().splitlines()
    assert (first, last) == ("keep", "keep")
    assert answer[:2] == ["[sandbox] You said: this line", "and this one"]


@pytest.mark.parametrize("name", READMES)
def test_other_shells_can_read_their_recipes(name: str, tmp_path: Path) -> None:
    shown = "".join(block for file, _, block in blocks() if file == name)
    if zsh := shutil.which("zsh"):
        subprocess.run([zsh, "-fn"], input=shown.encode(), check=True)
    if powershell := shutil.which("pwsh"):
        script = tmp_path / "recipe.ps1"
        script.write_text(recipe("powershell", name), "utf-8")
        parse = "[void][Management.Automation.Language.Parser]::ParseFile"
        words = f"$e = $null; {parse}('{script}', [ref]$null, [ref]$e); exit $e.Count"
        subprocess.run([powershell, "-NoProfile", "-Command", words], check=True)


def test_both_readmes_are_the_same_book() -> None:
    english, chinese = ((ROOT / name).read_text("utf-8") for name in READMES)
    assert _outline(english) == _outline(chinese)


def _outline(text: str) -> list[str]:
    """Return what a README is made of, without what is translated.

    Headings by level, tables by their size, code by its commands and options.
    """
    outline: list[str] = []
    for block in re.split(r"\n(?=#|```\w+\n)|(?<=\n```)\n|\n\n", text):
        if heading := re.match(r"#+ ", block):
            outline.append(heading[0])
        elif fence := re.match(r"```(\w+)\n", block):
            words = re.findall(r"apiyi [a-z]+|(?<!\S)--?[a-z][a-z-]*", block)
            outline.append(" ".join([fence[1], *words]))
        elif block.lstrip().startswith("|"):
            outline.append(f"table {len(block.strip().splitlines())}")
    return outline
