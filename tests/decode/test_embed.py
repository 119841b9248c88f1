"""Vectors out of replies: the server's own digits, never paired with another input."""

from __future__ import annotations

import json
from array import array
from base64 import b64encode
from typing import Any

import pytest

from apiyi_cli.core.call import Reply
from apiyi_cli.core.events import Usage
from apiyi_cli.decode.embed import Vectors, merge_replies, vectors, with_vector
from apiyi_cli.errors import IncompleteError, RejectedError, TemporaryError

USAGE = {"prompt_tokens": 4, "total_tokens": 4}


def reply(body: bytes, status: int = 200) -> Reply:
    return Reply(status, {"content-type": "application/json", "x-request-id": "r1"}, (body,))


def item(index: int | None, embedding: str) -> str:
    told = "" if index is None else f'"index":{index},'
    return f'{{"object":"embedding",{told}"embedding":{embedding}}}'


def make_list(*items: str) -> bytes:
    data = ",".join(items)
    return f'{{"object":"list","data":[{data}],"model":"m","usage":{json.dumps(USAGE)}}}'.encode()


def read(body: bytes, wanted: int, dimensions: int | None = None, **how: Any) -> Vectors:
    return vectors(reply(body), wanted, dimensions, **how)


def texts(found: Vectors) -> list[bytes]:
    return [bytes(text) for text in found.texts]


def test_numbers_keep_the_digits_that_the_server_wrote() -> None:
    odd = "[ 0.12345678901234567,-1e-7 ,1E+5,\n0.10, 3,-0.0]"
    found = read(make_list(item(0, odd)), 1)
    assert texts(found) == [odd.encode()]
    assert found.length == 6
    assert found.usage == Usage(4, 0, 4, raw=USAGE)


def test_vectors_are_put_in_the_order_of_their_index() -> None:
    found = read(make_list(item(2, "[3]"), item(0, "[1]"), item(1, "[2]")), 3)
    assert texts(found) == [b"[1]", b"[2]", b"[3]"]


def test_without_an_index_the_order_is_that_of_the_list() -> None:
    assert texts(read(make_list(item(None, "[1]"), item(None, "[2]")), 2)) == [b"[1]", b"[2]"]


def test_the_key_may_come_before_or_after_the_vector_and_with_spaces() -> None:
    body = b'{"data":[{"embedding" : \n [1,2],"index":1},{"index":0,"embedding":[3,4]}]}'
    assert texts(read(body, 2)) == [b"[3,4]", b"[1,2]"]


def test_the_word_in_other_places_is_not_taken_for_a_vector() -> None:
    body = (
        b'{"object":"embedding","model":"\\"embedding\\":[9]","data":'
        b'[{"index":0,"embedding":[1],"object":"embedding"}],"note":["embedding"]}'
    )
    assert texts(read(body, 1)) == [b"[1]"]


def test_base64_gives_the_same_text_as_numbers() -> None:
    numbers = array("f", [0.1, -2.5, 1e-8])
    packed = b64encode(numbers.tobytes()).decode()
    (text,) = texts(read(make_list(item(0, f'"{packed}"')), 1))
    assert json.loads(text) == numbers.tolist()


@pytest.mark.parametrize(
    ("items", "wanted", "why"),
    [
        pytest.param([item(0, "[1]")], 2, "1 vectors came for 2 inputs", id="missing"),
        pytest.param(
            [item(0, "[1]"), item(1, "[1]")], 1, "2 vectors came for 1 inputs", id="surplus"
        ),
        pytest.param(
            [item(0, "[1]"), item(0, "[2]"), item(1, "[3]")], 3, "indexes", id="twice the same"
        ),
        pytest.param([item(2, "[1]"), item(3, "[2]")], 2, "indexes", id="from two"),
        pytest.param([item(0, "[1,2]"), item(1, "[1]")], 2, "has 1 numbers, not 2", id="shorter"),
        pytest.param([item(0, "[1,NaN]")], 1, "something but numbers", id="NaN"),
        pytest.param([item(0, "[1,null]")], 1, "something but numbers", id="null inside"),
        pytest.param([item(0, "null")], 1, "something but numbers", id="null"),
        pytest.param([item(0, "[]")], 1, "something but numbers", id="empty"),
        pytest.param([item(0, "[1,,2]")], 1, "something but numbers", id="gap"),
        pytest.param([item(0, "[1,2,]")], 1, "something but numbers", id="trailing comma"),
        pytest.param([item(0, '["1"]')], 1, "something but numbers", id="text"),
        pytest.param([item(0, "[[1]]")], 1, "something but numbers", id="nested"),
        pytest.param([item(0, "0")], 1, "something but numbers", id="a number"),
        pytest.param([item(0, '"AAA"')], 1, "something but numbers", id="cut base64"),
        pytest.param([item(0, '"AADAfw=="')], 1, "something but numbers", id="NaN in base64"),
        pytest.param([item(0, '""')], 1, "something but numbers", id="empty base64"),
    ],
)
def test_what_cannot_be_paired_for_certain_is_refused(
    items: list[str], wanted: int, why: str
) -> None:
    with pytest.raises(IncompleteError, match=why):
        read(make_list(*items), wanted)


@pytest.mark.parametrize(
    ("items", "found"),
    [
        ([item(0, "[1]"), item(0, "[2]")], [b"[1]", b"[2]"]),
        ([item(None, "[1]"), item(None, "[2]")], [b"[1]", b"[2]"]),
        ([item(2, "[1]"), item(1, "[2]")], [b"[2]", b"[1]"]),
        ([item(1, "[1]"), item(0, "[2]")], [b"[2]", b"[1]"]),
        ([item(9**400, "[1]")], [b"[1]"]),
    ],
)
def test_vectors_without_usable_numbers_are_taken_in_their_order(
    items: list[str], found: list[bytes]
) -> None:
    assert texts(read(make_list(*items), len(items))) == found
    count = len(items)
    numbers = [range(count), range(count, 2 * count)]
    both = json.loads(merge_replies([make_list(*items), make_list(*items)], numbers))["data"]
    assert [one["index"] for one in both] == list(range(2 * len(items)))
    assert [one["embedding"] for one in both] == [json.loads(one) for one in found] * 2


def test_a_length_that_was_not_asked_for_is_refused() -> None:
    with pytest.raises(IncompleteError, match="has 3 numbers, not 2"):
        read(make_list(item(0, "[1,2,3]")), 1, 2)


def test_no_answer_shorter_than_the_whole_is_taken() -> None:
    body = make_list(item(0, "[1,2]"), item(1, "[3,4]"))
    for cut in range(len(body) - 1):
        with pytest.raises((IncompleteError, RejectedError)):
            read(body[:cut], 2)


def test_the_body_is_kept_only_when_it_is_asked_for() -> None:
    body = make_list(item(0, "[1]"))
    assert read(body, 1).raw == b""
    assert read(body, 1, keep_body=True).raw == body


def test_errors_are_those_of_every_endpoint() -> None:
    with pytest.raises(TemporaryError):
        vectors(reply(b'{"error":{"message":"x"}}', 503), 1)
    with pytest.raises(RejectedError, match="Home"):
        read(b"<!doctype html><title>Home</title>", 1)
    with pytest.raises(RejectedError, match="bad n"):
        read(b'{"error":{"message":"bad n","code":"invalid_value"}}', 1)


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ('{"a":1}', '{"a":1,"embedding":[1]}'),
        (' {"a": 1.10 } \t', '{"a": 1.10,"embedding":[1]}'),
        ('{"embedding":[0,{"x":"}"}],"a":1}', '{"a":1,"embedding":[1]}'),
        ('{"a":1, "embedding" : null}', '{"a":1,"embedding":[1]}'),
        ('{"a":"\\"embedding\\":", "b":2}', '{"a":"\\"embedding\\":","b":2,"embedding":[1]}'),
        ('{"a":{"embedding":0}}', '{"a":{"embedding":0},"embedding":[1]}'),
        ('{"\\u0065mbeddings":0,"文":"\u2028"}', None),
    ],
)
def test_a_vector_is_added_to_an_object_whose_other_members_keep_their_bytes(
    line: str, made: str | None
) -> None:
    wanted = made or line[:-1] + ',"embedding":[1]}'
    found = with_vector(line.encode(), memoryview(b"[1]"))
    assert found == wanted.encode() + b"\n"
    assert json.loads(found)["embedding"] == [1]


def test_several_replies_become_one_in_the_order_of_the_inputs() -> None:
    first = make_list(item(1, "[2]"), item(0, "[1]"))
    second = make_list(item(None, "[3]"), item(None, "[4]"))
    found = json.loads(merge_replies([first, second], [[0, 1], [2, 3]]))
    assert [(one["index"], one["embedding"]) for one in found["data"]] == [
        (0, [1]),
        (1, [2]),
        (2, [3]),
        (3, [4]),
    ]
    assert found["usage"] == {"prompt_tokens": 8, "total_tokens": 8}
    assert found["model"] == "m"


def test_one_reply_stays_as_it_was() -> None:
    raw = b'{"data":\n[{"index":0,"embedding":[0.10]}]}'
    assert merge_replies([raw], [[0]]) == raw.replace(b"\n", b"")
