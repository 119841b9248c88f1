from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

import pytest

from apiyi_cli.core.events import (
    About,
    Chunk,
    Delta,
    Event,
    EventBatch,
    Finish,
    Notice,
    Reasoning,
    Refusal,
    ToolCall,
    Usage,
)
from apiyi_cli.errors import IncompleteError
from apiyi_cli.render.fence import FirstBlock
from apiyi_cli.render.text import call_line, encode, text


def out(*batches: Sequence[Event], newline: bool = True) -> bytes:
    return b"".join(text(map(list, batches), on_event=lambda event: None, newline=newline))


def block(*batches: Sequence[Event]) -> bytes:
    return b"".join(extract(map(list, batches)))


def extract(batches: Iterable[EventBatch]) -> Iterator[bytes]:
    return text(batches, on_event=lambda event: None, through=FirstBlock)


def cut(batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
    yield from batches
    raise IncompleteError("the stream was cut")


def test_each_burst_is_one_item_and_what_arrived_together_is_written_together() -> None:
    batches: list[EventBatch] = [[Delta("a"), Delta("b")], [Usage(1, 2, 3)], [Delta("c\n")]]
    assert list(text(batches, on_event=lambda event: None)) == [b"ab", b"c\n"]


def test_a_burst_is_yielded_before_the_next_one_is_asked_for() -> None:
    asked = []

    def batches() -> Iterator[EventBatch]:
        for word in ("one", "two"):
            asked.append(word)
            yield [Delta(word)]

    items = text(batches(), on_event=lambda event: None)
    assert next(items) == b"one"
    assert asked == ["one"]


@pytest.mark.parametrize(
    ("said", "newline", "printed"),
    [
        ("hi", True, b"hi\n"),
        ("hi\n", True, b"hi\n"),
        ("hi\n\n", True, b"hi\n\n"),
        ("hi", False, b"hi"),
        ("hi\n", False, b"hi\n"),
        ("hi\r\n", True, b"hi\r\n"),
        ("\n", True, b"\n"),
        ("", True, b""),
        ("a\u2028", True, "a\u2028\n".encode()),
    ],
)
def test_the_final_newline_is_added_only_where_it_is_missing(
    said: str, newline: bool, printed: bytes
) -> None:
    assert out([Delta(said)], newline=newline) == printed
    assert out(*([Delta(character)] for character in said), newline=newline) == printed


def test_no_event_at_all_prints_nothing() -> None:
    assert out() == b""


def test_an_empty_delta_at_the_end_does_not_hide_a_missing_newline() -> None:
    assert out([Delta("a")], [Delta("")]) == b"a\n"
    assert out([Delta("a\n")], [Delta("")]) == b"a\n"


def test_the_first_choice_streams_and_the_others_follow_in_order_one_blank_line_apart() -> None:
    batches: list[EventBatch] = [
        [Delta("c", 2), Delta("b", 1)],
        [Delta("a")],
        [Delta("B", 1), Delta("A")],
        [Delta("C\n", 2)],
    ]
    items = list(text(batches, on_event=lambda event: None))
    assert items == [b"a", b"A", b"\n\nbB\n\ncC\n"]


@pytest.mark.parametrize("ending", ["", "\n", "\n\n"])
def test_exactly_one_blank_line_parts_choices_however_the_first_one_ended(ending: str) -> None:
    assert out([Delta("a" + ending), Delta("b", 1)]) == b"a\n\nb\n"


def test_without_a_final_newline_choices_are_still_parted() -> None:
    assert out([Delta("a"), Delta("b", 1)], newline=False) == b"a\n\nb"


def test_a_choice_that_said_nothing_leaves_no_gap() -> None:
    assert out([Delta("", 1), Delta("c", 2)]) == b"c\n"
    assert out([Delta("a"), Delta("", 1), Delta("c", 2)]) == b"a\n\nc\n"


def test_tool_calls_come_after_the_text_one_object_a_line() -> None:
    printed = out(
        [Delta("let me see"), ToolCall("c1", "time", '{"zone":"Asia/Shanghai"}')],
        [ToolCall("c2", "now", "{}")],
    )
    lines = printed.decode().splitlines()
    assert lines[0] == "let me see"
    assert [json.loads(line) for line in lines[1:]] == [
        {"id": "c1", "name": "time", "arguments": {"zone": "Asia/Shanghai"}},
        {"id": "c2", "name": "now", "arguments": {}},
    ]


def test_tool_calls_alone_start_on_the_first_line() -> None:
    assert out([ToolCall("1", "f", "{}")]) == b'{"id":"1","name":"f","arguments":{}}\n'


def test_the_calls_of_each_choice_stand_with_that_choice() -> None:
    printed = out([ToolCall("2", "g", "{}", 1), ToolCall("1", "f", "{}"), Delta("b", 1)])
    assert printed.decode().splitlines() == [
        '{"id":"1","name":"f","arguments":{}}',
        "",
        "b",
        '{"id":"2","name":"g","arguments":{}}',
    ]


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('{"a": "cut', '{"a": "cut'),
        ("", ""),
        ('{"a": NaN}', '{"a": NaN}'),
        ('{\n "a":\r\n 1\n}\n', {"a": 1}),
        ("[" * 100_000, "[" * 100_000),
        ('"text"', "text"),
    ],
)
def test_arguments_are_json_where_they_are_valid_and_a_string_where_not(
    arguments: str, value: object
) -> None:
    line = call_line(ToolCall("1", "f", arguments))
    assert line.count("\n") == 1
    assert json.loads(line)["arguments"] == value


def test_the_numbers_of_arguments_keep_all_their_digits() -> None:
    call = ToolCall("1", "f", '{"big":123456789012345678901234567890,"small":1.10}')
    assert '{"big":123456789012345678901234567890,"small":1.10}' in call_line(call)


def test_a_refusal_is_the_answer_when_nothing_else_was_said() -> None:
    asides: list[Event] = []
    batches: list[EventBatch] = [[Refusal("I can")], [Refusal("not.")]]
    assert b"".join(text(batches, on_event=asides.append)) == b"I cannot.\n"
    assert asides == [Refusal("I can"), Refusal("not.")]


def test_a_refusal_stays_aside_when_there_is_an_answer_too() -> None:
    assert out([Delta("yes"), Refusal("no")]) == b"yes\n"
    assert out([ToolCall("1", "f", "{}"), Refusal("no")]).count(b"\n") == 1


def test_the_refusal_of_a_later_choice_stands_in_its_place() -> None:
    assert out([Delta("a"), Refusal("no", 1), Delta("c", 2)]) == b"a\n\nno\n\nc\n"


def test_what_is_not_the_answer_goes_aside_in_order_and_server_chunks_nowhere() -> None:
    asides: list[Event] = []
    others: list[Event] = [
        About("id", "gpt"),
        Reasoning("hm"),
        Notice("odd"),
        Finish("stop"),
        Usage(1, 2, 3),
    ]
    batches = [[Chunk(b"{}"), *others[:2], Delta("x")], others[2:]]
    assert b"".join(text(batches, on_event=asides.append)) == b"x\n"
    assert asides == others


def test_a_cut_stream_keeps_its_text_and_raises_after_it() -> None:
    items = text(cut([[Delta("half"), Delta("other", 1)]]), on_event=lambda event: None)
    printed = [next(items), next(items)]
    with pytest.raises(IncompleteError):
        next(items)
    assert printed == [b"half", b"\n\nother\n"]


def test_a_stream_cut_before_any_text_prints_nothing() -> None:
    with pytest.raises(IncompleteError):
        next(text(cut([]), on_event=lambda event: None))


@pytest.mark.parametrize(
    ("said", "printed"),
    [("\ud83d\ude00", "😀"), ("a\ud83db", "a\ufffdb"), ("\udc00", "\ufffd"), ("\0", "\0")],
)
def test_any_text_can_be_encoded(said: str, printed: str) -> None:
    assert encode(said) == printed.encode()


def test_brackets_backslashes_and_emoji_codes_are_printed_as_they_are() -> None:
    said = "list[int] arr[0] [/x] [red] :smile: C:\\new https://a/b?c=[d] \x1b[31m"
    assert out([Delta(said)], newline=False) == said.encode()


def test_only_the_first_block_is_extracted_and_it_streams_line_by_line() -> None:
    batches: list[EventBatch] = [
        [Delta("Here:\n```py")],
        [Delta("thon\nx = 1\ny")],
        [Delta(" = 2\n``")],
        [Delta("`\nDone.\n```\nnot this\n```\n")],
    ]
    assert list(extract(batches)) == [b"x = 1\n", b"y = 2\n"]


@pytest.mark.parametrize(
    ("said", "block_text"),
    [
        ("no block here", "no block here\n"),
        ("```\na\n```", "a\n"),
        ("~~~ sh\na\n```\n~~~", "a\n```\n"),
        ("````md\n```py\nx\n```\n````\nrest", "```py\nx\n```\n"),
        ("```\nnever closed", "never closed\n"),
        ("1. do\n   ```sh\n   ls\n     -l\n   ```\n", "ls\n  -l\n"),
        ("\t```\n\tmake\n\t```", "make\n"),
        ("```not a fence``` inline", "```not a fence``` inline\n"),
        ("```\r\na\r\n```\r\nb", "a\r\n"),
        ("```\n```", "```\n```\n"),
        ("```\n\n```\n~~~\nx\n~~~", "x\n"),
        ("``` py `x`\n", "``` py `x`\n"),
        ("```\n``\n````   \n", "``\n"),
    ],
)
def test_extraction_follows_the_rules_of_fences_wherever_the_text_is_split(
    said: str, block_text: str
) -> None:
    assert block([Delta(said)]) == block_text.encode()
    assert block(*([Delta(character)] for character in said)) == block_text.encode()


def test_extraction_takes_one_block_of_each_choice() -> None:
    printed = block([Delta("```\na\n```"), Delta("b: ~~~\n~~~\nB\n~~~", 1)])
    assert printed == b"a\n\nB\n"


def test_a_cut_stream_without_a_block_still_prints_what_it_had() -> None:
    items = extract(cut([[Delta("some words")]]))
    assert next(items) == b"some words\n"
    with pytest.raises(IncompleteError):
        next(items)


def test_a_long_answer_in_small_pieces_is_extracted_in_linear_time() -> None:
    batches: list[EventBatch] = [[Delta("x")] for _ in range(200_000)]
    assert block(*batches) == b"x" * 200_000 + b"\n"
