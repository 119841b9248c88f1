from __future__ import annotations

from typing import get_args

import pytest

from apiyi_cli.core.events import Chunk, Delta, EventBatch, Usage
from apiyi_cli.core.terminal_text import encode_for_terminal
from apiyi_cli.render.choose import Form, choose, format_usage, should_color
from apiyi_cli.render.json_line import compile_filter

BURST: EventBatch = [Chunk(b'{"t":"\x7f"}'), Delta("**b** \x1b[2J\n```\nx\n```")]


def render(
    form: Form,
    *,
    terminal: bool = False,
    markdown: bool | None = None,
    color: bool = False,
    program: object = None,
) -> bytes:
    renderer = choose(
        form,
        on_event=lambda event: None,
        terminal=terminal,
        markdown=markdown,
        color=color,
        assemble=lambda chunks: {"n": len(chunks)},
        program=program,
    )
    data = b"".join(renderer([BURST]))
    return encode_for_terminal(data, renderer.content) if terminal else data


@pytest.mark.parametrize(
    ("markdown", "color"),
    [(None, False), (None, True), (True, False), (False, False), (False, True)],
)
def test_without_a_terminal_every_form_is_byte_exact(markdown: bool | None, color: bool) -> None:
    assert render("text", markdown=markdown, color=color) == b"**b** \x1b[2J\n```\nx\n```\n"
    assert render("extract", markdown=markdown, color=color) == b"x\n"
    assert render("ndjson", color=color) == b'{"t":"\x7f"}\n'
    assert render("json") == b'{"n":1}\n'


def test_without_a_terminal_markdown_needs_the_word_for_it_and_for_colour() -> None:
    assert b"**" not in render("text", markdown=True, color=True)


def test_on_a_terminal_every_form_is_made_safe() -> None:
    for form in get_args(Form):
        data = render(form, terminal=True)
        assert b"\x1b" not in data and b"\x7f" not in data


@pytest.mark.parametrize(
    ("markdown", "color", "rendered"),
    [
        (None, True, True),
        (None, False, False),
        (True, False, True),
        (True, True, True),
        (False, True, False),
    ],
)
def test_markdown_is_rendered_when_asked_for_or_when_there_are_styles_for_it(
    markdown: bool | None, color: bool, rendered: bool
) -> None:
    data = render("text", terminal=True, markdown=markdown, color=color)
    assert (b"**b**" not in data) == rendered


def test_a_jq_program_filters_both_json_forms() -> None:
    assert render("ndjson", program=compile_filter(".t")) == b"\x7f\n"
    assert render("ndjson", program=compile_filter(".t"), terminal=True) == b"\\u007f\n"
    assert render("json", program=compile_filter(".n")) == b"1\n"


def test_json_without_a_way_to_assemble_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError):
        choose("json", on_event=lambda event: None, terminal=False)


@pytest.mark.parametrize(
    ("when", "environ", "tty", "wanted"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"TERM": "xterm"}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "0"}, False, False),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ("auto", {"FORCE_COLOR": "1", "TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1", "TERM": "dumb"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour_follows_the_user_then_the_environment_then_the_terminal(
    when: str, environ: dict[str, str], tty: bool, wanted: bool
) -> None:
    assert should_color(when, environ, tty) is wanted


@pytest.mark.parametrize(
    ("usage", "line"),
    [
        (Usage(12, 34, 46), "usage: 12 prompt + 34 completion = 46 tokens"),
        (Usage(12, None, None), "usage: 12 prompt + unknown completion = unknown tokens"),
        (Usage(0, 0, 0), "usage: 0 prompt + 0 completion = 0 tokens"),
        (
            Usage(9, 8, 17, reasoning_tokens=5, cached_tokens=4),
            "usage: 9 prompt + 8 completion = 17 tokens (4 cached, 5 reasoning)",
        ),
    ],
)
def test_usage_tells_what_is_known_and_never_makes_zero_of_unknown(usage: Usage, line: str) -> None:
    assert format_usage(usage) == line
