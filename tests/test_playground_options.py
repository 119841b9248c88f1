"""Every command and option has a place in the playground, or a reason for having none."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from apiyi_cli.cli.app import load_command
from apiyi_cli.cli.command_table import COMMANDS
from apiyi_cli.core.jsontext import read
from apiyi_cli.core.options.table import OPTION_GROUPS
from apiyi_cli.playground.argv import FormTable
from apiyi_cli.playground.policy import (
    DENIED,
    FORM,
    PAGE_COMMANDS,
    is_allowed,
)
from apiyi_cli.playground.texts import page_words
from tests.messages import translations

PAGE = Path(__file__).parents[1] / "apiyi_cli/playground/page"
GROUPS = {name: load_command(name).callback.groups for name in PAGE_COMMANDS}
EXCLUDED = {
    "batch": "a matter of files and hours",
    "balance": "needs the account's token; a terminal shows it",
    "session": "keeps and removes files",
    "usage": "a report, not a request",
    "cache": "clears files",
    "auth": "handles keys",
    "config": "writes config.toml",
    "doctor": "a report, not a request",
    "sandbox": "is a server itself",
    "completion": "is for shells",
    "help": "is for terminals",
    "playground": "is this page",
    "mcp": "is for agents",
    "skill": "is for agents",
    "describe": "is for agents",
    "check": "another word for doctor",
    "responses": "another word for respond",
}
"""The commands that the page does not have, each with the reason."""

MARKED = {"title", "name", "LABELS[command.subject]", "text, values"}
"""What the scripts give to `t` beside literals: constants whose texts are marked by `word`."""


def test_every_command_is_on_the_page_or_has_a_reason_not_to_be() -> None:
    undecided = COMMANDS.keys() - PAGE_COMMANDS.keys() - EXCLUDED.keys()
    assert not undecided, f"put into playground/policy.py, or here with a reason: {undecided}"


def test_every_option_is_in_a_form_or_denied_with_a_reason() -> None:
    undecided = {
        f"{command}.{name}"
        for command, groups in GROUPS.items()
        for group in groups
        for name in group.flags
        if {f"{command}.{name}", name}.isdisjoint({*FORM, *DENIED})
    }
    assert not undecided, f"allow or deny in playground/policy.py: {undecided}"
    assert all(DENIED.values()) and not FORM & DENIED.keys()


def test_no_form_has_an_option_that_is_gone() -> None:
    named = {name.rpartition(".")[2] for name in FORM}
    known = {name for groups in GROUPS.values() for group in groups for name in group.flags}
    known |= {name for group in OPTION_GROUPS for name in group.flags}
    assert named <= known, f"take out of playground/policy.py: {named - known}"


def test_what_runs_writes_or_sends_the_key_elsewhere_is_denied() -> None:
    table = FormTable(GROUPS)
    dangerous = (
        *("run", "yes", "mcp", "output", "save", "force", "key_file", "base_url", "proxy"),
        *("cacert", "allow_private", "config", "template", "edit", "continue_"),
    )
    for command in PAGE_COMMANDS:
        assert table.flags(command).keys().isdisjoint(dangerous)
        assert not any(is_allowed(command, name) for name in dangerous)


def test_the_vendored_libraries_are_the_published_bytes() -> None:
    libraries = read((PAGE / "vendor/libraries.json").read_bytes())["libraries"]
    listed = set()
    for library in libraries:
        listed |= {library["file"], library["license_file"]}
        assert re.fullmatch(r"\d+\.\d+\.\d+", library["version"])
        for name, digest in ((library["file"], library["sha256"]),):
            assert hashlib.sha256((PAGE / "vendor" / name).read_bytes()).hexdigest() == digest
        assert len((PAGE / "vendor" / library["license_file"]).read_text("utf-8")) > 500
    kept = {path.name for path in (PAGE / "vendor").iterdir()} - {"libraries.json"}
    assert kept == listed
    assert sum((PAGE / "vendor" / item["file"]).stat().st_size for item in libraries) < 110_000


def test_every_word_of_the_scripts_can_be_translated() -> None:
    scripts = "".join(path.read_text("utf-8") for path in PAGE.glob("*.js"))
    assert set(re.findall(r"\bt\(([^')][^)]*)\)", scripts)) == MARKED
    assert {"Answer", "Recordings", "Media", "Send", "the profile’s model"} <= page_words()
    unknown = page_words() - translations().keys()
    assert not unknown, f"make messages, then translate: {unknown}"


def test_the_page_has_no_inline_script_or_style_and_names_no_other_host() -> None:
    for path in PAGE.glob("*.*"):
        text = path.read_text("utf-8")
        assert not re.search(r"<script(?![^>]* src=)|\son\w+=\"|\sstyle=\"", text), path.name
        assert "innerHTML" not in text and "eval(" not in text
        addresses = set(re.findall(r"https?://[\w.]+", text)) - {"http://www.w3.org"}
        assert not addresses, path.name
