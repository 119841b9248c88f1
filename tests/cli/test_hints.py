"""What a hint says to type next: a line of the very command, with options that it has."""

from __future__ import annotations

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import Program


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("embed -m text-embedding-3-small", "apiyi embed "),
        ("complete -m gpt-3.5-turbo-instruct", "apiyi complete "),
        ("respond", "apiyi respond "),
        ("image -m gpt-image-2", "apiyi image "),
        ("speak -m tts-1", "apiyi speak "),
    ],
)
def test_a_command_without_input_shows_a_line_of_its_own(
    apiyi: Program, line: str, hint: str
) -> None:
    screen = apiyi.terminal(line)
    assert screen.code == 2
    assert f"try: {hint}" in "\n".join(screen.lines)


def test_only_commands_with_jobs_are_told_of_jobs(apiyi: Program, gateway: Gateway) -> None:
    one = apiyi("chat hi -m fault:429 --retries 0")
    many = apiyi("embed hi -m fault:429 --retries 0")
    assert (one.code, many.code) == (5, 5)
    assert "-j" not in one.err
    assert "a smaller -j" in many.err


def test_an_unknown_model_is_answered_with_models_that_can_do_the_command(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi("chat hi -m text-embedding --force-model")
    assert ran.code == 6
    assert "text-embedding-" not in ran.err.split("try: ")[-1]


@pytest.mark.parametrize("line", ["embed -m e a", "image -m dall-e-3 cat", "chat hi"])
def test_a_wait_that_is_too_long_is_named_in_the_hint(
    apiyi: Program, gateway: Gateway, line: str
) -> None:
    gateway.script(ScriptedReply(status=429, headers=(("Retry-After", "86400"),)))
    assert "run it again in 86400 s" in apiyi(line).err
