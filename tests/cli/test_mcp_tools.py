"""`--mcp`: tools of MCP servers answer the model's calls, in every protocol."""

from __future__ import annotations

import base64
import json
import shlex
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.cli.test_toolbox import calling, results
from tests.conftest import KEY
from tests.tools.test_mcp import ZOO, serve_zoo, wait_for_end
from tests.tools.zoo import PNG

if TYPE_CHECKING:
    from tests.conftest import Program
    from tests.quick import Warm

TOKEN = "written-out-0123456789"


@pytest.fixture
def warm(warm_mcp: Warm) -> Warm:
    """The warm process of these tests."""
    return warm_mcp


def line(*more: str, command: str = "chat") -> list[str]:
    return [command, "hi", "--mcp", ZOO, "--yes", *more]


def test_tools_are_offered_called_and_answered(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(
        calling(("add", '{"a":20,"b":3}'), ("environment", "{}"), ("picture", "{}"), ("add", "{}")),
        ScriptedReply.chat("It is 23."),
    )
    ran = apiyi(line("--tool", '{"name":"add","parameters":{"type":"object"}}', "--run", "add=cat"))
    assert ran.text == "It is 23.\n"
    assert 'running add({"a":20,"b":3}) -> cat' in ran.err
    assert f"running environment({{}}) -> zoo ({ZOO})" in ran.err
    first, second = (entry.json for entry in gateway.ledger)
    offered = {tool["function"]["name"]: tool["function"] for tool in first["tools"]}
    assert offered["zoo_add"]["description"] == "Add two numbers."
    assert offered["zoo_add"]["parameters"]["required"] == ["a", "b"]
    assert "dotted_name" in offered
    # The user's own function of the name keeps it.
    given, environment, seen, empty = results(gateway)
    assert (given, empty) == ('{"a":20,"b":3}', "{}")
    assert KEY not in environment
    assert "APIYI_API_KEY" not in environment
    assert "shown in the next message" in seen
    text, shown = second["messages"][-1]["content"]
    assert text == {"type": "text", "text": "Pictures in the results of the functions, in order:"}
    assert shown["image_url"]["url"].startswith("data:image/png;base64,iVBOR")


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (["respond", "-m", "gpt-4o"], "/v1/responses"),
        (["chat", "-m", "claude-sonnet-5", "--protocol", "anthropic"], "/v1/messages"),
        (["chat", "-m", "gemini-3.6-flash", "--protocol", "google"], "streamGenerateContent"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_every_protocol_calls_them(
    apiyi: Program, gateway: Gateway, words: list[str], path: str
) -> None:
    called = ["--mcp", f"{ZOO} aviary", "--yes", "--max-steps", "2", "--tool-choice", "picture"]
    ran = apiyi([*words, *called, "--", "hi"])
    # Some of the sandbox's models take the message with the picture for a question, and call again.
    assert ran.code in (0, 9), ran.err
    assert "running picture({}) -> aviary" in ran.err
    first, second = gateway.ledger
    assert path in first.path
    assert (first.status, second.status) == (200, 200)
    assert "dotted_name" in json.dumps(first.json)
    said = json.dumps(second.json)
    assert "shown in the next message" in said
    assert said.count(base64.b64encode(PNG).decode()) == 1


def test_consent_is_asked_for_where_it_was_not_given(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(["chat", "hi", "--mcp", ZOO])
    assert ran.code == 2
    assert "cannot ask whether --mcp may run its commands" in ran.err
    assert gateway.ledger == []
    gateway.script(calling(("add", '{"a":1,"b":1}')), ScriptedReply.chat("no?"))
    screen = apiyi.terminal(f"chat hi --mcp {shlex.quote(ZOO)}", keys=b"n\n", columns=200)
    assert screen.code == 0
    assert any('run add({"a":1,"b":1}) -> zoo' in shown for shown in screen.lines)
    assert results(gateway) == ["error: the user did not allow this call"]


def test_nothing_is_sent_when_a_server_cannot_be_used(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(["chat", "hi", "--mcp", "no-such-program-at-all", "--yes", "--json"])
    assert ran.code == 10
    error = json.loads(ran.err)["error"]
    assert error["message"] == (
        "cannot use the MCP server no-such-program-at-all: there is no such program"
    )
    assert gateway.ledger == []


def test_a_dry_run_shows_the_tools_and_needs_no_key(apiyi: Program) -> None:
    ran = apiyi(line("--dry-run"), env={"APIYI_API_KEY": None})
    assert ran.code == 0, ran.err
    names = [tool["function"]["name"] for tool in ran.json["body"]["tools"]]
    assert names[:2] == ["add", "dotted_name"]


def test_a_signal_ends_the_servers(
    apiyi: Program, gateway: Gateway, stopped: list[Any], tmp_path: Path
) -> None:
    gateway.script(calling(("slow", "{}")))
    process = apiyi.start(line("--no-stdin"), env={"ZOO_PID": str(tmp_path / "pid")})
    stopped.append(process)
    deadline = time.monotonic() + 20
    while len(gateway.ledger) < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == -signal.SIGINT
    wait_for_end(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--mcp-header", "X-A: b"], "there is no --mcp URL"),
        (["--mcp", ZOO, "--mcp-header", "X-A: b"], "there is no --mcp URL"),
        (["--mcp", "https://a/", "--mcp", "https://b/", "--mcp-header", "A: b"], "goes to one"),
        (["--mcp", "https://a/", "--mcp", "https://b/", "--mcp-header", "A: b"], "'a Name: value'"),
        (["--mcp", "https://a/", "--mcp-header", "b.example A: b"], "no --mcp is at b.example"),
        (
            ["--mcp", "https://a/x", "--mcp", "https://a/y?k=1", "--mcp-header", "a A: b"],
            "'https://a/x Name: value'",
        ),
        (["--mcp", "https://a/", "--mcp-header", TOKEN], "it is not 'Name: value'"),
        (["--mcp", "https://a/", "--mcp-header", f"Authorization: Bearer {TOKEN}"], "does not bel"),
        (["--mcp", "https://a/", "--mcp-header", f"X-Api-Key: {TOKEN}"], "does not belong on the"),
        (["--mcp", "https://a/", "--mcp-header", "Authorization: $NO_SUCH"], "it is empty"),
        (["--mcp", "https://a/", "--mcp-header", "Authorization: @none"], "No such file"),
        (["--mcp", "https://a/", "--mcp-header", "Authorization: @open"], "others can read it"),
    ],
)
def test_a_header_that_is_no_servers_or_shows_a_token_is_refused(
    apiyi: Program, gateway: Gateway, words: list[str], why: str
) -> None:
    (apiyi.work / "open").write_text("token-of-a-server")
    (apiyi.work / "open").chmod(0o644)
    ran = apiyi(["chat", "hi", "--yes", *words])
    assert ran.code in (2, 4, 10)
    assert why in ran.err and TOKEN not in ran.err and "auth login" not in ran.err
    assert gateway.ledger == []


def test_each_server_gets_its_own_headers(apiyi: Program, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("token-of-a-server\n")
    (tmp_path / "token").chmod(0o600)
    with serve_zoo("token-of-a-server") as one, serve_zoo("other-token-here") as two:
        gateway.script(calling(("add", '{"a":1,"b":2}'), ("zoo-other-token-here_add", "{}")))
        host = two.split("/")[2]
        words = [
            *("--yes", "--max-steps", "1", "--mcp", f"{one}?a=b", "--mcp", two),
            *("--mcp-header", f"{one} Authorization: Bearer @{tmp_path / 'token'}"),
            *("--mcp-header", f"{host} Authorization: Bearer $OTHER"),
        ]
        ran = apiyi(["chat", "hi", *words], env={"OTHER": "other-token-here"})
    assert ran.code == 9, ran.err
    names = {tool["function"]["name"] for tool in gateway.posts[0].json["tools"]}
    assert {"add", "zoo-other-token-here_add"} <= names


def test_without_the_package_one_line_says_how_to_get_it(apiyi: Program, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "mcp.py").write_text("raise ImportError('hidden')\n")
    for words in (line(), ["mcp"]):
        process = apiyi.start(words, env={"PYTHONPATH": str(hidden)})
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (10, b"")
        assert err.decode().splitlines()[1].strip() == "try: pip install 'apiyi-cli[mcp]'"
