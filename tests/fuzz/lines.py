"""Random command lines, drawn from the program's own table of commands and options."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from apiyi_cli.cli.app import load_command
from apiyi_cli.cli.command_table import COMMANDS

LEFT_OUT = frozenset(("sandbox", "playground", "mcp", "auth login", "config edit"))
"""Commands that wait for somebody: a gateway in the foreground, a prompt, an editor."""

NEVER = frozenset(("--help", "--help-all", "-h", "--run", "--mcp", "--profile", "--base-url"))
BOUNDS = ("--max-time 2", "--retries 0", "--timeout 1")
"""What keeps a line short; most lines get them, where the command knows them."""

WORDS = (
    *("hi", "", " ", "-", "中文 🤖", "a\nb", "x" * 3000, "'; rm -rf x; '", "\u202eabc\x1b]0;x\x07"),
    *("a.txt", "gbk.txt", "rows.jsonl", "table.csv", "talk.wav", "pic.png", "nothing", "folder"),
    *("@a.txt", "@nothing", "{}", "[", '{"a": 1}', '{"type": "object"}', "a=b", "a.b.c=[1,2]"),
    *("/v1/models", "models", "GET", "POST", "/v1/chat/completions", "..", "/", "%s", "{id}"),
    *("--", "-x", "--nope", "http://127.0.0.1:9/v1", "data:image/png;base64,AAAA", "0", "-1"),
    *("name, age int", "{stem}.srt", "{index:04}-{slug}.{ext}", "X-A: b", "verify", "compact"),
)
MODELS = (
    *("gpt-4o", "sandbox-1", "sandbox-embed-1", "sandbox-image-1", "whisper-1", "tts-1", "o3"),
    *("nope", "", "fault:503", "fault:empty", "fault:misfit", "fault:restart", "fault:cut@2"),
    *("fault:huge-usage@40", "fault:error-after-role", "fault:upstream-401", "fault:html"),
    *(
        "fault:reasoning-only",
        "fault:filter",
        "fault:nofinish",
        "fault:torn",
        "seedream-5-0-260128",
    ),
    *("gpt-image-2-vip", "deepseek-v4-flash-ga-260731", "fault:blanks"),
)
NUMBERS = ("0", "1", "2", "-1", "3", "50", "4294967296", "1e3", "nan", "0.5", "abc", "1" * 40)
STDINS = (
    *(b"", b"hello\n", b"a\nb\n\nc\n", b"\xff\xfe\x00a", "问题\n".encode("gb18030")),
    *(
        b'{"prompt": "a"}\n{"prompt": "b", "model": 3}\n',
        b"[1, 2]",
        b'{"a": "\\ud83d"}\n',
        b"\0" * 99,
    ),
)


class Line(NamedTuple):
    """A command line and what stands on its standard input."""

    words: list[str]
    stdin: bytes


class KnownCommand(NamedTuple):
    """A command by its words, and its options: spelling, kind of value ('' for a flag)."""

    words: tuple[str, ...]
    options: tuple[tuple[str, str], ...]


@cache
def known() -> tuple[KnownCommand, ...]:
    """Return every command that ends by itself."""
    found = []
    for name, entry in COMMANDS.items():
        built = load_command(name)
        tree: dict[tuple[str, ...], Any] = {} if entry.commands else {(name,): built}
        tree |= {(name, one): built.commands[one] for one in entry.commands}
        for words, one in tree.items():
            if " ".join(words) not in LEFT_OUT:
                found.append(KnownCommand(words, tuple(_options(one))))
    return tuple(found)


def _options(built: Any) -> Iterator[tuple[str, str]]:
    for param in built.params:
        for spelling in (*param.opts, *param.secondary_opts):
            if spelling.startswith("-") and spelling not in NEVER:
                yield spelling, "" if param.is_flag else param.type.name


def lines(count: int, seed: int) -> Iterator[Line]:
    """Yield so many lines, the same for the same seed."""
    draw = random.Random(seed)
    asking = [one for one in known() if len(one.words) == 1]
    for _ in range(count):
        chosen = draw.choice(asking if draw.random() < 0.85 else known())
        yield _line(draw, chosen)


def _line(draw: random.Random, chosen: KnownCommand) -> Line:
    words = list(chosen.words)
    for _ in range(draw.choice((0, 1, 1, 1, 2, 3))):
        words.append(draw.choice(WORDS))
    spellings = dict(chosen.options)
    if "-m" in spellings and draw.random() < 0.7:
        words += ["-m", draw.choice(MODELS)]
    for _ in range(draw.choice((0, 1, 1, 2, 3, 5))):
        spelling, kind = draw.choice(chosen.options or (("-v", ""),))
        words.append(spelling)
        if kind:
            words.append(_value(draw, spelling, kind))
    for bound in BOUNDS:
        name, value = bound.split()
        if name in spellings and name not in words:
            words += [name, value]
    return Line(words, draw.choice(STDINS))


def _value(draw: random.Random, spelling: str, kind: str) -> str:
    if spelling in ("-m", "--model"):
        return draw.choice(MODELS)
    if kind in ("integer", "float", "int"):
        return draw.choice(NUMBERS)
    return draw.choice(WORDS)
