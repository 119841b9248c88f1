"""The description against what Typer really built, and every output against the description."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from typer.main import get_command

from apiyi_cli import __version__
from apiyi_cli.cli.app import app, describe_all, load_command
from apiyi_cli.cli.command_table import COMMANDS
from apiyi_cli.cli.help.describe import describe
from apiyi_cli.core.options.chat import ChatSampling
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.request import Models
from apiyi_cli.manual.completion import script
from apiyi_cli.manual.describe import HELP_ALL, Command
from apiyi_cli.manual.handwritten import SECTIONS, TOPICS, topic
from apiyi_cli.manual.helptext import helptext
from apiyi_cli.manual.man import pages
from apiyi_cli.manual.markdown import blocks
from apiyi_cli.manual.plain import page

SPELLING = re.compile(r"(?<![\w/-])(--?[A-Za-z][\w-]*)")


@cache
def whole() -> Command:
    return describe_all()


def titles() -> list[str]:
    return [one.title for one in whole().walk()]


def at(title: str) -> Command:
    return next(one for one in whole().walk() if one.title == title)


@cache
def built() -> dict[str, Any]:
    """Return every command that Typer built, by its title."""
    found = {"apiyi": get_command(app)}
    for name in COMMANDS:
        top = load_command(name)
        found[f"apiyi {name}"] = top
        for below, one in getattr(top, "commands", {}).items():
            found[f"apiyi {name} {below}"] = one
    return found


def spellings(one: Command) -> set[str]:
    return {name for option in one.options for name in option.spellings}


def test_the_description_has_every_command_that_was_built() -> None:
    assert titles() == list(built())


@pytest.mark.parametrize("title", titles())
def test_the_description_has_the_very_parameters_that_typer_built(title: str) -> None:
    typed = built()[title]
    context = typed.context_class(typed, info_name=title, **typed.context_settings)
    parameters = [one for one in typed.get_params(context) if not getattr(one, "hidden", False)]
    options = [one for one in parameters if one.param_type_name == "option"]
    typed_names = {name for one in options for name in (*one.opts, *one.secondary_opts)}
    # All take it, but it is shown where there is more to show.
    assert typed_names - {HELP_ALL} == spellings(at(title)) - {HELP_ALL}
    assert len(parameters) - len(options) == len(at(title).arguments)


def test_an_option_has_what_only_the_table_knows() -> None:
    chat = at("apiyi chat")
    by_name = {option.names[-1]: option for option in chat.options}
    assert by_name["--model"].rule.kind == "model"
    assert by_name["--model"].envvar == "APIYI_MODEL"
    assert by_name["--model"].many
    assert by_name["--profile"].rule.kind == "profile"
    assert by_name["--color"].rule.choices == ("auto", "always", "never")
    assert by_name["--retries"].default == "2"
    assert by_name["--stream"].off == ("--no-stream",)
    assert by_name["--system"].rule.kind == "at"
    assert by_name["--top-logprobs"].high == 20
    assert by_name["--base-url"].config is None
    for group in (Models, Connection, ChatSampling):
        for one in group.flags.values():
            assert one.help in {option.help for option in chat.options}


def test_describing_the_root_alone_imports_no_command() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from typer.main import get_command;"
        "from apiyi_cli.cli.app import app;"
        "from apiyi_cli.cli.command_table import COMMANDS;"
        "from apiyi_cli.cli.help.describe import describe;"
        "found = describe(get_command(app), ('apiyi',), COMMANDS);"
        "assert [one.name for one in found.commands];"
        "print([name for name in sys.modules if name.startswith('apiyi_cli.cli.commands.')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("title", titles())
def test_help_shows_every_option_once_and_no_other(title: str) -> None:
    one = at(title)
    text = helptext(one, 80)
    shown = [name for line in text.split("\n") for name in _first_column(line)]
    assert len(shown) == len(set(shown))
    assert set(shown) == spellings(one)


def _first_column(line: str) -> list[str]:
    match = re.match(r"^ {2}(?: {4})?(-[\w-]+(?:, -[\w-]+)*)", line)
    return match[1].split(", ") if match else []


@pytest.mark.parametrize("title", [one.title for one in (whole(), *whole().commands)])
def test_a_man_page_has_every_option_and_no_other(title: str) -> None:
    one = at(title)
    source = pages(whole(), __version__)[f"{title.replace(' ', '-')}.1"]
    headings = re.findall(r"^\.TP\n(\\fB\\-.*)$", source, re.M)
    shown = {
        name.replace("\\-", "-")
        for heading in headings
        for name in re.findall(r"\\fB(\\-[^ ]*?)\\fR", heading)
    }
    below = one.commands if len(one.path) > 1 else ()
    assert shown == spellings(one).union(*map(spellings, below))


@pytest.mark.parametrize("path", sorted(SECTIONS.rglob("*.md")), ids=lambda path: path.stem)
def test_what_is_written_by_hand_names_only_options_that_exist(path: Any) -> None:
    known = {name for one in whole().walk() for name in spellings(one)}
    # Of jq, git, mkdir, date, Slurm, kill, parallel, curl, llm, test, PowerShell in the examples.
    foreign = {"-r", "-d", "-c", "-p", "-N", "-g", "-eq", "-Is", "-Raw", "--staged", "--cached"}
    foreign |= {"--array", "--sshlogin", "--workdir", "--retry", "--cid"}
    foreign |= {"--batch", "--requeue", "--open-mode", "--signal", "-INT", "--joblog"}
    foreign |= {"--resume-failed"}
    told = page(blocks(path.read_text("utf-8")), 100)
    assert set(SPELLING.findall(told)) - known - foreign == set()
    for name in re.findall(r"^ {4}(?:.*\| )?apiyi (?:--profile \w+ )?([a-z]+)", told, re.M):
        assert name in COMMANDS


def test_every_written_section_belongs_to_a_command_or_a_topic() -> None:
    own = {path.stem for path in SECTIONS.glob("*.md")}
    assert own <= {"apiyi", *COMMANDS} | {"batch"}
    topics = {path.name.partition(".")[0] for path in (SECTIONS / "topics").glob("*.md")}
    assert topics == set(TOPICS)


def test_the_environment_topic_names_every_variable_of_the_table() -> None:
    told = page(topic("environment"), 80)
    for one in whole().walk():
        for option in one.options:
            assert option.envvar is None or option.envvar in told


def test_the_exit_status_topic_is_the_table_of_the_code() -> None:
    from apiyi_cli.core.exit_codes import EXIT_CODES

    told = " ".join(page(topic("exit-codes"), 80).split())
    for row in EXIT_CODES:
        assert f"{row.code} {row.name} " in told
        assert row.when[1:] in told


def test_a_command_can_be_described_alone() -> None:
    alone = describe(load_command("auth"), ("apiyi", "auth"), COMMANDS)
    assert [one.name for one in alone.commands] == ["login", "status", "logout", "token"]
    assert alone == at("apiyi auth")


def tables(shell: str) -> dict[str, set[str]]:
    """Read the options of each command back out of a completion script."""
    text = script(whole(), shell)
    found: dict[str, set[str]] = {}
    if shell == "bash":
        cases = re.findall(r"^ {8}'([\w ]*)'\)\n(.*?) {12};;", text, re.M | re.S)
        for name, body in cases:
            options = re.search(r"options='(.*)'", body)
            found[name] = set(re.split(r"[ |*]+", options[1])) - {""} if options else set()
    elif shell == "zsh":
        for name, body in re.findall(r"^_apiyi(\w*)\(\) \{\n(.*?)^\}", text, re.M | re.S):
            specs = re.findall(r"^ {4}('.*?)(?: \\| && ret=0)?$", body, re.M)
            words = " ".join(re.sub(r"\[.*|'\([^)]*\)'?", " ", one) for one in specs)
            found[name.replace("_", " ").strip()] = set(SPELLING.findall(words))
    elif shell == "fish":
        for name, body in re.findall(r"^set -g __apiyi_options_(\w*) (.*)$", text, re.M):
            found[name.replace("_", " ")] = set(re.findall(r"'(-[\w-]+)'\\t", body))
    else:
        for name, body in re.findall(r"^ {8}'([\w ]*)' = @\{\n(.*?)^ {8}\}", text, re.M | re.S):
            names = re.findall(r"Names = @\((.*?)\);", body)
            found[name] = set(re.findall(r"'(-[\w-]+)'", " ".join(names)))
    return found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_a_completion_script_has_the_very_options_of_each_command(shell: str) -> None:
    wanted = {" ".join(one.path[1:]): spellings(one) for one in whole().walk()}
    assert tables(shell) == wanted
