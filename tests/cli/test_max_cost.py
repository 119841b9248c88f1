"""`--max-cost`: estimated before anything is sent, in every command that costs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

MODELS = {
    "chat hi": "gpt-4o",
    "complete hi": "gpt-3.5-turbo-instruct",
    "respond hi": "gpt-4o",
    "embed hi": "text-embedding-3-small",
    "image cat -o cat.png": "gpt-image-1",
    "transcribe a.wav": "whisper-1",
    "speak hi -o hi.mp3": "tts-1",
    "rank cat -f rows.txt": "bge-reranker-v2-m3",
}


def put_prices(apiyi: Program, **models: list[float | None]) -> None:
    prices = apiyi.home / "cache" / "apiyi" / "prices.json"
    prices.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    prices.write_text(json.dumps({"fetched": 1.0, "models": models}))


@pytest.mark.parametrize(("line", "model"), MODELS.items())
def test_a_request_above_it_is_not_sent(
    apiyi: Program, gateway: Gateway, line: str, model: str
) -> None:
    (apiyi.work / "a.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 32)
    (apiyi.work / "rows.txt").write_text("a cat\na dog\n")
    put_prices(apiyi, **{model: [None, None, 0.5]})
    ran = apiyi(f"{line} -m {model} --max-cost 0.4")
    assert (ran.code, ran.out) == (9, b""), ran.err
    assert "the request would cost ≈ $0.5000, $0.4 are allowed; nothing was sent" in ran.err
    assert gateway.posts == []


def test_a_request_below_it_is_sent(apiyi: Program, gateway: Gateway) -> None:
    put_prices(apiyi, **{"gpt-4o": [1.0, 1.0, None]})
    assert apiyi("chat hi --max-cost 0.01").code == 0
    assert len(gateway.posts) == 1


def test_the_answer_counts_by_what_bounds_it(apiyi: Program, gateway: Gateway) -> None:
    put_prices(apiyi, **{"gpt-4o": [0.0, 1000.0, None]})
    assert apiyi("chat hi --max-tokens 10 --max-cost 0.011").code == 0
    assert apiyi("chat hi --max-tokens 12 --max-cost 0.011").code == 9
    assert len(gateway.posts) == 1


@pytest.mark.parametrize("price", [None, [None, None, None]])
def test_an_unknown_price_sends_nothing(
    apiyi: Program, gateway: Gateway, price: list[float | None] | None
) -> None:
    put_prices(apiyi, **{"other": [1.0, 1.0, None], **({"gpt-4o": price} if price else {})})
    ran = apiyi("chat hi --max-cost 5")
    assert (ran.code, ran.out) == (9, b"")
    assert "there is no price for gpt-4o" in ran.err
    assert "try: apiyi models --update" in ran.err
    assert gateway.ledger == []


def test_without_a_price_list_nothing_is_sent(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi --max-cost 5")
    assert ran.code == 9
    assert "there is no price list" in ran.err
    assert gateway.ledger == []


def test_several_requests_add_up(apiyi: Program, gateway: Gateway) -> None:
    put_prices(apiyi, **{"gpt-image-1": [None, None, 0.1]})
    ran = apiyi(
        "image --lines -j 1 -m gpt-image-1 --max-cost 0.25 -o {index}.png", stdin=b"a\nb\nc\n"
    )
    assert ran.code == 9
    assert "after ≈ $0.2000, $0.25 are allowed; it was not sent" in ran.err
    assert len(gateway.posts) == 2


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "cheap"])
def test_what_is_not_a_sum_is_refused(apiyi: Program, gateway: Gateway, value: str) -> None:
    ran = apiyi(f"chat hi --max-cost {value}")
    assert ran.code == 2
    assert gateway.ledger == []
