"""Requests for embeddings."""

from __future__ import annotations

import pytest

from apiyi_cli.build.embed import embed_call, read_text_field
from apiyi_cli.core.options.embed import EmbedOptions
from apiyi_cli.errors import UsageError


def test_one_input_is_a_string_and_several_are_a_list() -> None:
    one = embed_call(model="m", inputs=["a"], embed_options=EmbedOptions())
    two = embed_call(model="m", inputs=["a", "b"], embed_options=EmbedOptions())
    assert one.json == {"model": "m", "input": "a"}
    assert two.json == {"model": "m", "input": ["a", "b"]}
    assert (one.path, one.cost, one.stream) == ("/embeddings", "light", False)


def test_the_options_of_the_endpoint_have_their_places() -> None:
    embed_options = EmbedOptions(dimensions=8, base64=True, user="u", batch_size=3, lines=True)
    call = embed_call(
        model="m", inputs=["a"], embed_options=embed_options, options=["input_type=query"]
    )
    assert call.json == {
        "model": "m",
        "input": "a",
        "dimensions": 8,
        "user": "u",
        "encoding_format": "base64",
        "input_type": "query",
    }


def test_the_text_of_an_object_is_its_field() -> None:
    assert read_text_field(b'{"t": " \\u6587 ", "u": 1}', "stdin:1", "t") == " 文 "


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "stdin:7:2: not valid JSON"),
        (b'["t"]', "stdin:7: the line is not a JSON object"),
        (b'{"a":1,"b":2}', "its fields: a, b"),
        (b'{"t":3}', "'t' is no text"),
        (b'{"t":" "}', "'t' is no text"),
    ],
)
def test_a_line_without_a_text_is_named_by_its_place(line: bytes, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_text_field(line, "stdin:7", "t")
    assert why in str(caught.value)
