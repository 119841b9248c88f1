"""What several addresses, limits and time bounds come to in whole runs of the program."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway, GatewayLimits

if TYPE_CHECKING:
    from tests.conftest import Program

NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture
def backup() -> Iterator[Gateway]:
    with Gateway() as running:
        yield running


@pytest.fixture
def apiyi(apiyi: Program) -> Program:
    apiyi.environ.pop("APIYI_BASE_URL")
    return apiyi


def configure(apiyi: Program, *base_urls: str, **limits: Any) -> None:
    table = "".join(f"{name} = {value}\n" for name, value in limits.items())
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(
        f"[profile.default]\nbase_urls = {json.dumps(base_urls)}\n[profile.default.limits]\n{table}"
    )


def test_the_next_process_does_not_try_the_dead_address_again(
    apiyi: Program, backup: Gateway
) -> None:
    configure(apiyi, NOWHERE, backup.base_url)
    first = apiyi("chat hi")
    assert first.code == 0
    assert f"going on with {backup.base_url}" in first.err
    second = apiyi("chat hi -v")
    assert second.code == 0
    assert NOWHERE not in second.err and "retry" not in second.err
    assert len(backup.ledger) == 2


def test_without_failover_the_first_address_is_the_only_one(
    apiyi: Program, backup: Gateway
) -> None:
    configure(apiyi, NOWHERE, backup.base_url)
    ran = apiyi("chat hi --no-failover --retries 0")
    assert ran.code == 5
    assert backup.ledger == []


def test_trouble_in_front_of_the_first_address_moves_on(
    apiyi: Program, gateway: Gateway, backup: Gateway
) -> None:
    configure(apiyi, gateway.base_url, backup.base_url)
    down = ScriptedReply.text("<title>503</title>", "text/html", status=503)
    gateway.script(down, down)
    ran = apiyi("chat hi")
    assert ran.code == 0
    assert (len(gateway.ledger), len(backup.ledger)) == (2, 1)


@pytest.mark.parametrize(
    ("play", "code"),
    [
        (ScriptedReply.error(400, "no"), 6),
        (ScriptedReply.error(401, "no"), 4),
        (ScriptedReply.error(429, "no", code="rate_limit_exceeded"), 5),
        (ScriptedReply.error(503, "no channel", code="model_not_found"), 5),
        (ScriptedReply.chat("part").cut(2), 8),
    ],
    ids=["400", "401", "429", "no channel", "cut"],
)
def test_what_the_next_address_would_not_do_better_stays(
    apiyi: Program, gateway: Gateway, backup: Gateway, play: ScriptedReply, code: int
) -> None:
    configure(apiyi, gateway.base_url, backup.base_url)
    gateway.script(play)
    assert apiyi("chat hi --retries 0").code == code
    assert backup.ledger == []
    assert not (apiyi.home / "state" / "apiyi" / "breaker.json").exists()


def test_processes_of_one_key_share_their_limits(apiyi: Program, gateway: Gateway) -> None:
    # Three processes that did not know of each other would send 120 in a second, 12 at once.
    # The gateway allows a little more than was configured: a busy machine delays what was
    # sent in time, and a reply has left before the gateway has done with its request.
    with Gateway(key=gateway.key, limits=GatewayLimits(rpm=60, window_s=1)) as strict:
        configure(apiyi, strict.base_url, rpm=40, concurrency=4, window_s=1)
        one = "seq 30 | apiyi embed --lines -m bge-m3 --batch-size 1 -j 8 --no-text --retries 0"
        ran = apiyi.shell(f"({one} & {one} & {one} & wait) | wc -l")
    assert ran.text.strip() == "90"
    assert ran.err == ""
    assert {one.status for one in strict.ledger} == {200}
    assert strict.max_in_flight <= 8


def test_the_limits_can_be_set_for_one_run_or_left_out(apiyi: Program, gateway: Gateway) -> None:
    configure(apiyi, gateway.base_url, window_s=2)
    line = "embed a b c -m bge-m3 --batch-size 1 --no-text"
    for _ in range(2):
        assert apiyi(f"{line} --no-limits --rpm 1").code == 0
    # Two in two seconds: the third one waits.
    slow = apiyi(f"{line} --rpm 2 --max-time 0.9")
    assert slow.code == 9
    assert "rate limits" in slow.err and "had not been sent" in slow.err


def test_a_throttled_run_holds_up_the_next_one(apiyi: Program, gateway: Gateway) -> None:
    configure(apiyi, gateway.base_url)
    gateway.script(ScriptedReply.error(429, "slow", headers=(("Retry-After", "1"),)))
    assert apiyi("chat hi --retries 0").code == 5
    assert apiyi("chat hi").code == 0
    first, second = gateway.ledger
    assert second.at - first.at >= 0.95


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"rpm": 0}, 10), ({"window_s": -1}, 10), ({"concurrency": '"many"'}, 10)],
)
def test_limits_that_cannot_be_meant_are_named(
    apiyi: Program, gateway: Gateway, limits: dict[str, Any], code: int
) -> None:
    configure(apiyi, gateway.base_url, **limits)
    ran = apiyi("chat hi")
    assert ran.code == code
    assert next(iter(limits)) in ran.err
    assert gateway.ledger == []


def test_limits_that_cannot_be_shared_are_kept_alone(apiyi: Program, gateway: Gateway) -> None:
    configure(apiyi, gateway.base_url)
    (apiyi.home / "run").write_text("no folder")
    ran = apiyi("chat hi")
    assert (ran.code, ran.err) == (0, "")
    assert "within this process only" in apiyi("chat hi -v").err


@pytest.mark.parametrize(
    ("typed", "environ", "attempts", "fixed", "time_fixed"),
    [
        ({}, {}, 6, False, False),
        ({"retries": 5}, {}, 6, True, False),
        ({"retries": 0}, {}, 1, True, False),
        ({"max_retry_time": 600.0}, {}, 6, False, True),
        ({}, {"config": "retries = 5"}, 6, True, False),
    ],
)
def test_a_batch_knows_whether_its_number_of_retries_was_given(
    home: Path,
    typed: dict[str, Any],
    environ: dict[str, str],
    attempts: int,
    fixed: bool,
    time_fixed: bool,
) -> None:
    """The option group as a real run has it: completed with every default."""
    from apiyi_cli.cli.commands.batch.run import make_wire_plan
    from apiyi_cli.cli.process import Process
    from apiyi_cli.cli.typer_options import make_context
    from apiyi_cli.core.clock import CLOCK
    from apiyi_cli.core.options.connection import Connection
    from apiyi_cli.output.console import Console

    config = home / "config" / "apiyi" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f"[profile.default]\n{environ.get('config', '')}\n")
    known = {
        **os.environ,
        "APIYI_API_KEY": "sk-CANARY-9f3c",
        "APIYI_BASE_URL": "https://a.example/v1",
    }
    process = Process(Console.open(), known, CLOCK)
    ctx = make_context(process, Connection(**typed), command="batch")
    assert ctx.settings.fill(Connection()).retries is not None

    policy = make_wire_plan(ctx).policy
    assert (policy.attempts, policy.fixed, policy.time_fixed) == (attempts, fixed, time_fixed)
