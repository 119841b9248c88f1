"""Tools of MCP servers: what comes back, what goes wrong, and that nothing is left running."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.tools.mcp import McpServer, McpServers, offer_tools

# Not imported from there: the official package takes a second.
PNG = Path(__file__).with_name("pixel.png").read_bytes()
ZOO, OFFICIAL = (
    shlex.join([sys.executable, str(Path(__file__).with_name(name))])
    for name in ("zoo.py", "official_zoo.py")
)
MOST = 1 << 16


def is_alive(pid: int) -> bool:
    """Return True until a process has ended; one that nobody has waited for has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for_end(pid: int) -> None:
    for _ in range(500):
        if not is_alive(pid):
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} still runs")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[McpServers]:
    environ = {
        "PATH": os.environ["PATH"],
        "ZOO_PID": str(tmp_path / "pid"),
        "ZOO_CHILD": str(tmp_path / "child"),
    }
    running = McpServers(environ)
    yield running
    running.close()


def call(server: McpServer, name: str, arguments: str = "{}", timeout_s: float = 20.0) -> str:
    return server.call(name, arguments, timeout_s, MOST).text


@pytest.mark.parametrize("zoo", [ZOO, OFFICIAL], ids=["ours", "official"])
def test_results_of_all_kinds_come_back(servers: McpServers, tmp_path: Path, zoo: str) -> None:
    server = servers.connect(zoo)
    assert server.name == "zoo"
    assert call(server, "add", '{"a": 2, "b": 3}') == "5"
    assert "error" in call(server, "add", '{"a": "x", "b": 3}')
    assert call(server, "add", "{").startswith("error: the arguments are not JSON")
    assert call(server, "add", "[1]") == "error: the arguments are not a JSON object"
    assert "no luck today" in call(server, "fail")
    assert call(server, "nothing").startswith("error: ")
    # Its environment is the one that was given; Python itself adds the last one.
    names = set(re.findall(r"\('(\w+)'", call(server, "environment")))
    assert names - {"LC_CTYPE"} == {"PATH", "ZOO_CHILD", "ZOO_PID"}
    seen = server.call("picture", "{}", 20.0, MOST)
    assert seen.text == f"one red dot\n[image/png, {len(PNG)} bytes: shown in the next message]"
    assert [picture.content for picture in seen.pictures] == [PNG]
    big = call(server, "huge")
    assert len(big) < MOST + 100
    assert big.endswith(f"[cut: a result may have {MOST} bytes]")
    servers.close()
    wait_for_end(int((tmp_path / "pid").read_text()))


def test_a_slow_tool_is_not_waited_for(servers: McpServers) -> None:
    server = servers.connect(ZOO)
    assert call(server, "slow", timeout_s=0.2) == "error: slow did not end within 0.2 s"


def test_a_server_that_dies_is_an_error_with_its_last_words(
    servers: McpServers, tmp_path: Path
) -> None:
    server = servers.connect(ZOO)
    text = call(server, "die")
    assert text.startswith("error: die: ")
    assert "the cage is open" in text
    # So is every call after that, and what it had started is ended as well.
    assert call(server, "add", '{"a": 1, "b": 1}').startswith("error: add: ")
    servers.close()
    wait_for_end(int((tmp_path / "child").read_text()))


def test_a_server_that_has_ended_is_started_again_once_it_is_needed(
    servers: McpServers, tmp_path: Path
) -> None:
    notes: list[str] = []
    first = servers.connect(ZOO, None, notes.append)
    assert servers.connect(ZOO, None, notes.append) is first
    assert notes == []
    assert "Connection closed" in call(first, "die")
    again = servers.connect(ZOO, None, notes.append)
    assert again is not first and call(again, "add", '{"a": 1, "b": 2}') == "3"
    assert notes == [
        f"started the MCP server {ZOO} again: Connection closed (its last words: the cage is open)"
    ]
    wait_for_end(int((tmp_path / "child").read_text()))


def test_a_server_that_cannot_be_started_again_says_how_to_go_on(
    servers: McpServers, tmp_path: Path
) -> None:
    once = tmp_path / "once"
    script = f"test -e {once} && exit 1; touch {once}; exec {ZOO}"
    server = servers.connect(shlex.join(["sh", "-c", script]))
    call(server, "die")
    for _ in range(2):
        with pytest.raises(SetupError) as failure:
            servers.connect(shlex.join(["sh", "-c", script]))
        assert failure.value.hint == "/unset mcp goes on without its tools"
    wait_for_end(int((tmp_path / "child").read_text()))


def test_names_that_clash_or_that_models_do_not_take_are_changed(servers: McpServers) -> None:
    connected = [servers.connect(f"{ZOO} first"), servers.connect(f"{ZOO} second")]
    notes: list[str] = []
    functions, tools = offer_tools(connected, ["add"], notes.append)
    names = [function["function"]["name"] for function in functions]
    assert len(set(names)) == len(names) == len(tools) == 16
    assert {"first_add", "second_add", "dotted_name", "second_dotted_name"} <= set(names)
    assert "dotted.name of first is offered as dotted_name" in notes
    for name in ("first_add", "second_add"):
        remote = tools[name].remote
        assert remote is not None
        assert remote('{"a": 20, "b": 3}', 20.0, MOST).text == "23"
    assert tools["second_add"].target == f"second ({ZOO} second)"


INVALID = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    answer = {"jsonrpc": "2.0", "id": asked["id"]}
    if asked["method"] == "initialize":
        print("this line is no message", flush=True)
        answer["result"] = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
            "serverInfo": {"name": "bad", "version": "1"}}
    elif asked["method"] == "tools/list":
        answer["result"] = {"tools": [
            {"name": "broken", "inputSchema": {"type": "object", "properties": {"a": {"type": 7}}}},
            {"name": "good", "inputSchema": {"type": "object"}}]}
    else:
        answer["error"] = {"code": -32601, "message": "unknown"}
    print(json.dumps(answer), flush=True)
"""


def test_a_tool_with_an_invalid_schema_is_left_out(servers: McpServers) -> None:
    server = servers.connect(shlex.join([sys.executable, "-c", INVALID]))
    notes: list[str] = []
    functions, tools = offer_tools([server], [], notes.append)
    assert [function["function"]["name"] for function in functions] == ["good"] == list(tools)
    assert [note.partition(":")[0] for note in notes] == ["broken of bad is not offered"]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no-such-program-at-all x", "there is no such program"),
        ("false", "Connection closed"),
        ("sh -c 'echo out of luck >&2; exit 1'", "out of luck"),
        ("http://127.0.0.1:{port}/mcp", ""),
        ("http://mcp.example/sse?token=t", "plain http"),
        ("http://me:token@mcp.example/sse", "plain http"),
        ("http://10.0.0.5:{port}/mcp", "plain http"),
        ("https://", "this is not a URL"),
        ("http://[::1/mcp", "this is not a URL"),
    ],
)
def test_a_server_that_cannot_be_used_is_a_setup_error(
    servers: McpServers, value: str, why: str
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        value = value.format(port=closed.getsockname()[1])
        with pytest.raises(SetupError) as failure:
            servers.connect(value)
    assert failure.value.exit_code == 10
    assert why in failure.value.why
    assert "token" not in failure.value.sentence()


@pytest.mark.parametrize("value", ["", "'torn"])
def test_a_command_that_is_none_is_refused(servers: McpServers, value: str) -> None:
    with pytest.raises(UsageError):
        servers.connect(value)


@contextmanager
def serve_zoo(token: str) -> Iterator[str]:
    """Run a server that is reached by HTTP with a token; give its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = subprocess.Popen(
        [*shlex.split(OFFICIAL), f"zoo-{token}", str(port), token],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "http_proxy": "http://127.0.0.1:9"},
    )
    try:
        assert started.stderr is not None
        while b"running on" not in (line := started.stderr.readline()):
            assert line, "the server has ended"
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        started.terminate()
        started.communicate()


def test_a_server_is_reached_by_http(servers: McpServers) -> None:
    with serve_zoo("open-sesame") as base:
        url = f"{base}?token=secret"
        with pytest.raises(SetupError) as refused:
            servers.connect(url)
        assert "it wants a token (HTTP 401)" in refused.value.why
        assert "--mcp-header 'Authorization: Bearer @FILE'" in str(refused.value.hint)
        server = servers.connect(url, {"Authorization": "Bearer open-sesame"})
        assert server.title == base
        assert call(server, "add", '{"a": 40, "b": 2}') == "42"
        servers.close()
