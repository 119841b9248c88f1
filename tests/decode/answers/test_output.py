"""The items of a response that go back with the next request."""

from __future__ import annotations

import json

from apiyi_cli.decode.answers.output import output_items

ITEMS = [{"type": "reasoning", "id": "rs"}, {"type": "function_call", "call_id": "c"}]


def test_the_items_are_those_of_the_last_whole_response() -> None:
    chunks = [
        json.dumps({"type": "response.created", "response": {"output": []}}).encode(),
        json.dumps({"type": "response.output_text.delta", "delta": "x"}).encode(),
        json.dumps({"type": "response.completed", "response": {"output": ITEMS}}).encode(),
        b'{"type":"response.done"}',
    ]
    assert output_items(chunks) == ITEMS


def test_an_answer_in_one_piece_has_them_at_its_top() -> None:
    assert output_items([json.dumps({"object": "response", "output": ITEMS}).encode()]) == ITEMS


def test_without_a_whole_response_there_are_none() -> None:
    assert output_items([]) == []
    assert output_items([b"not json", b"[1]", b'{"response":{"output":"x"}}']) == []


def test_what_is_not_an_item_is_left_out() -> None:
    assert output_items([b'{"output":[1,{"type":"message"},null]}']) == [{"type": "message"}]
