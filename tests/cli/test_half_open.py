"""An address that was down is used again only when the API behind it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


@pytest.fixture
def backup() -> Iterator[Gateway]:
    with Gateway() as running:
        yield running


@pytest.fixture
def recovering(apiyi: Program, gateway: Gateway, backup: Gateway) -> Program:
    """The program, whose first address was marked as down more than a minute ago."""
    apiyi.environ.pop("APIYI_BASE_URL")
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    urls = json.dumps([gateway.base_url, backup.base_url])
    config.write_text(f"[profile.default]\nbase_urls = {urls}\n")
    breaker = apiyi.home / "state" / "apiyi" / "breaker.json"
    breaker.parent.mkdir(parents=True, exist_ok=True)
    breaker.write_text(json.dumps({gateway.base_url: [1.0, 1.0]}))
    return apiyi


@pytest.mark.parametrize("status", [500, 502, 503, 521])
def test_a_proxy_that_answers_for_a_dead_api_is_not_up(
    recovering: Program, gateway: Gateway, backup: Gateway, status: int
) -> None:
    gateway.script(ScriptedReply.text("<title>down</title>", "text/html", status=status))
    ran = recovering("chat hi")
    assert ran.code == 0
    assert [one.method for one in gateway.ledger] == ["GET"]
    assert [one.method for one in backup.ledger] == ["POST"]


@pytest.mark.parametrize("status", [200, 401, 404, 429])
def test_a_refusal_of_the_api_itself_shows_that_it_is_up(
    recovering: Program, gateway: Gateway, backup: Gateway, status: int
) -> None:
    gateway.script(
        ScriptedReply.json({"data": []}) if status == 200 else ScriptedReply.error(status, "no")
    )
    ran = recovering("chat hi")
    assert ran.code == 0
    assert [one.method for one in gateway.ledger] == ["GET", "POST"]
    assert backup.ledger == []
