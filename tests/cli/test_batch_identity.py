"""Which row is which in `apiyi batch`: ids, rows without one, mended rows, old outputs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.sandbox.server import Gateway
from tests.conftest import Program, Ran

DATA = Path(__file__).parents[1] / "batch" / "data"
PORT = '{"id": "north", "prompt": "Name a port"}\n'
BEFORE = PORT + '{"id": "south"}\n'
AFTER = PORT + '{"id": "south", "prompt": "Name a lake"}\n'


def records(program: Program, name: str = "o") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (program.work / name).read_bytes().splitlines()]


def ids(program: Program, name: str = "o") -> list[str]:
    return [one["custom_id"] for one in records(program, name)]


def verified(program: Program, name: str = "o") -> Any:
    ran = program(f"batch verify {name}")
    assert ran.code == 0, ran.err
    return ran.json


def batch(program: Program, text: str, *more: str, name: str = "r.jsonl") -> Ran:
    (program.work / name).write_text(text, encoding="utf-8")
    return program(["batch", name, "-o", "o", *more])


def test_a_mended_row_is_sent_once_whatever_the_file_of_errors_says(
    apiyi: Program, gateway: Gateway
) -> None:
    assert batch(apiyi, BEFORE, "--errors", "e").code == 3
    for _ in range(3):
        assert batch(apiyi, AFTER, "--errors", "e").code == 0
        assert len(gateway.ledger) == 2
    found = verified(apiyi)
    assert (found["ok"], found["failed"], found["rows"]) == (2, 0, 2)
    assert apiyi("batch compact o").code == 0
    assert ids(apiyi, "e") == [] and sorted(ids(apiyi)) == ["north", "south"]
    assert batch(apiyi, AFTER, "--errors", "e").code == 0 and len(gateway.ledger) == 2
    assert verified(apiyi)["failed"] == 0


@pytest.mark.parametrize("model", ["fault:503*1", "fault:400*1"])
def test_a_later_answer_wins_over_an_error_in_a_file_of_its_own(
    apiyi: Program, gateway: Gateway, model: str
) -> None:
    rows = PORT + json.dumps({"id": "south", "prompt": "Name a lake", "model": model}) + "\n"
    more = ("--errors", "e", "--retries", "0", "--retry-failed")
    assert batch(apiyi, rows, *more).code == 3
    for _ in range(3):
        ran = batch(apiyi, rows, *more)
        assert ran.code == 0, ran.err
    assert len(gateway.ledger) == 3
    assert verified(apiyi)["failed"] == 0 and verified(apiyi)["ok"] == 2
    # Without the option the file is known from the journal.
    assert batch(apiyi, rows).code == 0 and len(gateway.ledger) == 3


def test_a_later_error_wins_over_an_answer_to_what_the_row_was(
    apiyi: Program, gateway: Gateway
) -> None:
    assert batch(apiyi, '{"id": "a", "prompt": "x"}\n', "--errors", "e").code == 0
    changed = '{"id": "a", "prompt": "x", "model": "fault:400"}\n'
    assert batch(apiyi, changed, "--errors", "e", "--resume").code == 3
    assert batch(apiyi, changed, "--errors", "e").code == 3 and len(gateway.ledger) == 2
    found = verified(apiyi)
    assert (found["ok"], found["failed"], found["superseded"]) == (0, 1, 1)
    assert apiyi("batch compact o").code == 0
    assert ids(apiyi) == [] and ids(apiyi, "e") == ["a"]


def test_a_mended_line_replaces_its_error_record(apiyi: Program, gateway: Gateway) -> None:
    assert batch(apiyi, PORT + '{"id": "south" "prompt": "Name a lake"}\n').code == 3
    assert batch(apiyi, AFTER).code == 0
    found = verified(apiyi)
    assert (found["rows"], found["ok"], found["failed"]) == (2, 2, 0)
    assert apiyi("batch compact o").code == 0
    assert sorted(ids(apiyi)) == ["north", "south"] and len(gateway.ledger) == 2
    assert batch(apiyi, AFTER).code == 0 and len(gateway.ledger) == 2
    # The bad line comes back: it is told again.
    assert batch(apiyi, PORT + '{"id": "south" "prompt": "Name a lake"}\n').code == 3


def test_another_input_added_to_an_output_leaves_its_errors(apiyi: Program) -> None:
    batch(apiyi, PORT + '{"id": "bad"}\n')
    more = '{"id": "b", "prompt": "x"}\n'
    assert batch(apiyi, more, "--resume", name="other.jsonl").code == 0
    assert verified(apiyi)["failed"] == 1


def lines(count: int, *, inserted: bool = False, removed: int | None = None) -> str:
    texts = [f"Describe item {n:03}" for n in range(count) if n != removed]
    if inserted:
        texts.insert(1, "Describe the extra item")
    return "".join(text + "\n" for text in texts)


def test_a_line_inserted_removed_or_moved_costs_nothing_for_the_others(
    apiyi: Program, gateway: Gateway
) -> None:
    assert batch(apiyi, lines(60), "--lines").code == 0
    assert len(set(ids(apiyi))) == 60 and all(id.startswith("~") for id in ids(apiyi))
    assert [one["custom_id"][1:13] == one["sha"][:12] for one in records(apiyi)] == [True] * 60
    ran = batch(apiyi, lines(60, inserted=True), "--lines")
    assert ran.code == 0 and len(gateway.ledger) == 61
    assert "r.jsonl:2: a row without an id is not in the output as it is now" in ran.err
    ran = batch(apiyi, lines(60, removed=3), "--lines")
    assert ran.code == 0 and len(gateway.ledger) == 61 and "0 requests" in ran.err
    turned = "".join(reversed(lines(60).splitlines(keepends=True)))
    assert batch(apiyi, turned, "--lines").code == 0 and len(gateway.ledger) == 61


def test_equal_rows_without_an_id_are_numbered_and_each_answered(
    apiyi: Program, gateway: Gateway
) -> None:
    assert batch(apiyi, "same\nother\nsame\nsame\n", "--lines", "-j", "1").code == 0
    first, other, second, third = ids(apiyi)
    assert (second, third) == (f"{first}.2", f"{first}.3") and other[:13] != first
    assert [one["index"] for one in records(apiyi)] == [0, 1, 2, 3]
    assert batch(apiyi, "same\nsame\nsame\nother\n", "--lines").code == 0
    assert len(gateway.ledger) == 4
    assert batch(apiyi, "same\n" * 4, "--lines").code == 0 and len(gateway.ledger) == 5


@pytest.mark.parametrize(
    ("name", "text", "told", "good"),
    [
        ("t.csv", "id,text\n7,too,many\n0,a good row\n", ["has 3"], {"0"}),
        ("t.csv", "id,text\n3,three\n2,two,extra\n1,one\n", ["has 3"], {"3", "1"}),
        ("t.csv", "id,text\n1,one\n2,two\n3,three\n4,four,x\n", ["has 3"], {"1", "2", "3"}),
        (
            "r.jsonl",
            '{"id":10.0,"prompt":"a"}\n{"id":11.0,"prompt":"b"}\n'
            '{"id":true,"prompt":"c"}\n{"id":{"k":1},"prompt":"d"}\n',
            ["not 10.0", "not 11.0", "not true", 'not {"k":1}'],
            set(),
        ),
        (
            "r.jsonl",
            '{"id":"~0123456789ab","prompt":"a"}\n{"custom_id":"~0123456789ab.2","prompt":"a"}\n',
            ["looks like the id of a row that names none"] * 2,
            set(),
        ),
        ("r.jsonl", '{"id":7,"prompt":"a"}\n{"id":"7","prompt":"b"}\n', ["duplicate id 7"], {"7"}),
    ],
)
def test_no_id_that_is_made_up_collides_and_the_true_reason_is_told(
    apiyi: Program, name: str, text: str, told: list[str], good: set[str]
) -> None:
    more = ("--template", "{text}") if name == "t.csv" else ()
    ran = batch(apiyi, text, *more, name=name)
    assert ran.code == 3
    found = records(apiyi)
    assert {one["custom_id"] for one in found if one["error"] is None} == good
    failed = sorted((one for one in found if one["error"]), key=lambda one: int(one["index"]))
    assert len(failed) == len(told)
    for one, why in zip(failed, told, strict=True):
        assert why in one["error"]["message"] and one["custom_id"].startswith("~")


def test_rows_with_and_without_an_id_never_meet(apiyi: Program, gateway: Gateway) -> None:
    text = '{"id":"intro","prompt":"a"}\n{"prompt":"b"}\n{"id":1,"prompt":"c"}\n'
    assert batch(apiyi, text).code == 0
    assert {"intro", "1"} < set(ids(apiyi)) and len(gateway.ledger) == 3


def test_an_id_is_the_number_as_it_was_written(apiyi: Program, gateway: Gateway) -> None:
    big = "123456789012345678901234567890"
    text = f'{{"id":{big},"prompt":"a"}}\n{{"id":-0,"prompt":"b"}}\n{{"id":null,"prompt":"c"}}\n'
    assert batch(apiyi, text).code == 0
    assert {big, "0"} < set(ids(apiyi))
    assert batch(apiyi, text).code == 0 and len(gateway.ledger) == 3


def test_other_options_for_rows_without_an_id_are_said(apiyi: Program, gateway: Gateway) -> None:
    assert batch(apiyi, lines(3), "--lines").code == 0
    ran = batch(apiyi, lines(3), "--lines", "--temperature", "0.5")
    assert ran.code == 0 and len(gateway.ledger) == 6
    assert "a row without an id is not in the output as it is now" in ran.err


def old(program: Program, name: str, *more: str) -> None:
    for path in (name, f"{name}.apiyi-journal", *more):
        shutil.copy(DATA / path, program.work / path)


MODEL = {"APIYI_MODEL": "sandbox-1"}


def test_an_output_of_version_0_1_is_gone_on_with(apiyi: Program, gateway: Gateway) -> None:
    old(apiyi, "records.out", "rows.jsonl")
    before = (apiyi.work / "records.out").read_bytes()
    assert verified(apiyi, "records.out")["ok"] == 4
    ran = apiyi("batch rows.jsonl -o records.out", env=MODEL)
    assert ran.code == 3 and gateway.ledger == [], ran.err
    assert ran.err.count("6 rows: 4 ok, 2 failed") == 1
    rows = (apiyi.work / "rows.jsonl").read_text().splitlines(keepends=True)
    mended = ['{"prompt":"at the top"}\n', *rows[:3], *rows[4:]]
    (apiyi.work / "rows.jsonl").write_text("".join(mended))
    ran = apiyi("batch rows.jsonl -o records.out", env=MODEL)
    assert ran.code == 3 and len(gateway.ledger) == 1, ran.err
    found = verified(apiyi, "records.out")
    assert (found["rows"], found["ok"], found["failed"]) == (6, 5, 1)
    after = (apiyi.work / "records.out").read_bytes()
    assert after.startswith(before)
    assert apiyi("batch compact records.out").code == 0
    assert len(ids(apiyi, "records.out")) == 6
    ran = apiyi("batch rows.jsonl -o records.out", env=MODEL)
    assert ran.code == 3 and len(gateway.ledger) == 1, ran.err


def test_a_claim_of_version_0_1_is_known_again(apiyi: Program, gateway: Gateway) -> None:
    old(apiyi, "killed.out", "rows.jsonl")
    ran = apiyi("batch rows.jsonl -o killed.out --on-unknown skip", env=MODEL)
    assert ran.code == 3 and gateway.ledger == []
    ran = apiyi("batch rows.jsonl -o killed.out --summary s --retry-failed", env=MODEL)
    assert ran.code == 3 and len(gateway.ledger) == 2, ran.err
    assert ids(apiyi, "killed.out")[-1] in ("5", "south")
    assert verified(apiyi, "killed.out")["maybe_billed_twice"] == 1


@pytest.mark.parametrize("step", [1, -1], ids=["in place", "moved"])
def test_a_new_answer_to_an_old_row_outlives_compact(
    apiyi: Program, gateway: Gateway, step: int
) -> None:
    old(apiyi, "killed.out", "rows.jsonl")
    rows = (apiyi.work / "rows.jsonl").read_text().splitlines(keepends=True)
    (apiyi.work / "rows.jsonl").write_text("".join(rows[::step]))
    for _ in range(3):
        apiyi("batch rows.jsonl -o killed.out --retry-failed", env=MODEL)
    sent = len(gateway.ledger)
    for _ in range(2):
        assert apiyi("batch compact killed.out").code == 0
        ran = apiyi("batch rows.jsonl -o killed.out", env=MODEL)
        assert len(gateway.ledger) == sent, ran.err


def test_texts_and_errors_of_version_0_1_are_gone_on_with(apiyi: Program, gateway: Gateway) -> None:
    old(apiyi, "texts.out", "lines.txt")
    old(apiyi, "lines.out")
    text = (apiyi.work / "lines.txt").read_text()
    (apiyi.work / "lines.txt").write_text("one more at the top\n" + text)
    for line in ("-o texts.out --text --ordered", "-o lines.out"):
        ran = apiyi(f"batch lines.txt --lines {line}", env=MODEL)
        assert ran.code == 0, ran.err
    assert len(gateway.ledger) == 2


def test_an_output_whose_journal_is_lost_is_known_by_its_content(
    apiyi: Program, gateway: Gateway
) -> None:
    old(apiyi, "lines.out", "lines.txt")
    (apiyi.work / "lines.out.apiyi-journal").unlink()
    text = (apiyi.work / "lines.txt").read_text()
    (apiyi.work / "lines.txt").write_text("one more at the top\n" + text)
    ran = apiyi("batch lines.txt --lines -o lines.out --resume", env=MODEL)
    assert ran.code == 0 and len(gateway.ledger) == 1
    ran = apiyi("batch lines.txt --lines -o lines.out", env=MODEL)
    assert ran.code == 0 and len(gateway.ledger) == 1


def test_a_real_id_that_an_old_output_has_for_another_row_is_told(
    apiyi: Program, gateway: Gateway
) -> None:
    old(apiyi, "lines.out")
    rows = '{"prompt":"Describe item 002"}\n{"id":2,"prompt":"x"}\n'
    (apiyi.work / "rows.jsonl").write_text(rows)
    ran = apiyi("batch rows.jsonl -o lines.out --resume", env=MODEL)
    assert ran.code == 3 and gateway.ledger == []
    assert "2 is a row without an id, written by version 0.1" in str(
        records(apiyi, "lines.out")[-1]
    )


def test_shards_of_rows_without_an_id_part_them_and_old_ones_keep_theirs(
    apiyi: Program, gateway: Gateway
) -> None:
    for part in (1, 2, 3):
        (apiyi.work / "r.jsonl").write_text(lines(30))
        assert apiyi(f"batch r.jsonl --lines -o out-{part} --shard {part}/3").code == 0
    joined = [id for part in (1, 2, 3) for id in ids(apiyi, f"out-{part}")]
    assert len(joined) == len(set(joined)) == 30 == len(gateway.ledger)
    assert all(ids(apiyi, f"out-{part}") for part in (1, 2, 3))
