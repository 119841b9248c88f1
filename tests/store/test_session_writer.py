"""A turn that is written while its answer streams, whatever happens to the file meanwhile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.store.session_writer import TurnWriter, read_cut_line
from apiyi_cli.store.sessions import KEPT_PROMPTS, PromptHistory, SessionStore

ASKED = [{"role": "user", "content": "hi"}]


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return SessionStore(tmp_path / "sessions")


def test_what_came_is_in_the_file_after_each_piece(store: SessionStore) -> None:
    writer = TurnWriter(store.path("a"), ASKED)
    assert store.messages("a") == []
    text = ""
    for piece in ('He"', "llo\n", "\ud83d", "\ude00 世界", "\\"):
        writer.add(piece)
        text += piece
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
        assert store.messages("a") == [*ASKED, said(whole, cut=True)]
    writer.end([said('He"llo\n😀 世界\\', native={"x": 1})])
    assert store.messages("a") == [*ASKED, said('He"llo\n😀 世界\\', native={"x": 1})]
    assert store.path("a").stat().st_mode & 0o777 == 0o600


def test_a_file_torn_at_any_byte_of_the_answer_is_read(store: SessionStore) -> None:
    writer = TurnWriter(store.path("a"), ASKED)
    writer.add('é "世" \\ 😀 \u0001')
    writer.close()
    whole = store.path("a").read_bytes()
    start = whole.index(b'"content":"', whole.index(b"assistant")) + len(b'"content":"')
    for size in range(start, len(whole) + 1):
        store.path("a").write_bytes(whole[:size])
        text = store.messages("a")[1]["content"]
        assert 'é "世" \\ 😀 \u0001'.startswith(text)
    assert read_cut_line(b'{"role":"user","content":"x') is None


def test_another_run_may_add_to_the_conversation_meanwhile(store: SessionStore) -> None:
    other = [{"role": "user", "content": "other"}, said("yes")]
    writer = TurnWriter(store.path("a"), ASKED)
    writer.add("one ")
    store.append("a", other)
    writer.add("two")
    assert store.messages("a") == [*ASKED, *other, said("one two", cut=True)]
    writer.end([said("one two")])
    assert store.messages("a") == [*ASKED, *other, said("one two")]


def test_an_answer_that_begins_anew_leaves_nothing_of_the_first(store: SessionStore) -> None:
    writer = TurnWriter(store.path("a"), ASKED)
    writer.add("wrong")
    writer.restart()
    writer.add("right")
    writer.end([said("right")])
    later = TurnWriter(store.path("a"), ASKED)
    later.add("shown")
    later.end([said("another text"), {"role": "tool", "tool_call_id": "1", "content": "r"}])
    assert [one["content"] for one in store.messages("a")] == [
        "hi",
        "right",
        "hi",
        "another text",
        "r",
    ]


def test_a_conversation_goes_on_after_a_killed_one(store: SessionStore) -> None:
    TurnWriter(store.path("a"), ASKED).add("half")
    store.append("a", ASKED)
    assert store.messages("a") == [*ASKED, said("half", cut=True), *ASKED]
    store.replace("a", ASKED)
    assert store.messages("a") == ASKED


def test_the_history_keeps_what_it_should(tmp_path: Path) -> None:
    path = tmp_path / "state" / "prompts.ndjson"
    history = PromptHistory(path)
    for text in ("one", "two\nlines", "two\nlines", " secret", "   ", "世界"):
        history.add(text)
    assert PromptHistory(path).prompts == history.prompts == ["one", "two\nlines", "世界"]
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(path.read_bytes() + b'broken\n{"a": 1}\n"unended"')
    history = PromptHistory(path)
    history.add("next")
    assert PromptHistory(path).prompts == ["one", "two\nlines", "世界", "unended", "next"]
    path.write_bytes(b"".join(b'"%d"\n' % number for number in range(3 * KEPT_PROMPTS)))
    assert len(PromptHistory(path).prompts) == KEPT_PROMPTS
    assert len(path.read_bytes().splitlines()) == KEPT_PROMPTS
    assert path.stat().st_mode & 0o777 == 0o600
    os.chmod(path, 0o600)
    PromptHistory(None).add("nowhere")
