from __future__ import annotations

import pytest

from apiyi_cli.errors import (
    ApiyiError,
    AuthError,
    Facts,
    FundsError,
    IncompleteError,
    LimitError,
    OutputError,
    RejectedError,
    SetupError,
    TemporaryError,
    UsageError,
    describe_billing,
    fails_every_item,
)

UNREACHED = Facts(phase="connect", kind="refused")


@pytest.mark.parametrize("kind", [AuthError, FundsError, LimitError, SetupError, OutputError])
def test_key_money_limits_and_the_machine_end_every_run(kind: type[ApiyiError]) -> None:
    assert fails_every_item(kind("x")) and fails_every_item(kind("x"), waits_for_network=True)


@pytest.mark.parametrize("kind", [TemporaryError, RejectedError, IncompleteError, UsageError])
def test_what_one_item_met_does_not_end_the_run(kind: type[ApiyiError]) -> None:
    assert not fails_every_item(kind("x"))
    assert not fails_every_item(kind("x", facts=Facts(status=503, phase="status")))


def test_a_dead_network_ends_a_run_unless_it_waits_for_it() -> None:
    unreached = TemporaryError("x", facts=UNREACHED)
    assert fails_every_item(unreached)
    assert not fails_every_item(unreached, waits_for_network=True)


def test_a_header_that_cannot_be_sent_ends_every_run() -> None:
    assert fails_every_item(UsageError("x", facts=UNREACHED), waits_for_network=True)


def test_one_function_words_what_was_billed() -> None:
    assert describe_billing("no") == "it was not billed"
    assert describe_billing("maybe", "look first") == "it may have been billed; look first"
    assert describe_billing("yes", many=True) == "they were billed"
