"""`batch -o out.csv`: the input's table with a column more, and nothing paid for twice."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.cli.test_batch_answers import GOOD, reply
from tests.conftest import Program

RUN = "batch in.csv -m gpt-4o --template {t} -j 1 -o out.csv"


def read(path: Path, delimiter: str = ",") -> list[list[str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter, strict=True))


def write_table(apiyi: Program, text: str, name: str = "in.csv") -> None:
    (apiyi.work / name).write_bytes(text.encode())


ANSWERS = ('a "quoted", word', "two\nlines\r\nand\rmore\n", "tab\tand;|", "  blanks  ", "=1+1")


@pytest.mark.parametrize(
    ("name", "delimiter"), [("out.csv", ","), ("out.tsv", "\t"), ("OUT.CSV", ",")]
)
def test_every_answer_comes_back_from_the_table_as_it_was(
    apiyi: Program, gateway: Gateway, name: str, delimiter: str
) -> None:
    rows = [[str(n), f'cell "{n}",\nmore'] for n in range(len(ANSWERS))]
    with open(apiyi.work / "in.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["n", "t"], *rows])
    gateway.script(*map(reply, ANSWERS))
    ran = apiyi(["batch", "in.csv", "-m", "gpt-4o", "--template", "{t}", "-j", "1", "-o", name])
    assert (ran.code, ran.out) == (0, b"")
    expected = [[*row, answer] for row, answer in zip(rows, ANSWERS, strict=True)]
    assert read(apiyi.work / name, delimiter) == [["n", "t", "answer"], *expected]


def test_a_table_is_written_as_the_input_was(apiyi: Program, gateway: Gateway) -> None:
    write_table(apiyi, "\ufeffid;t;;t2;t2\r\n1;一;x;;\r\n")
    assert apiyi(f"{RUN} --answer 答案").code == 0
    content = (apiyi.work / "out.csv").read_bytes().decode()
    assert content.startswith("\ufeffid;t;;t2;t2;答案\r\n1;一;x;;;")
    assert content.endswith("\r\n") and content.count("\r\n") == 2


def test_rows_without_columns_have_a_line_or_an_id_beside_the_answer(apiyi: Program) -> None:
    ran = apiyi("batch - --lines -m gpt-4o --ordered -o l.csv", stdin=b"one, two\n three\n")
    assert ran.code == 0
    table = read(apiyi.work / "l.csv")
    assert [row[0] for row in table] == ["line", "one, two", " three"]
    write_table(apiyi, '{"id":"k","prompt":"x"}\n{"prompt":"y"}\n', "r.jsonl")
    assert apiyi("batch r.jsonl -m gpt-4o --ordered -o r.csv").code == 0
    table = read(apiyi.work / "r.csv")
    assert table[0] == ["id", "answer"] and table[1][0] == "k" and table[2][0].startswith("~")


def test_what_failed_has_no_line_until_it_succeeds(apiyi: Program, gateway: Gateway) -> None:
    write_table(apiyi, "id,t\n1,a\n2,b\n3,c\n")
    gateway.script(
        ScriptedReply(status=400, body=b'{"error":{"message":"no"}}'), reply("B"), reply("C")
    )
    ran = apiyi(f"{RUN} --errors bad.jsonl")
    assert ran.code == 3
    assert read(apiyi.work / "out.csv") == [
        ["id", "t", "answer"],
        ["2", "b", "B"],
        ["3", "c", "C"],
    ]
    assert json.loads((apiyi.work / "bad.jsonl").read_text())["custom_id"] == "1"
    assert apiyi(f"{RUN} --errors bad.jsonl").code == 3 and len(gateway.ledger) == 3
    gateway.script(reply("A"))
    ran = apiyi(f"{RUN} --errors bad.jsonl --retry-failed")
    assert ran.code == 0 and len(gateway.ledger) == 4
    assert read(apiyi.work / "out.csv")[-1] == ["1", "a", "A"]
    verified = apiyi("batch verify out.csv")
    assert verified.code == 0 and verified.json["rows"] == verified.json["ok"] == 3


def test_a_row_that_failed_is_named_where_no_file_takes_its_record(
    apiyi: Program, gateway: Gateway
) -> None:
    write_table(apiyi, "id,t\n1,a\n2,b,c\n")
    ran = apiyi(RUN)
    assert ran.code == 3 and "row ~" in ran.err and "in.csv:3" in ran.err
    assert len(read(apiyi.work / "out.csv")) == 2


def test_added_rows_run_and_the_header_stays_alone(apiyi: Program, gateway: Gateway) -> None:
    write_table(apiyi, "id,t\n1,a\n")
    assert apiyi(RUN).code == 0
    write_table(apiyi, "id,t\n1,a\n2,b\n")
    ran = apiyi(RUN)
    assert ran.code == 0 and "1 records in it" in ran.err and len(gateway.posts) == 2
    assert [row[:2] for row in read(apiyi.work / "out.csv")] == [
        ["id", "t"],
        ["1", "a"],
        ["2", "b"],
    ]


@pytest.mark.parametrize("more", [(), ("--schema", "label, score float")])
def test_the_answer_is_what_text_would_print(
    apiyi: Program, gateway: Gateway, more: tuple[str, ...]
) -> None:
    write_table(apiyi, "t\na\n")
    gateway.script(reply(f"Here:\n```json\n{GOOD}\n```"))
    assert apiyi([*RUN.split(), "-x", *more]).code == 0
    assert read(apiyi.work / "out.csv")[1] == ["a", GOOD]


def test_half_characters_do_not_make_a_table_unreadable(apiyi: Program, gateway: Gateway) -> None:
    write_table(apiyi, "t\na\n")
    gateway.script(reply("x\ud83d y\0"))
    assert apiyi(RUN).code == 0
    assert b"a,x\xef\xbf\xbd y\0\n" in (apiyi.work / "out.csv").read_bytes()


@pytest.mark.parametrize("form", ["csv", "lines", "jsonl"])
def test_a_column_that_is_there_is_not_used_for_the_answers(
    apiyi: Program, gateway: Gateway, form: str
) -> None:
    column = {"csv": "answer", "lines": "line", "jsonl": "id"}[form]
    write_table(
        apiyi, {"csv": "t,answer\na,b\n", "lines": "a\n", "jsonl": '{"prompt":"a"}\n'}[form], "in"
    )
    template = ["--template", "{t}"] if form == "csv" else []
    line = ["batch", "in", "-m", "gpt-4o", "--format", form, *template, "-o", "out.csv"]
    ran = apiyi([*line, "--answer", column])
    assert ran.code == 2 and not gateway.ledger and not (apiyi.work / "out.csv").exists()
    assert f"a column {column} of their own" in ran.err
    way_out = ran.err.partition("try: ")[2].split()
    assert apiyi([*line, *way_out]).code == 0
    assert read(apiyi.work / "out.csv")[0][-1] == way_out[1]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("batch in.csv -m gpt-4o --template {t} -o out.csv --text", "--text with -o out.csv"),
        ("batch in.csv -m gpt-4o --template {t} --answer x", "cannot use --answer"),
        ("batch in.csv -m gpt-4o --template {t} -o o.jsonl --answer x", "cannot use --answer"),
        ("batch in.csv -m gpt-4o --template {t} -o out.csv --jq .id", "--jq with -o"),
    ],
)
def test_options_that_make_no_table_are_refused(
    apiyi: Program, gateway: Gateway, line: str, told: str
) -> None:
    write_table(apiyi, "t\na\n")
    ran = apiyi(line)
    assert ran.code == 2 and told in ran.err and not gateway.ledger


def test_a_table_of_other_columns_or_of_records_is_not_appended_to(
    apiyi: Program, gateway: Gateway
) -> None:
    write_table(apiyi, "id,t\n1,a\n")
    assert apiyi(RUN).code == 0
    before = (apiyi.work / "out.csv").read_bytes()
    write_table(apiyi, "id,t,more\n1,a,x\n2,b,x\n")
    ran = apiyi(RUN)
    assert ran.code == 10 and "has other columns" in ran.err and len(gateway.posts) == 1
    assert apiyi(f"{RUN} --answer reply").code == 10
    assert (apiyi.work / "out.csv").read_bytes() == before
    write_table(apiyi, "t\na\n")
    assert apiyi("batch in.csv -m gpt-4o --template {t} -o x.jsonl").code == 0
    (apiyi.work / "x.jsonl").rename(apiyi.work / "x.csv")
    (apiyi.work / "x.jsonl.apiyi-journal").rename(apiyi.work / "x.csv.apiyi-journal")
    ran = apiyi("batch in.csv -m gpt-4o --template {t} -o x.csv")
    assert ran.code == 10 and "x.csv holds records" in ran.err and len(gateway.posts) == 2


def test_verify_tells_what_a_table_lacks_and_compact_says_why_it_cannot(
    apiyi: Program, gateway: Gateway
) -> None:
    write_table(apiyi, "id,t\n1,a\n2,b\n")
    assert apiyi(RUN).code == 0
    whole = (apiyi.work / "out.csv").read_bytes()
    ran = apiyi("batch compact out.csv")
    assert ran.code == 2 and "holds answers alone" in ran.err
    (apiyi.work / "out.csv").write_bytes(whole + b"3,torn")
    ran = apiyi("batch verify out.csv")
    assert ran.code == 10 and "the last 6 bytes of out.csv" in ran.err
    (apiyi.work / "out.csv").write_bytes(whole[:-3])
    ran = apiyi("batch verify out.csv")
    assert ran.code == 10 and "1 answers that the journal knows of" in ran.err
    assert apiyi(RUN).code == 10 and len(gateway.posts) == 2
