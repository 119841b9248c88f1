"""What a batch reads: encodings, tables, files in other forms, templates, files named by rows."""

from __future__ import annotations

import gzip
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.sandbox.server import Gateway
from tests.conftest import Program

GBK_TABLE = "编号,text,说明\r\n1,hello,一\r\n2,质量很好,二\r\n3,bye,三\r\n".encode("gbk")
ARRAY = json.dumps([{"id": "a", "prompt": "x"}, {"id": "b", "prompt": "y"}])


def list_prompts(gateway: Gateway) -> list[str]:
    return sorted(one.json["messages"][-1]["content"] for one in gateway.ledger)


def write_input(apiyi: Program, name: str, content: bytes | str) -> Path:
    path = apiyi.work / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


FOREIGN = [
    ("t.csv", GBK_TABLE, "GB18030", 0),
    ("t.csv", "id,text\r\n1,hello\r\n2,质量很好\r\n".encode("gbk"), "GB18030", 20),
    ("t.jsonl", '{"id":"a","prompt":"质量很好"}\n{"id":"b"}\n'.encode("gbk"), "GB18030", 20),
    (
        "t.csv",
        ("id,text\n" + "1,plain\n" * 40_000 + "2,質量很好\n").encode("big5"),
        "Big5",
        320_010,
    ),
    ("t.csv", "id,text\n1,héllo\n".encode("utf-16-le"), "UTF-16LE", 1),
]


@pytest.mark.parametrize(
    ("name", "content", "encoding", "offset"), FOREIGN, ids=range(len(FOREIGN))
)
def test_a_file_that_is_not_utf8_as_a_whole_sends_nothing_and_leaves_nothing(
    apiyi: Program, gateway: Gateway, name: str, content: bytes, encoding: str, offset: int
) -> None:
    write_input(apiyi, name, content)
    line = f"batch {name} --template {{text}} -o out.jsonl"
    ran = apiyi(line)
    assert ran.code == 2 and gateway.ledger == []
    assert f"at byte {offset}" in ran.err and f"reads well as {encoding}" in ran.err
    assert sorted(path.name for path in apiyi.work.glob("out*")) == []
    assert f"try: iconv -f {encoding} -t UTF-8 {name} > t.utf8" in ran.err


def test_after_converting_the_same_output_is_begun(apiyi: Program, gateway: Gateway) -> None:
    write_input(apiyi, "t.csv", GBK_TABLE)
    assert apiyi("batch t.csv --template {说明} -o out.jsonl").code == 2
    write_input(apiyi, "t.csv", GBK_TABLE.decode("gbk"))
    assert apiyi("batch t.csv --template {说明} -o out.jsonl").code == 0
    assert list_prompts(gateway) == sorted(["一", "二", "三"])


@pytest.mark.parametrize("line", ["batch t.csv", "batch - --format csv"])
def test_encoding_reads_a_table_in_any_encoding(
    apiyi: Program, gateway: Gateway, line: str
) -> None:
    write_input(apiyi, "t.csv", GBK_TABLE)
    ran = apiyi(f"{line} --encoding gbk --template {{说明}}", stdin=GBK_TABLE)
    assert ran.code == 0, ran.err
    assert list_prompts(gateway) == sorted(["一", "二", "三"])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-8"])
@pytest.mark.parametrize("stdin", [False, True])
def test_a_byte_order_mark_is_obeyed(
    apiyi: Program, gateway: Gateway, encoding: str, stdin: bool
) -> None:
    content = "\ufeff第一行\nline two\n".encode(encoding)
    write_input(apiyi, "lines", content)
    ran = apiyi(f"batch --lines {'-' if stdin else 'lines'}", stdin=content)
    assert ran.code == 0, ran.err
    assert list_prompts(gateway) == ["line two", "第一行"]


def test_a_bad_row_behind_the_beginning_of_a_pipe_is_a_bad_row(
    apiyi: Program, gateway: Gateway
) -> None:
    good = "".join(f'{{"id":"{n}","prompt":"{"x" * 4000}"}}\n' for n in range(40)).encode()
    bad = '{"id":"bad","prompt":"质量"}\n'.encode("gbk")
    (apiyi.work / "pipe").write_bytes(good + bad)
    ran = apiyi.shell("cat pipe | apiyi batch - -o out.jsonl -m sandbox-1 --limit 500")
    assert ran.code == 3
    records = [json.loads(line) for line in (apiyi.work / "out.jsonl").read_bytes().splitlines()]
    (failed,) = [one for one in records if one["error"]]
    assert failed["error"]["message"].startswith("stdin:41:23: not UTF-8")
    beginning = apiyi("batch - -o other.jsonl", stdin=bad + good)
    assert beginning.code == 2 and "cannot read stdin: not UTF-8 at byte 22" in beginning.err
    assert not (apiyi.work / "other.jsonl").exists()


TABLES = [
    (
        "t.tsv",
        'id\ttext\n1\t"We waited\n2\ta "quoted" word\n',
        ['"We waited', 'a "quoted" word'],
        "",
    ),
    ("t.tsv", 'id\ttext\n1\t"a\nb"\n', ["a\nb"], "--quote"),
    ("t.csv", "\ufeffid;text;preis\r\n1;Guten Tag, Welt;1,50\r\n", ["Guten Tag, Welt"], ""),
    ("t.csv", "id|text\n1|a,b\n", ["a,b"], ""),
    ("t.csv", "id\ttext\n1\ta,b\n", ["a,b"], ""),
    ("t.csv", "sep=;\r\nid;text\r\n1;a\r\n", ["a"], ""),
    ("t.csv", "id:text\n1:a\n", ["a"], "--delimiter :"),
    ("t.txt", "id\ttext\n1\ta\n", ["a"], "--delimiter tab"),
    ("t.csv", "id,text,c,c\n1,red apple,x,y\n", ["red apple"], ""),
    ("t.csv", "id,text,\r\n1,one,\r\n2,two,\r\n,,\r\n,,\r\n", ["one", "two"], ""),
    ("t.csv", ",text,label\n0,red,1\n1,green,0\n", ["green", "red"], ""),
    ("t.csv", 'id,"te\nxt",text\r\n1,x,"a\r\nb, ""c"""\r\n', ['a\r\nb, "c"'], ""),
    ("t.csv", "id,text\n1,a,,\n", ["a"], ""),
]


@pytest.mark.parametrize(("name", "content", "texts", "options"), TABLES)
def test_a_table_is_read_as_it_stands(
    apiyi: Program, gateway: Gateway, name: str, content: str, texts: list[str], options: str
) -> None:
    write_input(apiyi, name, content)
    ran = apiyi(f"batch {name} --template {{text}} {options}")
    assert ran.code == 0, ran.err
    assert list_prompts(gateway) == sorted(texts)


def test_a_double_column_matters_only_when_it_is_used(apiyi: Program, gateway: Gateway) -> None:
    write_input(apiyi, "t.csv", "id,text,text\n1,a,b\n")
    ran = apiyi("batch t.csv --template {text}")
    assert ran.code == 2 and "t.csv:1 has the column text twice" in ran.err
    write_input(apiyi, "t.csv", "prompt,temperature,temperature\na,1,1\n")
    assert apiyi("batch t.csv").code == 2
    assert gateway.ledger == []


PRETTY = json.dumps({"id": "a", "prompt": "x"}, indent=2)
WRAPPED = json.dumps({"rows": [{"prompt": "x"}]}, indent=1)
GZIPPED = gzip.compress(b'{"prompt":"x"}\n', mtime=0)
GZIPPED_TABLE = gzip.compress(b"prompt\nx\n", mtime=0)
FORMS = [
    ("a b.json", ARRAY, "one JSON array", "jq -c '.[]' 'a b.json' | apiyi batch -"),
    ("a.json", json.dumps([{"a": 1}], indent=2), "one JSON array", "jq -c '.[]' a.json"),
    ("a.jsonl", PRETTY + "\n" + PRETTY, "spread over several lines", "jq -c . a.jsonl |"),
    ("a.jsonl", WRAPPED, "spread over several lines", "jq -c '.rows[]' a.jsonl |"),
    ("a.txt", "first prompt\nsecond\n", "its first line is no JSON", "apiyi batch --lines a.txt"),
    ("a.txt", "id,text\n1,x\n", "no JSON: id,text", "--format csv --template '{text}' a.txt"),
    ("b.jsonl", "one\ntwo {x}\n", "its first line is no JSON", "apiyi batch --lines b.jsonl"),
    ("b.ndjson", '"one"\n"two"\n3\n', "no JSON objects", "apiyi batch --lines b.ndjson"),
    ("b.jsonl", "{'prompt': 'x'}\n" * 30, "no JSON: {'prompt'", "--lines b.jsonl"),
    ("b.jsonl", '[{"a":1}]\n[{"a":2}]\n', "no JSON objects", "jq -c '.[]' b.jsonl |"),
    ("b.jsonl", "x\n" * 25 + '{"prompt":"late"}\n', "no JSON: x", "--lines b.jsonl"),
    ("r.jsonl.gz", GZIPPED, "compressed (gz)", "zcat r.jsonl.gz |"),
    ("r.csv.gz", GZIPPED_TABLE, "(gz)", "zcat r.csv.gz | apiyi batch - --format"),
    ("r.zst", b"(\xb5/\xfd\x04\x00", "compressed (zst)", "zstdcat r.zst | apiyi batch -"),
    ("r.parquet", b"PAR1\x15\x04", "binary data (parquet)", "pandas.read_parquet("),
    ("r.xlsx", b"PK\x03\x04" + bytes(9) + b"xl/w.xml", "spreadsheet (xlsx)", "read_excel("),
    ("p.png", b"\x89PNG\r\n\x1a\n" + bytes(9), "a picture (image/png)", "apiyi chat -a p.png"),
    ("empty.jsonl", b" \n\n", "empty.jsonl is empty", ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "why", "hint"), FORMS, ids=range(len(FORMS)))
@pytest.mark.parametrize("piped", [False, True])
def test_another_form_is_refused_with_the_line_that_converts_it(
    apiyi: Program,
    gateway: Gateway,
    name: str,
    content: bytes | str,
    why: str,
    hint: str,
    piped: bool,
) -> None:
    path = write_input(apiyi, name, content)
    line = ["batch", "-" if piped else name, "-o", "out.jsonl"]
    ran = apiyi(line, stdin=path.read_bytes())
    assert ran.code == 2 and gateway.ledger == []
    assert not (apiyi.work / "out.jsonl").exists()
    if piped:
        return
    assert why in ran.err and hint in ran.err
    shlex.split(ran.err.rpartition("try: ")[2])


def test_the_line_that_converts_can_be_pasted(apiyi: Program, gateway: Gateway) -> None:
    write_input(apiyi, "it's.csv.gz", gzip.compress(b"id,prompt\n1,hello\n", mtime=0))
    ran = apiyi(["batch", "it's.csv.gz"])
    line = ran.err.rpartition("try: ")[2].strip()
    pasted = apiyi.shell(f"{line} -o out.jsonl")
    assert pasted.code == 0, pasted.err
    assert list_prompts(gateway) == ["hello"]


PHONES = "id,brand,model,n,user,stop,review\n1,Acme,X200,3,r@example.com,and,good and cheap\n"


def test_with_a_template_all_columns_are_data(apiyi: Program, gateway: Gateway) -> None:
    write_input(apiyi, "t.csv", PHONES)
    ran = apiyi(["batch", "t.csv", "--template", "Rate {id}: {review}", "--no-stream"])
    assert ran.code == 0, ran.err
    assert gateway.ledger[0].json == {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Rate 1: good and cheap"}],
    }
    assert ran.err.count("columns not sent: model,n,user,stop (--params model,n,user,stop") == 1
    ran = apiyi(["batch", "t.csv", "--template", "Rate: {review}", "--params", "n,stop"])
    assert ran.code == 0 and "not sent" not in ran.err
    body = gateway.ledger[1].json
    assert (body["model"], body["n"], body["stop"]) == ("gpt-4o", 3, ["and"])


def test_without_a_template_it_is_said_which_columns_are_fields(
    apiyi: Program, gateway: Gateway
) -> None:
    write_input(apiyi, "t.csv", "prompt,n,temperature\nx,2,0.5\ny,1,1\n")
    ran = apiyi("batch t.csv")
    assert ran.code == 0
    assert ran.err.count("columns sent as request fields: n, temperature (--params") == 1
    assert apiyi("batch t.csv --params n --strict").code == 0
    assert [one.json.get("temperature") for one in gateway.ledger[-2:]] == [None, None]
    write_input(apiyi, "r.jsonl", '{"prompt":"x","n":1}\n')
    assert "columns" not in apiyi("batch r.jsonl").err


@pytest.mark.parametrize("template", ["{{text}}", "Rate this review", "@prompt.txt"])
def test_a_template_that_names_no_column_sends_nothing(
    apiyi: Program, gateway: Gateway, template: str
) -> None:
    write_input(apiyi, "t.csv", "id,text\n1,a\n")
    write_input(apiyi, "prompt.txt", "Rate this")
    ran = apiyi(["batch", "t.csv", "--template", template])
    assert ran.code == 2 and gateway.ledger == []
    assert "it names no column" in ran.err and "try: --template '{text}'" in ran.err


def test_a_template_is_read_from_a_file(apiyi: Program, gateway: Gateway) -> None:
    write_input(apiyi, "t.csv", "id,text\n1,a\n")
    write_input(apiyi, "prompt.txt", "翻译: {text}".encode("gbk"))
    assert apiyi("batch t.csv --template @prompt.txt --encoding gbk").code == 0
    assert list_prompts(gateway) == ["翻译: a"]


@pytest.fixture
def picture(apiyi: Program) -> Path:
    assert apiyi("image dot -o pic.png -m gpt-image-1 -q").code == 0
    return apiyi.work / "pic.png"


@pytest.mark.parametrize("field", ["image", "file", "attach", "images"])
@pytest.mark.parametrize("endpoint", ["chat", "respond"])
def test_a_picture_that_a_row_names_is_attached(
    apiyi: Program, gateway: Gateway, picture: Path, field: str, endpoint: str
) -> None:
    row: dict[str, Any] = {"prompt": "what is on it", field: "pic.png"}
    write_input(apiyi, "r.jsonl", json.dumps(row) + "\n" + json.dumps({**row, field: "gone.png"}))
    before = len(gateway.ledger)
    ran = apiyi(f"batch r.jsonl --endpoint {endpoint} -o o.jsonl")
    assert ran.code == 3
    (sent,) = gateway.ledger[before:]
    assert b"data:image/png;base64," in sent.body and b"pic.png" not in sent.body
    assert f"{field}: cannot read gone.png" in (apiyi.work / "o.jsonl").read_text()


def test_what_the_api_itself_calls_audio_is_left(apiyi: Program, gateway: Gateway) -> None:
    write_input(apiyi, "r.jsonl", '{"prompt":"x","audio":{"voice":"alloy","format":"wav"}}\n')
    ran = apiyi("batch r.jsonl --dry-run")
    assert json.loads(ran.out)["body"]["audio"] == {"voice": "alloy", "format": "wav"}


def test_a_mask_is_sent_with_its_picture(apiyi: Program, gateway: Gateway, picture: Path) -> None:
    row = {"id": "1", "prompt": "snow", "image": "pic.png", "mask": "pic.png"}
    write_input(apiyi, "r.jsonl", json.dumps(row))
    ran = apiyi("batch r.jsonl --endpoint image -m gpt-image-1 --dry-run")
    shown = json.loads(ran.out)
    assert shown["url"].endswith("/images/edits")
    assert [part["name"] for part in shown["body"] if "filename" in part] == ["image", "mask"]
    del row["image"]
    write_input(apiyi, "r.jsonl", json.dumps(row))
    assert "mask: it belongs to a picture" in apiyi("batch r.jsonl --endpoint image --check").err


def test_speech_rows_are_served_and_saved(apiyi: Program, gateway: Gateway) -> None:
    body = {"model": "tts-1", "input": "hello", "voice": "alloy"}
    row = {"custom_id": "s", "method": "POST", "url": "/v1/audio/speech", "body": body}
    write_input(apiyi, "r.jsonl", json.dumps(row))
    ran = apiyi("batch r.jsonl -o out.jsonl")
    assert ran.code == 0, ran.err
    record = json.loads((apiyi.work / "out.jsonl").read_text())
    assert record["response"]["body"]["path"] == "s.mp3"
    assert gateway.ledger[0].json == body
    write_input(apiyi, "t.csv", "id,input,format\nw,hello,wav\n")
    ran = apiyi("batch t.csv --endpoint speak -m tts-1 --voice coral --save {id}-x.{ext}")
    assert ran.code == 0, ran.err
    assert (apiyi.work / "w-x.wav").read_bytes().startswith(b"RIFF")
    assert gateway.ledger[1].json["voice"] == "coral"


def test_speech_that_cannot_be_saved_is_saved_later_and_not_paid_for_again(
    apiyi: Program, gateway: Gateway
) -> None:
    write_input(apiyi, "r.jsonl", '{"id":"s","input":"hello"}\n')
    write_input(apiyi, "folder", b"in the way")
    line = "batch r.jsonl --endpoint speak -m tts-1 -o out.jsonl --save folder/{id}.{ext}"
    assert apiyi(line).code == 3
    (apiyi.work / "folder").unlink()
    again = apiyi(line)
    assert again.code == 0, again.err
    assert len(gateway.ledger) == 1 and (apiyi.work / "folder" / "s.mp3").stat().st_size > 1000


def test_files_whose_names_are_not_utf8_work_wherever_a_file_is_named(
    apiyi: Program, gateway: Gateway
) -> None:
    script = """
        n=$(printf '\\312\\264\\300\\375')
        apiyi speak hello -o "$n.wav" -m tts-1 --force && echo speak $?
        apiyi transcribe -m whisper-1 "$n.wav" >/dev/null; echo transcribe $?
        apiyi image 'a dot' -o "$n.png" -m gpt-image-1 >/dev/null; echo image $?
        apiyi image -m gpt-image-1 -i "$n.png" --mask "$n.png" x -o q.png >/dev/null; echo edit $?
        apiyi image -m gpt-image-1 -i "$n.png" x --dry-run >/dev/null; echo dry $?
        printf '{"id":"1","prompt":"x"}\\n' > "$n.jsonl"
        apiyi batch "$n.jsonl" -o "$n.out" --errors "$n.err" --summary "$n.sum"; echo batch $?
        apiyi batch "$n.jsonl" -o "$n.out" --errors "$n.err" --summary "$n.sum"; echo resume $?
        printf '{"id":"1","prompt":1}\\n' > "$n.jsonl"
        apiyi batch "$n.jsonl"; echo bad $?
        printf 'text' > "$n.txt"
        apiyi chat -f "$n.txt" -s "@$n.txt" -a "$n.png" q -o "$n.answer"; echo chat $?
        apiyi embed -f "$n.txt" -m text-embedding-3-small >/dev/null; echo embed $?
        printf '\\377' > "$n.bad"
        apiyi chat -f "$n.bad" q; echo refused $?
    """
    ran = apiyi.shell(script)
    codes = [line for line in ran.text.splitlines() if not line.startswith("{")]
    zero = ("speak", "transcribe", "image", "edit", "dry", "batch", "resume")
    assert codes == [
        *(f"{name} 0" for name in zero),
        "bad 3",
        "chat 0",
        "embed 0",
        "refused 2",
    ], ran.err
    assert "\\xc0\\xfd" in ran.err and "internal error" not in ran.err


@pytest.mark.parametrize("bad", ['{"prompt": "x",}', "no JSON", "[1]"])
def test_a_file_with_some_rows_keeps_what_is_none_as_bad_rows(
    apiyi: Program, gateway: Gateway, bad: str
) -> None:
    write_input(apiyi, "r.jsonl", f"{bad}\n" * 3 + '{"prompt":"good"}\n')
    ran = apiyi("batch r.jsonl -m gpt-4o --errors e -o o")
    assert ran.code == 3 and len(gateway.ledger) == 1
    errors = [json.loads(line) for line in (apiyi.work / "e").read_text().splitlines()]
    assert len(errors) == 3 and "r.jsonl:1:" in errors[0]["error"]["message"]
