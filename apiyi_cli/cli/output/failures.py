"""`ItemFailures`: counts the failed items of a run; names the first on stderr."""

from __future__ import annotations

from typing import Final

from apiyi_cli.cli.messages import Messages
from apiyi_cli.errors import ApiyiError, IncompleteError, UsageError
from apiyi_cli.text import Text, join_texts

NAMED_MAX: Final = 20


def describe_item(error: ApiyiError) -> str:
    """Return an item's failure on one line, with the hint if perhaps billed.

    The hint says that, and where an unusable answer is kept.
    """
    is_free = error.facts.phase not in ("opened", "content")
    hint = None if is_free and not isinstance(error, IncompleteError) else error.hint
    return join_texts(filter(None, (error.sentence(), hint)), "; ")


class ItemFailures:
    """Counts failures and prints the first ones."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._errors: list[ApiyiError] = []
        self.count = 0

    def add(self, place: str, error: ApiyiError, count: int = 1) -> None:
        """Report an item's failure; `count` items may have failed together."""
        self.count += count
        if len(self._errors) == NAMED_MAX:
            return
        self._errors.append(error)
        message = describe_item(error)
        if not isinstance(error, UsageError):
            message = Text("{place}: {error}", place=place, error=message)
        self._messages.print_line(message)

    @property
    def common(self) -> ApiyiError | None:
        """Return the first error if all failed alike and the gateway refused them."""
        first = self._errors[0] if self._errors else None
        alike = {(type(error), error.facts.status, error.why) for error in self._errors}
        return first if len(alike) == 1 and not isinstance(first, UsageError) else None
