"""Checks refusals of the key, for money or for a model by free requests.

A refusal may come from somewhere else: an upstream channel that is itself a gateway uses the same
words, and a busy database refuses good keys. Before a run of many requests ends for the key or
for money, the gateway is asked once for free. A model without a channel is unknown only if the
gateway does not list it either.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal

from apiyi_cli.core.call import Call
from apiyi_cli.errors import ApiyiError, AuthError, FundsError, TemporaryError, UnknownModelError
from apiyi_cli.text import Text

ASK_AGAIN_S = 60.0
"""How long an answer is valid: keys are revoked, and money runs out, during a run."""
MOST_REFUSALS = 3
"""So many refusals in a row after a success end a run without a free answer."""
_NO_CHANNEL = frozenset((500, 503))

Ask = Callable[[Call], Any]
"""Sends a free call and returns the JSON of its answer; raises ApiyiError."""
Standing = Literal["good", "bad", "unknown"]


class Account:
    """A run's facts about its key, money and models, shared by its threads.

    `ask` sends a free call, `list_models` returns the names that the gateway lists, [] without
    an answer. `many` is True for a run of more than one request, `on_end` is called when a
    refusal ends it.
    """

    def __init__(
        self, ask: Ask, list_models: Callable[[], Sequence[str]], now: Callable[[], float]
    ) -> None:
        self.many = False
        self.on_end: Callable[[], object] = lambda: None
        self._ask = ask
        self._list_models = list_models
        self._now = now
        self._lock = threading.Lock()
        self._answered: set[str] = set()
        self._listed: frozenset[str] | None = None
        self._refusals = 0
        self._known: dict[type[ApiyiError], tuple[float, Standing]] = {}

    def note_success(self, call: Call) -> None:
        """Note that the gateway accepted the key."""
        self._answered.add(call.model or "")
        self._refusals = 0

    def judge(self, error: ApiyiError, call: Call) -> ApiyiError:
        """Return `error`, or what the free request shows it to be."""
        if call.cost == "free" or error.facts.billed == "maybe":
            return error
        if isinstance(error, UnknownModelError):
            return self._judge_model(error, call)
        if not self.many or error.facts.status is None:
            return error
        if isinstance(error, FundsError):
            return self._judge_refusal(error, self._funds, Text("it is not used up"))
        if isinstance(error, AuthError):
            return self._judge_refusal(error, self._key, Text("the key works"))
        return error

    def _judge_model(self, error: ApiyiError, call: Call) -> ApiyiError:
        if error.facts.status not in _NO_CHANNEL or not call.model:
            return error
        if call.model not in self._answered and call.model not in self._models():
            return error
        what = Text("there is no channel for {model} at the moment", model=call.model)
        why = error.why
        hint = Text("run it again in a minute, or choose another model or group for the key")
        return TemporaryError(what, why, hint=hint, facts=error.facts._replace(cause="no-channel"))

    def _judge_refusal(
        self, error: ApiyiError, look: Callable[[ApiyiError], Standing], why: Text
    ) -> ApiyiError:
        with self._lock:
            self._refusals += 1
            standing = self._find_standing(error, look)
            ends = standing == "bad" or not self._answered or self._refusals >= MOST_REFUSALS
        if standing == "good" and error.facts.cause != "permission":
            return TemporaryError(
                Text("the gateway refused, but asked for free it says otherwise"),
                Text("{words}; {why}", words=error.why, why=why),
                hint=Text("run it again in a minute"),
                facts=error.facts._replace(cause="passing-refusal"),
            )
        # A key that works but may not do this one thing may do the others.
        ends = ends and standing != "good"
        if ends:
            self.on_end()
        facts = error.facts._replace(ends_run=ends)
        return type(error)(error.what, error.why, hint=error.hint, facts=facts)

    def _find_standing(self, error: ApiyiError, look: Callable[[ApiyiError], Standing]) -> Standing:
        about = type(error)
        asked_at, standing = self._known.get(about, (float("-inf"), "unknown"))
        if self._now() - asked_at < ASK_AGAIN_S:
            return standing
        standing = look(error)
        self._known[about] = self._now(), standing
        return standing

    def _key(self, error: ApiyiError) -> Standing:
        from apiyi_cli.core.endpoints import MODELS

        try:
            self._ask(MODELS.call())
        except AuthError as refused:
            return "bad" if refused.facts.cause in ("key", "permission") else "unknown"
        except ApiyiError:
            return "unknown"
        return "good"

    def _funds(self, error: ApiyiError) -> Standing:
        from apiyi_cli.core.endpoints import CREDIT, CREDIT_USED
        from apiyi_cli.decode.account import left_usd
        from apiyi_cli.decode.errors.error_class import read_needed_usd

        try:
            left = left_usd(self._ask(CREDIT.call()), self._ask(CREDIT_USED.call()))
        except FundsError:
            return "bad"
        except ApiyiError:
            return "unknown"
        if left is None:
            return "unknown"
        return "good" if left > max(read_needed_usd(error.why) or 0.0, 0.0) else "bad"

    def _models(self) -> frozenset[str]:
        with self._lock:
            if self._listed is None:
                self._listed = frozenset(self._list_models())
            return self._listed
