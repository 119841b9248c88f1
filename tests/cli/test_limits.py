"""The limits of a key as a user meets them: who waits for whom, for how long, and what is said."""

from __future__ import annotations

import base64
import json
import os
import struct
import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from apiyi_cli.wire.limits import rates

if TYPE_CHECKING:
    from tests.conftest import Program

HUGE = {"prompt_tokens": 5, "completion_tokens": 10**9, "total_tokens": 10**9}
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
    ],
}


def answer(usage: dict[str, Any] | None = None) -> ScriptedReply:
    return ScriptedReply(body=json.dumps({**ANSWER, "usage": usage}).encode())


def window(apiyi: Program, seconds: float = 2, **limits: int | str) -> None:
    """Give the profile a short window, so that a wait for one can be seen."""
    folder = apiyi.home / "config" / "apiyi"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} = {json.dumps(value)}" for name, value in limits.items()]
    text = "\n".join(["[profile.default.limits]", f"window_s = {seconds}", *lines, ""])
    (folder / "config.toml").write_text(text)


def rates_file(apiyi: Program) -> Path:
    (found,) = (apiyi.home / "run").rglob("*.rates")
    return found


def rows(apiyi: Program, count: int, **more: Any) -> None:
    lines = [json.dumps({"id": str(n), "prompt": f"row {n}", **more}) for n in range(count)]
    (apiyi.work / "rows.jsonl").write_text("\n".join(lines))


def test_one_absurd_count_holds_up_nobody_for_more_than_a_window(
    apiyi: Program, gateway: Gateway
) -> None:
    window(apiyi, 2)
    gateway.script(answer(HUGE))
    assert apiyi("chat hi --no-stream").code == 0
    rows(apiyi, 3, max_tokens=5)
    began = time.monotonic()
    assert apiyi("batch rows.jsonl -o out.jsonl").code == 0
    assert time.monotonic() - began < 8
    began = time.monotonic()
    gateway.script(answer(HUGE))
    for _ in range(3):
        assert apiyi("chat hi --no-stream").code == 0
    assert time.monotonic() - began < 8


def test_a_single_request_does_not_wait_for_the_tokens_of_others(
    apiyi: Program, gateway: Gateway
) -> None:
    for _ in range(4):
        ran = apiyi("chat hi --tpm 1000 --max-tokens 900")
        assert (ran.code, ran.err) == (0, "")
    assert len(gateway.posts) == 4


def test_a_photo_does_not_make_the_next_request_wait(apiyi: Program, gateway: Gateway) -> None:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 1024, 1024)
    photo = base64.b64encode(head + b"\x5a" * 2_000_000).decode()
    content = [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{photo}"}},
    ]
    messages = [{"role": "user", "content": content}]
    (apiyi.work / "rows.jsonl").write_text(
        "\n".join(json.dumps({"id": str(n), "messages": messages}) for n in range(3))
    )
    checked = apiyi("batch rows.jsonl --check --json")
    assert checked.code == 0
    assert 3 * (765 + 256) <= checked.json["tokens_estimate"] <= 3 * 1100
    ran = apiyi("batch rows.jsonl -o out.jsonl --tpm 100000 --max-time 20")
    assert ran.code == 0, ran.err


def test_check_and_limiter_count_a_row_alike(apiyi: Program, gateway: Gateway) -> None:
    rows(apiyi, 1, model="gpt-image-1")
    ran = apiyi("batch rows.jsonl --endpoint image --check --json")
    tokens = ran.json["tokens_estimate"]
    assert 256 < tokens < 300
    # Just enough for the row in a window, and nothing is left for a second one.
    ran = apiyi(f"batch rows.jsonl --endpoint image -o out.jsonl --tpm {tokens}")
    assert ran.code == 0, ran.err
    row = array("d", rates_file(apiyi).read_bytes()[: 8 * rates.SIZE])
    assert sum(row[rates._STARTED_TOKENS + 1 : rates._STARTED_REQUESTS]) <= tokens


def test_a_refused_request_gives_its_tokens_back(apiyi: Program, gateway: Gateway) -> None:
    rows(apiyi, 1, max_tokens=900_000)
    gateway.script(
        ScriptedReply.error(400, "no", code="invalid_value", type="invalid_request_error")
    )
    assert apiyi("batch rows.jsonl -o out.jsonl").code == 3
    ran = apiyi("batch rows.jsonl -o again.jsonl --max-time 5")
    assert ran.code == 0, ran.err


def test_after_a_429_for_tokens_a_single_request_waits_and_says_how_to_go_on(
    apiyi: Program, gateway: Gateway
) -> None:
    window(apiyi, 40, tpm=1000)
    assert apiyi("chat hi --max-tokens 990").code == 0
    gateway.script(
        ScriptedReply.error(
            429, "Rate limit reached on tokens per min (TPM)", code="rate_limit_exceeded"
        )
    )
    assert apiyi("chat hi --retries 0").code == 5
    ran = apiyi("chat hi --max-tokens 990 --max-time 1")
    assert ran.code == 9
    # It would have waited for most of the window: that is told before it is waited for.
    assert "limit of 1000 tokens in 40 s" in ran.err
    assert "--tpm N or --no-limits goes on" in ran.err
    assert f"rm {rates_file(apiyi)}" in ran.err
    assert apiyi("chat hi --max-tokens 990 --no-limits").code == 0
    rates_file(apiyi).unlink()
    assert apiyi("chat hi --max-tokens 990 --max-time 5").code == 0


@pytest.mark.parametrize("number", [1e300, float("nan"), float("inf"), 1e5, -1e9])
def test_a_state_file_with_absurd_numbers_holds_nobody_up(apiyi: Program, number: float) -> None:
    fill_state_file(apiyi, number)


@pytest.mark.parametrize("ahead_s", [0, 50, 1e3, 1e5, 6e5, 1e7])
def test_a_state_file_with_moments_to_come_holds_nobody_up(apiyi: Program, ahead_s: float) -> None:
    # Of the monotonic clock, which begins at boot: how far ahead a number is depends on the day.
    fill_state_file(apiyi, time.monotonic() + ahead_s)


def fill_state_file(apiyi: Program, number: float) -> None:
    assert apiyi("chat hi").code == 0
    file = rates_file(apiyi)
    row = array("d", file.read_bytes()[: 8 * rates.SIZE])
    for at in range(1, rates.SIZE):
        row[at] = number
    file.write_bytes(row.tobytes())
    rows(apiyi, 10, max_tokens=5)
    assert apiyi("chat hi --max-time 5").code == 0
    file.write_bytes(row.tobytes())
    ran = apiyi("batch rows.jsonl -o out.jsonl --max-time 5")
    assert ran.code == 0, ran.err


def test_a_debt_of_version_0_1_is_not_believed(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("chat hi").code == 0
    file = rates_file(apiyi)
    row = array("d", file.read_bytes()[: 8 * rates.SIZE])
    # Its layout was the fourth; it let one reply owe 17 hours.
    row[0], row[rates._TOKENS] = 4.0, time.monotonic() + 60_000
    file.write_bytes(row.tobytes())
    rows(apiyi, 1)
    assert apiyi("batch rows.jsonl -o out.jsonl --max-time 5").code == 0


@pytest.mark.parametrize("kind", ["fifo", "folder", "text", "empty", "unreadable"])
def test_whatever_stands_in_place_of_the_state_files_requests_go_on(
    apiyi: Program, gateway: Gateway, kind: str
) -> None:
    assert apiyi("chat hi").code == 0
    for file in list((apiyi.home / "run").rglob("*")):
        if not file.is_file():
            continue
        file.unlink()
        if kind == "fifo":
            os.mkfifo(file)
        elif kind == "folder":
            file.mkdir()
        else:
            file.write_text("" if kind == "empty" else "what is this?")
            file.chmod(0 if kind == "unreadable" else 0o600)
    assert apiyi("chat hi --max-time 10").code == 0
