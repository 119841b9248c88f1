"""`--cache` and `apiyi cache`: an identical request is answered from here, and that is said."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

TOLD = "usage: none (answered from the cache)\n"


def database(apiyi: Program) -> Path:
    return apiyi.home / "cache" / "apiyi" / "replies.sqlite3"


@pytest.mark.parametrize("form", ["", "--ndjson", "--json", "--no-stream", "--json --stream"])
def test_a_hit_is_the_same_bytes_and_is_told(apiyi: Program, gateway: Gateway, form: str) -> None:
    gateway.script(ScriptedReply.chat("a ", "b \u2028", "文", split="random", seed=5))
    first = apiyi(f"chat hi --cache {form}")
    again = apiyi(f"chat hi --cache {form} -u")
    assert (again.code, again.out, again.err) == (0, first.out, TOLD)
    assert len(gateway.ledger) == 1
    assert "usage: none" not in first.err


def test_it_is_off_unless_asked_for(apiyi: Program, gateway: Gateway) -> None:
    apiyi("chat hi")
    apiyi("chat hi")
    assert len(gateway.ledger) == 2
    assert not database(apiyi).exists()


def test_a_profile_can_turn_it_on_and_the_line_off_again(apiyi: Program, gateway: Gateway) -> None:
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text('[profile.default]\ncache = "1d"\n')
    for _ in range(2):
        apiyi("chat hi")
    assert len(gateway.ledger) == 1
    apiyi("chat hi --no-cache")
    assert len(gateway.ledger) == 2


@pytest.mark.parametrize(
    "other",
    ["chat ho --cache", "chat hi --cache -m gpt-4.1", "chat hi --cache --temperature 0"],
)
def test_another_request_is_another_answer(apiyi: Program, gateway: Gateway, other: str) -> None:
    apiyi("chat hi --cache")
    apiyi(other)
    assert len(gateway.ledger) == 2


def test_an_old_answer_is_asked_for_again(apiyi: Program, gateway: Gateway) -> None:
    apiyi("chat hi --cache")
    apiyi("chat hi --cache 0.000001s")
    assert len(gateway.ledger) == 2


@pytest.mark.parametrize("ttl", ["0", "11000d", "99999999999w"])
def test_an_absurd_time_is_refused(apiyi: Program, gateway: Gateway, ttl: str) -> None:
    assert apiyi(f"chat hi --cache {ttl}").code == 2
    assert gateway.ledger == []


def test_embeddings_and_responses_are_kept_too(apiyi: Program, gateway: Gateway) -> None:
    for line in ("embed a b -m bge-m3 --cache", "respond hi --cache", "complete hi --cache"):
        before = len(gateway.ledger)
        first, again = apiyi(line), apiyi(f"{line} -u")
        assert (again.out, again.err) == (first.out, TOLD)
        assert len(gateway.ledger) == before + 1


def test_the_built_in_sandbox_has_a_cache_over_its_runs(apiyi: Program) -> None:
    for told in (False, True):
        ran = apiyi("--profile sandbox chat hi --cache -u", env={"APIYI_BASE_URL": None})
        assert ran.code == 0
        assert (ran.err == TOLD) is told


def test_a_damaged_file_is_a_miss_that_is_told_and_can_be_cleared(
    apiyi: Program, gateway: Gateway
) -> None:
    apiyi("chat hi --cache")
    content = bytearray(database(apiyi).read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    database(apiyi).write_bytes(content)
    for suffix in ("-wal", "-shm"):
        database(apiyi).with_name(f"replies.sqlite3{suffix}").unlink(missing_ok=True)
    ran = apiyi("chat hi --cache")
    # Answers cost again: never in silence.
    assert ran.code == 0 and ran.err.count("is damaged: apiyi cache clear") == 1
    assert len(gateway.ledger) == 2
    assert apiyi("cache clear").code == 0
    assert apiyi("cache stats").json["is_damaged"] is False
    for _ in range(2):
        apiyi("chat hi --cache")
    assert len(gateway.ledger) == 3


def test_a_file_that_is_something_else_is_named_and_left_alone(apiyi: Program) -> None:
    database(apiyi).parent.mkdir(parents=True, mode=0o700)
    database(apiyi).write_text("my notes\n" * 100)
    ran = apiyi("chat hi --cache")
    assert (ran.code, ran.text) == (0, "[sandbox] You said: hi\n")
    assert "going on without the cache" in ran.err and "replies.sqlite3" in ran.err
    assert database(apiyi).read_text().startswith("my notes")


def test_its_place_and_size_can_be_seen_and_it_can_be_emptied(apiyi: Program) -> None:
    assert apiyi("cache path").text == f"{database(apiyi)}\n"
    assert apiyi("cache stats").json["entries"] == 0
    apiyi("chat hi --cache")
    stats = apiyi("cache stats").json
    assert (stats["entries"], stats["path"]) == (1, str(database(apiyi)))
    assert stats["bytes"] > 500
    assert "1 answers" in apiyi.terminal("cache stats").lines[0]
    assert apiyi("cache clear").code == 0
    assert apiyi("cache stats").json["entries"] == 0


def test_the_files_are_the_users_own(apiyi: Program) -> None:
    assert apiyi("chat hi --cache").code == 0
    for path in database(apiyi).parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) in (0o600, 0o700), path
