"""Which pictures a terminal understands, and how they are packed for it."""

from __future__ import annotations

from base64 import b64decode

import pytest

from apiyi_cli.render.preview import chafa, find_room, iterm, kitty, protocol


@pytest.mark.parametrize(
    ("environ", "spoken"),
    [
        ({"KITTY_WINDOW_ID": "3", "TERM": "xterm-256color"}, "kitty"),
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"LC_TERMINAL": "iTerm2", "TERM": "xterm"}, "iterm"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM_PROGRAM": "iTerm.app", "TMUX": "/tmp/x"}, None),
        ({"KITTY_WINDOW_ID": "3", "TERM": "screen-256color"}, None),
        ({"TERM": "xterm-256color"}, None),
        ({}, None),
    ],
)
def test_the_terminal_tells_what_it_understands(
    environ: dict[str, str], spoken: str | None
) -> None:
    assert protocol(environ) == spoken


@pytest.mark.parametrize("size", [1, 3072, 3073, 10_000])
def test_kitty_gets_pieces_of_4096_and_the_last_one_says_so(size: int) -> None:
    content = bytes(k % 251 for k in range(size))
    shown = kitty(content, (80, 21)).rstrip(b"\n")
    pieces = [piece.removeprefix(b"\x1b_G") for piece in shown.split(b"\x1b\\")[:-1]]
    keys = [piece.partition(b";")[0] for piece in pieces]
    packed = [piece.partition(b";")[2] for piece in pieces]
    assert keys[0].startswith(b"a=T,f=100,q=2,")
    assert [key[-1:] for key in keys] == [b"1"] * (len(keys) - 1) + [b"0"]
    assert max(map(len, packed)) <= 4096
    assert b64decode(b"".join(packed)) == content


def test_iterm_gets_one_sequence_with_the_size() -> None:
    fit = b"width=80;height=21;preserveAspectRatio=1"
    assert iterm(b"abc", (80, 21)) == b"\x1b]1337;File=inline=1;size=3;" + fit + b":YWJj\x07\n"


def test_a_file_name_never_becomes_an_option_of_chafa() -> None:
    assert chafa("--fill=all", (40, 21))[-1].startswith("/")


def test_chafa_gets_columns_and_rows_and_the_prompt_keeps_some() -> None:
    assert find_room(80, 24) == (80, 21)
    assert find_room(80, 2) == (80, 1)
    assert "80x21" in chafa("a.png", find_room(80, 24))


@pytest.mark.parametrize(
    ("width", "height", "keys"),
    [
        (64, 64, b"q=2,m="),
        (640, 336, b"q=2,m="),
        (1024, 1024, b"q=2,r=21,m="),
        (4096, 512, b"q=2,c=80,m="),
    ],
)
def test_kitty_makes_what_is_too_large_fit_and_keeps_its_shape(
    width: int, height: int, keys: bytes
) -> None:
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4) + height.to_bytes(4)
    assert keys in kitty(png, (80, 21)).split(b";")[0] + b"="
