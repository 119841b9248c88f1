"""Which blocks of code a program is made of, for the languages that share one build."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from apiyi_cli.export.outline import Outline
from apiyi_cli.export.quote import fill


class Blocks(NamedTuple):
    """The blocks of a language, by what they do and, in mappings, by the kind of request.

    Functions: `base64` and `text` read a file, `parsed` checks a JSON answer, `saved` gets an
    image's bytes, `events` reads a stream. In the main part: `stream` goes around a `deltas`
    block, `answers` shows a whole answer (that of "other" the body as it is); both have a place
    for `call_deltas` and `calls`, which show function calls. `refused` stops where one of its
    `names` is there already.
    """

    base64: str
    text: str
    parsed: str
    saved: str
    events: str
    stream: str
    deltas: Mapping[str, str]
    call_deltas: Mapping[str, str]
    answers: Mapping[str, str]
    calls: Mapping[str, str]
    refused: str

    def refusal(self, plan: Outline, quoted: Callable[[str], str], between: str = ", ") -> str:
        """Return the code that stops, before anything is sent, where a file would be lost."""
        if not plan.saves:
            return ""
        return fill(self.refused, names=between.join(map(quoted, plan.saves)))

    def functions(self, plan: Outline) -> str:
        """Return the functions that the program needs, one after the other."""
        found = self.base64 if any(not piece.text for piece in plan.reads) else ""
        found += self.text if any(piece.text for piece in plan.reads) else ""
        if plan.streamed:
            return found + self.events
        if plan.kind in ("other", "speak") or plan.stream or plan.plain_text:
            return found
        return found + self.parsed + (self.saved if plan.kind == "image" else "")

    def shown(self, plan: Outline) -> str:
        """Return the code that shows or saves the answer."""
        if plan.streamed:
            calls = self.call_deltas[plan.kind] if plan.tools else ""
            return fill(self.stream, delta=fill(self.deltas[plan.kind], calls=calls))
        if plan.stream or plan.plain_text:
            return self.answers["other"]
        calls = self.calls[plan.kind] if plan.tools else ""
        return fill(self.answers[plan.kind], calls=calls, suffix=plan.suffix)
