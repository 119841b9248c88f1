"""The field cases of bulk work, a number a test: files as people have them, through typed lines.

| case | test |
|---|---|
| 01 | test_01_a_mended_row_is_sent_once |
| 01 without --errors | test_01_a_mended_row_leaves_one_record |
| 02 | test_02_a_line_moved_costs_nothing_for_the_others |
| 03 fence, wrong type, half JSON | test_03_unfit_json_is_an_error_record |
| 03 length, filter, refusal, empty | test_03_what_is_incomplete_is_counted_and_said |
| 03 surrogate | test_03_half_a_pair_is_written_readably |
| 03 too large | test_03_a_request_too_large_is_refused_at_once |
| 04 quotes.tsv | test_04_quotes_of_a_tsv_are_letters |
| 04 others | test_04_odd_tables_are_read |
| 05 | test_05_a_bad_row_costs_no_good_one, test_05_what_is_not_an_id_is_an_error |
| 06 | test_06_other_encodings_are_refused_whole |
| 07 | test_07_names_that_are_no_utf_8_are_files |
| 08 one too long | test_08_a_text_too_long_is_named |
| 08 holes, blank lines | test_08_holes_are_error_records, test_08_the_index_is_the_line |
| embed -o and TERM | test_vectors_paid_for_are_kept_and_resumed |
| 09 phones | test_09_columns_are_data |
| 09 templates | test_09_a_template_names_a_column |
| 10 | test_10_a_path_is_the_file_or_refused |
| 11 | test_11_other_forms_are_refused_with_the_way, test_11_a_speech_row_is_served |
| transcribe -o twice | test_transcripts_that_exist_are_skipped |
"""

from __future__ import annotations

import gzip
import json
import os
from typing import Any

import pytest

from tests.cases.raw import Case, completion, http, json_reply

FINE = json_reply(completion("fine"))
RUN = "batch r.jsonl -m m -o o"


def rows(*values: Any) -> str:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


def prompts(case: Case) -> list[str]:
    return [request.json["messages"][-1]["content"] for request in case.posts]


def test_01_a_mended_row_is_sent_once(case: Case) -> None:
    case.reply(FINE)
    north = {"id": "north", "prompt": "Name a port"}
    case.write("r.jsonl", rows(north, {"id": "south"}))
    assert case(f"{RUN} --errors e").code == 3
    case.write("r.jsonl", rows(north, {"id": "south", "prompt": "Name a lake"}))
    for _ in range(3):
        case(f"{RUN} --errors e")
    assert sorted(prompts(case)) == ["Name a lake", "Name a port"]
    assert case("batch verify o").json["failed"] == 0


def test_01_a_mended_row_leaves_one_record(case: Case) -> None:
    case.reply(FINE)
    good = rows({"id": "a", "prompt": "x"})
    case.write("r.jsonl", good + '{"id": "b", \n')
    assert case(RUN).code == 3
    case.write("r.jsonl", good + rows({"id": "b", "prompt": "y"}))
    assert case(f"{RUN}").code == 0
    assert case("batch compact o").code == 0
    assert sorted(record["custom_id"] for record in case.records("o")) == ["a", "b"]


@pytest.mark.parametrize(("change", "more"), [("insert", 1), ("remove", 0)])
def test_02_a_line_moved_costs_nothing_for_the_others(case: Case, change: str, more: int) -> None:
    case.reply(FINE)
    lines = [f"Describe item {n:03}\n" for n in range(12)]
    case.write("l", "".join(lines))
    assert case("batch l --lines -m m -o o").code == 0
    lines[1:2] = [lines[1], "Describe the extra item\n"] if change == "insert" else []
    case.write("l", "".join(lines))
    assert case("batch l --lines -m m -o o").code == 0
    assert len(case.posts) == 12 + more


def chat_reply(content: Any, finish: str = "stop", **more: Any) -> bytes:
    return json_reply(completion({"role": "assistant", "content": content, **more}, finish))


@pytest.mark.parametrize(
    ("text", "finish"),
    [
        ('Here it is:\n```json\n{"label": "good", "score": 0.9}\n```', "stop"),
        ('{"label": "good", "score": "high"}', "stop"),
        ('{"label": "go', "length"),
    ],
)
def test_03_unfit_json_is_an_error_record(case: Case, text: str, finish: str) -> None:
    case.reply(chat_reply(text, finish))
    case.write("r.jsonl", rows({"id": "a", "prompt": "x"}))
    assert case(f"{RUN} --schema 'label, score float'").code == 3
    assert len(case.posts) == 1


@pytest.mark.parametrize(
    "reply",
    [
        chat_reply("The three reasons are: first,", "length"),
        chat_reply("", "content_filter"),
        chat_reply(None, refusal="I can't help with that."),
        chat_reply(""),
    ],
    ids=["length", "filter", "refusal", "empty"],
)
def test_03_what_is_incomplete_is_counted_and_said(case: Case, reply: bytes) -> None:
    case.reply(reply)
    case.write("r.jsonl", rows({"id": "a", "prompt": "x"}))
    plain = case(f"{RUN} --summary s.json")
    assert plain.code == 0 and len(plain.err.splitlines()) > 1
    assert case("batch r.jsonl -m m -o strict --strict-finish").code == 3


def test_03_half_a_pair_is_written_readably(case: Case) -> None:
    case.reply(chat_reply("smile \ud83d end"))
    case.write("r.jsonl", rows({"id": "a", "prompt": "x"}))
    assert case(RUN).code == 0
    body = case.records("o")[0]["response"]["body"]
    assert body["choices"][0]["message"]["content"] == "smile \ufffd end"
    assert case(RUN).code == 0 and len(case.posts) == 1


def test_03_a_request_too_large_is_refused_at_once(case: Case) -> None:
    message = "Request too large for m on tokens per min (TPM): Limit 30000, Requested 41000."
    error = {"message": message, "type": "tokens", "param": None, "code": "rate_limit_exceeded"}
    case.reply(json_reply({"error": error}, "429 Too Many"))
    case.write("r.jsonl", rows({"id": "a", "prompt": "x"}))
    case(RUN)
    assert len(case.posts) == 1


def test_04_quotes_of_a_tsv_are_letters(case: Case) -> None:
    case.reply(FINE)
    lines = ("100\tGood.", '101\t"We waited', "102\ta long time", '103\tfor it."', '105\t"Fine" is')
    case.write("q.tsv", "\n".join(("id\ttext", *lines)) + "\n")
    assert case("batch q.tsv -m m --template '{text}' -o o").code == 0
    assert sorted(prompts(case)) == sorted(line.split("\t")[1] for line in lines)


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        ("id,text,comment,comment\n1,red apple,x,y\n", ["red apple"]),
        ("id,text,\n1,one,\n2,two,\n,,\n,,\n", ["one", "two"]),
        (",text,label\n0,red apple,1\n1,green pear,0\n", ["green pear", "red apple"]),
        ("\ufeffid;text;preis\n1;Guten Tag, Welt;1,50\n", ["Guten Tag, Welt"]),
        ("sep=,\nid,text\n1,a\n", ["a"]),
    ],
    ids=["duplicate", "empty tail", "pandas", "semicolon", "sep"],
)
def test_04_odd_tables_are_read(case: Case, table: str, wanted: list[str]) -> None:
    case.reply(FINE)
    case.write("t.csv", table)
    ran = case("batch t.csv -m m --template '{text}' -o o")
    assert ran.code == 0, ran.err
    assert sorted(prompts(case)) == wanted


@pytest.mark.parametrize(
    ("table", "good"),
    [
        ("id,text\n3,three\n2,two,extra\n1,one\n", ["one", "three"]),
        ("id,text\n7,too,many\n0,a good row\n", ["a good row"]),
        ("id,text\n1,one\n2,two\n3,three\n4,four,extra\n", ["one", "three", "two"]),
    ],
)
def test_05_a_bad_row_costs_no_good_one(case: Case, table: str, good: list[str]) -> None:
    case.reply(FINE)
    case.write("t.csv", table)
    assert case("batch t.csv -m m --template '{text}' -o o").code == 3
    assert sorted(prompts(case)) == good
    failed = [record["error"] for record in case.records("o") if record["error"]]
    assert len(failed) == 1 and "duplicate id" not in json.dumps(failed)


def test_05_what_is_not_an_id_is_an_error(case: Case) -> None:
    case.reply(FINE)
    bad = [{"id": 10.0, "prompt": "a"}, {"id": True, "prompt": "c"}, {"id": {}, "prompt": "d"}]
    mixed = [{"id": "intro", "prompt": "e"}, {"prompt": "f"}, {"id": 1, "prompt": "g"}]
    case.write("r.jsonl", rows(*bad, *mixed))
    assert case(RUN).code == 3
    assert sorted(prompts(case)) == ["e", "f", "g"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.csv", "id,text\n1,hello\n2,去上海\n3,bye\n"),
        ("g.csv", "编号,text,说明\n1,hello,一\n2,去上海,二\n"),
        ("r.jsonl", '{"id":"a","prompt":"去上海"}\n{"id":"b","prompt":"plain"}\n'),
    ],
)
def test_06_other_encodings_are_refused_whole(case: Case, name: str, text: str) -> None:
    case.reply(FINE)
    case.write(name, text.encode("gb18030"))
    line = f"batch {name} -m m -o o" + ("" if name == "r.jsonl" else " --template '{text}'")
    ran = case(line)
    assert ran.code == 2 and ("GB18030" in ran.err or "--encoding" in ran.err)
    assert case.requests == [] and not (case.work / "o").exists()
    assert case(f"{line} --encoding gb18030").code == 0
    assert "去上海" in prompts(case)


@pytest.mark.parametrize("name", [b"\xca\xb4\xc0\xfd.jsonl"])
def test_07_names_that_are_no_utf_8_are_files(case: Case, name: bytes) -> None:
    case.reply(FINE)
    path = os.fsdecode(name)
    (case.work / path).write_text(rows({"id": "1", "prompt": "x"}))
    words = ["batch", path, "-m", "m", "-o", f"{path}.out", "--errors", f"{path}.err"]
    assert case([*words, "--summary", f"{path}.sum"]).code == 0


def test_08_holes_are_error_records(case: Case) -> None:
    vectors = [{"object": "embedding", "index": k, "embedding": [0.5, 1.0]} for k in range(2)]
    case.reply(json_reply({"object": "list", "data": vectors}))
    stdin = rows({"t": "a"}, {"t": ""}, {"t": None}, {"x": 1}, {"t": "b"}).encode()
    ran = case("embed -m e --jsonl t", stdin=stdin)
    assert ran.code == 3
    found = [json.loads(line) for line in ran.text.splitlines()]
    assert [one["t"] for one in found if "embedding" in one] == ["a", "b"]


def test_08_the_index_is_the_line(case: Case) -> None:
    vectors = [{"object": "embedding", "index": k, "embedding": [0.5, 1.0]} for k in range(2)]
    case.reply(json_reply({"object": "list", "data": vectors}))
    ran = case("embed -m e --lines", stdin=b"first\n\nthird\n")
    found = [json.loads(line) for line in ran.text.splitlines()]
    assert [one["index"] for one in found if "embedding" in one] == [0, 2]


def test_08_a_text_too_long_is_named(case: Case) -> None:
    refused = {
        "error": {
            "message": "This model's maximum context length is 8192 tokens",
            "type": "invalid_request_error",
            "code": "context_length_exceeded",
        }
    }
    vector = {"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}
    case.reply(
        json_reply({"object": "list", "data": [vector]}),
        json_reply(refused, "400 Bad"),
        json_reply({"object": "list", "data": [vector]}),
    )
    ran = case("embed -m e --lines -o v --batch-size 1 -j 1", stdin=b"a\nlong\nc\n")
    assert ran.code == 3 and "2" in ran.err
    good = [record for record in case.records("v") if "embedding" in record]
    assert [record["text"] for record in good] == ["a", "c"]


def test_vectors_paid_for_are_kept_and_resumed(case: Case) -> None:
    vector = {"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}
    fine = json_reply({"object": "list", "data": [vector]})
    broken = json_reply({"error": {"message": "no", "type": "new_api_error"}}, "401 No")
    case.reply(fine, fine, broken)
    line, stdin = "embed -m e --lines -o v --batch-size 1 -j 1 --no-text", b"a\nb\nc\nd\n"
    assert case(line, stdin=stdin).code != 0
    case.reply(fine)
    assert case(line, stdin=stdin).code == 0
    sent = [request.json["input"] for request in case.posts]
    assert sent.count("a") == sent.count("b") == 1
    assert len(case.records("v")) == 4


def test_09_columns_are_data(case: Case) -> None:
    table = "id,brand,model,n,user,stop,review\n1,Acme,X200,3,reader,and,good and cheap\n"
    case.write("p.csv", table)
    ran = case("batch p.csv -m m --template 'Rate: {review}' --dry-run")
    assert set(ran.json["body"]) == {"model", "messages"}
    assert ran.json["body"]["model"] == "m"


@pytest.mark.parametrize("template", ["{{text}}", "Rate this review"])
def test_09_a_template_names_a_column(case: Case, template: str) -> None:
    case.write("t.csv", "id,text\n1,a\n")
    ran = case(["batch", "t.csv", "-m", "m", "--template", template, "-o", "o"])
    assert ran.code == 2
    assert case.requests == []


@pytest.mark.parametrize(
    ("row", "more"),
    [
        ({"id": "1", "prompt": "what is on it", "image": "pic.png"}, ""),
        ({"id": "2", "prompt": "what is on it", "file": "pic.png"}, ""),
        ({"id": "3", "prompt": "snow", "image": "pic.png", "mask": "pic.png"}, " --endpoint image"),
    ],
)
def test_10_a_path_is_the_file_or_refused(case: Case, row: dict[str, str], more: str) -> None:
    case.write("pic.png", b"\x89PNG\r\n\x1a\n" + bytes(32))
    case.write("r.jsonl", rows(row))
    ran = case(f"batch r.jsonl -m m --dry-run{more}")
    if ran.code == 0:
        # In a form the picture is a part with its bytes; in JSON it is no path.
        body = ran.json["body"]
        assert isinstance(body, list) or '"pic.png"' not in json.dumps(body)
        assert "mask" not in row or any(part["name"] == "mask" for part in body)
    else:
        assert ran.code in (2, 3) and "pic.png" not in ran.text


@pytest.mark.parametrize(
    ("name", "content", "way"),
    [
        ("a.json", b'[\n {"id": "a", "prompt": "x"}\n]', "jq -c '.[]'"),
        ("r.jsonl.gz", gzip.compress(b'{"prompt": "x"}\n', mtime=0), "zcat"),
        ("l.jsonl", b"first prompt\nsecond prompt\n", "--lines"),
    ],
)
def test_11_other_forms_are_refused_with_the_way(
    case: Case, name: str, content: bytes, way: str
) -> None:
    case.write(name, content)
    ran = case(f"batch {name} -m m -o o")
    assert ran.code in (2, 3) and way in ran.err
    assert case.requests == []


def test_11_a_speech_row_is_served(case: Case) -> None:
    body = {"model": "tts-1", "input": "hello", "voice": "alloy"}
    row = {"custom_id": "s", "method": "POST", "url": "/v1/audio/speech", "body": body}
    case.write("r.jsonl", rows(row))
    ran = case("batch r.jsonl --dry-run")
    assert ran.code == 0 and ran.json["url"].endswith("/v1/audio/speech")


def test_transcripts_that_exist_are_skipped(case: Case) -> None:
    case.reply(json_reply({"text": "said"}))
    case.write("a.wav", b"RIFF\x24\0\0\0WAVEfmt " + bytes(40))
    line = "transcribe -m whisper-1 a.wav -o '{stem}.txt'"
    assert case(line).code == 0
    assert case(line).code == 11
    assert case(f"{line} --skip-existing").code == 0
    assert len(case.posts) == 1


MOVED = b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"
WEB_PAGE = http("<!doctype html><title>Home</title>", "text/html")


@pytest.mark.parametrize("reply", [MOVED, WEB_PAGE], ids=["moved", "a web page"])
def test_rows_that_met_a_wrong_address_are_sent_again_by_themselves(
    case: Case, reply: bytes
) -> None:
    line = "batch --lines - -m m -o o -j 1 --retries 0"
    rows = b"one\ntwo\nthree\n"
    case.reply(reply)
    assert case(line, stdin=rows).code == 3
    assert len(case.posts) == 3
    case.reply(json_reply(completion("well")))
    ran = case(line, stdin=rows)
    assert ran.code == 0 and ran.out == b"", ran.err
    assert sum(record["error"] is None for record in case.records("o")) == 3


def test_rows_whose_answer_nobody_could_read_name_the_way_to_ask_again(case: Case) -> None:
    case.reply(http(b"\x0b\x02\x80hello\x03", headers={"Content-Encoding": "br"}))
    line = "batch --lines - -m m -o o --retries 0"
    for _ in range(2):
        ran = case(line, stdin=b"one\ntwo\n")
    assert (ran.code, len(case.posts)) == (3, 2)
    assert "--retry-failed; those rows may be billed again" in ran.err
