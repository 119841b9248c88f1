"""`apiyi api`: any path, raw. What the server says goes out as it came."""

from __future__ import annotations

import gzip
import json
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

# A raw call may send anything.
pytestmark = pytest.mark.off_schema

ODD = b'{"b": 1.10,\n "a":"\\u6587"}'


@pytest.mark.parametrize(
    ("line", "method", "path"),
    [
        ("api models", "GET", "/v1/models"),
        ("api get models/gpt-4o", "GET", "/v1/models/gpt-4o"),
        ("api /api/pricing", "GET", "/api/pricing"),
        ("api POST moderations", "POST", "/v1/moderations"),
        ("api moderations -f input=x", "POST", "/v1/moderations"),
        ("api DELETE responses/r1", "DELETE", "/v1/responses/r1"),
        ("api HEAD models", "HEAD", "/v1/models"),
        ("api PUT x", "PUT", "/v1/x"),
        ("api PATCH x", "PATCH", "/v1/x"),
    ],
)
def test_method_and_path_are_what_was_typed(
    apiyi: Program, gateway: Gateway, line: str, method: str, path: str
) -> None:
    gateway.script(ScriptedReply(body=b"" if method == "HEAD" else ODD))
    ran = apiyi(line)
    assert (ran.code, ran.out) == (0, b"" if method == "HEAD" else ODD)
    assert (gateway.ledger[0].method, gateway.ledger[0].path) == (method, path)


def test_fields_are_texts_or_typed_and_nest(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "f.txt").write_text("from a file\n")
    gateway.script(ScriptedReply.json({}))
    line = ["api", "x", "-f", "a=1", "-F", "b=1.50", "-F", 'c.d=["e"]', "-F", "f=@f.txt"]
    assert apiyi([*line, "-F", "g=plain", "-F", "h=null", "-f", "i=@f.txt"]).code == 0
    assert gateway.ledger[0].json == {
        "a": "1",
        "i": "@f.txt",
        "b": 1.5,
        "c": {"d": ["e"]},
        "f": "from a file\n",
        "g": "plain",
        "h": None,
    }


def test_fields_of_a_get_go_into_the_query(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.json({}))
    assert apiyi(["api", "GET", "x?z=0", "-f", "q=a b&c", "-F", "on=true", "-F", "n=[1]"]).code == 0
    assert gateway.ledger[0].query == "z=0&q=a+b%26c&on=true&n=%5B1%5D"
    assert gateway.ledger[0].body == b""


@pytest.mark.parametrize("source", ["body.json", "-"])
def test_an_input_is_sent_byte_for_byte(apiyi: Program, gateway: Gateway, source: str) -> None:
    (apiyi.work / "body.json").write_bytes(ODD)
    gateway.script(ScriptedReply.json({}))
    assert apiyi(f"api x --input {source}", stdin=ODD).code == 0
    assert gateway.ledger[0].body == ODD
    assert gateway.ledger[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "line",
    [
        "api",
        "api FETCH models",
        "api https://elsewhere.example/v1/models",
        "api x -f novalue",
        "api x -F =1",
        "api x -F a=1 -F a.b=2",
        "api x -f a=1 --input body",
        "api x --input missing",
    ],
)
def test_what_cannot_be_called_is_refused(apiyi: Program, gateway: Gateway, line: str) -> None:
    assert apiyi(line).code == 2
    assert gateway.ledger == []


def test_a_stream_comes_out_as_it_arrives(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    seen = threading.Event()
    reply = ScriptedReply.chat("a", "b", wait=lambda number: number != 2 or seen.wait(20))
    gateway.script(reply)
    process = apiyi.start("api chat/completions -f model=m -F stream=true")
    stopped.append(process)
    assert process.stdout is not None
    assert isinstance(reply.body, tuple)
    first = b"".join(reply.body[:2])
    came = b""
    while len(came) < len(first):
        came += process.stdout.read(len(first) - len(came))
    assert came == first
    seen.set()
    out, err = process.communicate()
    assert (first + out, err, process.returncode) == (b"".join(reply.body), b"", 0)
    assert gateway.ledger[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (ScriptedReply.error(400, "no", code="invalid_value"), 6),
        (ScriptedReply.error(401, "无效的令牌"), 4),
        (ScriptedReply.error(403, "x", code="insufficient_user_quota"), 7),
        (ScriptedReply.error(429, "slow down", code="rate_limit_exceeded"), 5),
        (ScriptedReply.text("<title>502</title>", "text/html", status=502), 5),
        (ScriptedReply(status=302, headers=(("Location", "https://elsewhere.example/"),)), 6),
    ],
    ids=str,
)
def test_an_error_has_its_code_and_its_body_on_stderr(
    apiyi: Program, gateway: Gateway, reply: ScriptedReply, code: int
) -> None:
    gateway.script(reply)
    ran = apiyi("api chat/completions -f model=m --retries 0")
    assert (ran.code, ran.out) == (code, b"")
    assert isinstance(reply.body, bytes)
    assert ran.err.startswith(reply.body.decode())


def test_of_several_attempts_only_the_last_body_is_shown(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.error(500, "first words"), ScriptedReply.error(400, "last words"))
    err = apiyi("api models").err
    assert "first words" not in err
    assert '"last words"' in err


@pytest.mark.parametrize("path", ["images/generations", "/v1/videos", "unknown"])
def test_what_may_have_been_paid_for_is_not_sent_again(
    apiyi: Program, gateway: Gateway, path: str
) -> None:
    gateway.script(ScriptedReply.error(504, "late"), ScriptedReply.error(504, "late"))
    assert apiyi(f"api POST {path} -F x=1").code == 8
    assert len(gateway.ledger) == 1


def test_a_broken_answer_keeps_what_came_and_exits_8(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat("a", "b").cut(2))
    ran = apiyi("api chat/completions -f model=m -F stream=true")
    assert ran.code == 8
    assert ran.text.count("data: ") == 2
    assert len(gateway.ledger) == 1


def test_jq_filters_the_whole_answer(apiyi: Program) -> None:
    assert apiyi("api models --jq '.data[0].id'").text == "sandbox-1\n"


def test_an_answer_goes_to_a_file_that_is_not_overwritten(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply(body=ODD))
    assert apiyi("api x -o out").code == 0
    assert (apiyi.work / "out").read_bytes() == ODD
    assert apiyi("api x -o out").code == 11
    assert len(gateway.ledger) == 1


def test_a_dry_run_names_the_address_and_the_body(apiyi: Program, gateway: Gateway) -> None:
    found: dict[str, Any] = json.loads(apiyi("api /x/y -F a=1 --dry-run").text)
    assert found["url"] == f"{gateway.origin}/x/y"
    assert (found["method"], found["body"]) == ("POST", {"a": 1})
    assert gateway.ledger == []


def test_on_a_terminal_nothing_that_the_server_says_acts(apiyi: Program, gateway: Gateway) -> None:
    hostile = b"\x1b]52;c;AAAA\x07\x1b[2Jtext"
    gateway.script(ScriptedReply(body=hostile), ScriptedReply(body=hostile))
    screen = apiyi.terminal("api x")
    assert b"\x1b]52" not in screen.raw and b"text" in screen.raw
    assert apiyi("api x").out == hostile


@pytest.mark.parametrize("kind", ["application/gzip", "application/octet-stream"])
def test_a_compressed_file_comes_as_it_is(apiyi: Program, gateway: Gateway, kind: str) -> None:
    content = gzip.compress(b"the file")
    gateway.script(ScriptedReply(body=content, content_type=kind))
    assert apiyi("api files/f/content").out == content
