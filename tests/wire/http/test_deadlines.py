"""Which silence is borne for how long, and what each comes to, on a given clock."""

from __future__ import annotations

import pytest

from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import IncompleteError, LimitError, TemporaryError
from apiyi_cli.settings.defaults import Timeouts
from apiyi_cli.wire.http.deadlines import Deadlines

LIMITS = Timeouts(connect_s=10, headers_s=600, bytes_s=120, events_s=300)


class ManualClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.clock = Clock(lambda: self.now, lambda: 0.0, lambda seconds: None)


@pytest.fixture
def manual() -> ManualClock:
    return ManualClock()


def running(
    manual: ManualClock, total_at: float | None = None, *, stream: bool = True
) -> Deadlines:
    """Return the deadlines of an exchange whose headers have arrived."""
    deadlines = Deadlines(
        LIMITS._replace(total_at=total_at), manual.clock, free=False, stream=stream
    )
    deadlines.note_sent()
    deadlines.note_headers()
    return deadlines


def test_connecting_has_its_own_limit(manual: ManualClock) -> None:
    deadlines = Deadlines(LIMITS, manual.clock, free=False, stream=True)
    assert deadlines.connect_s() == 10
    manual.now += 11
    failure = deadlines.timeout_error()
    assert isinstance(failure, TemporaryError)
    assert failure.facts.phase == "connect"


def test_a_handshake_has_the_time_to_connect(manual: ManualClock) -> None:
    deadlines = Deadlines(LIMITS, manual.clock, free=False, stream=True)
    deadlines.note_connected()
    assert deadlines.read_s() == 10


def test_headers_are_awaited_from_the_end_of_sending(manual: ManualClock) -> None:
    deadlines = Deadlines(LIMITS, manual.clock, free=False, stream=True)
    manual.now += 50
    deadlines.is_sending = True
    assert deadlines.read_s() == 600
    deadlines.note_sent()
    manual.now += 599
    assert deadlines.read_s() == pytest.approx(1)
    manual.now += 1
    assert deadlines.read_s() == pytest.approx(0)
    failure = deadlines.timeout_error()
    assert isinstance(failure, IncompleteError)
    assert failure.why == "no answer within 600 s of sending"
    assert (failure.facts.phase, failure.facts.kind) == ("sent", "timeout")
    assert failure.facts.after_s == 600


def test_a_silence_of_bytes_is_shorter_than_one_of_events(manual: ManualClock) -> None:
    deadlines = running(manual)
    assert deadlines.read_s() == 120
    manual.now += 250
    assert deadlines.read_s() == pytest.approx(50)
    manual.now += 50
    assert "no event for 300 s" in str(deadlines.timeout_error())


def test_bytes_that_are_no_events_do_not_reset_the_clock_of_events(manual: ManualClock) -> None:
    deadlines = running(manual)
    for _ in range(30):
        manual.now += 10
    assert deadlines.read_s() == pytest.approx(0)
    deadlines.note_event()
    assert deadlines.read_s() == 120


def test_blanks_keep_an_answer_in_one_piece_alive_as_long_as_it_may_take_to_begin(
    manual: ManualClock,
) -> None:
    deadlines = running(manual, stream=False)
    manual.now += 1000
    assert deadlines.read_s() < 0
    assert "no event for 1e+03 s" in str(deadlines.timeout_error())
    deadlines.note_event()
    assert deadlines.read_s() == 120


def test_the_whole_run_bounds_every_wait(manual: ManualClock) -> None:
    deadlines = running(manual, total_at=1030.0)
    assert (deadlines.read_s(), deadlines.connect_s()) == (30, 10)
    manual.now = 1029.0
    assert (deadlines.read_s(), deadlines.connect_s()) == (1, 1)


@pytest.mark.parametrize("late_s", [-0.005, 0.0, 5.0])
def test_the_end_of_the_whole_run_tells_whether_the_request_was_sent(
    manual: ManualClock, late_s: float
) -> None:
    fresh = Deadlines(LIMITS._replace(total_at=1030.0), manual.clock, free=False, stream=True)
    sent = running(manual, total_at=1030.0)
    manual.now = 1030.0 + late_s
    free = Deadlines(LIMITS._replace(total_at=1030.0), manual.clock, free=True, stream=False)
    free.note_sent()
    for deadlines, told in (
        (fresh, "had not been sent; it was not billed"),
        (sent, "had been sent; it may be billed"),
        (free, "had been sent; it was not billed"),
    ):
        failure = deadlines.timeout_error()
        assert isinstance(failure, LimitError)
        assert told in failure.why


def test_silence_of_a_free_call_is_temporary(manual: ManualClock) -> None:
    deadlines = Deadlines(LIMITS, manual.clock, free=True, stream=False)
    deadlines.note_sent()
    manual.now += 601
    assert isinstance(deadlines.timeout_error(), TemporaryError)


def test_the_time_to_connect_is_kept(manual: ManualClock) -> None:
    deadlines = Deadlines(LIMITS, manual.clock, free=True, stream=False)
    manual.now += 0.25
    deadlines.note_connected()
    manual.now += 9
    assert deadlines.connect_took_s == 0.25
