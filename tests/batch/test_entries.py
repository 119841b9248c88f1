"""Lines of outputs and journals: what is written is read, whatever a server or a disk made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.state.entries import ENTRIES, RECORDS, parse_entry, parse_record, read_lines
from apiyi_cli.batch.state.journal import Journal, WrittenRecord, format_held
from apiyi_cli.batch.state.record import RowOutcome, format_record
from apiyi_cli.core.events import Usage
from apiyi_cli.errors import Facts, RejectedError, SetupError

TEXTS = [
    '"smile \\ud83d end"',
    '"\\udc00\\ud800"',
    '"\\u0000\\u001b[31m\\u007f\\u2028\u2029"',
    '"line\\nline\\r\\n"',
    '"\ufeff"',
    '""',
]
NUMBERS = ["1e400", "-1e400", "1" * 400, "-" + "9" * 5000, "NaN", "Infinity", "-0", "1.10", "1E5"]
DEEP = ["[" * 2000 + "]" * 2000, '{"a":' * 300 + "null" + "}" * 300]
scalars = st.sampled_from([*TEXTS, *NUMBERS, *DEEP, "true", "null"]) | st.text().map(json.dumps)
bodies = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]")
        | st.lists(st.tuples(st.sampled_from(TEXTS), inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"
        )
    ),
    max_leaves=6,
)
ids = st.text(st.characters(exclude_categories=()), min_size=1)


def outcome_of(id: str, body: bytes, words: str, fails: bool) -> RowOutcome:
    row = Row(0, id, "rows.jsonl:1", "0123456789abcdef")
    error = RejectedError(words, words, facts=Facts(code=words)) if fails else None
    usage = Usage(1, 2, 3, raw={words: [10**30, float("nan"), words]})
    return RowOutcome(
        row, body, error=error, refusal=body, status=200, request_id=words, usage=usage, attempts=1
    )


@given(ids, bodies, ids, st.booleans(), st.sampled_from([b"", b"\xff", b"}{", b"\r\n"]))
def test_every_record_is_one_line_that_all_readers_read(
    id: str, body: str, words: str, fails: bool, tail: bytes
) -> None:
    line = format_record(outcome_of(id, body.encode("utf-8", "replace") + tail, words, fails))
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    found = parse_record(line)
    assert found is not None and (found["error"] is None) is not fails
    plain = json.loads(line)
    assert plain["custom_id"] == found["custom_id"]
    assert jq.compile(".custom_id").input_text(line.decode()).first() == plain["custom_id"]


@given(ids, ids)
def test_every_line_of_a_journal_is_read(tmp_path_factory: Any, id: str, words: str) -> None:
    path = tmp_path_factory.mktemp("j") / "j"
    row = Row(0, id, words, "0123456789abcdef")
    journal = Journal(path, fsync="never")
    journal.begin({"input": {"name": words, "size": 1, "sha": None}})
    journal.claim([row], 1, words)
    journal.hold(
        [format_held(row, format_record(outcome_of(id, b"{}", words, False)), None, "out")]
    )
    journal.announce(7, [(row, b"line", None)])
    journal.note_written([WrittenRecord(id, row.sha, 0, 1, None, False, "out")])
    journal.abandon([row], billed=True)
    journal.end({"total": 1, words: words}, complete=True)
    journal.close()
    kinds = [line.value["t"] for line in read_lines(path, ENTRIES)]
    assert kinds == ["H", "S", "W", "P", "D", "A", "E"]
    for line in path.read_bytes().splitlines():
        json.loads(line)


def test_what_no_reader_takes_keeps_all_that_it_said() -> None:
    deep = '{"a":' * 300 + "1" + "}" * 300
    line = format_record(outcome_of("a", deep.encode(), "x", False))
    assert json.loads(line)["response"]["body"] == deep
    long = '{"n":' + "123" + "4" * 4998 + ',"s":"' + "9" * 5000 + '"}'
    line = format_record(outcome_of("a", long.encode(), "x", False))
    body = line.partition(b'"body":')[2]
    assert body.startswith(b'{"n":1.23' + b"4" * 4998 + b'e5000,"s":"' + b"9" * 5000 + b'"}')
    assert json.loads(line)["response"]["body"]["n"] == float("inf")


SHA = '"sha":"0123456789abcdef"'
ODD_ENTRIES = [
    "null",
    "7",
    "[]",
    '"S"',
    "{}",
    '{"t":"X"}',
    '{"t":["S"]}',
    '{"t":"S"}',
    '{"t":"S","id":7,' + SHA + "}",
    '{"t":"S","id":"a","sha":7}',
    '{"t":"S","id":"a","sha":"xyz"}',
    '{"t":"S","id":"a","sha":"-1"}',
    '{"t":"S","id":"a","sha":"0123456789abcdef0"}',
    '{"t":"S","id":"a",' + SHA + ',"ambiguous":"2"}',
    '{"t":"D","id":"a",' + SHA + "}",
    '{"t":"D","id":"a",' + SHA + ',"failed":7,"offset":0,"size":1,"to":"out"}',
    '{"t":"D","id":"a",' + SHA + ',"failed":null,"offset":-1,"size":1,"to":"out"}',
    '{"t":"D","id":"a",' + SHA + ',"failed":null,"offset":1e400,"size":1,"to":"out"}',
    '{"t":"D","id":"a",' + SHA + ',"failed":null,"offset":0,"size":1,"to":["out"]}',
    '{"t":"D","id":"a",' + SHA + ',"failed":null,"offset":' + "9" * 30 + ',"size":1,"to":"out"}',
    '{"t":"W","id":"a",' + SHA + ',"failed":null,"to":"out","line":null}',
    '{"t":"A","id":"a",' + SHA + ',"billed":null}',
    '{"t":"H"}',
    '{"t":"H","version":"1"}',
    '{"t":"H","version":1,"sizes":[]}',
    '{"t":"H","version":1,"sizes":{"out":"x"}}',
    '{"t":"H","version":1,"input":"x"}',
    '{"t":"H","version":1,"input":{"name":"r"}}',
    '{"t":"H","version":1,"billed":{"a":7}}',
    '{"t":"H","version":1,"options":[]}',
    '{"t":"H","version":1,"errors":7}',
    '{"t":"E","complete":true}',
    '{"t":"E","complete":true,"summary":{"total":null}}',
    '{"t":"C","parts":7}',
    '{"t":"D","id":"a","sh',
    "garbage",
    "\x00\x00garbage",
]


@pytest.mark.parametrize("line", ODD_ENTRIES)
def test_an_odd_line_of_a_journal_is_named_and_put_aside_on_request(
    tmp_path: Path, line: str
) -> None:
    assert parse_entry(line.encode()) is None
    path = tmp_path / "o.apiyi-journal"
    good = '{"t":"S","id":"b",' + SHA + "}\n"
    path.write_text(good + line + "\n" + good)
    with pytest.raises(SetupError, match=r"o\.apiyi-journal:2 is broken"):
        list(read_lines(path, ENTRIES))
    assert len(list(read_lines(path, ENTRIES, repair=True))) == 2
    assert len(list(read_lines(path, ENTRIES))) == 2
    assert (tmp_path / "o.apiyi-journal.torn").read_text() == line + "\n"


def test_holes_that_a_power_failure_left_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "j"
    good = b'{"t":"S","id":"b",' + SHA.encode() + b"}\n"
    path.write_bytes(good + bytes(512) + b"\n" + bytes(64) + good)
    assert [line.value["id"] for line in read_lines(path, ENTRIES)] == ["b", "b"]


@pytest.mark.parametrize("torn", ['{"t":"D","id":"a","sh', '{"t":"S","id":"a",' + SHA])
def test_a_whole_line_behind_a_torn_one_is_kept(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "j"
    path.write_text(torn + '{"t":"S","id":"b",' + SHA + "}\n")
    assert [one.value["id"] for one in read_lines(path, ENTRIES, repair=True)] == ["b"]
    assert [one.value["id"] for one in read_lines(path, ENTRIES)] == ["b"]


def test_a_journal_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_text('{"t":"H","version":99}\n')
    with pytest.raises(SetupError, match="newer version"):
        list(read_lines(path, ENTRIES, repair=True))
    assert not (tmp_path / "j.torn").exists()


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        '{"custom_id":7,' + SHA + ',"error":null}',
        '{"custom_id":"a","sha":7,"error":null}',
        '{"custom_id":"a",' + SHA + "}",
        '{"custom_id":"a",' + SHA + ',"error":"class"}',
        '{"custom_id":"a",' + SHA + ',"error":{"class":7}}',
        '{"custom_id":"a",' + SHA + ',"error":["class"]}',
    ],
)
def test_an_odd_line_of_an_output_is_no_record(tmp_path: Path, line: str) -> None:
    (tmp_path / "o").write_text(line + "\n")
    with pytest.raises(SetupError, match="o:1 is broken"):
        list(read_lines(tmp_path / "o", RECORDS))
