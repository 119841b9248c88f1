"""Whatever the locale says, text is UTF-8 on the way in and on the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

LOCALES: dict[str, dict[str, str | None]] = {
    "ascii io": {"PYTHONIOENCODING": "ascii"},
    "cp1252 io": {"PYTHONIOENCODING": "cp1252"},
    "C": {"LC_ALL": "C"},
    "C without Python's help": {
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
    },
    "none": {"LANG": None, "LC_ALL": None},
}
TEXT = "中文 é 🤖"


@pytest.mark.parametrize("env", LOCALES.values(), ids=LOCALES)
def test_text_is_utf8_both_ways(
    apiyi: Program, gateway: Gateway, env: dict[str, str | None]
) -> None:
    (apiyi.work / "文.txt").write_text(TEXT, "utf-8")
    ran = apiyi(
        ["chat", TEXT, "-f", "文.txt", "-s", TEXT, "--user", TEXT, "-O", f"x={TEXT}"], env=env
    )
    assert ran.code == 0, ran.err
    assert TEXT.encode() in ran.out
    sent = gateway.posts[0].json
    assert [message["content"] for message in sent["messages"]] == [TEXT, f"{TEXT}\n\n{TEXT}"]
    assert (sent["user"], sent["x"]) == (TEXT, TEXT)


@pytest.mark.parametrize("env", LOCALES.values(), ids=LOCALES)
def test_errors_and_help_are_utf8(
    apiyi: Program, gateway: Gateway, env: dict[str, str | None]
) -> None:
    ran = apiyi(["chat", "hi", "-m", TEXT], env=env)
    assert ran.code == 6
    assert TEXT in ran.err
    assert "API易" in apiyi("--help", env=env).text


def test_a_prompt_argument_that_is_not_utf8_is_refused(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi.shell("apiyi chat $'ab\\xff'")
    assert ran.code == 2
    assert "not UTF-8 at byte 2" in ran.err
    assert gateway.ledger == []


def test_a_file_whose_name_is_not_utf8_can_be_read(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi.shell("printf text >$'\\xff' && apiyi chat -f $'\\xff'").code == 0
    ran = apiyi.shell("apiyi chat -f $'\\xfe'")
    assert ran.code == 2
    assert "cannot read" in ran.err
    assert apiyi.shell("apiyi chat -f $'\\xfe' --json").code == 2


@pytest.mark.parametrize("option", ["-s", "--user", "--stop"])
def test_another_argument_that_is_not_utf8_is_refused(
    apiyi: Program, gateway: Gateway, option: str
) -> None:
    ran = apiyi.shell(f"apiyi chat hi {option} $'ab\\xff'")
    assert ran.code == 2
    assert "not UTF-8" in ran.err
    assert gateway.ledger == []
