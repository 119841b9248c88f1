"""Inputs of batch that need a conversion are refused whole, with a line that works."""

from __future__ import annotations

import pytest

from tests.cases.raw import Case, completion, json_reply

ROWS = '{"id":"a","prompt":"x"},\n{"id":"b","prompt":"y"},\n'
TABLE = "id,text\r1,one\r2,two\r"
INPUTS = [
    ("rows.jsonl", ROWS, "", "its lines end in commas"),
    ("rows.jsonl", ROWS.replace("},", "}").replace("\n", "\r"), "", "end in CR alone"),
    ("table.csv", TABLE, "--template '{text}'", "end in CR alone"),
    ("table.tsv", TABLE.replace(",", "\t"), "--template '{text}'", "end in CR alone"),
]


@pytest.mark.parametrize(("name", "text", "options", "said"), INPUTS)
def test_the_hint_makes_rows_of_it(
    case: Case, name: str, text: str, options: str, said: str
) -> None:
    case.reply(json_reply(completion("fine")))
    case.write(name, text)
    ran = case(f"batch {name} -o out.jsonl -m m {options}")
    assert ran.code == 2 and said in ran.err and case.posts == []
    hint = ran.err.split("try: ")[1].strip()
    env = {"APIYI_BASE_URL": case.gateway.base_url, "APIYI_MODEL": "m"}
    ran = case.apiyi.shell(f"{hint} -o out.jsonl {options}", env=env)
    assert ran.code == 0, ran.err
    assert sorted(record["custom_id"] for record in case.records("out.jsonl")) in (
        ["a", "b"],
        ["1", "2"],
    )


@pytest.mark.parametrize("text", ["id,text\n", "id,text", "\ufeffid,text\r\n\r\n"])
def test_a_header_alone_is_nothing_to_send(case: Case, text: str) -> None:
    case.write("table.csv", text)
    ran = case("batch table.csv -o out.jsonl -m m --template '{text}'")
    assert ran.code == 2 and "no rows" in ran.err
    assert not (case.work / "out.jsonl").exists()
