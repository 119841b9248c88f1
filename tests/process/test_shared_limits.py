"""Real processes with one key, before a gateway that refuses whatever is above their limits."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.server import Gateway, GatewayLimits

if TYPE_CHECKING:
    from tests.conftest import Program

pytestmark = pytest.mark.nightly

LINES = "seq {count} | sed 's/^/{filler}/' | apiyi embed --lines -m bge-m3 --batch-size 1 -j 8"


def configure(apiyi: Program, address: str, limits: dict[str, Any]) -> None:
    apiyi.environ.pop("APIYI_BASE_URL")
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    table = "".join(f"{name} = {value}\n" for name, value in limits.items())
    config.write_text(
        f"[profile.default]\nbase_urls = {json.dumps([address])}\n[profile.default.limits]\n{table}"
    )


def four(one: str) -> str:
    return f"({one} & {one} & {one} & {one} & wait) | wc -l"


def test_four_processes_get_no_429_and_95_percent_of_their_requests(
    apiyi: Program, gateway: Gateway
) -> None:
    limits = {"rpm": 100, "window_s": 5, "concurrency": 8}
    with Gateway(key=gateway.key, limits=GatewayLimits(**limits)) as strict:
        configure(apiyi, strict.base_url, limits)
        ran = apiyi.shell(four(LINES.format(count=100, filler="") + " --no-text --retries 0 -q"))
    assert (ran.text.strip(), ran.err) == ("400", "")
    assert {one.status for one in strict.ledger} == {200}
    assert strict.max_in_flight <= 8
    moments = sorted(one.at for one in strict.ledger)
    assert (len(moments) - 1) / (moments[-1] - moments[0]) >= 0.95 * 100 / 5


def test_four_processes_get_no_429_and_most_of_their_tokens(
    apiyi: Program, gateway: Gateway
) -> None:
    limits = {"rpm": 100_000, "tpm": 40_000, "window_s": 10, "concurrency": 50}
    line = LINES.format(count=85, filler="a" * 900) + " --no-text --retries 0 -q"
    with Gateway(key=gateway.key, limits=GatewayLimits(**limits)) as strict:
        configure(apiyi, strict.base_url, limits)
        ran = apiyi.shell(four(line))
    assert (ran.text.strip(), ran.err) == ("340", "")
    assert {one.status for one in strict.ledger} == {200}
    moments = sorted(one.at for one in strict.ledger)
    # The gateway counts a quarter of the bytes, the estimate a third until it is settled.
    used = 225 * sum(moment >= moments[0] + 10 for moment in moments)
    assert used / (moments[-1] - moments[0] - 10) >= 0.8 * 40_000 / 10


def test_fifty_processes_of_xargs_keep_to_the_limits(apiyi: Program, gateway: Gateway) -> None:
    limits = {"rpm": 50, "window_s": 10, "concurrency": 4}
    with Gateway(key=gateway.key, limits=GatewayLimits(**limits)) as strict:
        configure(apiyi, strict.base_url, limits)
        # Fifty interpreters begin at once, which a small machine takes its time for. A gateway is
        # a machine of its own, and must not be kept from counting by those whom it counts.
        started = "nice -n 19 apiyi image 'no {}' -m gpt-image-1 -o '{}.png' --retries 0 -q"
        line = f"seq 55 | xargs -P 50 -I{{}} {started}"
        process = subprocess.Popen(
            ["bash", "-c", line],
            cwd=apiyi.work,
            env=apiyi.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = process.communicate(timeout=180)
    ran = apiyi.seen(process.returncode, out, err)
    assert (len(ran.text.split()), ran.err) == (55, "")
    assert {one.status for one in strict.ledger} == {200}
    assert strict.max_in_flight <= 4
