"""`apiyi embed`: every input gets its own vector, in order, as soon as it can be had."""

from __future__ import annotations

import json
import os
import subprocess
from array import array
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

MODEL = {"APIYI_MODEL": "text-embedding-3-small"}
USAGE = {"prompt_tokens": 4, "total_tokens": 4}


@pytest.fixture
def apiyi(apiyi: Program) -> Program:
    apiyi.environ.update(MODEL)
    return apiyi


def vectors(*texts: str, start: int = 0, usage: Any = USAGE) -> ScriptedReply:
    """Return a reply whose vectors have just this text."""
    data = ",".join(
        f'{{"object":"embedding","index":{start + k},"embedding":{text}}}'
        for k, text in enumerate(texts)
    )
    body = f'{{"object":"list","data":[{data}],"model":"m","usage":{json.dumps(usage)}}}'
    return ScriptedReply(body=body.encode())


def records(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def inputs(gateway: Gateway) -> list[Any]:
    return [one.json["input"] for one in gateway.ledger]


def test_each_argument_is_one_input(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(["embed", "two words", "b", "--dimensions", "3"])
    assert ran.code == 0 and ran.err == ""
    found = records(ran.out)
    assert [(one["index"], one["text"]) for one in found] == [(0, "two words"), (1, "b")]
    assert all(len(one["embedding"]) == 3 for one in found)
    assert inputs(gateway) == [["two words", "b"]]


def test_numbers_keep_their_seventeen_digits(apiyi: Program, gateway: Gateway) -> None:
    text = "[0.12345678901234567,-1e-07,1E5,0.10]"
    gateway.script(vectors(text))
    assert apiyi("embed a").text == f'{{"index":0,"text":"a","embedding":{text}}}\n'


def test_files_and_stdin_are_one_input_each(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "f.txt").write_text("file\ntwo\n")
    ran = apiyi("embed -f f.txt - word --dimensions 2", stdin=b"from stdin\n")
    assert ran.code == 0
    assert inputs(gateway) == [["file\ntwo\n", "from stdin\n", "word"]]


def test_stdin_alone_is_one_input_byte_for_byte(apiyi: Program, gateway: Gateway) -> None:
    text = "文\r\n\u2028 \ttail"
    assert apiyi("embed --dimensions 2", stdin=text.encode()).code == 0
    assert inputs(gateway) == [text]


def test_stdin_is_left_alone_when_there_is_an_argument(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi.shell('printf "a\\nb\\n" | while read l; do apiyi embed "$l" --no-text; done')
    assert ran.code == 0
    assert inputs(gateway) == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "stdin"),
    [
        ("embed", b""),
        ("embed", b" \n"),
        ("embed ''", b""),
        ("embed a ''", b""),
        ("embed --lines", b""),
        ("embed --lines", b"\n\n \n"),
        ("embed --lines a", b"b"),
        ("embed --lines -f x", b"b"),
        ("embed --lines --jsonl t", b"{}"),
        ("embed --jsonl embedding", b'{"embedding":"x"}'),
        ("embed -f missing.txt", b""),
        ("embed a --batch-size 2049", b""),
        ("embed a --dimensions 0", b""),
    ],
)
def test_input_that_cannot_be_used_is_refused_before_anything_is_sent(
    apiyi: Program, gateway: Gateway, line: str, stdin: bytes
) -> None:
    ran = apiyi(line, stdin=stdin)
    assert (ran.code, ran.out) == (2, b""), ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize(
    ("stdin", "place"),
    [
        (b'{"t":"x"}\n{"t":\n', "stdin:2:"),
        (b'{"t":"x"}\n\n{"t":3}\n', "stdin:3"),
        (b'{"u":1,"v":2}\n', "its fields: u, v"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(apiyi: Program, stdin: bytes, place: str) -> None:
    assert place in apiyi("embed --jsonl t", stdin=stdin).err


def test_a_line_that_is_no_text_is_named_with_its_byte(apiyi: Program) -> None:
    err = apiyi("embed --lines", stdin=b"a\nb\xff\n").err
    assert "cannot read stdin: not UTF-8 at byte 3" in err
    assert "stdin:2 >" not in err


def test_a_missing_model_is_said_before_stdin_is_read(apiyi: Program) -> None:
    (apiyi.home / "config" / "apiyi" / "config.toml").unlink()
    process = apiyi.start("embed --lines", stdin=subprocess.PIPE)
    assert process.wait(20) == 2
    process.communicate()


def test_lines_end_at_lf_and_crlf_only(apiyi: Program, gateway: Gateway) -> None:
    stdin = "\ufeffa\r\n b\u2028c\x0bd\re \n\ufefflast".encode()
    ran = apiyi("embed --lines --dimensions 2", stdin=stdin)
    assert inputs(gateway) == [["a", " b\u2028c\x0bd\re ", "\ufefflast"]]
    assert [one["index"] for one in records(ran.out)] == [0, 1, 2]


def test_an_object_comes_out_as_it_came_with_its_vector(apiyi: Program, gateway: Gateway) -> None:
    lines = [
        '{"t":"x","n":1.00000000000000000001,"big":123456789012345678901234567890}',
        ' { "a" : {"embedding":[9]}, "t" : "embedding" }  ',
        '{"embedding":"old","t":"z","e":1e300}',
    ]
    gateway.script(vectors("[1]", "[2]", "[3]"))
    ran = apiyi("embed --jsonl t", stdin="\n".join(lines).encode())
    assert ran.text.splitlines() == [
        '{"t":"x","n":1.00000000000000000001,"big":123456789012345678901234567890,"embedding":[1]}',
        '{"a" : {"embedding":[9]},"t" : "embedding","embedding":[2]}',
        '{"t":"z","e":1e300,"embedding":[3]}',
    ]


def test_a_byte_order_mark_before_the_first_object_is_dropped(apiyi: Program) -> None:
    ran = apiyi("embed --jsonl t --dimensions 1", stdin=b'\xef\xbb\xbf{"t":"x"}\r\n')
    assert records(ran.out)[0]["t"] == "x"


def test_many_lines_go_in_batches_and_come_out_in_order(apiyi: Program, gateway: Gateway) -> None:
    lines = [f"line {number}" for number in range(500)]
    ran = apiyi("embed --lines -j 8 --batch-size 7 --dimensions 2", stdin="\n".join(lines).encode())
    assert ran.code == 0
    assert [one["text"] for one in records(ran.out)] == lines
    assert [one["index"] for one in records(ran.out)] == list(range(500))
    assert max(len(one) for one in inputs(gateway)) == 7
    assert len(gateway.ledger) == 72


def test_long_lines_go_out_before_a_request_gets_too_large(
    apiyi: Program, gateway: Gateway
) -> None:
    long = "x" * 200_000
    gateway.script(vectors("[1]"), vectors("[2]", "[3]"))
    ran = apiyi("embed --lines -j 1 --no-text", stdin=f"{long}\n{long}\ny\n".encode())
    assert ran.code == 0
    assert inputs(gateway) == [long, [long, "y"]]


def test_the_answer_to_the_first_line_comes_before_the_second_line_is_written(
    apiyi: Program, stopped: list[subprocess.Popen[bytes]]
) -> None:
    process = apiyi.start("embed --lines --dimensions 2", stdin=subprocess.PIPE)
    stopped.append(process)
    assert process.stdin is not None and process.stdout is not None
    for text in ("a", "b"):
        process.stdin.write(f"{text}\n".encode())
        assert json.loads(process.stdout.readline())["text"] == text
    process.communicate()
    assert process.returncode == 0


def test_requests_are_out_at_the_same_time_but_no_more_than_allowed(
    apiyi: Program, gateway: Gateway
) -> None:
    def together(number: int) -> bool:
        return gateway.wait_for(lambda: len(gateway.ledger) >= 3)

    for text in ("[1]", "[2]", "[3]"):
        gateway.script(vectors(text).replace(wait=together))
    ran = apiyi("embed a b c --batch-size 1 -j 3 --no-text")
    assert ran.code == 0
    assert gateway.max_in_flight == 3
    assert len(records(ran.out)) == 3


@pytest.mark.parametrize(
    ("play", "why"),
    [
        (vectors("[1]"), "1 vectors came for 2 inputs"),
        (vectors("[1]", "[2]", "[3]"), "3 vectors came for 2 inputs"),
        (vectors("[1,2]", "[1]"), "has 1 numbers, not 2"),
        (vectors("[1]", "[NaN]"), "something but numbers"),
        (vectors("[1]", "null"), "something but numbers"),
        (vectors("[1]", "[2]").cut(at=60), ""),
    ],
    ids=["missing", "surplus", "shorter", "NaN", "null", "cut"],
)
def test_an_answer_that_cannot_be_paired_prints_nothing_and_exits_8(
    apiyi: Program, gateway: Gateway, play: ScriptedReply, why: str
) -> None:
    gateway.script(play)
    ran = apiyi("embed a b --retries 0")
    assert (ran.code, ran.out) == (8, b"")
    assert why in ran.err


def test_another_length_in_a_later_reply_is_refused_after_the_good_ones(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(vectors("[1,2]"), vectors("[1]"))
    ran = apiyi("embed a b --batch-size 1 -j 1")
    assert ran.code == 8
    assert [one["text"] for one in records(ran.out)] == ["a"]


def test_what_came_before_a_failure_is_printed(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(vectors("[1]"), ScriptedReply.error(504, "no"))
    ran = apiyi("embed a b c --batch-size 1 -j 1 --no-text --retries 0")
    assert ran.code == 8, ran.err
    assert ran.text == '{"index":0,"embedding":[1]}\n'
    assert len(gateway.ledger) <= 4


def test_vectors_in_any_order_find_their_input(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(
        ScriptedReply.json(
            {"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]}
        )
    )
    assert [one["embedding"] for one in records(apiyi("embed a b").out)] == [[1], [2]]


def test_base64_on_the_wire_gives_the_same_output(apiyi: Program, gateway: Gateway) -> None:
    plain = apiyi("embed a b --dimensions 5")
    packed = apiyi("embed a b --dimensions 5 --base64")
    assert packed.out == plain.out
    assert gateway.ledger[1].json["encoding_format"] == "base64"


def test_base64_that_was_not_asked_for_is_read_all_the_same(
    apiyi: Program, gateway: Gateway
) -> None:
    numbers = array("f", [0.5, -0.25])
    gateway.script(vectors(f'"{b64encode(numbers.tobytes()).decode()}"'))
    assert records(apiyi("embed a").out)[0]["embedding"] == [0.5, -0.25]


def test_json_is_the_servers_object_and_of_several_one_of_its_shape(
    apiyi: Program, gateway: Gateway
) -> None:
    play = vectors("[0.10]", "[0.20]")
    gateway.script(play)
    assert apiyi("embed a b --json").out == play.body + b"\n"  # type: ignore[operator]
    merged = apiyi("embed a b c --json --batch-size 2 --dimensions 2").json
    assert [one["index"] for one in merged["data"]] == [0, 1, 2]
    assert merged["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


def test_jq_filters_the_lines_and_with_json_the_object(apiyi: Program, gateway: Gateway) -> None:
    line = ["embed", "a", "b", "--dimensions", "2", "--jq"]
    assert apiyi([*line, "[.text, (.embedding|length)]"]).text == '["a",2]\n["b",2]\n'
    assert apiyi([*line, ".data|length", "--json"]).text == "2\n"


def test_usage_is_summed_over_the_requests(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(vectors("[1]"), vectors("[2]"), vectors("[3]", usage=None))
    ran = apiyi("embed a b --batch-size 1 -u")
    assert ran.err == "usage: 8 prompt + 0 completion = 8 tokens\n"
    assert apiyi("embed a -u").err == "usage: unknown (the gateway did not tell)\n"


def test_a_dry_run_shows_each_request_and_sends_none(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("embed --lines --dry-run --batch-size 2", stdin=b"a\nb\nc\n")
    assert [one["body"]["input"] for one in records(ran.out)] == [["a", "b"], "c"]
    assert gateway.ledger == []


def test_the_readme_line_works_with_jq_itself(apiyi: Program) -> None:
    ran = apiyi.shell("apiyi embed a b --dimensions 3 | jq -c '.embedding|length'")
    assert ran.text == "3\n3\n"


def test_a_reader_that_goes_away_ends_it_silently(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi.shell(
        "seq 100000 | apiyi embed --lines --dimensions 2 --batch-size 5 | head -1; "
        'echo "${PIPESTATUS[1]}"'
    )
    assert ran.text.splitlines()[1:] == ["141"]
    assert ran.err == ""
    assert len(gateway.ledger) < 2000


def test_nothing_more_is_sent_when_the_output_is_full(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi.shell("seq 5000 | apiyi embed --lines --dimensions 2 --batch-size 1 > /dev/full")
    assert ran.code == 11
    assert len(gateway.ledger) <= 12
    path = Path(ran.err.split("take the answer from ")[1].strip())
    kept = records(path.read_bytes())
    assert [one["index"] for one in kept] == list(range(len(kept)))
    assert len(kept) >= 1


def test_memory_does_not_grow_with_the_input(apiyi: Program, gateway: Gateway) -> None:
    def peak_kib(lines: int) -> int:
        process = apiyi.start(
            f"embed --lines --no-text --dimensions 512 -j 2 --batch-size 64 -o out{lines}",
            stdin=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(b"".join(b"%d\n" % number for number in range(lines)))
        process.stdin.close()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
        return used.ru_maxrss

    assert peak_kib(3000) < peak_kib(300) + 12_000
