"""Several models at once: nobody's failure hides the others' answers."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.conversations import ConversationStarter, HeldAnswer

if TYPE_CHECKING:
    from tests.conftest import Program

BOTH = "-m gpt-4o -m gpt-4.1"


def records(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def by_model(out: bytes, *models: str) -> list[dict[str, Any]]:
    """Return the records of these models, which come as each is done."""
    found = {record["model"]: record for record in records(out)}
    assert found.keys() == {*models}
    return [found[model] for model in models]


def test_each_model_has_one_line(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi -m gpt-4.1 -m gpt-4o -m gpt-4o-mini")
    assert (ran.code, ran.err) == (0, "")
    for one in by_model(ran.out, "gpt-4.1", "gpt-4o", "gpt-4o-mini"):
        assert list(one) == ["model", "text", "usage", "ms", "error"]
        assert one["text"] == "[sandbox] You said: hi"
        assert one["usage"]["total_tokens"] > 0 and one["error"] is None


def test_all_are_asked_at_the_same_time(apiyi: Program, gateway: Gateway) -> None:
    def together(number: int) -> bool:
        return gateway.wait_for(lambda: len(gateway.ledger) == 2)

    gateway.script(ScriptedReply.chat("a", wait=together), ScriptedReply.chat("b", wait=together))
    ran = apiyi(f"chat hi {BOTH}")
    assert ran.code == 0
    assert sorted(one["text"] for one in records(ran.out)) == ["a", "b"]


def test_some_failures_exit_3_and_leave_the_others_alone(apiyi: Program) -> None:
    ran = apiyi("chat hi -m fault:500 -m gpt-4o -m fault:401 --retries 0")
    assert ran.code == 3
    first, second, third = by_model(ran.out, "fault:500", "gpt-4o", "fault:401")
    assert (first["error"]["exit_code"], first["text"]) == (5, "")
    assert second["error"] is None and second["text"]
    assert third["error"]["status"] == 401
    assert "2 of 3" in ran.err


@pytest.mark.parametrize(
    ("models", "code"),
    [
        ("-m fault:500 -m fault:503", 5),
        ("-m fault:400 -m fault:501", 6),
        ("-m fault:401 -m fault:400", 3),
    ],
)
def test_when_all_fail_alike_the_code_is_theirs(apiyi: Program, models: str, code: int) -> None:
    ran = apiyi(f"chat hi {models} --retries 0")
    assert ran.code == code
    assert len(records(ran.out)) == 2


def test_a_cut_answer_keeps_its_text_beside_its_error(apiyi: Program) -> None:
    ran = apiyi("chat hi -m fault:cut@3 -m gpt-4o --retries 0")
    cut, whole = by_model(ran.out, "fault:cut@3", "gpt-4o")
    assert cut["error"]["exit_code"] == 8
    assert whole["text"].startswith(cut["text"])


def test_a_missing_key_is_said_once(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(f"chat hi {BOTH}", env={"APIYI_API_KEY": None})
    assert (ran.code, ran.out) == (4, b"")
    assert ran.err.count("no key") == 1
    assert gateway.ledger == []


def test_an_answer_cut_by_length_is_a_warning_or_with_strict_finish_a_failure(
    apiyi: Program,
) -> None:
    ran = apiyi("chat hi -m fault:length -m gpt-4o")
    assert ran.code == 0 and "fault:length: the answer was cut off" in ran.err
    strict = apiyi("chat hi -m fault:length -m gpt-4o --strict-finish")
    assert strict.code == 3
    cut, _ = by_model(strict.out, "fault:length", "gpt-4o")
    assert cut["error"]["exit_code"] == 8


def test_each_answer_is_checked_against_the_schema(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat('{"name":3}'), ScriptedReply.chat('{"name":3}'))
    ran = apiyi(f"chat hi {BOTH} --schema name")
    assert ran.code == 8
    assert [one["text"] for one in records(ran.out)] == ['{"name":3}'] * 2


def test_function_calls_are_in_the_record(apiyi: Program) -> None:
    ran = apiyi(["chat", "hi", "--tool", '{"name":"now"}', "-m", "gpt-4o", "-m", "gpt-4.1"])
    assert [one["tool_calls"][0]["name"] for one in records(ran.out)] == ["now", "now"]


def test_usage_is_told_for_each(apiyi: Program) -> None:
    err = apiyi(f"chat hi {BOTH} -u").err.splitlines()
    assert [line.split(": ")[0] for line in err] == ["gpt-4o", "gpt-4.1"]
    assert all("tokens" in line for line in err)


def test_they_stand_side_by_side_on_a_terminal(apiyi: Program) -> None:
    screen = apiyi.terminal(f"chat hi {BOTH}", columns=100)
    assert screen.code == 0
    title = next(line for line in screen.lines if "gpt-4o" in line)
    assert "gpt-4.1" in title
    answers = next(line for line in screen.lines if "You said" in line)
    assert answers.count("[sandbox] You said: hi") == 2


def test_each_is_shown_as_it_is_done_with_its_markdown(apiyi: Program, gateway: Gateway) -> None:
    long = "\n\n".join(f"**part** {k}" for k in range(40))
    gateway.script(ScriptedReply.chat("- **first**"), ScriptedReply.chat(long))
    screen = apiyi.terminal(f"chat hi {BOTH}", columns=100)
    history = ["".join(row[x].data for x in range(100)) for row in screen.rendered.history.top]
    lines = [line.rstrip() for line in [*history, *screen.lines]]
    assert screen.code == 0 and "**" not in "".join(lines)
    assert [line for line in lines if line == "• first"] == ["• first"]
    assert [line for line in lines if line.startswith("part ")] == [f"part {k}" for k in range(40)]


def test_a_status_line_says_what_is_waited_for_and_goes_when_all_are_done(
    apiyi: Program, gateway: Gateway, talks: ConversationStarter
) -> None:
    held = HeldAnswer("- **second**", "!")
    gateway.script(ScriptedReply.chat("- **first**"), held.reply)
    screen = talks(f"chat hi {BOTH}")
    screen.wait_for("• first")
    waits, done = r"gpt-4(o|\.1) … \d+ s", r"gpt-4(o|\.1) ✓"
    either = re.compile(f"{waits} · {done}|{done} · {waits}")
    screen.wait(lambda: either.fullmatch(screen.at_cursor), "status")
    assert "second" not in screen.text
    held.go.set()
    assert screen.end("") == 0
    assert "✓" not in screen.text and "**" not in screen.text
    assert re.search("• (first +• second|second! +• first|first +• second!)", screen.text)


@pytest.mark.parametrize(
    "options", ["--session a", "-c", "--n 2", '--tool \'{"name":"a"}\' --run a=cat --yes']
)
def test_what_makes_sense_for_one_model_only_is_refused(
    apiyi: Program, gateway: Gateway, options: str
) -> None:
    assert apiyi(f"chat hi {BOTH} {options}").code == 2
    assert gateway.ledger == []


def test_a_dry_run_shows_every_request(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(f"chat hi {BOTH} --dry-run")
    assert [one["body"]["model"] for one in records(ran.out)] == ["gpt-4o", "gpt-4.1"]
    assert gateway.ledger == []


def test_a_signal_ends_all_of_them_at_once(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    gateway.script(ScriptedReply.chat("a").stall(1), ScriptedReply.chat("b").stall(1))
    process = apiyi.start(f"chat hi {BOTH}")
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.ledger) == 2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (-signal.SIGINT, b"", b"")
    assert gateway.wait_for(lambda: all(one.closed_by_client_at for one in gateway.ledger))
