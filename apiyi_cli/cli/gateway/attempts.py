"""Which events the user sees, and which attempt counts where a gateway begins an answer anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiyi_cli.core.events import Burst, Chunk, Delta, InlineFile, Reasoning, Refusal, Restart
from apiyi_cli.errors import IncompleteError
from apiyi_cli.text import Text

_VISIBLE = (Delta, Refusal, InlineFile, Restart)


def is_shown(burst: Burst, *, reasoning: bool) -> bool:
    """Return True if the user sees something of a burst.

    An object is printed by `--ndjson`; one that opens the answer holds nothing of it.
    """
    return any(
        isinstance(event, _VISIBLE)
        or (isinstance(event, Chunk) and not event.opening)
        or (reasoning and isinstance(event, Reasoning))
        for event in burst
    )


def newest_attempt(bursts: Iterable[Burst]) -> Iterator[Burst]:
    """Yield the bursts of the last attempt alone, at the end; also before an error or signal."""
    kept: list[Burst] = []
    try:
        for burst in bursts:
            at = _restart_in(burst)
            if at is not None:
                kept.clear()
                burst = burst[at + 1 :]
            kept.append(burst)
    except GeneratorExit:
        raise
    except BaseException:
        # A signal too: what came may be paid for.
        yield from kept
        raise
    yield from kept


def refuse_restart() -> IncompleteError:
    """Return the error for an answer of which two attempts were printed."""
    return IncompleteError(
        Text("the gateway began the answer anew"),
        Text("what was printed first belongs to an attempt that it gave up"),
        hint=Text("with -o FILE or --json only the last attempt is written"),
    )


def _restart_in(burst: Burst) -> int | None:
    """Return the place of the last `Restart` in a burst."""
    for place in range(len(burst) - 1, -1, -1):
        if type(burst[place]) is Restart:
            return place
    return None
