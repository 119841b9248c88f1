"""What a batch keeps, and what becomes of it: files changed by others, odd lines, odd answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import Program

JOURNAL = "o.apiyi-journal"


def write(program: Program, count: int, **more: Any) -> None:
    rows = [{"id": f"r{n}", "prompt": f"question {n}", **more} for n in range(count)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (program.work / "rows.jsonl").write_text(text)


def records(program: Program, name: str = "o") -> list[dict[str, Any]]:
    lines = (program.work / name).read_bytes().splitlines()
    return [json.loads(line) for line in lines if line.strip()]


SURROGATE = (
    '{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":'
    '{"role":"assistant","content":"smile \\ud83d end"},"finish_reason":"stop"}]}'
)
CALL = (
    '{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":'
    '{"role":"assistant","content":null,"tool_calls":[{"id":"\\udc00","type":"function",'
    '"function":{"name":"f\\ud83d","arguments":"{\\"a\\":\\"\\ud83d\\"}"}}]},'
    '"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"total_tokens":%s}}'
)
REFUSAL = '{"error":{"message":"no \\ud83d","type":"x\\udc00","code":"\\ud83d"}}'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (SURROGATE, 200),
        (CALL % ("9" * 400), 200),
        (CALL % ("9" * 5000), 200),
        (CALL % "1e400", 200),
        (CALL % "NaN", 200),
        (CALL % ("[" * 900 + "]" * 900), 200),
        (REFUSAL, 400),
    ],
)
def test_whatever_a_gateway_says_the_record_is_read_again_and_nothing_is_sent(
    apiyi: Program, gateway: Gateway, body: str, status: int
) -> None:
    write(apiyi, 1)
    reply = ScriptedReply.text(body, "application/json", status=status)
    gateway.script(reply)
    code = 0 if status == 200 else 3
    assert apiyi("batch rows.jsonl -o o").code == code
    assert subprocess.run(["jq", "-c", ".custom_id", apiyi.work / "o"], check=True).returncode == 0
    assert records(apiyi)[0]["custom_id"] == "r0"
    for line in ("batch rows.jsonl -o o", "batch verify o", "batch compact o"):
        ran = apiyi(line)
        assert ran.code == (code if line.endswith("-o o") else 0), (line, ran.err)
    assert apiyi("batch rows.jsonl -o o").code == code and len(gateway.ledger) == 1
    if body == SURROGATE:
        content = records(apiyi)[0]["response"]["body"]["choices"][0]["message"]["content"]
        assert content == "smile \ufffd end"


def test_odd_ids_are_known_again(apiyi: Program, gateway: Gateway) -> None:
    ids = ["\\ud83d", "a\\u2028b", "\\u0000", "\\u001b[31m", "x" * 5000]
    lines = [f'{{"id":"{id}","prompt":"a"}}\n' for id in ids]
    (apiyi.work / "rows.jsonl").write_text("".join(lines))
    for _ in range(2):
        ran = apiyi("batch rows.jsonl -o o")
        assert ran.code == 0 and len(gateway.ledger) == 5, ran.err
    assert apiyi("batch verify o").json["ok"] == 5


@pytest.mark.parametrize("how", ["emptied", "shortened", "edited"])
def test_an_output_without_answers_of_its_journal_is_not_paid_for_again(
    apiyi: Program, gateway: Gateway, how: str
) -> None:
    write(apiyi, 4)
    assert apiyi("batch rows.jsonl -o o -j 1").code == 0
    path = apiyi.work / "o"
    lines = path.read_bytes().splitlines(keepends=True)
    kept = {"emptied": [], "shortened": lines[:3], "edited": lines[1:]}[how]
    path.write_bytes(b"".join(kept))
    lost = 4 - len(kept)
    refused = apiyi("batch rows.jsonl -o o")
    assert refused.code == 10 and len(gateway.ledger) == 4
    assert f"{lost} answers that its journal knows of are not in it" in refused.err
    assert "--resume" in refused.err and "--force" in refused.err
    assert path.read_bytes() == b"".join(kept)
    went_on = apiyi("batch rows.jsonl -o o --resume --summary s")
    assert went_on.code == 0 and len(gateway.ledger) == 4 + lost, went_on.err
    assert json.loads((apiyi.work / "s").read_bytes())["maybe_billed_twice"] == lost
    assert len(records(apiyi)) == 4
    verified = apiyi("batch verify o")
    assert verified.code == 0, verified.out
    assert apiyi("batch rows.jsonl -o o").code == 0 and len(gateway.ledger) == 4 + lost


def test_lost_answers_of_rows_that_are_gone_are_asked_about_once(
    apiyi: Program, gateway: Gateway
) -> None:
    write(apiyi, 3)
    apiyi("batch rows.jsonl -o o -j 1")
    lines = (apiyi.work / "o").read_bytes().splitlines(keepends=True)
    (apiyi.work / "o").write_bytes(lines[0])
    write(apiyi, 2)
    assert apiyi("batch rows.jsonl -o o").code == 10
    assert apiyi("batch rows.jsonl -o o --resume").code == 0
    assert apiyi("batch rows.jsonl -o o").code == 0 and len(gateway.ledger) == 4


def test_an_output_that_was_sorted_or_copied_is_whole(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, 4)
    apiyi("batch rows.jsonl -o o")
    lines = (apiyi.work / "o").read_bytes().splitlines(keepends=True)
    (apiyi.work / "copy").write_bytes(b"".join(sorted(lines)))
    (apiyi.work / "copy").replace(apiyi.work / "o")
    assert apiyi("batch rows.jsonl -o o").code == 0 and len(gateway.ledger) == 4


def test_texts_that_were_cut_off_are_not_paid_for_again(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, 3)
    assert apiyi("batch rows.jsonl -o o --text -j 1").code == 0
    path = apiyi.work / "o"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    refused = apiyi("batch rows.jsonl -o o --text")
    assert refused.code == 10 and "2 answers that its journal knows of" in refused.err
    assert apiyi("batch rows.jsonl -o o --text --resume").code == 0
    assert len(gateway.ledger) == 5 and len(path.read_bytes().splitlines()) == 3


def test_failures_that_were_removed_by_hand_run_again(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, 2, model="fault:400*1")
    assert apiyi("batch rows.jsonl -o o -j 1 --retries 0").code == 3
    kept = [line for line in (apiyi.work / "o").read_text().splitlines() if '"error":null' in line]
    (apiyi.work / "o").write_text("".join(line + "\n" for line in kept))
    assert apiyi("batch rows.jsonl -o o").code == 0
    assert sorted(one["custom_id"] for one in records(apiyi)) == ["r0", "r1"]


@pytest.mark.parametrize("how", ["shortened", "replaced", "removed", "written to"])
def test_files_changed_while_a_run_writes_them_end_it_with_11(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]], how: str
) -> None:
    write(apiyi, 6)
    apiyi("batch rows.jsonl -o o --limit 3 -j 1")
    gateway.script(ScriptedReply.chat("late").replace(delay_s=1.5))
    process = apiyi.start("batch rows.jsonl -o o -j 1 --no-limits")
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.ledger) == 4)
    path = apiyi.work / "o"
    before = path.read_bytes()
    if how == "shortened":
        os.truncate(path, 0)
    elif how == "replaced":
        (apiyi.work / "new").write_bytes(b"")
        (apiyi.work / "new").replace(path)
    elif how == "removed":
        path.unlink()
    else:
        with open(path, "ab") as file:
            file.write(b"\n")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 11, err
    assert len(gateway.ledger) == 4, "nothing more is sent"
    told = {"shortened": b"was shortened", "written to": b"somebody else writes to o"}
    assert told.get(how, b"was removed or replaced") in err
    if how in ("replaced", "removed"):
        (rescued,) = (apiyi.home / "state" / "apiyi" / "rescue").iterdir()
        assert rescued.read_bytes().startswith(before)
        assert f"mv {rescued} o".encode() in err
        rescued.replace(path)
        assert apiyi("batch rows.jsonl -o o").code == 0 and len(gateway.ledger) == 6
    elif how == "shortened":
        assert [one["custom_id"] for one in records(apiyi)] == ["r3"]
        assert apiyi("batch rows.jsonl -o o").code == 10 and len(gateway.ledger) == 4


def test_a_journal_that_is_removed_meanwhile_is_written_anew(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    write(apiyi, 3)
    gateway.script(ScriptedReply.chat("late").replace(delay_s=1.5))
    process = apiyi.start("batch rows.jsonl -o o -j 1 --no-limits")
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.ledger) == 1)
    (apiyi.work / JOURNAL).unlink()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 11 and b"o.apiyi-journal was removed or replaced" in err
    assert apiyi("batch rows.jsonl -o o").code == 0 and len(gateway.ledger) == 3


@pytest.mark.parametrize(
    "line",
    [
        "-o hard",
        "-o hard --force",
        "-o soft --force",
        "-o o --errors hard",
        "-o o --summary hard",
        "-o o --errors o",
        "-o o --summary o.apiyi-journal",
        "-o o --errors o.apiyi-journal",
        "-o other.apiyi-journal",
        "-o other.apiyi-lock --force",
    ],
)
def test_no_file_is_two_things_under_whatever_names(
    apiyi: Program, gateway: Gateway, line: str
) -> None:
    write(apiyi, 2)
    (apiyi.work / "hard").hardlink_to(apiyi.work / "rows.jsonl")
    (apiyi.work / "soft").symlink_to("rows.jsonl")
    before = (apiyi.work / "rows.jsonl").read_bytes()
    ran = apiyi(f"batch rows.jsonl {line}")
    assert ran.code == 2 and "cannot use" in ran.err and gateway.ledger == []
    assert (apiyi.work / "rows.jsonl").read_bytes() == before


def test_a_journal_is_no_output_of_any_command(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, 1)
    apiyi("batch rows.jsonl -o o")
    before = (apiyi.work / JOURNAL).read_bytes()
    for line in ("chat hi", "embed hi", "api get /models"):
        assert apiyi(f"{line} -o {JOURNAL} --force").code == 11
    assert (apiyi.work / JOURNAL).read_bytes() == before and len(gateway.ledger) == 1


@pytest.mark.parametrize(
    "line",
    [
        '{"t":"D","id":"r0","sha":"0123456789abcdef"}',
        '{"t":"H","version":1,"sizes":[]}',
        "[1,2]",
        '{"t":"S","id":"r1","sh',
        "x",
    ],
)
def test_an_odd_line_of_the_journal_is_named_and_repaired_without_paying_again(
    apiyi: Program, gateway: Gateway, line: str
) -> None:
    write(apiyi, 3)
    apiyi("batch rows.jsonl -o o -j 1")
    path = apiyi.work / JOURNAL
    lines = path.read_text().splitlines(keepends=True)
    # In the place of a note, so that what it said is lost as well.
    lines[4] = line + "\n"
    path.write_text("".join(lines))
    refused = apiyi("batch rows.jsonl -o o")
    assert refused.code == 10 and f"{JOURNAL}:5 is broken" in refused.err
    assert apiyi("batch verify o").code == 10
    repaired = apiyi("batch rows.jsonl -o o --repair")
    assert repaired.code == 0 and len(gateway.ledger) == 3, repaired.err
    assert apiyi("batch verify o").code == 0
    assert apiyi("batch rows.jsonl -o o").code == 0 and len(gateway.ledger) == 3


def test_a_journal_of_a_newer_version_or_that_is_no_file_is_refused(
    apiyi: Program, gateway: Gateway
) -> None:
    write(apiyi, 1)
    apiyi("batch rows.jsonl -o o")
    path = apiyi.work / JOURNAL
    path.write_text(path.read_text().replace('"version":2', '"version":3'))
    for line in ("batch rows.jsonl -o o", "batch verify o", "batch rows.jsonl -o o --repair"):
        ran = apiyi(line)
        assert ran.code == 10 and "written by a newer version" in ran.err
    path.unlink()
    os.mkfifo(path)
    assert apiyi("batch rows.jsonl -o o").code == 10


def test_a_compaction_that_was_interrupted_is_finished(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, 3, model="fault:400*1")
    apiyi("batch rows.jsonl -o o -j 1 --retries 0")
    assert apiyi("batch rows.jsonl -o o -j 1 --retry-failed").code == 0
    before = {path: path.read_bytes() for path in (apiyi.work / "o", apiyi.work / JOURNAL)}
    assert apiyi("batch compact o").code == 0
    after = {path: path.read_bytes() for path in before}
    assert len(after[apiyi.work / "o"]) < len(before[apiyi.work / "o"])
    for done in range(3):
        parts = {}
        for number, path in enumerate(before):
            part = path.with_name(f".{path.name}.compact.part")
            path.write_bytes(after[path] if number < done else before[path])
            if number >= done:
                part.write_bytes(after[path])
            parts[str(part)] = str(path)
        if done < 2:
            with open(apiyi.work / JOURNAL, "a") as file:
                file.write(json.dumps({"t": "C", "parts": parts}, separators=(",", ":")) + "\n")
            assert apiyi("batch verify o").code == 10
        ran = apiyi("batch rows.jsonl -o o")
        assert ran.code == 0, ran.err
        assert (apiyi.work / "o").read_bytes() == after[apiyi.work / "o"]
        assert apiyi("batch verify o").code == 0 and len(gateway.ledger) == 6
        assert not list(apiyi.work.glob(".*.part"))


def test_an_output_of_another_shard_is_refused(apiyi: Program, gateway: Gateway) -> None:
    write(apiyi, 20)
    assert apiyi("batch rows.jsonl -o o --shard 2/8").code == 0
    sent = len(gateway.ledger)
    for shard in ("--shard 2/2", "--shard 1/8", ""):
        ran = apiyi(f"batch rows.jsonl -o o {shard}")
        assert ran.code == 10 and "o is shard 2/8" in ran.err
    assert apiyi("batch rows.jsonl -o o --shard 2/8").code == 0 and len(gateway.ledger) == sent
    assert Path(apiyi.work / "o").exists()


EDITS = {
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
    "blank lines": lambda content: content.replace(b"\n", b"\n\n"),
    "a column": lambda content: content.replace(b"\n", b",x\n"),
}
POSITIONED = {
    "table": "batch in.csv -m sandbox-1 --template {t} -o o.csv",
    "texts": "batch in.csv --lines --text -m sandbox-1 -o o.csv.txt",
    "vectors": "embed --lines -m text-embedding-3-small --dimensions 2 -o v.jsonl",
}


@pytest.mark.parametrize("how", EDITS)
@pytest.mark.parametrize("name", POSITIONED)
def test_an_output_that_a_spreadsheet_saved_anew_is_not_written_into(
    apiyi: Program, gateway: Gateway, name: str, how: str
) -> None:
    rows = b"t\none\ntwo\n"
    (apiyi.work / "in.csv").write_bytes(rows)
    line = POSITIONED[name]
    assert apiyi(line, stdin=rows).code == 0
    output = apiyi.work / line.split()[-1]
    edited = EDITS[how](output.read_bytes())
    output.write_bytes(edited)
    (apiyi.work / "in.csv").write_bytes(rows + b"three\n")
    sent = len(gateway.ledger)
    ran = apiyi(line, stdin=rows + b"three\n")
    assert (ran.code, len(gateway.ledger)) == (10, sent), ran.err
    assert "was changed by another program" in ran.err
    assert output.read_bytes() == edited


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@pytest.mark.parametrize("how", [[], ["-s"]], ids=["laid out", "one list"])
def test_what_jq_made_of_an_output_is_turned_back_by_the_hint(
    apiyi: Program, gateway: Gateway, how: list[str]
) -> None:
    write(apiyi, 2)
    line = "batch rows.jsonl -m sandbox-1 -o o"
    assert apiyi(line).code == 0
    path = apiyi.work / "o"
    path.write_bytes(subprocess.run(["jq", *how, ".", path], capture_output=True).stdout)
    sent = len(gateway.ledger)
    ran = apiyi(line)
    assert ran.code == 10 and "--repair" not in ran.err
    hint = ran.err.partition("try: ")[2].strip()
    subprocess.run(hint, shell=True, cwd=apiyi.work, check=True)
    assert (apiyi(line).code, len(gateway.ledger)) == (0, sent)
