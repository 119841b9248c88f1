"""Odd JSON values in the answers of the newer endpoints, through typed lines.

`tests/decode/test_odd_values` holds the decoders against them; here what stores, sums, waits and
prints is held, too. By day a third of the values stand in one field each; at night all in all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest

from apiyi_cli.core.exit_codes import EXIT_CODES
from apiyi_cli.core.jsontext import read
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import KEY
from tests.decode.test_odd_values import (
    BALANCE,
    GENERATED,
    GENERATED_EVENTS,
    LOG,
    MESSAGE,
    MESSAGE_STREAM,
    ODD,
    SCORES,
    SUBMITTED,
    TASK,
    Answer,
    bodies,
)

if TYPE_CHECKING:
    from tests.conftest import Program

pytestmark = pytest.mark.off_schema

CODES = frozenset(row.code for row in EXIT_CODES) - {1}
TOKEN = "syscanary9f3c0123456789"
HOSTILE = '"a\\u001b]52;c;ZXZpbA==\\u0007\\u009b2J\\u202e' + TOKEN + '"'
VALUES = {**ODD, "hostile": HOSTILE}
MODELS = {
    "schema_version": 1,
    "groups": {"default": {"ratio": 1.0}},
    "models": [
        {
            "id": "m-1",
            "category": "chat",
            "endpoints": ["openai"],
            "groups": ["default"],
            "successor": "m-2",
            "context_window": 1000,
            "billing": {"type": "token", "input_usd_per_m": 1, "output_usd_per_m": 2},
        }
    ],
}
PRICES = {
    "success": True,
    "group_ratio": {"default": 1},
    "data": [
        {
            "model_name": "m-1",
            "quota_type": 0,
            "model_ratio": 1.5,
            "completion_ratio": 4,
            "cache_ratio": 0.1,
            "model_price": 0.1,
            "enable_groups": ["default"],
            "supported_endpoint_types": ["openai"],
        }
    ],
}
ERROR = {"type": "error", "error": {"type": "t", "code": 400, "message": "m", "status": "s"}}
CLAUDE = "-m claude-opus-5 --protocol anthropic --retries 0"
GEMINI = "-m gemini-3.6-flash --protocol google --retries 0"
VIDEO = "video cat -m wan2.7-t2v --poll 0.1 --max-time 0.3 --retries 0 -o v.mp4"


class Surface(NamedTuple):
    """Lines to run, an answer with a value in each place, its path and status.

    `first` is answered before it.
    """

    lines: tuple[str, ...]
    answer: Answer
    path: str
    status: int = 200
    first: tuple[ScriptedReply, ...] = ()


SURFACES = {
    "claude": Surface((f"chat hi {CLAUDE} --no-stream --session s",), MESSAGE, "/messages"),
    "claude json": Surface((f"chat hi {CLAUDE} --json",), MESSAGE_STREAM, "/messages"),
    "claude error": Surface((f"chat hi {CLAUDE}",), ERROR, "/messages", 400),
    "gemini": Surface(
        (f"chat hi {GEMINI} --no-stream --session s -u",), GENERATED, ":generateContent"
    ),
    "gemini json": Surface(
        (f"chat hi {GEMINI} --json",), GENERATED_EVENTS, ":streamGenerateContent"
    ),
    "gemini error": Surface((f"chat hi {GEMINI}",), ERROR, ":streamGenerateContent", 503),
    "rank": Surface(("rank q -f a.txt -f b.txt --retries 0", "usage"), SCORES, "/rerank"),
    "rank json": Surface(("rank q -f a.txt -f b.txt --json --retries 0",), SCORES, "/rerank"),
    "submit": Surface((VIDEO, "video list", "video list --json"), SUBMITTED, "/video-synthesis"),
    "task": Surface(
        (VIDEO, "video list"),
        TASK,
        "/tasks/t",
        first=(ScriptedReply.json(SUBMITTED),),
    ),
    "balance": Surface(("balance --retries 0",), BALANCE, "/api/user/self"),
    "balance json": Surface(("balance --json --retries 0",), BALANCE, "/api/user/self"),
    "charges": Surface(
        ("usage --remote --since 1h --retries 0", "usage --remote --since 1h --by day"),
        LOG,
        "/api/log/self",
    ),
    "reconcile": Surface(("usage --reconcile --since 1h --retries 0",), LOG, "/api/log/self"),
    "registry": Surface(
        ("models --update --retries 0", "chat hi --dry-run", "models m-"),
        MODELS,
        "/model-registry.json",
    ),
    "prices": Surface(
        ("models --update --retries 0", "usage", "models m-"), PRICES, "/api/pricing"
    ),
}


@pytest.fixture
def ready(apiyi: Program) -> Program:
    for name in ("a.txt", "b.txt"):
        (apiyi.work / name).write_text(f"text of {name}")
    apiyi.environ["APIYI_SYSTEM_TOKEN"] = TOKEN
    return apiyi


def check(apiyi: Program, surface: Surface, body: bytes) -> None:
    is_stream = isinstance(surface.answer, list)
    kind = "text/event-stream" if is_stream else "application/json"
    reply = ScriptedReply(body=body, content_type=kind, status=surface.status)
    # Scripted replies stay until they are asked for, so that each body has its own gateway.
    with Gateway(key=KEY) as gateway:
        gateway.script(*surface.first, path="/video-synthesis")
        gateway.script(*[reply] * 12, path=surface.path)
        registry = f"{gateway.origin}/model-registry.json"
        (apiyi.home / "config.toml").write_text(f'registry_url = "{registry}"\n')
        (apiyi.home / "config.toml").chmod(0o600)
        env = {"APIYI_BASE_URL": gateway.base_url, "APIYI_CONFIG": f"{apiyi.home}/config.toml"}
        judge(apiyi, surface, body, env)


def judge(apiyi: Program, surface: Surface, body: bytes, env: dict[str, str]) -> None:
    for line in surface.lines:
        ran = apiyi(line, env=env)
        where = (line, body[:600], ran.code, ran.out[-600:], ran.err[-1500:])
        assert ran.code in CODES, where
        assert "Traceback" not in ran.err, where
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", ran.err), (
            where
        )
        assert KEY not in ran.err and KEY.encode() not in ran.out, where
        if surface.path.startswith("/api/"):
            # Only this account's own answers can know it.
            assert TOKEN not in ran.err and TOKEN.encode() not in ran.out, where
        if "--json" in line and ran.code == 0:
            for printed in ran.out.splitlines():
                read(printed)


def sample(surface: Surface, start: int) -> Iterator[bytes]:
    """Yield a body for every third value, each in another field."""
    for n, odd in list(enumerate(VALUES.values()))[start % 3 :: 3]:
        found = list(bodies(surface.answer, odd))
        yield found[(7 * n + start) % len(found)]


@pytest.mark.parametrize("name", SURFACES)
def test_an_odd_value_is_no_defect_of_a_command(ready: Program, name: str) -> None:
    for body in sample(SURFACES[name], len(name)):
        check(ready, SURFACES[name], body)


@pytest.mark.nightly
@pytest.mark.parametrize("name", SURFACES)
def test_an_odd_value_in_any_field_is_no_defect_of_a_command(ready: Program, name: str) -> None:
    for odd in VALUES.values():
        for body in bodies(SURFACES[name].answer, odd):
            check(ready, SURFACES[name], body)
