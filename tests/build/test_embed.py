"""Requests for embeddings."""

from __future__ import annotations

from apiyi_cli.build.embed import embed_call
from apiyi_cli.core.groups import Embedding


def test_one_input_is_a_string_and_several_are_a_list() -> None:
    one = embed_call(model="m", inputs=["a"], embedding=Embedding())
    two = embed_call(model="m", inputs=["a", "b"], embedding=Embedding())
    assert one.json == {"model": "m", "input": "a"}
    assert two.json == {"model": "m", "input": ["a", "b"]}
    assert (one.path, one.cost, one.stream) == ("/embeddings", "light", False)


def test_the_options_of_the_endpoint_have_their_places() -> None:
    embedding = Embedding(dimensions=8, base64=True, user="u", batch_size=3, lines=True)
    call = embed_call(model="m", inputs=["a"], embedding=embedding, options=["input_type=query"])
    assert call.json == {
        "model": "m",
        "input": "a",
        "dimensions": 8,
        "user": "u",
        "encoding_format": "base64",
        "input_type": "query",
    }
