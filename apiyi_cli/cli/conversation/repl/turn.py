"""`TurnRecord`: the requests and replies of one turn; usage and cost of all turns."""

from __future__ import annotations

import threading
from collections.abc import Callable

from apiyi_cli.cli.conversation.repl.log import ConversationLog
from apiyi_cli.cli.conversation.reply import ReplyCollector
from apiyi_cli.cli.messages import Messages
from apiyi_cli.cli.output.ledger import estimate_cost
from apiyi_cli.core.call import Call
from apiyi_cli.core.events import Delta, EventBatch, Finish, Reasoning, Restart, ToolCall, Usage
from apiyi_cli.store.prices import Prices
from apiyi_cli.text import Text
from apiyi_cli.wire.send import SentRequest

_STATUS_EVERY_S = 0.1
_BYTES_IN_TOKEN = 3


class ModelTotals:
    """One model's requests; `usd` is the known cost, `unknown` counts those without one."""

    def __init__(self) -> None:
        self.requests = 0
        self.prompt = 0
        self.completion = 0
        self.usd = 0.0
        self.unknown = 0


class ConversationTotals:
    """Sums requests; thread-safe."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._lock = threading.Lock()
        self.by_model: dict[str, ModelTotals] = {}

    @property
    def knows_prices(self) -> bool:
        """Return True if there is a price list."""
        return bool(len(self._prices))

    @property
    def usd(self) -> float:
        """Return the known cost of all requests."""
        return sum(total.usd for total in self.by_model.values())

    def cost_of(self, call: Call, usage: Usage | None) -> float | None:
        """Return the cost of one request, None if unknown."""
        return estimate_cost(self._prices, call, usage)

    def add(self, sent: SentRequest) -> None:
        """Add a finished request; lists cost nothing and are left out."""
        call, usage = sent.call, sent.usage
        if call.cost == "free" or (sent.error is not None and not sent.uncertain):
            return
        with self._lock:
            total = self.by_model.setdefault(call.model or "", ModelTotals())
            total.requests += 1
            if sent.from_cache:
                return
            total.prompt += (usage.prompt_tokens or 0) if usage else 0
            total.completion += (usage.completion_tokens or 0) if usage else 0
            self._add_cost(total, estimate_cost(self._prices, call, usage, guess=sent.uncertain))

    def add_stopped(self, call: Call) -> None:
        """Add a request that the user stopped: it may be billed."""
        with self._lock:
            total = self.by_model.setdefault(call.model or "", ModelTotals())
            total.requests += 1
            self._add_cost(total, estimate_cost(self._prices, call, None, guess=True))

    def _add_cost(self, total: ModelTotals, usd: float | None) -> None:
        if usd is None:
            total.unknown += 1
        else:
            total.usd += usd


class TurnRecord:
    """Observes the replies of one turn: writes the answer to the log, folds the reasoning.

    `folds` is False where the user does not want to see that the model reasons.
    """

    def __init__(
        self,
        log: ConversationLog,
        messages: Messages,
        monotonic: Callable[[], float],
        *,
        folds: bool,
    ) -> None:
        self._log = log
        self._messages = messages
        self._monotonic = monotonic
        self._folds = folds
        self.began_s = monotonic()
        self.call: Call | None = None
        self.usage: Usage | None = None
        self.chunks: list[bytes] = []
        self.is_from_cache = False
        self.reasoning: list[str] = []
        self._reasoning_bytes = 0
        self._reasoning_since_s: float | None = None
        self._drawn_s = 0.0

    @property
    def took_s(self) -> float:
        """Return the seconds that the turn has taken so far."""
        return self._monotonic() - self.began_s

    def begin(self, call: Call) -> None:
        """Note a call before it is sent: the first, or after function calls."""
        if self.call is not None:
            self._log.restart()
        self.call = call

    def observe(self, batch: EventBatch) -> None:
        """Note an event batch before any of it is shown."""
        for event in batch:
            kind = type(event)
            if kind is Delta:
                self.end_reasoning()
                if event.index == 0 and event.text:  # type: ignore[union-attr]
                    self._log.add(event.text)  # type: ignore[union-attr]
            elif isinstance(event, Reasoning):
                self._add_reasoning(event.text)
            elif isinstance(event, Usage):
                self.usage = event
            elif isinstance(event, Restart):
                self._log.restart()
            elif isinstance(event, Finish | ToolCall):
                self.end_reasoning()

    def end(self, reply: ReplyCollector) -> None:
        """Note a complete reply."""
        self.end_reasoning()
        self.chunks = reply.chunks

    def end_reasoning(self) -> None:
        """Replace the printed reasoning by one line."""
        if self._reasoning_since_s is None:
            return
        line = self._describe_reasoning()
        self._reasoning_since_s = None
        if self._folds:
            self._messages.status("")
            self._messages.print_faint(line)

    def _add_reasoning(self, text: str) -> None:
        now_s = self._monotonic()
        if self._reasoning_since_s is None:
            self._reasoning_since_s = now_s
            self._drawn_s = 0.0
        self.reasoning.append(text)
        self._reasoning_bytes += len(text.encode("utf-8", "replace"))
        if self._folds and now_s - self._drawn_s >= _STATUS_EVERY_S:
            self._drawn_s = now_s
            self._messages.status(self._describe_reasoning())

    def _describe_reasoning(self) -> Text:
        since_s = self._monotonic() - (self._reasoning_since_s or 0.0)
        return Text(
            "▏thinking {seconds} s, ≈ {tokens} tokens",
            seconds=f"{since_s:.0f}",
            tokens=f"{-(-self._reasoning_bytes // _BYTES_IN_TOKEN):,}",
        )


def describe_turn(
    record: TurnRecord, totals: ConversationTotals, translate: Callable[[str], str], width: int
) -> str:
    """Return a line about a turn: model, tokens, cost, seconds."""
    from apiyi_cli.render.wrap import fold
    from apiyi_cli.store.prices import format_cost

    call, usage = record.call, record.usage
    tokens = usage.total_tokens if usage is not None else None
    pieces = [call.model or "" if call is not None else ""]
    pieces.append(translate(Text("unknown tokens")) if tokens is None else f"{tokens:,} tok")
    if record.is_from_cache:
        pieces.append(translate(Text("from the cache")))
    elif totals.knows_prices and call is not None:
        pieces.append(format_cost(totals.cost_of(call, usage)))
    pieces.append(f"{record.took_s:.1f} s")
    return fold(pieces, " · ", width)
