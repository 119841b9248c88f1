from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from apiyi_cli.core.events import Chunk, Delta, Event, EventBatch, Finish, Reasoning, Usage
from apiyi_cli.errors import IncompleteError, SetupError, UsageError
from apiyi_cli.render.json_line import apply_filter, compile_filter, ndjson, whole


def together(chunks: list[bytes]) -> dict[str, int]:
    return {"chunks": len(chunks)}


def cut(*batches: EventBatch) -> Iterator[EventBatch]:
    yield from batches
    raise IncompleteError("cut")


def test_ndjson_prints_each_object_verbatim_and_one_burst_at_once() -> None:
    batches: list[EventBatch] = [
        [Chunk(b'{"a": 1.10}'), Delta("x"), Chunk(b'{"b":"\\ud83d"}')],
        [Delta("y")],
        [Chunk(b"{}")],
    ]
    assert list(ndjson(batches, on_event=lambda event: None)) == [
        b'{"a": 1.10}\n{"b":"\\ud83d"}\n',
        b"{}\n",
    ]


def test_in_json_forms_only_what_the_objects_do_not_show_goes_aside() -> None:
    for_both: list[Event] = []
    batch: EventBatch = [Reasoning("hm"), Finish("stop"), Chunk(b"{}"), Usage(1, 2, 3)]
    list(ndjson([batch], on_event=for_both.append))
    list(whole([batch], on_event=for_both.append, assemble=together))
    assert for_both == [Finish("stop"), Usage(1, 2, 3)] * 2


def test_a_whole_answer_is_printed_verbatim() -> None:
    batches: list[EventBatch] = [[Chunk(b'{"n":1e400, "n":2}', whole=True), Delta("x")]]
    printed = list(whole(batches, on_event=lambda event: None, assemble=together))
    assert printed == [b'{"n":1e400, "n":2}\n']


def test_the_chunks_of_a_stream_are_put_together() -> None:
    batches: list[EventBatch] = [[Chunk(b"{}"), Chunk(b"{}")], [Chunk(b"{}")]]
    printed = list(whole(batches, on_event=lambda event: None, assemble=together))
    assert printed == [b'{"chunks":3}\n']


def test_a_cut_stream_prints_the_object_made_of_what_came() -> None:
    items = whole(cut([Chunk(b"{}")]), on_event=lambda event: None, assemble=together)
    assert next(items) == b'{"chunks":1}\n'
    with pytest.raises(IncompleteError):
        next(items)


def test_a_stream_cut_before_its_first_chunk_prints_nothing() -> None:
    with pytest.raises(IncompleteError):
        next(whole(cut(), on_event=lambda event: None, assemble=together))


def test_an_answer_without_objects_prints_nothing() -> None:
    assert list(whole([[Delta("x")]], on_event=lambda event: None, assemble=together)) == []


@pytest.mark.parametrize(
    ("expression", "line", "printed"),
    [
        (".a", b'{"a":"raw\\ttext\\nlines"}', b"raw\ttext\nlines\n"),
        (".a", b'{"a":{"b": [1, 2]}}', b'{"b":[1,2]}\n'),
        (".a", b"{}", b"null\n"),
        (".[]", b'["x", 2]', b"x\n2\n"),
        ("empty", b"{}", b""),
        (".a", '{"a":"\u2028"}'.encode(), "\u2028\n".encode()),
        (".", b'{"a":1}\n{"a":2}\n', b'{"a":1}\n{"a":2}\n'),
    ],
)
def test_a_filter_prints_strings_raw_and_the_rest_as_compact_json(
    expression: str, line: bytes, printed: bytes
) -> None:
    assert b"".join(apply_filter([line], compile_filter(expression))) == printed


def test_a_filter_that_fails_on_one_object_does_not_lose_the_others() -> None:
    items = apply_filter([b'{"a":1}', b"3", b'{"a":2}'], compile_filter(".a"))
    assert [next(items), next(items)] == [b"1\n", b"2\n"]
    with pytest.raises(IncompleteError, match="Cannot index number"):
        next(items)


def test_an_expression_that_is_not_jq_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="not a jq expression"):
        compile_filter(".a[")


def test_a_missing_jq_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jq", None)
    with pytest.raises(SetupError) as caught:
        compile_filter(".")
    assert caught.value.hint == "pip install 'apiyi-cli[jq]'"
