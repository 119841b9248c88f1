from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from apiyi_cli.core.call import Cost
from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import (
    ApiyiError,
    AuthError,
    Facts,
    FundsError,
    IncompleteError,
    LimitError,
    RejectedError,
    SetupError,
    TemporaryError,
    UnknownModelError,
    UsageError,
)
from apiyi_cli.settings.defaults import BATCH, INTERACTIVE, RetryPolicy
from apiyi_cli.wire.retry.attempts import (
    AttemptCounts,
    FailedAttempt,
    RetryBudget,
    delays,
    run_attempts,
)
from apiyi_cli.wire.retry.decision import RetryDecision, decide

COSTS: tuple[Cost, ...] = ("free", "light", "text", "heavy")


class Row(NamedTuple):
    """One line of the retry table: a failure, and a letter for each cost.

    r: retried; a: retried, may pay twice, no limit of its own; 1: the same, once;
    b: only when the user allowed paying twice; -: never.
    """

    name: str
    error: ApiyiError
    cells: str


def _status(kind: type[ApiyiError], status: int, **facts: object) -> ApiyiError:
    return kind("asked", "refused", facts=Facts(status=status, phase="status")._replace(**facts))


def _broken(kind: type[ApiyiError], phase: str, how: str, **facts: object) -> ApiyiError:
    known = Facts(phase=phase, kind=how)._replace(**facts)  # type: ignore[arg-type]
    return kind("no answer", how, facts=known)


def _rows() -> Iterator[Row]:
    for how in ("dns", "refused", "timeout", "reset", "tls", "protocol", "cut"):
        for reused in (False, True):
            error = _broken(TemporaryError, "connect", how, reused=reused)
            yield Row(f"not sent: {how}, reused {reused}", error, "rrrr")
    for how in ("certificate", "proxy"):
        yield Row(f"not sent: {how}", _broken(SetupError, "connect", how), "----")
        yield Row(f"not sent: {how}, soft", _broken(TemporaryError, "connect", how), "----")
    yield Row("not sent: bad header", _broken(UsageError, "connect", "protocol"), "----")
    yield Row("nothing is known", TemporaryError("x"), "----")
    yield Row("nothing is known of a cut", IncompleteError("x"), "----")
    for how, soon_s in itertools.product(("reset", "cut"), (0.0, 0.5, 0.999)):
        error = _broken(TemporaryError, "sent", how, reused=True, after_s=soon_s)
        yield Row(f"dead socket: {how} after {soon_s}", error, "rr11")
    for how, after_s in itertools.product(("reset", "cut", "timeout"), (None, 0.1, 1.0, 85.0)):
        for kind in (IncompleteError, TemporaryError):
            error = _broken(kind, "sent", how, after_s=after_s)
            yield Row(f"sent, fresh socket: {kind.__name__} {how} after {after_s}", error, "ra1b")
    for how, late_s in (("reset", 1.0), ("cut", 60.0), ("reset", None), ("timeout", 0.5)):
        error = _broken(IncompleteError, "sent", how, reused=True, after_s=late_s)
        yield Row(f"sent, live socket: {how} after {late_s}", error, "ra1b")
    yield Row("sent: not HTTP", _broken(RejectedError, "sent", "protocol"), "----")
    yield Row("sent: --max-time", _broken(LimitError, "sent", "max-time"), "----")
    for code in (None, "some_code"):
        for status in (425, 429, 500, 502, 503, 520, 521, 522, 523, 525, 526, 527, 529):
            yield Row(f"{status} {code}", _status(TemporaryError, status, code=code), "rrrr")
        for status in (408, 504, 524):
            for kind in (TemporaryError, IncompleteError):
                error = _status(kind, status, code=code)
                yield Row(f"{status} {kind.__name__} {code}", error, "ra1b")
        yield Row(f"409 {code}", _status(TemporaryError, 409, code=code), "r---")
    for status in (301, 302, 307, 308, 400, 404, 405, 413, 415, 422, 451, 501):
        yield Row(f"{status}", _status(RejectedError, status), "----")
        yield Row(f"{status} soft", _status(TemporaryError, status), "----")
    for status in (401, 403):
        yield Row(f"{status}", _status(AuthError, status), "----")
    yield Row("503 no channel", _status(UnknownModelError, 503, code="model_not_found"), "----")
    for status in (200, 402, 403, 429, 500, 503):
        for should in (None, True, False):
            error = _status(FundsError, status, code="insufficient_quota", should_retry=should)
            yield Row(f"no funds: {status} {should}", error, "----")
    for status in (429, 500, 502, 503, 409, 408, 504, 524):
        error = _status(TemporaryError, status, should_retry=False)
        yield Row(f"{status} x-should-retry: false", error, "----")
    for status in (400, 404, 422, 307):
        error = _status(RejectedError, status, should_retry=True)
        yield Row(f"{status} x-should-retry: true", error, "rrr-")
    yield Row("409 true", _status(TemporaryError, 409, should_retry=True), "rrr-")
    yield Row("401 true", _status(AuthError, 401, should_retry=True), "rrr-")
    yield Row("503 true", _status(TemporaryError, 503, should_retry=True), "rrrr")
    yield Row("504 true", _status(IncompleteError, 504, should_retry=True), "ra1b")
    for phase, code in itertools.product(("opened", "status"), ("rate_limit_exceeded", "x", None)):
        error = _status(TemporaryError, 200, phase=phase, code=code)
        yield Row(f"error object in a 200: {phase} {code}", error, "rrrr")
    yield Row("error object, refused", _status(RejectedError, 200, phase="opened"), "----")
    yield Row("200 that is not the API", _status(RejectedError, 200, phase="opened"), "----")
    for broke in ("cut", "reset", "timeout", None):
        error = IncompleteError("cut", facts=Facts(status=200, phase="opened", kind=broke))
        yield Row(f"opened: {broke}", error, "ra1b")
        error = IncompleteError("cut", facts=Facts(status=200, phase="content", kind=broke))
        yield Row(f"content held back: {broke}", error, "ra1b")
    yield Row("opened, silent", _broken(TemporaryError, "opened", "timeout"), "ra1b")
    yield Row("error after content", _status(TemporaryError, 200, phase="content"), "ra1b")


ROWS = tuple(_rows())
LIMITS = (None, 0, 1, 3)


def _expected(cell: str, limit: int | None, paid_twice: int) -> tuple[bool, bool]:
    """Say (again, ambiguous) for a cell of the table."""
    if cell in "r-":
        return cell == "r", False
    if limit is None:
        limit = {"a": 1000, "1": 1, "b": 0}[cell]
    return paid_twice < limit, True


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("cost", COSTS)
def test_every_cell_of_the_table_is_decided_as_written(cost: Cost, limit: int | None) -> None:
    wrong = []
    for row, base, shown, paid_twice in itertools.product(
        ROWS, (INTERACTIVE, BATCH), (False, True), (0, 1, 2, 3)
    ):
        policy = RetryPolicy(base.attempts, limit, base.max_retry_time_s, base.retry_after_cap_s)
        decision = decide(
            row.error, cost, policy, shown=shown, attempt=1, possibly_billed_so_far=paid_twice
        )
        again, ambiguous = _expected(row.cells[COSTS.index(cost)], limit, paid_twice)
        if shown:
            again = ambiguous = False
        if (decision.retry, decision.possibly_billed) != (again, ambiguous):
            wrong.append((row.name, shown, paid_twice, decision))
        assert decision.retry == (decision.stop == "")
    assert not wrong


def test_the_table_has_the_promised_size() -> None:
    # Distinct failures x costs x limits x paid twice or not: no row is counted for a mode.
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert len(ROWS) * len(COSTS) * len(LIMITS) * 2 >= 3000


BUSY = _status(TemporaryError, 503)


@pytest.mark.parametrize(
    ("policy", "attempts"), [(INTERACTIVE, 3), (BATCH, 6), (RetryPolicy(1), 1)]
)
def test_attempts_include_the_first_one(policy: RetryPolicy, attempts: int) -> None:
    judged = [
        decide(BUSY, "text", policy, shown=False, attempt=number).retry for number in range(1, 9)
    ]
    assert judged == [number < attempts for number in range(1, 9)]


@pytest.mark.parametrize(
    ("elapsed_s", "delay_s", "again"),
    [(0, 90, True), (89.5, 0.5, True), (89.5, 0.6, False), (90, 0, True), (91, 0, False)],
)
def test_a_wait_that_would_pass_the_retry_time_is_not_begun(
    elapsed_s: float, delay_s: float, again: bool
) -> None:
    decision = decide(
        BUSY, "text", INTERACTIVE, shown=False, attempt=1, elapsed_s=elapsed_s, delay_s=delay_s
    )
    assert (decision.retry, decision.stop) == (again, "" if again else "time")


@pytest.mark.parametrize(
    ("asked_s", "policy", "wait_s", "stop"),
    [
        (0.0, INTERACTIVE, 0.4, ""),
        (0.1, INTERACTIVE, 0.4, ""),
        (7.5, INTERACTIVE, 7.5, ""),
        (100.0, INTERACTIVE, 100.0, "time"),
        (120.5, INTERACTIVE, 120.5, "cap"),
        (300.0, BATCH, 300.0, ""),
        (601.0, BATCH, 601.0, "cap"),
    ],
)
def test_retry_after_is_a_floor_with_a_cap(
    asked_s: float, policy: RetryPolicy, wait_s: float, stop: str
) -> None:
    error = _status(TemporaryError, 503, retry_after_s=asked_s)
    decision = decide(error, "text", policy, shown=False, attempt=1, delay_s=0.4)
    assert (decision.wait_s, decision.stop, decision.pause_s) == (wait_s, stop, 0.0)


def test_bare_429s_wait_2_s_and_twice_as_long_each_time() -> None:
    waits = [
        decide(
            _status(TemporaryError, 429), "text", BATCH, shown=False, attempt=1, bare_429s=before
        ).wait_s
        for before in (0, 1, 2, 3, 4, 5, 5000)
    ]
    assert waits == [2, 4, 8, 16, 30, 30, 30]


def test_a_429_that_says_why_waits_like_any_other_failure() -> None:
    error = _status(TemporaryError, 429, code="rate_limit_exceeded")
    decision = decide(error, "text", BATCH, shown=False, attempt=1, delay_s=0.3)
    assert (decision.wait_s, decision.pause_s) == (0.3, 0.3)


@pytest.mark.parametrize(
    ("asked_s", "policy", "pause_s"),
    [(5.0, INTERACTIVE, 5.0), (3600.0, INTERACTIVE, 0.0), (3600.0, BATCH, 600.0)],
)
def test_a_429_pauses_everybody_for_no_longer_than_the_cap(
    asked_s: float, policy: RetryPolicy, pause_s: float
) -> None:
    error = _status(TemporaryError, 429, retry_after_s=asked_s)
    last = decide(error, "text", policy, shown=False, attempt=policy.attempts)
    assert (last.retry, last.pause_s) == (False, pause_s)


def test_an_error_object_can_throttle_too_but_a_lack_of_money_does_not() -> None:
    inside = _status(TemporaryError, 200, phase="opened", code="rate_limit_error")
    assert decide(inside, "text", BATCH, shown=False, attempt=1, delay_s=1).pause_s == 1
    poor = _status(FundsError, 429, retry_after_s=5.0)
    assert decide(poor, "text", BATCH, shown=False, attempt=1).pause_s == 0


def test_delays_double_up_to_30_s_and_are_drawn_from_the_upper_half() -> None:
    policy = RetryPolicy(attempts=12)
    for seed in range(50):
        drawn = list(delays(policy, random.Random(seed)))
        mosts = [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30]
        assert len(drawn) == len(mosts)
        assert all(most / 2 <= delay <= most for delay, most in zip(drawn, mosts, strict=True))
    assert len({next(delays(policy, random.Random(seed))) for seed in range(50)}) > 40
    assert len(list(delays(RetryPolicy(attempts=3000), random.Random(1)))) == 2999


def test_the_quota_ends_retries_in_an_outage_and_comes_back_with_successes() -> None:
    budget = RetryBudget()
    assert [budget.take(False) for _ in range(101)] == [True] * 100 + [False]
    assert budget.left == 0
    for _ in range(9):
        budget.refund()
    assert not budget.take(True)
    assert budget.take(False)
    budget.left = 500
    budget.refund()
    assert budget.left == 500
    assert budget.take(True)
    assert budget.left == 490


class ScriptedAttempts:
    """A scripted gateway: each attempt is a list of items, an error last makes the attempt fail."""

    def __init__(self, *plays: list[str | ApiyiError]) -> None:
        self.plays = plays
        self.now = 1000.0
        self.slept: list[float] = []
        self.messages: list[str] = []
        self.retries: list[FailedAttempt] = []
        self.paused: list[float] = []
        self.numbers: list[int] = []
        self.closed = 0
        self.counts = AttemptCounts()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def note(self, failed: FailedAttempt) -> None:
        if failed.decision.pause_s:
            self.paused.append(failed.decision.pause_s)
        if failed.decision.retry:
            self.messages.append(failed.message)
            self.retries.append(failed)

    def attempt(self) -> Iterator[str]:
        self.numbers.append(len(self.numbers) + 1)
        try:
            for item in self.plays[len(self.numbers) - 1]:
                if isinstance(item, ApiyiError):
                    raise item
                yield item
        finally:
            self.closed += 1

    def run(
        self,
        *,
        cost: Cost = "text",
        policy: RetryPolicy = INTERACTIVE,
        shows: Callable[[str], bool] = str.isupper,
        budget: RetryBudget | None = None,
    ) -> Iterator[str]:
        return run_attempts(
            self.attempt,
            cost=cost,
            policy=policy,
            shows=shows,
            clock=Clock(lambda: self.now, lambda: 0.0, self.sleep),
            rng=random.Random(7),
            on_failure=self.note,
            counts=self.counts,
            budget=budget,
        )


CUT = IncompleteError("the answer was cut", "reset", facts=Facts(phase="opened", kind="reset"))


def test_what_was_held_back_in_a_failed_attempt_is_never_seen() -> None:
    source = ScriptedAttempts(["a", "b", BUSY], ["c", "D", "e"])
    assert list(source.run()) == ["c", "D", "e"]
    assert vars(source.counts) == vars(AttemptCounts(requests=2, retries=1, possibly_billed=0))
    assert source.messages == [f"retry 1 of 2 in {source.slept[0]:.1f} s: HTTP 503"]
    assert source.numbers == [1, 2]
    assert source.closed == 2


def test_an_answer_that_shows_nothing_comes_when_it_is_complete() -> None:
    source = ScriptedAttempts(["a", "b"])
    assert list(source.run()) == ["a", "b"]
    assert list(ScriptedAttempts([]).run()) == []


def test_after_something_was_shown_nothing_is_retried_and_exit_8_says_so() -> None:
    source = ScriptedAttempts(["a", "B", BUSY])
    seen = []
    with pytest.raises(IncompleteError) as raised:
        for item in source.run():
            seen.append(item)
    assert seen == ["a", "B"]
    assert raised.value.facts == BUSY.facts
    assert source.counts.requests == 1
    assert not source.slept


def test_items_come_as_they_arrive_once_one_is_shown() -> None:
    source = ScriptedAttempts(["A", "b", CUT])
    items = source.run()
    assert [next(items), next(items)] == ["A", "b"]
    with pytest.raises(IncompleteError) as raised:
        next(items)
    assert raised.value is CUT


def test_a_reader_who_goes_away_ends_the_attempt_at_once() -> None:
    for plays in (["A", "b", "c"], ["a", "B", "c"]):
        source = ScriptedAttempts(list(plays))
        items = source.run()
        next(items)
        items.close()  # type: ignore[attr-defined]
        assert source.closed == 1


def test_an_attempt_may_be_any_iterator_and_may_fail_before_it_is_one() -> None:
    calls: list[int] = []

    def attempt() -> Iterator[str]:
        calls.append(len(calls) + 1)
        if len(calls) == 1:
            raise BUSY
        return iter(["A"])

    source = ScriptedAttempts()
    clock = Clock(lambda: source.now, lambda: 0.0, source.sleep)
    items = run_attempts(
        attempt,
        cost="text",
        policy=INTERACTIVE,
        shows=str.isupper,
        clock=clock,
        rng=random.Random(1),
        on_failure=source.note,
    )
    assert list(items) == ["A"]
    assert calls == [1, 2]


def test_an_ambiguous_retry_is_counted_and_said() -> None:
    source = ScriptedAttempts([CUT], ["A"])
    assert list(source.run()) == ["A"]
    assert source.messages[0].endswith("reset; possibly billed twice: 1")
    assert vars(source.counts) == vars(AttemptCounts(requests=2, retries=1, possibly_billed=1))
    (retry,) = source.retries
    assert (retry.number, retry.error) == (1, CUT)
    assert (retry.decision.wait_s, retry.decision.possibly_billed) == (source.slept[0], True)


def test_text_is_paid_twice_at_most_once_and_an_image_never() -> None:
    source = ScriptedAttempts([CUT], [CUT], ["A"])
    with pytest.raises(IncompleteError) as raised:
        list(source.run())
    assert raised.value is CUT
    assert source.counts.requests == 2
    image = ScriptedAttempts([CUT], ["A"])
    with pytest.raises(IncompleteError):
        list(image.run(cost="heavy"))
    assert image.counts.requests == 1


def test_the_limit_of_ambiguous_retries_is_the_users() -> None:
    source = ScriptedAttempts([CUT], [CUT], [CUT], ["A"])
    policy = RetryPolicy(attempts=6, possibly_billed_retries=3)
    assert list(source.run(cost="heavy", policy=policy)) == ["A"]
    assert source.messages[-1].endswith("possibly billed twice: 3")


def test_an_answer_that_cannot_be_read_may_have_been_billed_unless_it_is_free() -> None:
    facts = Facts(status=200, phase="opened", kind="protocol")
    costs: dict[Cost, bool] = {"text": True, "heavy": True, "light": True, "free": False}
    for cost, messages in costs.items():
        odd = RejectedError("cannot read the answer", "odd", hint="check the proxy", facts=facts)
        with pytest.raises(RejectedError) as raised:
            list(ScriptedAttempts([odd]).run(cost=cost))
        assert ("it may have been billed" in (raised.value.hint or "")) == messages
        assert raised.value.why == "odd"


def test_nothing_was_billed_is_not_claimed_after_an_ambiguous_attempt() -> None:
    source = ScriptedAttempts([CUT], [BUSY], [BUSY])
    with pytest.raises(IncompleteError) as raised:
        list(source.run())
    assert "attempts that may have been billed: 1" in str(raised.value)
    assert raised.value.facts.status == 503
    assert raised.value.hint == "it may have been billed; running it again may be billed again"


def test_nothing_was_billed_is_not_claimed_of_a_silent_attempt_either() -> None:
    silent = TemporaryError("no answer", "reset", facts=Facts(phase="sent", kind="reset"))
    with pytest.raises(IncompleteError) as raised:
        list(ScriptedAttempts([silent]).run(cost="heavy"))
    assert str(raised.value) == "no answer: reset"


def test_a_408_stays_what_its_status_says() -> None:
    late = _status(TemporaryError, 408)
    with pytest.raises(TemporaryError) as raised:
        list(ScriptedAttempts([late]).run(policy=RetryPolicy(possibly_billed_retries=0)))
    assert raised.value is late


def test_the_error_of_another_kind_stays_after_an_ambiguous_attempt() -> None:
    poor = _status(FundsError, 403)
    with pytest.raises(FundsError) as raised:
        list(ScriptedAttempts([CUT], [poor]).run())
    assert raised.value is poor


def test_the_last_error_is_raised_as_it_is_when_the_attempts_are_used_up() -> None:
    last = _status(TemporaryError, 502)
    source = ScriptedAttempts([BUSY], [BUSY], [last])
    with pytest.raises(TemporaryError) as raised:
        list(source.run())
    assert raised.value is last
    assert len(source.slept) == 2


def test_a_wait_over_the_cap_is_told_and_not_waited_for() -> None:
    throttled = _status(TemporaryError, 429, retry_after_s=300.0)
    source = ScriptedAttempts([throttled], ["A"])
    with pytest.raises(TemporaryError) as raised:
        list(source.run())
    assert "asked to wait 300 s, the most is 120 s" in str(raised.value)
    assert raised.value.hint == "run it again in 300 s"
    assert not source.slept
    assert not source.paused


def test_the_retry_time_is_named_when_it_ends_the_attempts() -> None:
    source = ScriptedAttempts([_status(TemporaryError, 503, retry_after_s=100.0)])
    with pytest.raises(TemporaryError, match="no time for another attempt in 90 s"):
        list(source.run())


def test_the_time_of_the_attempts_themselves_counts() -> None:
    source = ScriptedAttempts([], ["A"])

    def slow() -> Iterator[str]:
        source.now += 89.9
        yield from ()
        raise BUSY

    source.attempt = slow  # type: ignore[method-assign]
    with pytest.raises(TemporaryError, match="no time"):
        list(source.run())


def test_a_429_pauses_the_limiter_and_bare_ones_double() -> None:
    bare = _status(TemporaryError, 429)
    source = ScriptedAttempts([bare], [bare], [BUSY], [bare], ["A"])
    assert list(source.run(policy=BATCH)) == ["A"]
    assert source.paused == [2.0, 4.0, 2.0 if source.slept[3] <= 2 else source.slept[3]]
    assert source.slept[:2] == [2.0, 4.0]


def test_an_empty_quota_is_final_and_a_success_pays_back() -> None:
    budget = RetryBudget()
    budget.left = 4
    with pytest.raises(TemporaryError, match="too many retries in this process"):
        list(ScriptedAttempts([BUSY], ["A"]).run(budget=budget))
    budget.left = 5
    assert list(ScriptedAttempts([BUSY], ["A"]).run(budget=budget)) == ["A"]
    assert budget.left == 1


def test_a_retry_line_names_the_code_and_falls_back_to_what_failed() -> None:
    coded = _status(TemporaryError, 429, code="rate_limit_exceeded")
    mute = TemporaryError("cannot connect", facts=Facts(phase="connect", kind="refused"))
    source = ScriptedAttempts([coded], [mute], ["A"])
    assert list(source.run()) == ["A"]
    assert source.messages[0].endswith("HTTP 429, code rate_limit_exceeded")
    assert source.messages[1].endswith("cannot connect")


def test_what_is_not_our_error_passes_through() -> None:
    def attempt() -> Iterator[str]:
        yield "a"
        raise KeyError("bug")

    source = ScriptedAttempts()
    source.attempt = attempt  # type: ignore[method-assign]
    with pytest.raises(KeyError):
        list(source.run())
    assert source.counts.requests == 1


FULL = _status(TemporaryError, 429, cause="saturated")
LOST = _status(IncompleteError, 500, cause="unread", billed="maybe")


def test_full_channels_are_asked_again_after_5_15_and_45_s_whatever_the_default() -> None:
    source = ScriptedAttempts([FULL], [FULL], [FULL], ["X"])
    assert list(source.run()) == ["X"]
    assert source.slept == [5.0, 15.0, 45.0]
    assert source.messages[0] == "retry 1 of 3 in 5.0 s: HTTP 429"
    assert source.paused == [], "the limit of the key is not what is full"

    with pytest.raises(TemporaryError):
        list(ScriptedAttempts([FULL], [FULL], [FULL], [FULL]).run())


def test_pictures_whose_refusals_come_slowly_are_asked_again_all_the_same() -> None:
    def next_attempt(cost: Cost) -> RetryDecision:
        elapsed_s = 3 * 190.0
        return decide(
            FULL, cost, INTERACTIVE, shown=False, attempt=3, saturated=2, elapsed_s=elapsed_s
        )

    assert next_attempt("heavy") == RetryDecision(True, wait_s=45.0)
    assert next_attempt("text").stop == "time"


def test_a_given_number_of_retries_bounds_full_channels() -> None:
    source = ScriptedAttempts([FULL], [FULL])
    with pytest.raises(TemporaryError):
        list(source.run(policy=INTERACTIVE._replace(attempts=2, fixed=True)))
    assert source.slept == [5.0]


def test_a_batch_waits_for_full_channels_as_long_as_the_time_allows() -> None:
    full: list[str | ApiyiError] = [FULL]
    source = ScriptedAttempts(*[full] * 40)
    with pytest.raises(TemporaryError):
        list(source.run(policy=BATCH))
    assert source.slept[:4] == [5.0, 15.0, 45.0, 45.0]
    assert 500 < sum(source.slept) <= BATCH.max_retry_time_s


def test_full_channels_do_not_use_up_the_retries_of_other_failures() -> None:
    source = ScriptedAttempts([FULL], [BUSY], [FULL], [BUSY], ["X"])
    assert list(source.run()) == ["X"]


def test_a_lost_answer_is_bought_again_once_and_work_that_is_dear_never() -> None:
    source = ScriptedAttempts([LOST], [LOST], [LOST])
    with pytest.raises(IncompleteError):
        list(source.run())
    assert vars(source.counts) == vars(AttemptCounts(requests=2, retries=1, possibly_billed=1))
    source = ScriptedAttempts([LOST], ["X"])
    with pytest.raises(IncompleteError):
        list(source.run(cost="heavy"))
    assert source.counts.requests == 1


@pytest.mark.parametrize("kind", [TemporaryError, RejectedError, FundsError, AuthError])
def test_an_error_in_a_stream_that_has_begun_may_have_been_billed(kind: type[ApiyiError]) -> None:
    begun = kind("x", "y", facts=Facts(status=200, phase="opened", billed="maybe"))
    with pytest.raises(IncompleteError) as raised:
        list(ScriptedAttempts([begun], [begun]).run())
    assert "billed" in (raised.value.hint or "")
    with pytest.raises(kind):
        list(ScriptedAttempts([begun], [begun], [begun], [begun]).run(cost="free"))
