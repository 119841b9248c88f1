"""Which silence is borne for how long, and what each comes to, on a given clock."""

from __future__ import annotations

import pytest

from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import IncompleteError, LimitError, TemporaryError
from apiyi_cli.wire.http.deadlines import Clocks, Timeouts

LIMITS = Timeouts(connect_s=10, headers_s=600, bytes_s=120, events_s=300)


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.clock = Clock(lambda: self.now, lambda: 0.0, lambda seconds: None)


@pytest.fixture
def hand() -> Hand:
    return Hand()


def running(hand: Hand, total_at: float | None = None, *, stream: bool = True) -> Clocks:
    """Return the clocks of an exchange whose headers have arrived."""
    clocks = Clocks(LIMITS._replace(total_at=total_at), hand.clock, free=False, stream=stream)
    clocks.sent()
    clocks.headers()
    return clocks


def test_connecting_has_its_own_limit(hand: Hand) -> None:
    clocks = Clocks(LIMITS, hand.clock, free=False, stream=True)
    assert clocks.connect_s() == 10
    hand.now += 11
    failure = clocks.expired()
    assert isinstance(failure, TemporaryError)
    assert failure.facts.phase == "connect"


def test_headers_are_awaited_from_the_end_of_sending(hand: Hand) -> None:
    clocks = Clocks(LIMITS, hand.clock, free=False, stream=True)
    hand.now += 50
    assert clocks.read_s() == 600
    clocks.sent()
    hand.now += 599
    assert clocks.read_s() == pytest.approx(1)
    hand.now += 1
    assert clocks.read_s() == pytest.approx(0)
    failure = clocks.expired()
    assert isinstance(failure, IncompleteError)
    assert failure.why == "no answer within 600 s of sending"
    assert (failure.facts.phase, failure.facts.kind) == ("sent", "timeout")
    assert failure.facts.after_s == 600


def test_a_silence_of_bytes_is_shorter_than_one_of_events(hand: Hand) -> None:
    clocks = running(hand)
    assert clocks.read_s() == 120
    hand.now += 250
    assert clocks.read_s() == pytest.approx(50)
    hand.now += 50
    assert "no event for 300 s" in str(clocks.expired())


def test_bytes_that_are_no_events_do_not_reset_the_clock_of_events(hand: Hand) -> None:
    clocks = running(hand)
    for _ in range(30):
        hand.now += 10
    assert clocks.read_s() == pytest.approx(0)
    clocks.event()
    assert clocks.read_s() == 120


def test_blanks_keep_an_answer_in_one_piece_alive_as_long_as_it_may_take_to_begin(
    hand: Hand,
) -> None:
    clocks = running(hand, stream=False)
    hand.now += 1000
    assert clocks.read_s() < 0
    assert "no event for 1e+03 s" in str(clocks.expired())
    clocks.event()
    assert clocks.read_s() == 120


def test_the_whole_run_bounds_every_wait(hand: Hand) -> None:
    clocks = running(hand, total_at=1030.0)
    assert (clocks.read_s(), clocks.connect_s()) == (30, 10)
    hand.now = 1029.0
    assert (clocks.read_s(), clocks.connect_s()) == (1, 1)


@pytest.mark.parametrize("late_s", [-0.005, 0.0, 5.0])
def test_the_end_of_the_whole_run_tells_whether_the_request_was_sent(
    hand: Hand, late_s: float
) -> None:
    fresh = Clocks(LIMITS._replace(total_at=1030.0), hand.clock, free=False, stream=True)
    sent = running(hand, total_at=1030.0)
    hand.now = 1030.0 + late_s
    free = Clocks(LIMITS._replace(total_at=1030.0), hand.clock, free=True, stream=False)
    free.sent()
    for clocks, told in (
        (fresh, "had not been sent; it was not billed"),
        (sent, "had been sent; it may be billed"),
        (free, "had been sent; it was not billed"),
    ):
        failure = clocks.expired()
        assert isinstance(failure, LimitError)
        assert told in failure.why


def test_silence_of_a_free_call_is_temporary(hand: Hand) -> None:
    clocks = Clocks(LIMITS, hand.clock, free=True, stream=False)
    clocks.sent()
    hand.now += 601
    assert isinstance(clocks.expired(), TemporaryError)


def test_the_time_to_connect_is_kept(hand: Hand) -> None:
    clocks = Clocks(LIMITS, hand.clock, free=True, stream=False)
    hand.now += 0.25
    clocks.connected()
    hand.now += 9
    assert clocks.connect_took_s == 0.25
