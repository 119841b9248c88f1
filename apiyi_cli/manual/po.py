"""The source of the Chinese messages: a gettext `.po` file, read and written.

Of the format, what this catalogue needs: references, messages and translations, no plurals
and no contexts. `msgfmt`, Poedit and their kin read and write the same.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from apiyi_cli.core.catalogue import MAGIC

HEADER = (
    "Project-Id-Version: apiyi\n"
    "Language: zh_CN\n"
    "MIME-Version: 1.0\n"
    "Content-Type: text/plain; charset=UTF-8\n"
    "Content-Transfer-Encoding: 8bit\n"
)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}
_PLAIN = {escape: plain for plain, escape in _ESCAPES.items()}


class Message(NamedTuple):
    """An English text, its translation (empty when there is none), and where it stands."""

    source: str
    target: str
    places: tuple[str, ...] = ()


def read(text: str) -> dict[str, str]:
    """Return the translations of a file by their English text, without its header."""
    found = {one.source: one.target for one in _messages(text.split("\n"))}
    found.pop("", None)
    return found


def write(messages: Iterable[Message]) -> str:
    """Return the file with these messages, in their order."""
    entries = [_entry(Message("", HEADER)), *map(_entry, messages)]
    return "\n\n".join(entries) + "\n"


def compiled(messages: Mapping[str, str]) -> bytes:
    """Return the messages that have a translation as `msgfmt` compiles them."""
    known = {source: target for source, target in messages.items() if target}
    pairs = sorted({"": HEADER, **known}.items(), key=lambda pair: pair[0].encode())
    sources = [source.encode() for source, _ in pairs]
    targets = [target.encode() for _, target in pairs]
    count = len(pairs)
    first, second = 28, 28 + 8 * count
    head = struct.pack("<7I", MAGIC, 0, count, first, second, 0, second + 8 * count)
    tables, at = b"", len(head) + 16 * count
    for text in (*sources, *targets):
        tables += struct.pack("<2I", len(text), at)
        at += len(text) + 1
    return head + tables + b"".join(text + b"\0" for text in (*sources, *targets))


def _messages(lines: list[str]) -> Iterator[Message]:
    told = {"msgid": "", "msgstr": ""}
    field = ""
    for line in [*lines, "msgid"]:
        word, _, rest = line.partition(" ")
        if word == "msgid" and field == "msgstr":
            yield Message(told["msgid"], told["msgstr"])
            told = {"msgid": "", "msgstr": ""}
        if word in told:
            field = word
            told[field] += _unquoted(rest)
        elif line.startswith('"') and field:
            told[field] += _unquoted(line)


def _entry(message: Message) -> str:
    lines = [f"#: {place}" for place in message.places]
    for field, text in (("msgid", message.source), ("msgstr", message.target)):
        pieces = [one for one in re.split(r"(?<=\n)", text) if one]
        if len(pieces) > 1:
            lines += [f'{field} ""', *map(_quoted, pieces)]
        else:
            lines.append(f"{field} {_quoted(text)}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(one, one) for one in text) + '"'


def _unquoted(text: str) -> str:
    inner = text.strip()[1:-1]
    return re.sub(r"\\.", lambda escape: _PLAIN.get(escape[0], escape[0][1]), inner)
