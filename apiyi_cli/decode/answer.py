"""What is known of one answer while it comes, and whether it is proved complete.

Each endpoint that answers with text has its own subclass, which gives meaning to its objects.
How they are read, and what is raised, is `decode.reading`'s.
"""

from __future__ import annotations

from typing import Any, ClassVar

from apiyi_cli.core.events import (
    About,
    Burst,
    Delta,
    Finish,
    Notice,
    Reasoning,
    Refusal,
    ToolCall,
    Usage,
)
from apiyi_cli.core.jsontext import whole_characters
from apiyi_cli.decode.lenient import Halves
from apiyi_cli.decode.toolcalls import ToolCalls
from apiyi_cli.errors import Phase
from apiyi_cli.text import Text

Spoken = type[Delta] | type[Reasoning] | type[Refusal]


class Answer:
    """What is known of one answer so far; subclasses give meaning to its objects.

    `key` is the field that an event of this endpoint must have, `whole_key` that of an answer in
    one piece. `ended` is set by an object
    after which nothing more can come. `torn` tells that strings may hold halves of characters.
    """

    key: ClassVar[str] = "choices"
    whole_key: ClassVar[str] = "choices"

    def __init__(self, choices: int = 1) -> None:
        self.choices = choices
        self.started = False
        self.ended = False
        self.torn = False
        self.pieces = 0
        self.chars = 0
        self.reasoned = False
        self.id: str | None = None
        self.model: str | None = None
        self.usage: Usage | None = None
        self.reasons: dict[int, str] = {}
        self.indices: set[int] = set()
        self.calls: dict[int, ToolCalls] = {}
        self._halves: Halves[tuple[Spoken, int]] = Halves()

    def take(self, value: dict[str, Any], out: Burst) -> object:
        """Add the events of one object to `out`; return the error that it holds, or None."""
        raise NotImplementedError

    def take_whole(self, value: dict[str, Any], out: Burst) -> object:
        """Do the same for an answer that came in one piece."""
        return self.take(value, out)

    def say(self, kind: Spoken, text: str, index: int, out: Burst) -> None:
        """Add a piece of text; half a character waits for its other half."""
        if self.torn:
            text = self._halves.joined((kind, index), text)
        if text:
            self.pieces += 1
            if kind is Delta:
                self.chars += len(text)
            elif kind is Reasoning:
                self.reasoned = True
            out.append(kind(text, index))

    def note_about(self, id: object, model: object) -> None:
        """Keep the first id and the last model."""
        if self.id is None and isinstance(id, str) and id:
            self.id = whole_characters(id)
        if isinstance(model, str) and model:
            self.model = whole_characters(model)

    def close(self, out: Burst) -> None:
        """Add what is known only at the end: calls, finishes, identity, usage, in this order."""
        for kind, index in self._halves.left():
            out.append(kind("\ufffd", index))
            out.append(Notice(Text("a character that came only in half was replaced by U+FFFD")))
        for index in sorted(self.calls):
            for place, call in enumerate(self.calls[index].calls):
                if call.name and (self.proved or call.is_complete):
                    id = call.id or f"call_{index}_{place}"
                    out.append(ToolCall(id, call.name, call.arguments, index))
        if (
            self.reasoned
            and not self.chars
            and not self.calls
            and "length" in self.reasons.values()
        ):
            out.append(Notice(Text("all tokens went into reasoning: raise --max-tokens")))
        out.extend(Finish(self.reasons[index], index) for index in sorted(self.reasons))
        if self.id is not None or self.model is not None:
            out.append(About(self.id, self.model))
        if self.usage is not None:
            out.append(self.usage)

    @property
    def proved(self) -> bool:
        """Tell whether every choice that was asked for, and every one that began, has finished."""
        return len(self.reasons) >= self.choices and self.indices <= self.reasons.keys()

    @property
    def phase(self) -> Phase:
        """Return how far the answer got: whether anything of it was seen."""
        return "content" if self.pieces or self.calls else "opened"

    @property
    def progress(self) -> str:
        """Return in words how much had come."""
        if not self.pieces and not self.calls:
            return Text("nothing of the answer had come")
        characters = "character" if self.chars == 1 else "characters"
        pieces = "piece" if self.pieces == 1 else "pieces"
        return Text(
            "{chars} {characters} in {pieces} {pieces2} had come",
            chars=self.chars,
            characters=characters,
            pieces=self.pieces,
            pieces2=pieces,
        )
