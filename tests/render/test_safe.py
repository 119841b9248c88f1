from __future__ import annotations

import pyte
import pytest

from apiyi_cli.core.events import Burst, Delta
from apiyi_cli.errors import IncompleteError
from apiyi_cli.render.pretty import pretty
from apiyi_cli.render.safe import Safe, safe, shown

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
    assert_untouched(safe(said).encode())
    safely = Safe()
    piecewise = "".join(map(safely.feed, said)) + safely.close()
    assert piecewise == safe(said)


@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
def test_a_payload_in_bytes_has_no_effect_wherever_the_bytes_are_split(payload: str) -> None:
    data = f"x{payload}y".encode()
    printed = b"".join(shown(data[at : at + 1] for at in range(len(data))))
    assert_untouched(printed)
    assert printed == b"".join(shown([data]))


@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
def test_a_payload_in_markdown_has_no_effect(payload: str) -> None:
    said = f"x{payload}y"
    bursts: list[Burst] = [[Delta(character)] for character in said]
    printed = b"".join(pretty(bursts, aside=lambda event: None, width=80, color=False))
    assert_untouched(printed.removesuffix(b"\n"))


def test_the_payloads_do_have_an_effect_on_a_terminal_that_gets_them_as_they_are() -> None:
    effects = set()
    for payload in PAYLOADS:
        effects.update(terminal_after(payload.encode()).asked)
    assert {"title", "answer", "bell", "mode"} <= effects


@pytest.mark.parametrize("one", range(0x80, 0xA0))
def test_a_single_byte_c1_control_is_no_utf_8_and_becomes_a_replacement(one: int) -> None:
    assert b"".join(shown([b"a" + bytes([one]) + b"2Jb"])) == "a\ufffd2Jb".encode()


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
    assert safe(said) == seen
    for at in range(len(said) + 1):
        safely = Safe()
        assert safely.feed(said[:at]) + safely.feed(said[at:]) + safely.close() == seen


def test_a_line_end_may_be_split_over_pieces_with_empty_ones_between() -> None:
    safely = Safe()
    assert [safely.feed("a\r"), safely.feed(""), safely.feed("\nb"), safely.close()] == [
        "a",
        "",
        "\nb",
        "",
    ]


def test_a_character_split_over_items_is_shown_whole_and_a_torn_one_as_replacement() -> None:
    data = "中\r".encode()
    assert list(shown([data[:1], data[1:], b"\xe4"])) == ["中".encode(), "␍\ufffd".encode()]


def test_what_was_held_is_shown_before_the_failure_passes_through() -> None:
    def cut() -> object:
        yield b"half\r"
        raise IncompleteError("cut")

    items = shown(cut())  # type: ignore[arg-type]
    assert [next(items), next(items)] == [b"half", "␍".encode()]
    with pytest.raises(IncompleteError):
        next(items)


def test_a_failure_with_nothing_held_passes_at_once() -> None:
    def cut() -> object:
        yield b"half"
        raise IncompleteError("cut")

    items = shown(cut())  # type: ignore[arg-type]
    assert next(items) == b"half"
    with pytest.raises(IncompleteError):
        next(items)
