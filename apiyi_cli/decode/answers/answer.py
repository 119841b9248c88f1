"""State of one answer while it arrives, and whether it is proved complete.

Each endpoint that answers with text has its own subclass, which gives meaning to its objects.
`decode.answers.answer_reader` reads the objects and raises the errors.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar, Generic, TypeVar

from apiyi_cli.core.events import (
    About,
    Chunk,
    Delta,
    Empty,
    EventBatch,
    Finish,
    InlineFile,
    Notice,
    Piece,
    Reasoning,
    Restart,
    ToolCall,
    Usage,
)
from apiyi_cli.core.jsontext import whole_characters
from apiyi_cli.decode.answers.toolcalls import ToolCalls
from apiyi_cli.errors import Phase
from apiyi_cli.text import Text, join_texts

# A piece shorter than this may well come twice; a longer one is the whole text, repeated.
_SHORT = 12
_WORDS_OF_VENDORS = {
    "stop": "end_turn stop_sequence eos eos_token normal",
    "length": "max_tokens max_output_tokens model_length max_length context_length"
    " context_window_exceeded model_context_window_exceeded",
    "tool_calls": "tool_use function_call",
    "content_filter": "refusal safety recitation prohibited_content blocklist spii sensitive"
    " content-filter image_safety image_prohibited_content",
}
_REASONS = {word: own for own, words in _WORDS_OF_VENDORS.items() for word in words.split()}
# GLM, DeepSeek, vLLM and relays in front of them: the answer was not finished.
_FAILURES = frozenset(
    (
        *("error", "network_error", "insufficient_system_resource", "abort", "aborted"),
        *("cancelled", "canceled", "failed", "timeout", "server_error", "interrupted"),
    )
)
Spoken = type[Piece]
Key = TypeVar("Key", bound=Hashable)


class SurrogateJoiner(Generic[Key]):
    """Joins surrogate pairs that are split between two pieces of a text.

    JSON writes a character beyond U+FFFF as two escapes, and a server that cuts its text by
    escapes sends one in each piece. There is one text per `key`.
    """

    def __init__(self) -> None:
        self._waiting: dict[Key, str] = {}

    def join(self, key: Key, piece: str) -> str:
        """Return the complete characters; a first half at the end is held back."""
        piece = self._waiting.pop(key, "") + piece
        if "\ud800" <= piece[-1:] <= "\udbff":
            self._waiting[key] = piece[-1]
            piece = piece[:-1]
        return whole_characters(piece)

    def flush(self) -> list[Key]:
        """Return the keys of texts that ended in half a character; drop the halves."""
        keys = list(self._waiting)
        self._waiting.clear()
        return keys


class Answer:
    """The state of one answer so far; subclasses interpret its objects.

    `key` is the field that an event of this endpoint must have, `whole_key` that of an answer in
    one piece. `ended` is set by an object after which nothing more can come. `torn`: strings may
    hold halves of characters; `visible`: some text is more than blanks; `others`: the kinds
    of what came and cannot be printed; `refused`: why the prompt or the rest was declined.
    """

    key: ClassVar[str] = "choices"
    whole_key: ClassVar[str] = "choices"

    def __init__(self, choices: int = 1) -> None:
        self.choices = choices
        self.started = False
        self.ended = False
        self.torn = False
        self.pieces = 0
        self.id: str | None = None
        self.model: str | None = None
        self.usage: Usage | None = None
        self.forget()

    def forget(self) -> None:
        """Set what belongs to one attempt at the answer as it is before anything came."""
        self.chars = 0
        self.reasoned = self.visible = self.damaged = False
        self.after_link = False
        self.refused = ""
        self.others: list[str] = []
        self.reasons: dict[int, str] = {}
        self.indices: set[int] = set()
        self.calls: dict[int, ToolCalls] = {}
        self._halves: SurrogateJoiner[tuple[Spoken, int]] = SurrogateJoiner()
        self._attached: set[int] = set()

    def is_whole(self, value: dict[str, Any]) -> bool:
        """Return True if an object is a whole answer of this endpoint."""
        return self.whole_key in value

    def take(self, value: dict[str, Any], out: EventBatch) -> object:
        """Add the events of one object to `out`. Return the error that it holds, or None."""
        raise NotImplementedError

    def take_whole(self, value: dict[str, Any], out: EventBatch) -> object:
        """Do the same for an answer that came in one piece."""
        return self.take(value, out)

    def say(self, kind: Spoken, text: str, index: int, out: EventBatch) -> None:
        """Add a piece of text; half a character is held for its other half."""
        if self.torn:
            text = self._halves.join((kind, index), text)
        if text:
            self.pieces += 1
            if kind is Reasoning:
                self.reasoned = True
            else:
                self.after_link = False
                self.visible = self.visible or not text.isspace()
                if kind is Delta:
                    self.chars += len(text)
            out.append(kind(text, index))

    def attach(
        self, address: object, index: int, out: EventBatch, kind: str = Text("a picture")
    ) -> None:
        """Add a picture, sound or file: a link as text, data as an attachment."""
        if not isinstance(address, str) or not address or hash(address) in self._attached:
            return
        self._attached.add(hash(address))
        if address.startswith(("http://", "https://")):
            # On a separate line, because text after a link would become part of it.
            line = f"{address}\n" if self.after_link or not self.chars else f"\n{address}\n"
            self.say(Delta, line, index, out)
            self.after_link = True
            return
        head, comma, data = address.partition(",")
        if comma and head.startswith("data:"):
            type_ = head[5:].partition(";")[0]
        else:
            type_, data = "", address
        self.pieces += 1
        self.visible = True
        self.others.append(kind)
        out.append(InlineFile(whole_characters(type_), data))

    def begin_anew(self, out: EventBatch) -> None:
        """Drop everything so far: the gateway restarts its answer in the same stream."""
        at = len(out) - 1 if out and type(out[-1]) is Chunk else len(out)
        out.insert(at, Restart())
        self.forget()

    def note_about(self, id: object, model: object) -> None:
        """Keep the first id and the last model."""
        if self.id is None and isinstance(id, str) and id:
            self.id = whole_characters(id)
        if isinstance(model, str) and model:
            self.model = whole_characters(model)

    def note_correction(self, out: EventBatch) -> None:
        """Report that the whole text at the end is not what its pieces said."""
        out.append(
            Notice(Text("the gateway corrected its text afterwards: what was shown differs"))
        )

    def release(self, out: EventBatch) -> None:
        """Add text held back for the end, which will not be read."""

    def close(self, out: EventBatch) -> None:
        """Add the events of the end: calls, finishes, identity, usage, in this order."""
        if self.refused and self.visible:
            out.append(Notice(Text("the rest was refused: {reason}", reason=self.refused)))
        for kind, index in self._halves.flush():
            out.append(kind("\ufffd", index))
            out.append(Notice(Text("a character that came only in half was replaced by U+FFFD")))
        called = False
        for index in sorted(self.calls):
            for place, call in enumerate(self.calls[index].calls):
                if call.name and (self.proved or call.is_complete):
                    id = call.id or f"call_{index}_{place}"
                    out.append(ToolCall(id, call.name, call.arguments, index))
                    called = True
        if self.proved and not self.visible and not called:
            out.append(Empty(self._describe_emptiness()))
        out.extend(Finish(self.reasons[index], index) for index in sorted(self.reasons))
        if self.id is not None or self.model is not None:
            out.append(About(self.id, self.model))
        if self.usage is not None:
            out.append(self.usage)

    def _describe_emptiness(self) -> str:
        """Return what came instead of something to print."""
        reasons = self.reasons.values()
        if self.refused:
            return Text("it was refused: {reason}", reason=self.refused)
        if "content_filter" in reasons:
            return Text("a content filter withheld it")
        if self.reasoned and "length" in reasons:
            return Text("all tokens went into reasoning: raise --max-tokens")
        if self.reasoned:
            return Text("only reasoning came")
        if self.chars:
            return Text("only blanks came")
        if self.others:
            return Text("only {kinds} came", kinds=join_texts(dict.fromkeys(self.others)))
        if self.calls:
            return Text("only a function call without a name came")
        return Text("its content is empty")

    @property
    def proved(self) -> bool:
        """Return True if every expected or begun choice has finished."""
        return len(self.reasons) >= self.choices and self.indices <= self.reasons.keys()

    @property
    def phase(self) -> Phase:
        """Return "content" if anything of the answer was seen or lost, else "opened"."""
        return "content" if self.pieces or self.calls or self.damaged else "opened"

    @property
    def progress(self) -> str:
        """Return how much had arrived, for a message."""
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


def finish_reason(value: object) -> str | None:
    """Return the finish reason in the API's words; None if the choice is not finished.

    Other vendors' words are translated; an unknown word is kept.
    """
    if not isinstance(value, str) or value.strip().lower() in ("", "null", "none"):
        return None
    word = value.strip().lower()
    known = word if word in _WORDS_OF_VENDORS else _REASONS.get(word)
    return known or whole_characters(value.strip())


def is_failure(finish: object) -> bool:
    """Return True if the reason says that the model did not finish its answer."""
    return isinstance(finish, str) and finish.strip().lower() in _FAILURES


def next_piece(previous: str, full: str, finish: object) -> str:
    """Return what a repeated message of a stream adds to the text before it.

    A message is the whole text so far, or its next piece, or at the end the text once more.
    """
    if full == previous:
        return "" if finish is not None or len(previous) >= _SHORT else full
    return full.removeprefix(previous)
