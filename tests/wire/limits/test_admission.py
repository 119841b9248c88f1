"""The limits around one attempt, with limits kept in this process and a given clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.core.call import Call
from apiyi_cli.core.clock import Clock
from apiyi_cli.core.events import Usage
from apiyi_cli.errors import LimitError
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits.admission import Admission, describe_wait
from apiyi_cli.wire.limits.limiter import Limiter
from apiyi_cli.wire.limits.rates import Cause
from tests.wire.limits.booking import reserve

CALL = Call("POST", "/chat/completions", json={"model": "m"}, model="m")


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.clock = Clock(monotonic=lambda: self.now, wall=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class AdmissionSetup:
    """A limiter, and admissions to it."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.time = Time()
        kept = Limits(**{"rpm": 60, "tpm": 60_000, "concurrency": 2, "window_s": 60.0, **limits})
        self.limiter = Limiter(folder, "key", kept, clock=self.time.clock)
        self.waits: list[float] = []

    def admission(
        self,
        call: Call = CALL,
        used: Usage | None = None,
        total_at: float | None = None,
    ) -> Admission:
        return Admission(
            self.limiter,
            call,
            usage=lambda: used,
            on_wait=lambda wait_s, cause: self.waits.append(wait_s),
            total_at=total_at,
            clock=self.time.clock,
        )

    def delay_s(self) -> float:
        """Return how long a request of a few tokens would have to wait now."""
        return reserve(self.limiter, 10)


@pytest.fixture
def setup(tmp_path: Path) -> AdmissionSetup:
    return AdmissionSetup(tmp_path / "run")


def test_requests_keep_their_distance_and_each_wait_is_told(setup: AdmissionSetup) -> None:
    for _ in range(5):
        with setup.admission():
            pass
    assert setup.time.now >= 1000 + 3
    assert sum(setup.waits) == pytest.approx(setup.time.now - 1000)


def test_a_place_in_flight_is_given_back_whatever_happens(setup: AdmissionSetup) -> None:
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), setup.admission():
            raise ValueError("broken")
    places = [setup.limiter.take_slot(), setup.limiter.take_slot()]
    assert len(set(places)) == 2
    for place in places:
        setup.limiter.release_slot(place)


def test_a_place_is_given_back_when_the_wait_is_given_up(setup: AdmissionSetup) -> None:
    with setup.admission():
        pass
    with pytest.raises(LimitError), setup.admission(total_at=setup.time.now + 0.01):
        pytest.fail("it was let in")
    for place in [setup.limiter.take_slot(), setup.limiter.take_slot()]:
        setup.limiter.release_slot(place)


def test_a_run_that_would_end_before_its_turn_is_told_at_once(setup: AdmissionSetup) -> None:
    with setup.admission():
        pass
    before = setup.time.now
    with pytest.raises(LimitError) as caught, setup.admission(total_at=before + 0.01):
        pytest.fail("it was let in")
    assert "had not been sent" in str(caught.value)
    assert caught.value.hint == "raise --max-time"
    assert setup.time.now == before


def test_the_estimate_is_replaced_by_what_was_used(tmp_path: Path) -> None:
    much = {"model": "m", "max_tokens": 50_000}
    call = CALL._replace(json=much)
    spared, booked = AdmissionSetup(tmp_path / "a"), AdmissionSetup(tmp_path / "b")
    with spared.admission(call, used=Usage(5, 5, 10)):
        pass
    with booked.admission(call):
        pass
    assert spared.delay_s() < booked.delay_s()
    assert booked.delay_s() > 30


def test_a_failed_request_settles_nothing(tmp_path: Path) -> None:
    setup = AdmissionSetup(tmp_path)
    call = CALL._replace(json={"model": "m", "max_completion_tokens": 50_000})
    with (
        pytest.raises(ValueError, match="cut"),
        setup.admission(call, used=Usage(5, 5, 10)),
    ):
        raise ValueError("cut")
    assert setup.delay_s() > 30


def test_the_models_mean_is_learned(setup: AdmissionSetup) -> None:
    before = setup.limiter.mean_tokens("m")
    for _ in range(50):
        with setup.admission(used=Usage(5, 4000, 4005)):
            pass
    assert setup.limiter.mean_tokens("m") > before + 1000


def test_a_free_call_books_no_tokens(tmp_path: Path) -> None:
    setup = AdmissionSetup(tmp_path, tpm=1000)
    with setup.admission(Call("GET", "/models", json={"x": "x" * 10_000}, cost="free")):
        pass
    assert setup.delay_s() < 5


def test_a_long_wait_for_a_slot_is_reported_and_ends_with_the_run(setup: AdmissionSetup) -> None:
    held = [setup.limiter.take_slot() for _ in range(setup.limiter.limits.concurrency)]
    with pytest.raises(LimitError), setup.admission(total_at=setup.time.now + 5):
        raise AssertionError("there is no slot")
    assert 2 <= min(setup.waits) <= max(setup.waits) <= 6
    for slot in held:
        setup.limiter.release_slot(slot)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        ("slots", "one of the 2 requests"),
        ("pause", "waiting 1.5 s, as the gateway asked"),
        ("requests", "limit of 60 requests in 60 s"),
        ("tokens", "limit of 60000 tokens in 60 s"),
    ],
)
def test_a_wait_says_why_and_how_to_go_on(tmp_path: Path, cause: Cause, said: str) -> None:
    notice = str(describe_wait(1.5, cause, AdmissionSetup(tmp_path).limiter))
    assert said in notice and "--no-limits goes on" in notice


def test_a_usage_without_an_answers_length_is_no_sample_of_it(setup: AdmissionSetup) -> None:
    before = setup.limiter.mean_tokens("m")
    with setup.admission(used=Usage(40, None, 50)):
        pass
    assert setup.limiter.mean_tokens("m") == before
