"""`--run`: local commands that answer function calls, and the user's word on each."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

ADD = (
    '{"name":"add","parameters":{"type":"object",'
    '"properties":{"a":{"type":"integer"}},"required":["a"]}}'
)
NOW = '{"name":"now"}'


def calling(*calls: tuple[str, str], finish: str = "tool_calls", text: str = "") -> ScriptedReply:
    """Return a stream that calls functions: their names and arguments."""
    deltas = [
        {"index": k, "id": f"c{k}", "type": "function", "function": {"name": n, "arguments": a}}
        for k, (n, a) in enumerate(calls)
    ]
    return ScriptedReply.chat(*([text] if text else []), {"tool_calls": deltas}, finish=finish)


def results(gateway: Gateway, request: int = 1) -> list[str]:
    messages = gateway.ledger[request].json["messages"]
    return [one["content"] for one in messages if one["role"] == "tool"]


def line(*more: str, tool: str = ADD) -> list[str]:
    return ["chat", "hi", "--tool", tool, *more]


def test_the_result_goes_back_and_only_the_last_answer_comes_out(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(calling(("add", '{"a": 1}'), text="Let me see."), ScriptedReply.chat("It is 2."))
    ran = apiyi(line("--run", "add=sh -c 'cat; echo; echo two'", "--yes"))
    assert ran.code == 0
    assert ran.text.splitlines()[-1] == "It is 2."
    assert "running add" in ran.err
    asked, said, answered = gateway.ledger[1].json["messages"]
    assert asked == {"role": "user", "content": "hi"}
    assert said["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": 1}'}
    assert answered == {"role": "tool", "tool_call_id": "c0", "content": '{"a": 1}\ntwo\n'}


def test_several_calls_are_answered_in_their_order(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(
        calling(("add", '{"a":1}'), ("now", ""), ("add", '{"a":2}')), ScriptedReply.chat("ok")
    )
    ran = apiyi(line("--tool", NOW, "--run", "add=cat", "--run", "now=echo noon", "--yes"))
    assert ran.text == "ok\n"
    assert results(gateway) == ['{"a":1}', "noon\n", '{"a":2}']


def test_the_loop_goes_on_until_the_model_stops_calling(apiyi: Program, gateway: Gateway) -> None:
    for number in range(3):
        gateway.script(calling(("add", f'{{"a":{number}}}')))
    gateway.script(ScriptedReply.chat("done"))
    assert apiyi(line("--run", "add=cat", "--yes")).text == "done\n"
    assert results(gateway, 3) == ['{"a":0}', '{"a":1}', '{"a":2}']


def test_a_model_that_never_stops_is_stopped(apiyi: Program, gateway: Gateway) -> None:
    for _ in range(3):
        gateway.script(calling(("add", '{"a":1}')))
    ran = apiyi(line("--run", "add=cat", "--yes", "--max-steps", "2"))
    assert ran.code == 9
    assert "after 2 requests" in ran.err and "--max-steps" in ran.err
    assert len(gateway.ledger) == 2


def test_without_a_terminal_nothing_runs_unasked_and_nothing_is_sent(
    apiyi: Program, gateway: Gateway
) -> None:
    process = apiyi.start(line("--run", "add=touch ran"), start_new_session=True)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert b"--yes" in err
    assert gateway.ledger == []
    assert not (apiyi.work / "ran").exists()


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (b"y\n", "done\n"),
        (b"YES\n", "done\n"),
        (b"n\n", "error: the user did not allow this call"),
        (b"\n", "error: the user did not allow this call"),
        (b"yesterday\n", "error: the user did not allow this call"),
    ],
)
def test_each_call_is_asked_about_on_the_terminal(
    apiyi: Program, gateway: Gateway, keys: bytes, told: str
) -> None:
    gateway.script(calling(("now", "")), ScriptedReply.chat("ok"))
    typed = f"chat hi --tool '{NOW}' --run 'now=sh -c \"echo done\"'"
    screen = apiyi.terminal(typed, keys=keys, columns=120)
    assert screen.code == 0
    assert any("run now({}) -> sh -c 'echo done'? [y/N]" in text for text in screen.lines)
    assert results(gateway) == [told]


def test_the_question_shows_what_the_model_wrote_harmlessly(
    apiyi: Program, gateway: Gateway
) -> None:
    hostile = json.dumps({"x": "\x9b2J"}, ensure_ascii=False)
    gateway.script(calling(("now", hostile)), ScriptedReply.chat("ok"))
    screen = apiyi.terminal(f"chat hi --tool '{NOW}' --run now=cat", keys=b"n\n")
    assert "\x9b".encode() not in screen.raw


@pytest.mark.parametrize(
    "arguments", ["{", '{"a":', '{"a":"one"}', "[1]", "", '{"a":1}x'], ids=repr
)
def test_arguments_that_do_not_fit_run_nothing_and_the_model_is_told(
    apiyi: Program, gateway: Gateway, arguments: str
) -> None:
    gateway.script(calling(("add", arguments)), ScriptedReply.chat("sorry"))
    ran = apiyi(line("--run", "add=touch ran", "--yes"))
    assert ran.code == 0
    assert not (apiyi.work / "ran").exists()
    assert results(gateway)[0].startswith("error: the arguments were not used")


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_calls_of_an_answer_that_was_cut_off_are_never_run(
    apiyi: Program, gateway: Gateway, finish: str
) -> None:
    gateway.script(calling(("add", '{"a":1}'), finish=finish))
    ran = apiyi(line("--run", "add=touch ran", "--yes"))
    assert ran.code == 8
    assert not (apiyi.work / "ran").exists()
    assert len(gateway.ledger) == 1


def test_calls_of_a_broken_stream_are_never_run(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(calling(("add", '{"a":1}')).cut(2))
    ran = apiyi(line("--run", "add=touch ran", "--yes", "--retries", "0"))
    assert ran.code == 8
    assert not (apiyi.work / "ran").exists()


def test_a_function_that_nobody_declared_is_answered_with_that(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(calling(("rm_rf", "{}"), ("add", '{"a":1}')), ScriptedReply.chat("ok"))
    assert apiyi(line("--run", "add=cat", "--yes")).text == "ok\n"
    assert results(gateway) == [
        "error: there is no function 'rm_rf' (there are: add)",
        '{"a":1}',
    ]


def test_a_function_without_a_command_is_the_users_to_answer(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(calling(("now", "{}"), ("add", '{"a":1}')))
    ran = apiyi(line("--tool", NOW, "--run", "add=touch ran", "--yes"))
    assert ran.code == 0
    assert [json.loads(text)["name"] for text in ran.text.splitlines()] == ["now", "add"]
    assert not (apiyi.work / "ran").exists()
    assert len(gateway.ledger) == 1


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--run", "other=cat"], "no --tool describes it"),
        (["--run", "add"], "it is not NAME=COMMAND"),
        (["--run", "add=cat", "--run", "add=cat"], "it is given twice"),
        (["--run", "add=cat", "--n", "2"], "only one answer can go on"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_sent(
    apiyi: Program, gateway: Gateway, options: list[str], why: str
) -> None:
    ran = apiyi(line(*options, "--yes"))
    assert ran.code == 2 and why in ran.err
    assert gateway.ledger == []


def test_the_key_is_not_in_the_commands_environment(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(calling(("now", "")), ScriptedReply.chat("ok"))
    # Whatever the command knows lands in a file, which the fixture searches for the key.
    code = "import os; open('known', 'w').write(repr(dict(os.environ)))"
    assert apiyi(line("--run", f'now=python3 -c "{code}"', "--yes", tool=NOW)).code == 0
    known = (apiyi.work / "known").read_text()
    assert "'APIYI_BASE_URL'" in known and "APIYI_API_KEY" not in known


def test_json_is_the_last_answers_object_alone(apiyi: Program, gateway: Gateway) -> None:
    def whole(message: dict[str, Any], finish: str) -> ScriptedReply:
        said = {"role": "assistant", "content": None, **message}
        return ScriptedReply.json(
            {"choices": [{"index": 0, "message": said, "finish_reason": finish}]}
        )

    call = {"id": "c", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    gateway.script(whole({"tool_calls": [call]}, "tool_calls"), whole({"content": "x"}, "stop"))
    ran = apiyi(line("--run", "now=echo noon", "--yes", "--json", tool=NOW))
    assert ran.json["choices"][0]["message"]["content"] == "x"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_the_command_with_all_it_started(
    apiyi: Program,
    gateway: Gateway,
    stopped: list[subprocess.Popen[bytes]],
    number: signal.Signals,
) -> None:
    gateway.script(calling(("now", "")))
    # The command holds the other end of this pipe: it is at its end when nobody is left.
    pipe = apiyi.work / "alive"
    subprocess.run(["mkfifo", pipe], check=True)
    script = "exec 3> alive; sleep 1000 & echo started >&3; wait"
    words = line("--run", f'now=sh -c "{script}"', "--yes", tool=NOW)
    process = apiyi.start(words)
    stopped.append(process)
    with Path(pipe).open("rb") as alive:
        assert alive.readline() == b"started\n"
        process.send_signal(number)
        assert process.wait(20) == -number
        assert alive.read() == b""
