from __future__ import annotations

import json
import re

import pyte
import pytest

from apiyi_cli.core.events import Delta, EventBatch
from apiyi_cli.core.terminal_text import (
    Neutralizer,
    TerminalEncoder,
    encode_for_terminal,
    neutralize,
    neutralize_json,
)
from apiyi_cli.render.markdown_stream import pretty

PAYLOADS = [
    "\x1b]0;owned\x07",
    "\x1b]2;owned\x1b\\",
    "\x1b]52;c;b3duZWQ=\x07",
    "\x1b]8;;https://evil.example\x07text\x1b]8;;\x07",
    "\x1b]9;owned\x07",
    "\x1b]777;notify;owned;x\x07",
    "\x1b]1337;File=name=YQ==:AAAA\x07",
    "\x1b]4;1;?\x07",
    "\x1b]0;never ended",
    "\x1b[2J",
    "\x1b[H\x1b[J",
    "\x1b[6n",
    "\x1b[c",
    "\x1b[>c",
    "\x1b[5n",
    "\x1b[?1049h",
    "\x1b[?25l",
    "\x1b[?1000h",
    "\x1b[?2004h",
    "\x1b[31m",
    "\x1b[8m",
    "\x1b[10A",
    "\x1b[2K",
    "\x1b[1;1r",
    "\x1b[20t",
    "\x1b[21t",
    "\x1bc",
    "\x1b7\x1b8",
    "\x1b(0qqq\x1b(B",
    "\x1b#8",
    "\x1bPq#0;2;0;0;0\x1b\\",
    "\x1bP$q\x22p\x1b\\",
    "\x1b_Gf=24;AAAA\x1b\\",
    "\x1b^private\x1b\\",
    "\x1bXstring\x1b\\",
    "\x9b2J",
    "\x9d0;owned\x9c",
    "\x90q\x9c",
    "\x9f\x9e\x98\x85\x84",
    "\x1b",
    "\x07\x08\x0b\x0c\x0e\x0f\x7f\x00",
    "over\rwritten",
    "\u202egnp.exe\u202c",
    "\u2066isolated\u2069",
]


class Terminal(pyte.Screen):
    """A screen that remembers what it was asked for besides showing text."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(80, 24)

    def set_title(self, param: str) -> None:
        self.asked.append("title")

    def set_icon_name(self, param: str) -> None:
        self.asked.append("icon")

    def write_process_input(self, data: str) -> None:
        self.asked.append("answer")

    def bell(self, *args: object) -> None:
        self.asked.append("bell")

    def alignment_display(self) -> None:
        self.asked.append("alignment")

    def set_mode(self, *modes: int, **kwargs: object) -> None:
        self.asked.append("mode")
        super().set_mode(*modes, **kwargs)


def terminal_after(data: bytes) -> Terminal:
    screen = Terminal()
    screen.asked.clear()
    pyte.ByteStream(screen).feed(b"before\r\n" + data.replace(b"\n", b"\r\n") + b"|after")
    return screen


def assert_untouched(data: bytes) -> None:
    assert not {*data} & ({*range(0x20), 0x7F} - {0x09, 0x0A})
    screen = terminal_after(data)
    assert screen.asked == []
    assert screen.display[0].rstrip() == "before"
    assert "|after" in "".join(screen.display)
    cells = [cell for row in screen.buffer.values() for cell in row.values()]
    assert {(cell.fg, cell.bg, cell.bold, cell.reverse) for cell in cells} == {
        ("default", "default", False, False)
    }


@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
def test_a_payload_has_no_effect_on_the_terminal_whole_or_in_single_characters(
    payload: str,
) -> None:
    said = f"x{payload}y"
    assert_untouched(neutralize(said).encode())
    safely = Neutralizer()
    piecewise = "".join(map(safely.feed, said)) + safely.close()
    assert piecewise == neutralize(said)


@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
def test_a_payload_in_bytes_has_no_effect_wherever_the_bytes_are_split(payload: str) -> None:
    data = f"x{payload}y".encode()
    encoder = TerminalEncoder("text")
    pieces = [encoder.feed(data[at : at + 1]) for at in range(len(data))]
    printed = b"".join([*pieces, encoder.close()])
    assert_untouched(printed)
    assert printed == encode_for_terminal(data, "text")


@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
def test_a_payload_in_markdown_has_no_effect(payload: str) -> None:
    said = f"x{payload}y"
    batches: list[EventBatch] = [[Delta(character)] for character in said]
    printed = b"".join(pretty(batches, on_event=lambda event: None, width=80, color=False))
    assert_untouched(printed.removesuffix(b"\n"))


def test_the_payloads_do_have_an_effect_on_a_terminal_that_gets_them_as_they_are() -> None:
    effects = set()
    for payload in PAYLOADS:
        effects.update(terminal_after(payload.encode()).asked)
    assert {"title", "answer", "bell", "mode"} <= effects


@pytest.mark.parametrize("one", range(0x80, 0xA0))
def test_a_single_byte_c1_control_is_no_utf_8_and_becomes_a_replacement(one: int) -> None:
    said = b"a" + bytes([one]) + b"2Jb"
    assert encode_for_terminal(said, "text") == "a\ufffd2Jb".encode()


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("plain 中文 😀 [red] :smile:\n\ttab", "plain 中文 😀 [red] :smile:\n\ttab"),
        ("a\r\nb", "a\nb"),
        ("a\rb", "a␍b"),
        ("a\r\r\nb", "a␍\nb"),
        ("a\r", "a␍"),
        ("\x1b[31m", "␛[31m"),
        ("\x00\x07\x7f", "␀␇␡"),
        ("\x9b\x85", "\\x9b\\x85"),
        ("\u202e\u2066", "\\u202e\\u2066"),
        ("\ud83d", "\ufffd"),
        ("\u200f\u200d\u2028", "\u200f\u200d\u2028"),
    ],
)
def test_what_would_drive_the_terminal_is_shown_and_the_rest_is_as_it_was(
    said: str, seen: str
) -> None:
    assert neutralize(said) == seen
    for at in range(len(said) + 1):
        safely = Neutralizer()
        assert safely.feed(said[:at]) + safely.feed(said[at:]) + safely.close() == seen


def test_a_line_end_may_be_split_over_pieces_with_empty_ones_between() -> None:
    safely = Neutralizer()
    assert [safely.feed("a\r"), safely.feed(""), safely.feed("\nb"), safely.close()] == [
        "a",
        "",
        "\nb",
        "",
    ]


def test_a_character_split_over_items_is_shown_whole_and_a_torn_one_as_replacement() -> None:
    data = "中\r".encode()
    encoder = TerminalEncoder("text")
    pieces = [encoder.feed(data[:1]), encoder.feed(data[1:]), encoder.feed(b"\xe4")]
    assert [*pieces, encoder.close()] == [
        b"",
        "中".encode(),
        b"",
        "␍\ufffd".encode(),
    ]


@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
def test_json_made_safe_is_still_the_same_json(payload: str) -> None:
    value = {payload: [f"x{payload}y", 1.5, None]}
    said = json.dumps(value, ensure_ascii=False)
    shown = encode_for_terminal(f"{said}\n".encode(), "json").decode()
    assert json.loads(shown) == value
    assert_untouched(shown.removesuffix("\n").encode())
    assert neutralize_json(said) == shown.removesuffix("\n")


def test_json_with_raw_control_characters_becomes_valid_json() -> None:
    shown = encode_for_terminal(b'{"a":"x\x1b[2J\x00"}\r\n', "json")
    assert shown == b'{"a":"x\\u001b[2J\\u0000"}\n'
    assert json.loads(shown) == {"a": "x\x1b[2J\x00"}


@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
def test_of_styled_output_the_colours_alone_pass(payload: str) -> None:
    said = f"\x1b[1mx\x1b[0m{payload}y"
    shown = encode_for_terminal(said.encode(), "styled").decode()
    assert shown.startswith("\x1b[1mx\x1b[0m")
    rest = re.sub("\x1b\\[[0-9;]*m", "", shown)
    assert_untouched(rest.encode())


def test_what_is_not_text_passes_as_it_is() -> None:
    assert (
        encode_for_terminal(b"\x1b_Gf=100;AAAA\x1b\\\xff", "raw") == b"\x1b_Gf=100;AAAA\x1b\\\xff"
    )
