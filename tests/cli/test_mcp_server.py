"""`apiyi mcp`: the official client calls every tool; limits, errors, cancelling, clean protocol."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import jsonschema
import pytest

from apiyi_cli.agents.served_tools import SERVED
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from mcp import Client

    from tests.quick import Quick, Warm

    Work = Callable[[Client], Awaitable[None]]

LIMIT_S = 60.0
NOBODY = {"APIYI_BASE_URL": None, "APIYI_API_KEY": None, "APIYI_MODEL": None}


@pytest.fixture
def warm(warm_mcp: Warm) -> Warm:
    """The warm process of these tests."""
    return warm_mcp


def use(apiyi: Quick, work: Work, *words: str, env: dict[str, str | None] | None = None) -> str:
    """Connect the official client to `apiyi mcp` and let it work; return the server's stderr."""
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    log: Path = apiyi.work / "stderr"

    async def main() -> None:
        parameters = StdioServerParameters(
            command=apiyi.command(),
            args=["mcp", *words],
            env=apiyi.environment(env),
            cwd=apiyi.work,
        )
        with log.open("w") as errors, anyio.fail_after(LIMIT_S):
            async with Client(stdio_client(parameters, errors)) as client:
                await work(client)

    anyio.run(main)
    return log.read_text()


async def call(client: Client, tool: str, /, **arguments: Any) -> tuple[bool, list[str], Any]:
    """Return whether a call failed, its texts and its structured content."""
    result = await client.call_tool(tool, arguments)
    texts = [part.text for part in result.content if part.type == "text"]
    return result.is_error, texts, result.structured_content


def test_every_tool_does_its_work(apiyi: Quick, gateway: Gateway) -> None:
    folder = apiyi.work / "out"
    folder.mkdir()

    async def work(client: Client) -> None:
        listed = (await client.list_tools()).tools
        assert [tool.name for tool in listed] == [tool.name for tool in SERVED]
        for tool in listed:
            jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        chat = next(tool.input_schema for tool in listed if tool.name == "chat")
        assert chat["properties"]["temperature"]["maximum"] == 2
        assert chat["properties"]["model"]["type"] == "string"

        failed, (answer,), _ = await call(client, "chat", prompt="-v hi", system="Be brief.")
        assert (failed, "-v hi" in answer) == (False, True)
        drawn = await call(client, "image", prompt="a cat")
        path = json.loads(drawn[1][0])["path"]
        assert path == str(folder / "a-cat-1.png")
        assert Path(path).read_bytes().startswith(b"\x89PNG")
        assert (await call(client, "speak", text="hello", output="a.wav"))[1] == [
            str(folder / "a.wav")
        ]
        assert "transcribed" in (await call(client, "transcribe", files=["a.wav"]))[1][0]
        embedded = (await call(client, "embed", texts=["a\nb", "c"], dimensions=3))[1][0]
        assert [json.loads(line)["text"] for line in embedded.splitlines()] == ["a\nb", "c"]
        ranked = await call(client, "rank", query="cats", documents=["a cat", "rain"], top=1)
        assert json.loads(ranked[1][0])["text"] == "a cat"
        assert "gpt-4o" in (await call(client, "models", query="gpt"))[1][0].split()
        assert (await call(client, "video", prompt="a cat", output="cat.mp4"))[0] is False
        assert (folder / "cat.mp4").exists()
        (folder / "rows.txt").write_text("one\n")
        assert apiyi("batch out/rows.txt --lines -o out/out.jsonl").code == 0
        status = (await call(client, "batch_status", outputs=["out.jsonl"]))[1][0]
        assert json.loads(status)["ok"] == 1
        # There is no system token.
        failed, _, why = await call(client, "balance")
        assert (failed, why["exit_code"]) == (True, 4)

    assert use(apiyi, work, "--folder", "out") == ""


def test_failures_say_exit_code_and_hint(apiyi: Quick, gateway: Gateway) -> None:
    async def work(client: Client) -> None:
        failed, texts, why = await call(client, "chat", prompt="x", model="fault:401")
        assert failed
        assert (why["exit_code"], why["name"], why["run_again"]) == (4, "auth", "fix")
        assert "try: apiyi auth login" in texts[0]
        assert "exit code 4 (auth); call again: fix" in texts[0]
        # What had come before the cut was paid for.
        failed, texts, why = await call(client, "chat", prompt="x", model="fault:cut@3")
        assert (failed, why["exit_code"]) == (True, 8)
        assert texts[1].startswith("[sandbox]")
        for arguments in ({}, {"prompt": 1}, {"prompt": "x", "nope": 1}):
            failed, _, why = await call(client, "chat", **arguments)
            assert (failed, why["exit_code"]) == (True, 2)
        failed, _, why = await call(client, "nothing")
        assert (failed, why["exit_code"]) == (True, 2)

    use(apiyi, work)
    assert len(gateway.ledger) == 2


def test_the_cost_of_a_session_is_limited(apiyi: Quick, gateway: Gateway) -> None:
    assert apiyi("models --update").code == 0

    async def work(client: Client) -> None:
        outcomes: list[int] = []

        async def ask(number: int) -> None:
            _, _, why = await call(client, "chat", prompt=f"hi {number}", max_tokens=1000)
            outcomes.append(0 if why is None else why["exit_code"])

        async with anyio.create_task_group() as tasks:
            for number in range(4):
                tasks.start_soon(ask, number)
        # Each is estimated at about a cent.
        assert sorted(outcomes) == [0, 0, 9, 9]
        assert (await call(client, "models"))[0] is False

    before = len(gateway.ledger)
    use(apiyi, work, "--max-cost", "0.025")
    asked = [entry for entry in gateway.ledger[before:] if entry.path.endswith("completions")]
    assert len(asked) == 2


def test_a_call_that_is_cancelled_ends_its_request(apiyi: Quick, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat("late").hold())

    async def work(client: Client) -> None:
        with anyio.move_on_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: call(client, "chat", prompt="wait"))
                while not gateway.ledger:
                    await anyio.sleep(0.02)
                tasks.cancel_scope.cancel()
        while gateway.ledger[0].closed_by_client_at is None:
            await anyio.sleep(0.02)
        # The server goes on.
        assert (await call(client, "models", query="gpt"))[0] is False

    use(apiyi, work)


def test_the_client_that_leaves_ends_everything(
    apiyi: Quick, stopped: list[subprocess.Popen[bytes]]
) -> None:
    process = apiyi.start("--profile sandbox mcp", stdin=subprocess.PIPE, env=NOBODY)
    stopped.append(process)
    assert process.stdin is not None and process.stdout is not None
    asked = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    process.stdin.write(json.dumps(asked).encode() + b"\n")
    answer = json.loads(process.stdout.readline())
    assert answer["result"]["serverInfo"]["name"] == "apiyi"
    process.stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
    called = {"method": "tools/call", "params": {"name": "models", "arguments": {}}}
    process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 2, **called}).encode() + b"\n")
    # The profile before the command holds for each call as well.
    result = json.loads(process.stdout.readline())["result"]
    assert "sandbox-1" in result["content"][0]["text"]
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, b"", b"")


@pytest.mark.parametrize(
    ("line", "code", "why"),
    [
        ("mcp --folder there-is-none", 2, "there-is-none: it is not a folder"),
        ("--profile nobody mcp", 10, "there is no profile 'nobody'"),
    ],
)
def test_what_no_call_could_use_is_told_at_once(
    apiyi: Quick, line: str, code: int, why: str
) -> None:
    ran = apiyi(line)
    assert ran.code == code and why in ran.err


def test_on_a_terminal_it_says_who_is_meant_to_speak(apiyi: Quick) -> None:
    screen = apiyi.terminal("mcp", keys=b"\x04", columns=120)
    assert screen.code == 0
    assert screen.lines[0].startswith("apiyi: agents speak to this by JSON")


def test_a_signal_ends_it(apiyi: Quick, stopped: list[subprocess.Popen[bytes]]) -> None:
    process = apiyi.start("mcp", stdin=subprocess.PIPE)
    stopped.append(process)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    assert process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == -signal.SIGTERM


@pytest.mark.nightly
def test_reference_server_and_inspector_of_the_registry(apiyi: Quick, tmp_path: Path) -> None:
    """The server that the protocol's authors test clients with, and their inspector."""
    packages = ("@modelcontextprotocol/server-everything", "@modelcontextprotocol/inspector")
    installed = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(tmp_path), *packages],
        capture_output=True,
        check=False,
        timeout=280,
    )
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install {' '.join(packages)} here")
    bins = tmp_path / "node_modules" / ".bin"
    words = ["chat", "--mcp", str(bins / "mcp-server-everything"), "--yes", "--tool-choice", "echo"]
    ran = apiyi([*words, "--", "hi"])
    assert ran.code == 0, ran.err
    assert "running echo(" in ran.err
    served = [str(apiyi.path), "mcp", "--profile", "sandbox"]
    asked = ["--method", "tools/call", "--tool-name", "chat", "--tool-arg", "prompt=hi"]
    inspected = subprocess.run(
        [str(bins / "mcp-inspector"), "--cli", *served, *asked],
        env=apiyi.environment({"APIYI_BASE_URL": None, "APIYI_MODEL": None}),
        cwd=apiyi.work,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert inspected.returncode == 0, inspected.stderr
    assert "[sandbox]" in json.loads(inspected.stdout)["content"][0]["text"]
