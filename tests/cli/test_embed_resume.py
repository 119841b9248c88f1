"""`apiyi embed -o FILE`: written line by line, and gone on with when run again."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.batch.state.locks import describe_process
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits.redis_limiter import RedisLimiter
from tests.conftest import KEY
from tests.redis_server import SERVER, Redis

if TYPE_CHECKING:
    from tests.conftest import Program

LINE = "embed --lines --dimensions 2 --batch-size 4 -o v"


@pytest.fixture
def apiyi(apiyi: Program) -> Program:
    apiyi.environ["APIYI_MODEL"] = "text-embedding-3-small"
    return apiyi


def lines(count: int) -> bytes:
    return b"".join(b"text %d\n" % number for number in range(count))


def records(apiyi: Program) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (apiyi.work / "v").read_bytes().splitlines()]


def count_inputs(gateway: Gateway) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in gateway.ledger:
        given = one.json["input"]
        found.update([given] if isinstance(given, str) else given)
    return found


def test_a_second_run_asks_for_nothing_and_changes_nothing(
    apiyi: Program, gateway: Gateway
) -> None:
    assert apiyi(LINE, stdin=lines(10)).code == 0
    written = (apiyi.work / "v").read_bytes()
    assert [one["index"] for one in records(apiyi)] == list(range(10))
    gateway.ledger.clear()
    ran = apiyi(LINE, stdin=lines(10))
    assert ran.code == 0 and "10 lines in it" in ran.err
    assert gateway.ledger == []
    assert (apiyi.work / "v").read_bytes() == written


def test_lines_that_were_added_are_all_that_is_paid(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi(LINE, stdin=lines(10)).code == 0
    gateway.ledger.clear()
    # Whatever the requests look like this time.
    assert apiyi(LINE.replace("4", "3") + " -j 1", stdin=lines(13)).code == 0
    assert set(count_inputs(gateway)) == {"text 10", "text 11", "text 12"}
    assert [one["text"] for one in records(apiyi)] == [f"text {n}" for n in range(13)]


@pytest.mark.parametrize(
    "reply", [ScriptedReply.error(503, "no"), ScriptedReply.error(504, "late")]
)
def test_what_came_before_a_failure_stays_and_what_came_beside_it_too(
    apiyi: Program, gateway: Gateway, reply: ScriptedReply
) -> None:
    first = apiyi("embed --lines --dimensions 2 --batch-size 4 -o w -j 1", stdin=lines(4))
    assert first.code == 0
    gateway.ledger.clear()

    others = threading.Event()
    gateway.script(reply.replace(wait=lambda piece: others.wait(20)))

    def answered() -> bool:
        return sum(one.status == 200 for one in gateway.ledger) >= 3

    def release_others() -> None:
        gateway.wait_for(answered)
        others.set()

    waiter = threading.Thread(target=release_others)
    waiter.start()
    ran = apiyi(LINE + " -j 4 --retries 0 --no-failover", stdin=lines(16))
    waiter.join()
    assert ran.code in (5, 8), ran.err
    again = apiyi(LINE, stdin=lines(16))
    assert again.code == 0, again.err
    assert ("may be billed twice" in again.err) == (ran.code == 8)
    assert [one["text"] for one in records(apiyi)] == [f"text {n}" for n in range(16)]
    # Only the request that failed is repeated.
    assert sum(count == 2 for count in count_inputs(gateway).values()) == 4
    assert max(count_inputs(gateway).values()) == 2


@pytest.mark.parametrize(
    ("line", "stdin", "why"),
    [
        (LINE, lines(10).replace(b"text 3", b"text three"), "stdin:4"),
        (LINE, b"new first\n" + lines(10), "stdin:1"),
        (LINE, lines(10).replace(b"text 4\n", b""), "stdin:5"),
        (LINE, lines(9), "1 lines more"),
        (LINE + " --dimensions 3", lines(10), "--dimensions 2"),
        (LINE + " -m text-embedding-3-large", lines(10), "text-embedding-3-small"),
        (LINE + " --no-text", lines(10), "--no-text"),
        (LINE + " --base64", lines(10), "stdin:1"),
        (LINE + " -O user=x", lines(10), "stdin:1"),
    ],
)
def test_another_input_is_refused_before_anything_is_sent(
    apiyi: Program, gateway: Gateway, line: str, stdin: bytes, why: str
) -> None:
    assert apiyi(LINE, stdin=lines(10)).code == 0
    written = (apiyi.work / "v").read_bytes()
    gateway.ledger.clear()
    ran = apiyi(line, stdin=stdin)
    assert ran.code == 10 and why in ran.err, ran.err
    assert "--force" in ran.err
    assert gateway.ledger == []
    assert (apiyi.work / "v").read_bytes() == written
    assert apiyi(f"{line} --force", stdin=stdin).code == 0
    assert len(records(apiyi)) == len(stdin.splitlines())


def test_objects_and_arguments_resume_too(apiyi: Program, gateway: Gateway) -> None:
    stdin = b'{"t":"a","n":1}\n\n{"t":"b"}\n'
    for _ in range(2):
        assert apiyi("embed --jsonl t --dimensions 1 -o v", stdin=stdin).code == 0
        assert [one["t"] for one in records(apiyi)] == ["a", "b"]
    assert len(gateway.ledger) == 1
    ran = apiyi("embed --jsonl t --dimensions 1 -o v", stdin=stdin.replace(b'"n":1', b'"n":2'))
    assert ran.code == 10
    for _ in range(2):
        assert apiyi("embed x y --dimensions 1 -o w").code == 0
    assert len(gateway.ledger) == 2


def test_a_file_of_something_else_is_left_alone(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "v").write_text("mine\n")
    ran = apiyi(LINE, stdin=lines(3))
    assert ran.code == 11 and "exists" in ran.err
    assert (apiyi.work / "v").read_text() == "mine\n"
    (apiyi.work / "in").write_bytes(lines(3))
    ran = apiyi.shell(f"apiyi {LINE.replace('-o v', '-o in')} --force < in")
    assert ran.code == 2 and (apiyi.work / "in").read_bytes() == lines(3)
    assert gateway.ledger == []
    (apiyi.work / "rows.jsonl").write_text('{"prompt":"hi"}\n')
    assert apiyi("batch rows.jsonl -m gpt-4o -o b --text").code == 0
    gateway.ledger.clear()
    ran = apiyi(LINE.replace("-o v", "-o b"), stdin=lines(3))
    assert ran.code == 10 and "not written by apiyi embed" in ran.err
    assert gateway.ledger == []


def test_input_that_cannot_be_used_leaves_no_file(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi(LINE, stdin=b"").code == 2
    assert apiyi(LINE + " --jsonl t", stdin=lines(1)).code == 2
    assert not (apiyi.work / "v").exists()


def test_a_torn_line_is_asked_for_again_and_nothing_else(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi(LINE + " -j 1", stdin=lines(8)).code == 0
    journal = apiyi.work / "v.apiyi-journal"
    entries = journal.read_bytes().splitlines(keepends=True)
    # As if it had been killed while the second request's lines were written. Where that answer
    # came before the first one's lines were written, it waits in the journal, too.
    last = max(at for at, entry in enumerate(entries) if entry.startswith(b'{"t":"P"'))
    known = [entry for entry in entries[: last + 1] if not entry.startswith(b'{"t":"W"')]
    journal.write_bytes(b"".join(known))
    whole = (apiyi.work / "v").read_bytes()
    (apiyi.work / "v").write_bytes(whole[:-40])
    gateway.ledger.clear()
    ran = apiyi(LINE, stdin=lines(8))
    assert ran.code == 0, ran.err
    assert set(count_inputs(gateway)) == {"text 7"}
    assert (apiyi.work / "v").read_bytes() == whole


@pytest.mark.parametrize("program", [".embedding|length", "select(.index>4)|.text", ".index,.text"])
def test_lines_through_jq_resume_too(apiyi: Program, gateway: Gateway, program: str) -> None:
    line = ["embed", "--lines", "--dimensions", "2", "--batch-size", "4", "--jq", program]
    expected = apiyi(line, stdin=lines(13)).out
    line += ["-o", "v"]
    assert apiyi(line, stdin=lines(10)).code == 0
    gateway.ledger.clear()
    assert apiyi(line, stdin=lines(13)).code == 0
    assert set(count_inputs(gateway)) == {"text 10", "text 11", "text 12"}
    assert (apiyi.work / "v").read_bytes() == expected
    for other in ([*line[:6], "-o", "v"], [*line, "--jq", ".text"]):
        refused = apiyi(other, stdin=lines(13))
        assert refused.code == 10 and "--jq" in refused.err
    assert len(gateway.ledger) == 1


def test_an_answer_that_jq_fails_on_is_written_whole(apiyi: Program, gateway: Gateway) -> None:
    line = ["embed", "--lines", "--dimensions", "1", "-o", "v", "--jq"]
    line.append('if .index == 1 then error("no") else .index end')
    for _ in range(2):
        ran = apiyi(line, stdin=lines(3))
        assert ran.code == 3
        kept = (apiyi.work / "v").read_text().splitlines()
        assert (kept[0], kept[2]) == ("0", "2") and json.loads(kept[1])["text"] == "text 1"
    assert len(gateway.ledger) == 1


@pytest.mark.parametrize(
    "more", ["--lines --json", "--jsonl t --json", "--lines --json --jq .data"]
)
def test_one_object_for_all_lines_is_refused_as_a_file_before_anything_is_sent(
    apiyi: Program, gateway: Gateway, more: str
) -> None:
    ran = apiyi(f"embed {more} -o v", stdin=b'{"t":"x"}\n')
    assert ran.code == 2 and "--json into v" in ran.err and "> v" in ran.err
    assert gateway.ledger == [] and not (apiyi.work / "v").exists()
    # A few texts of the command line are one request, whose object is whole or not there.
    assert apiyi("embed x --json -o v").code == 0
    assert json.loads((apiyi.work / "v").read_bytes())["object"] == "list"


def test_a_refused_request_that_waits_when_the_run_ends_is_not_told_as_in_flight(
    apiyi: Program, gateway: Gateway
) -> None:
    busy = ScriptedReply.error(429, "busy", headers=(("Retry-After", "2"),))
    gateway.script(busy, ScriptedReply.error(404, "no such thing"))
    line = "embed --lines --dimensions 2 --batch-size 1 -o v -j 1"
    ran = apiyi(line, stdin=lines(3))
    assert ran.code == 6, ran.err
    assert [one.status for one in gateway.ledger if one.method == "POST"] == [429, 404]
    again = apiyi(line, stdin=lines(3))
    assert again.code == 0 and "billed twice" not in again.err, again.err
    assert [one["text"] for one in records(apiyi)] == [f"text {n}" for n in range(3)]


@pytest.mark.parametrize("how", ["shortened", "removed", "written to", "journal"])
def test_files_changed_while_a_run_writes_them_end_it_with_11(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]], how: str
) -> None:
    (apiyi.work / "texts").write_bytes(lines(20))
    assert apiyi(LINE, stdin=lines(4)).code == 0
    vectors = {"data": [{"index": n, "embedding": [0, 1]} for n in range(4)]}
    gateway.script(*[ScriptedReply.json(vectors).replace(delay_s=0.6)] * 4)
    with open(apiyi.work / "texts", "rb") as stdin:
        process = apiyi.start(f"{LINE} -j 1 --no-limits", stdin=stdin)
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.ledger) == 2)
    path = apiyi.work / "v"
    if how == "shortened":
        os.truncate(path, 0)
    elif how == "removed":
        path.unlink()
    elif how == "journal":
        (apiyi.work / "v.apiyi-journal").unlink()
    else:
        with open(path, "ab") as file:
            file.write(b"{}\n")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 11, err
    # What is under way when it is seen, at the latest a second later, is waited for.
    assert len(gateway.ledger) <= 4
    said = {"shortened": b"was shortened", "written to": b"somebody else writes to v"}
    assert said.get(how, b"was removed or replaced") in err


@pytest.mark.skipif(SERVER is None, reason="redis-server is not installed")
def test_another_machine_that_writes_the_same_file_is_kept_out_by_the_store(
    apiyi: Program, gateway: Gateway
) -> None:
    pytest.importorskip("redis", reason="the Python package redis is not installed")
    server = Redis()
    try:
        apiyi.environ["APIYI_LIMITS_STORE"] = server.url
        assert apiyi(LINE, stdin=lines(4)).code == 0
        first = (apiyi.work / "v.apiyi-journal").read_bytes().splitlines(keepends=True)[0]
        name = hashlib.sha256(first).hexdigest()[:32]
        other = RedisLimiter(server.url, KEY, Limits())
        # Another process of this machine, which lives.
        assert other.hold_output(name, json.dumps({**describe_process(), "run": "r"})) is None
        refused = apiyi(LINE, stdin=lines(8))
        assert refused.code == 10 and "v is in use" in refused.err
        assert len(gateway.ledger) == 1
        other.release_output()
        assert apiyi(LINE, stdin=lines(8)).code == 0
        assert len(gateway.ledger) == 2
    finally:
        server.stop()
