"""`apiyi usage`: what was sent from this machine, and what it may have cost."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

SECRET_WORDS = "xylophone quicksilver"
USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}


def rows(apiyi: Program, options: str = "") -> list[dict[str, Any]]:
    ran = apiyi(f"usage {options}")
    assert ran.code == 0, ran.err
    return [json.loads(line) for line in ran.text.splitlines()]


def test_each_request_is_counted_once(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat("a", usage=USAGE), ScriptedReply.chat("b", usage=USAGE))
    assert apiyi("chat hi").code == 0
    assert apiyi("chat hi").code == 0
    (row,) = rows(apiyi)
    assert row == {
        "model": "gpt-4o",
        "requests": 2,
        "failed": 0,
        "cached": 0,
        "prompt_tokens": 2000,
        "completion_tokens": 1000,
        "total_tokens": 3000,
        "unknown": 0,
        "cost": None,
        "unpriced": 2,
        "uncertain": 0,
        "uncertain_cost": None,
    }
    assert rows(apiyi) == [row]


def test_every_command_that_costs_is_in_it_and_lists_are_not(
    apiyi: Program, gateway: Gateway
) -> None:
    apiyi("chat hi")
    apiyi("complete hi")
    apiyi("respond hi")
    apiyi("embed hi -m text-embedding-3-small")
    apiyi("models")
    found = {row["endpoint"]: row for row in rows(apiyi, "--by endpoint")}
    assert set(found) == {"/chat/completions", "/completions", "/responses", "/embeddings"}
    assert found["/embeddings"]["completion_tokens"] == 0
    assert all(row["total_tokens"] > 0 and row["unknown"] == 0 for row in found.values())


def test_lines_and_batches_tell_their_tokens_too(apiyi: Program) -> None:
    apiyi("complete --lines --batch-size 1", stdin=b"a\nb\n")
    apiyi("embed --lines --batch-size 1 -m bge-m3", stdin=b"a\nb\nc\n")
    found = {row["model"]: row for row in rows(apiyi)}
    assert found["gpt-4o"]["requests"] == 2 and found["gpt-4o"]["unknown"] == 0
    assert found["bge-m3"]["requests"] == 3 and found["bge-m3"]["total_tokens"] == 3


def test_failures_are_counted_and_cost_nothing_known(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.error(400, "no"), ScriptedReply.chat("part").cut(1))
    apiyi("chat hi")
    apiyi("chat hi --retries 0")
    (row,) = rows(apiyi)
    assert (row["requests"], row["failed"], row["total_tokens"]) == (2, 2, None)


def test_what_the_gateway_does_not_tell_is_unknown(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat("a"))
    apiyi("chat hi")
    (row,) = rows(apiyi)
    assert (row["total_tokens"], row["unknown"], row["cost"]) == (None, 1, None)
    assert "unknown" in "\n".join(apiyi.terminal("usage").lines)


def test_neither_prompt_nor_answer_nor_key_is_in_it(apiyi: Program, gateway: Gateway) -> None:
    apiyi(["chat", SECRET_WORDS, "-s", "quicksilver role"])
    apiyi(["embed", SECRET_WORDS, "-m", "bge-m3"])
    rows(apiyi)
    apiyi(["chat", SECRET_WORDS])
    files = [path for path in apiyi.home.rglob("*") if path.is_file()]
    assert any("usage" in path.name for path in files)
    for path in files:
        content = path.read_bytes()
        assert b"xylophone" not in content and b"quicksilver" not in content, path


def test_the_config_turns_it_off(apiyi: Program) -> None:
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("usage_ledger = false\n")
    assert apiyi("chat hi").code == 0
    assert rows(apiyi) == []


def test_the_sandbox_is_not_in_it(apiyi: Program) -> None:
    assert apiyi("--profile sandbox chat hi", env={"APIYI_BASE_URL": None}).code == 0
    assert rows(apiyi) == []


def test_an_answer_from_the_cache_used_nothing(apiyi: Program) -> None:
    for _ in range(2):
        assert apiyi("chat hi --cache").code == 0
    (row,) = rows(apiyi)
    (once,) = rows(apiyi, "--by profile")
    assert (row["requests"], row["cached"]) == (2, 1)
    assert row["total_tokens"] == once["total_tokens"] > 0


def test_a_ledger_that_cannot_be_written_changes_nothing(apiyi: Program) -> None:
    state = apiyi.home / "state" / "apiyi"
    state.mkdir(parents=True, exist_ok=True)
    (state / "usage.spool").mkdir()
    ran = apiyi("chat hi")
    assert (ran.code, ran.err) == (0, "")
    assert "usage ledger" in apiyi("chat hi -v").err


def test_costs_come_from_the_gateways_price_list(apiyi: Program, gateway: Gateway) -> None:
    price = {"model_name": "gpt-4o", "quota_type": 0, "model_ratio": 1.25, "completion_ratio": 4}
    gateway.script(ScriptedReply.json({"success": True, "data": [price]}), path="/api/pricing")
    gateway.script(ScriptedReply.error(404, "gone"), path="/model-registry.json")
    assert apiyi("models --update-prices").code == 0
    gateway.script(ScriptedReply.chat("a", usage=USAGE), path="/chat/completions")
    # 1000 in at $2.50 and 500 out at $10 a million.
    assert ", ≈ $0.0075" in apiyi("chat hi -u").err
    assert rows(apiyi)[0]["cost"] == pytest.approx(0.0075)
    apiyi("chat hi -m gpt-4o-mini")
    other = next(row for row in rows(apiyi) if row["model"] == "gpt-4o-mini")
    assert (other["cost"], other["unpriced"]) == (None, 1)
    assert "unknown" in apiyi("chat hi -m gpt-4o-mini -u").err


@pytest.mark.parametrize(
    "reply", [ScriptedReply.json({}), ScriptedReply.text("<html>", "text/html"), ScriptedReply()]
)
def test_what_is_not_a_price_list_is_not_kept(
    apiyi: Program, gateway: Gateway, reply: ScriptedReply
) -> None:
    kept = apiyi.home / "cache" / "apiyi" / "prices.json"
    for _ in range(2):
        gateway.script(reply, path="/api/pricing")
    gateway.script(ScriptedReply.error(404, "gone"), path="/model-registry.json")
    ran = apiyi("models --update-prices --retries 0")
    assert ran.code in (6, 8)
    assert not kept.exists()
    # The registry's prices take its place, and the user hears of it.
    ran = apiyi("models --update-prices --retries 0")
    assert (ran.code, kept.exists()) == (0, True)
    assert "the price list cannot be read: " in ran.err and "list prices are used" in ran.err


def test_time_and_group_can_be_chosen(apiyi: Program) -> None:
    apiyi("chat hi")
    today = time.strftime("%Y-%m-%d")
    (row,) = rows(apiyi, "--by day --since 1d")
    assert row["day"] == today
    assert rows(apiyi, f"--since {today} --by profile")[0]["profile"] == "default"
    assert rows(apiyi, "--since 2999-01-01") == []


@pytest.mark.parametrize("span", ["x", "7", "d", "-1d", "2026-13-01", "99999999999d", ""])
def test_a_span_that_is_none_is_refused(apiyi: Program, span: str) -> None:
    assert apiyi(["usage", f"--since={span}"]).code == 2


def test_on_a_terminal_it_is_a_table_with_bars(apiyi: Program, gateway: Gateway) -> None:
    small = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    gateway.script(ScriptedReply.chat("a", usage=USAGE), ScriptedReply.chat("b", usage=small))
    apiyi("chat hi")
    apiyi("chat hi -m gpt-4o-mini")
    screen = apiyi.terminal("usage", columns=100)
    header, *lines = screen.lines
    assert header.split()[:3] == ["model", "requests", "failed"]
    large = next(line for line in lines if line.startswith("gpt-4o "))
    little = next(line for line in lines if line.startswith("gpt-4o-mini"))
    assert large.count("█") == 16 and "1,000" in large
    assert "█" not in little and little.rstrip().endswith("▏")


def test_bars_compare_money_where_prices_are_known_and_columns_stay_aligned(
    apiyi: Program, gateway: Gateway
) -> None:
    apiyi("models --update")
    few = {"prompt_tokens": 10_000, "completion_tokens": 5000, "total_tokens": 15_000}
    gateway.script(
        ScriptedReply.chat("a", usage=few),
        ScriptedReply.chat("b", usage={**USAGE, "prompt_tokens": 200_000}),
        ScriptedReply.chat("c", usage=USAGE),
        ScriptedReply.chat("d", usage=None),
    )
    names = ("gpt-4o", "gpt-4o-mini", "no-such-model", "nor-this-one")
    for model in names:
        assert apiyi(["chat", "hi", "-m", model, "--force-model"]).code == 0
    head, *lines = apiyi.terminal("usage", columns=110).lines
    assert head.split()[-2:] == ["by", "cost"]
    table = {line.split()[0]: line for line in lines}
    dear, cheap, unknown, silent = (table[name] for name in names)
    # $0.075 and $0.0303, though it has more tokens; what is unknown has no bar.
    assert (dear.count("█"), cheap.count("█")) == (16, 6)
    assert "unknown" in unknown and not set("█▏▎▍▌▋▊▉") & set(unknown + silent)
    # Numbers and unknown ones end below the ends of their headings.
    for word in ("requests", "failed", "input", "output", "cost"):
        end = head.index(word) + len(word)
        for line in (dear, cheap, unknown, silent):
            assert line[end - 1] != " " and line[end : end + 1].strip() == "", (word, line)


def test_on_a_narrow_terminal_the_bars_take_what_the_figures_leave(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply.chat("a", usage=USAGE))
    apiyi("chat hi -m text-embedding-3-small --force-model")
    for columns, bar in ((100, 16), (76, 10), (70, 0)):
        header, line, *_ = apiyi.terminal("usage", columns=columns).lines
        assert (line.count("█"), "…" in line) == (bar, False), columns
        assert ("tokens" in header) == bool(bar)


def test_a_terminal_without_anything_used_is_told(apiyi: Program) -> None:
    assert "nothing was used" in apiyi.terminal("usage").lines[0]


def test_a_damaged_ledger_is_named(apiyi: Program) -> None:
    apiyi("chat hi")
    state = apiyi.home / "state" / "apiyi"
    (state / "usage.sqlite3").write_text("garbage\n" * 200)
    ran = apiyi("usage")
    assert ran.code == 10 and "usage.sqlite3" in ran.err
    assert apiyi("chat hi").code == 0
