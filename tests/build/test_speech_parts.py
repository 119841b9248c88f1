"""Where a long text is cut for speech."""

from __future__ import annotations

import pytest

from apiyi_cli.build.speech_parts import MOST_CHARACTERS, MOST_TOKEN_BYTES, split_text


@pytest.mark.parametrize(
    ("sentence", "ends"),
    [
        ("It costs 3.14 dollars. ", "."),
        ('He said: "Tomorrow!" ', '"'),
        ("他说：“明天见！”", "”"),
        ("今天天气很好。", "。"),
        ("One line without a stop\n", "stop"),
        ("a clause, and another, ", ","),
        ("word ", "word"),
    ],
)
def test_parts_end_where_a_reader_would_pause(sentence: str, ends: str) -> None:
    text = sentence * (12_000 // len(sentence))
    parts = split_text(text)
    assert len(parts) > 2
    assert all(len(part) <= MOST_CHARACTERS for part in parts)
    assert all(part.endswith(ends) for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_a_paragraph_is_the_better_place() -> None:
    first = "A sentence. " * 200
    assert split_text(f"{first}\n\n{'Another one. ' * 300}")[0] == first.strip()


@pytest.mark.parametrize("character", ["x", "e\u0301", "👩\u200d🚀", "字"])
def test_a_word_without_end_is_cut_between_characters(character: str) -> None:
    text = character * 9000
    parts = split_text(text)
    assert "".join(parts) == text
    assert all(part.startswith(character) and part.endswith(character) for part in parts)


def test_models_that_count_tokens_get_smaller_parts() -> None:
    parts = split_text("今天天气很好。" * 1000, counts_tokens=True)
    assert all(len(part.encode()) <= MOST_TOKEN_BYTES and part.endswith("。") for part in parts)


def test_nothing_but_blanks_has_no_parts() -> None:
    assert split_text(" \n\t " * 3000) == []
