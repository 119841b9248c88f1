"""The Redis store as a setting: set like any other limit, or by the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Program

STORE = "redis://limits.example.com:6379/0"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("store", STORE),
        ("store_wait_s", "600"),
        ("store-wait-s", "600"),
        ("rpm", "10"),
        ("tpm", "10"),
        ("concurrency", "10"),
        ("window_s", "10"),
    ],
)
def test_each_limit_is_set_and_read_with_and_without_its_table(
    apiyi: Program, key: str, value: str
) -> None:
    for name in (key, f"limits.{key}"):
        assert apiyi(["config", "set", name, value]).code == 0
        ran = apiyi(["config", "get", name])
        assert (ran.code, ran.text.strip().removesuffix(".0")) == (0, value)
        assert apiyi(["config", "unset", name]).code == 0
    written = (apiyi.home / "config" / "apiyi" / "config.toml").read_text()
    assert value not in written


def test_a_store_that_is_no_redis_address_is_refused(apiyi: Program) -> None:
    ran = apiyi("config set store limits.example.com")
    assert ran.code == 2 and "redis://HOST:PORT/DB" in ran.err
    ran = apiyi("config list", env={"APIYI_LIMITS_STORE": "limits.example.com"})
    assert ran.code == 10 and "APIYI_LIMITS_STORE" in ran.err
    for wait in ("-1", "86401", "five", "nan"):
        ran = apiyi("config list", env={"APIYI_LIMITS_STORE_WAIT": wait})
        assert ran.code == 10 and "APIYI_LIMITS_STORE_WAIT" in ran.err and repr(wait) in ran.err


def test_the_environment_names_the_store_and_the_listing_says_so(apiyi: Program) -> None:
    ran = apiyi("config list --origin", env={"APIYI_LIMITS_STORE": STORE})
    (line,) = [one for one in ran.text.splitlines() if one.startswith("limits.store =")]
    assert STORE in line and "environment APIYI_LIMITS_STORE" in line
    wait = {"APIYI_LIMITS_STORE_WAIT": "20"}
    ran = apiyi("config list --origin", env=wait)
    (line,) = [one for one in ran.text.splitlines() if one.startswith("limits.store_wait_s =")]
    assert "20" in line and "environment APIYI_LIMITS_STORE_WAIT" in line
