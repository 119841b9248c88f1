"""JSON in and out: what is read, what is kept, and that every line is read again."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any

import pytest

from apiyi_cli.core.jsontext import (
    MAX_DEPTH,
    InvalidJSON,
    Verbatim,
    as_line,
    is_strict,
    read,
    read_event,
    read_exact,
    read_first,
    read_strict,
    value_end,
    whole_characters,
    write,
    write_ascii,
    write_canonical,
    write_text,
)

READERS = [read, read_strict, read_exact, read_event, read_first]
DEEP = b'{"a":' * 2000 + b"[1]" + b"}" * 2000


def refuse(constant: str) -> Any:
    raise ValueError(constant)


def read_as_others(line: bytes) -> Any:
    """Read a line as a strict reader does: no constants, no lone surrogates, UTF-8."""
    sys.set_int_max_str_digits(0)
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    finally:
        sys.set_int_max_str_digits(4300)
    return value


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": [1, null, true, false, "x"]}', {"a": [1, None, True, False, "x"]}),
        (b" \n[]\r\n", []),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\ud83d"', "\ud83d"),
        (b"-0.5", -0.5),
    ],
)
def test_every_reader_reads_what_is_json(reader: Any, text: bytes, value: object) -> None:
    assert reader(text) == value


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[1,",
        b"[1 2]",
        b"[1,]",
        b'{"a" 1}',
        b'{"a":1,}',
        b"nul",
        b"-",
        b"{1:2}",
        b"\xff",
    ],
)
@pytest.mark.parametrize("depth", [0, 2000])
def test_every_reader_refuses_what_is_not_json(reader: Any, text: bytes, depth: int) -> None:
    with pytest.raises(InvalidJSON):
        reader(b"[" * depth + text + b"]" * depth if text or not depth else b"[" * depth)


@pytest.mark.parametrize("reader", READERS)
def test_nesting_is_read_deeper_than_the_stack_and_bounded(reader: Any) -> None:
    value = reader(DEEP)
    for _ in range(2000):
        value = value["a"]
    assert value == [1]
    with pytest.raises(InvalidJSON, match="nested too deeply"):
        reader(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))


def test_a_deep_value_holds_what_a_flat_one_holds() -> None:
    inner = b'{"a":[1,-2.50,"\\ud83d\\n",{},[],{"b":null,"c":true}],"d":1e5}'
    value = read(b"[" * 1500 + inner + b"]" * 1500)
    for _ in range(1500):
        (value,) = value
    assert value == read(inner)
    assert write(read_exact(b"[" * 1500 + b"2.50" + b"]" * 1500))[1499:1505] == b"[2.50]"


@pytest.mark.parametrize("digits", [19, 20, 400, 5000])
@pytest.mark.parametrize("reader", [read, read_strict, read_exact, read_first])
def test_integers_keep_every_digit(reader: Any, digits: int) -> None:
    text = b'{"a":[-%s]}' % (b"9" * digits)
    assert write(reader(text)) == text


@pytest.mark.parametrize(
    "text", [b'{"price":1.10}', b"[1.0,0.10,1E5,-2.50e-7]", b"[1e400,-1e999]", b'{"a":"1.10"}']
)
def test_an_exact_reading_is_written_as_it_was(text: bytes) -> None:
    assert write(read_exact(text)) == text


def test_an_exact_number_is_a_number() -> None:
    value = read_exact(b"[1.50]")[0]
    assert value == 1.5
    assert value + 1 == 2.5


@pytest.mark.parametrize("text", [b"[NaN]", b"[Infinity]", b"[-Infinity]"])
def test_what_is_not_a_number_is_read_from_machines_alone_and_written_as_null(text: bytes) -> None:
    assert write(read(text)) == b"[null]"
    with pytest.raises(InvalidJSON):
        read_strict(text)


@pytest.mark.parametrize("text", ["\ufeff[1]", b"\xef\xbb\xbf[1]", b" \n\xef\xbb\xbf [1] "])
def test_a_byte_order_mark_is_no_part_of_the_json(text: Any) -> None:
    assert read(text) == [1]


def test_bytes_that_are_not_utf8_are_replaced_or_refused() -> None:
    assert read(b'["\xd6\xd0"]') == ["\ufffd\ufffd"]
    with pytest.raises(InvalidJSON):
        read_strict(b'["\xd6\xd0"]')


def test_a_raw_line_end_in_a_string_is_read_and_kept() -> None:
    raw = b'{"a":"1\n2"}'
    assert read(raw) == {"a": "1\n2"}
    assert as_line(raw) == b'{"a":"1\\n2"}'


def test_what_people_wrote_is_told_with_its_place() -> None:
    with pytest.raises(InvalidJSON) as failure:
        read_strict(b'{"a": 1,\n "b": x}')
    assert (failure.value.lineno, failure.value.colno) == (2, 7)


def test_the_first_of_several_values_is_read() -> None:
    assert read_first(b'{"a":1}{"a":2}') == {"a": 1}
    assert value_end('[1, {"a": 2}] x', 4) == 12


def test_half_a_character_is_written_whole_in_names_and_texts() -> None:
    assert write({"\ud83d": ["\udc00x"]}) == '{"\ufffd":["\ufffdx"]}'.encode()
    assert whole_characters("\ud83d\ude00\ud83d") == "😀\ufffd"
    assert read_strict(write_ascii({"a": "\udcff"})) == {"a": "\udcff"}


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b' {"a":\r\n 1.10}\n', b'{"a": 1.10}'),
        (b'{"a":1.10,"b":"\\ud83d"}', '{"a":1.10,"b":"\ufffd"}'.encode()),
        (b'{"a":1.10}{"b":2}', b'{"a":1.10}'),
        (b'{"a":1.10}</html>', b'{"a":1.10}'),
        (b'{"a":1.10,"b":NaN}', b'{"a":1.10,"b":null}'),
        (b"not\njson", b"notjson"),
    ],
)
def test_what_a_server_sent_is_passed_on_in_a_form_that_all_read(raw: bytes, line: bytes) -> None:
    assert as_line(raw) == line


def test_verbatim_text_stands_in_a_value_as_it_is() -> None:
    inner = Verbatim(b'{"a": 1.10}')
    assert write({"body": inner}) == b'{"body":{"a": 1.10}}'
    assert write({"body": inner, "big": 2**70, "half": "\ud83d"}).startswith(
        b'{"body":{"a": 1.10},'
    )


def test_the_canonical_form_is_the_same_for_all_orders_and_never_changes() -> None:
    assert (
        write_canonical({"b": 1, "a": {"d": 2.0, "c": "中"}})
        == '{"a":{"c":"中","d":2.0},"b":1}'.encode()
    )
    assert (
        write_canonical({"b": 2**70, "a": "中"}) == b'{"a": "\\u4e2d", "b": 1180591620717411303424}'
    )
    assert write_canonical({"b": read(b"9" * 5000), "a": 1}) == b'{"a":1,"b":' + b"9" * 5000 + b"}"


@pytest.mark.parametrize("value", [object(), {1: 2, "big": 2**70}, {"a": b"bytes"}, {"a": {1, 2}}])
def test_what_has_no_json_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        write(value)


def scribbled(dice: random.Random, depth: int = 0) -> str:
    """Return JSON text as the worst of servers writes it."""
    kind = dice.randrange(9 if depth < 5 else 6)
    if kind == 0:
        return dice.choice(["null", "true", "NaN", "-Infinity", "Infinity"])
    if kind == 1:
        return "-" * dice.randrange(2) + "9" * dice.choice([1, 5, 18, 19, 20, 64, 400, 5000])
    if kind == 2:
        return dice.choice(
            ["1.10", "1e400", "-0.0", "5e-324", "0.1000", "1E+2", "123456789.123456789123"]
        )
    if kind <= 5:
        pieces = [
            "a",
            "中",
            "\\ud83d",
            "\\ude00",
            "\\n",
            "\\u0000",
            "\\\\",
            '\\"',
            "\u2028",
            "\x7f",
        ]
        return '"' + "".join(dice.choice(pieces) for _ in range(dice.randrange(6))) + '"'
    inner = [scribbled(dice, depth + 1) for _ in range(dice.randrange(4))]
    if kind == 6:
        return "[" * dice.choice([1, 1, 1, 300, 1200]) + ",".join(inner)
    if kind == 7:
        return "[" + ",".join(inner) + "]"
    return "{" + ",".join(f'"{n}\\ud83d":{one}' for n, one in enumerate(inner)) + "}"


def closed(text: str) -> str:
    """Close the arrays that were left open."""
    return text + "]" * (text.count("[") - text.count("]"))


@pytest.mark.parametrize("seed", range(200))
def test_every_line_that_is_written_is_read_again_by_all(seed: int) -> None:
    text = closed(scribbled(random.Random(seed)))
    try:
        value = read(text)
    except InvalidJSON:
        return
    line = write(value)
    assert b"\n" not in line
    assert write(read(line)) == line
    assert write(read_exact(line)) == line
    deep = line.count(b"[[[[[[[[[[")
    if not deep:
        read_as_others(line)
        read_as_others(as_line(text.encode("utf-8", "surrogatepass")))
        assert is_strict(line) or b"999" in line or b"1e400" in line
    assert write_text(value).encode() == line


def test_another_program_reads_the_lines_too() -> None:
    texts = [closed(scribbled(random.Random(seed), 3)) for seed in range(40)]
    lines = [as_line(text.encode()) for text in texts if "9" * 5000 not in text]
    lines = [line for line in lines if b"[" * 250 not in line]
    program = "import json, sys\nfor line in sys.stdin.buffer: json.loads(line.decode('utf-8'))"
    subprocess.run(
        [sys.executable, "-I", "-c", program], input=b"\n".join(lines), check=True, timeout=30
    )


def test_jq_reads_the_lines_too() -> None:
    jq = pytest.importorskip("jq")
    program = jq.compile(".")
    for seed in range(60):
        text = closed(scribbled(random.Random(seed), 3))
        line = as_line(text.encode())
        if b"[" * 250 not in line:
            list(program.input_text(line.decode()))
