"""Reads the scores of a reply; each is proved to belong to its document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from apiyi_cli.core.call import Reply
from apiyi_cli.core.events import Usage
from apiyi_cli.core.jsontext import as_line, read_first, write, write_text
from apiyi_cli.decode.frames.fields import read_count, read_number, usage
from apiyi_cli.decode.frames.reply_body import make_useless, read_json
from apiyi_cli.text import Text


class Scores(NamedTuple):
    """Each document's score by its index, best first; usage; the body on request."""

    by_index: dict[int, float]
    usage: Usage | None
    raw: bytes


def scores(
    reply: Reply, count: int, top_n: int | None = None, *, keep_body: bool = False
) -> Scores:
    """Read the scores of `count` documents, or of the best `top_n`.

    They are called `results` or `data`, a score `relevance_score` or `score`. Raises
    IncompleteError for an index that is missing, double or none of a document, and for a score
    that is not a finite number.
    """
    answer, raw = read_json(reply, cost="light")
    rows = find_rows(answer)
    wanted = count if top_n is None else min(count, top_n)
    if rows is None or len(rows) != wanted:
        came = 0 if rows is None else len(rows)
        why = Text("{came} scores came for {wanted} documents", came=came, wanted=wanted)
        raise make_useless(reply, why)
    by_index: dict[int, float] = {}
    for row in rows:
        index = read_count(row.get("index"), count - 1)
        if index is None:
            given = write_text(row.get("index"))
            raise make_useless(reply, Text("the index {index} is none of a document", index=given))
        if index in by_index:
            raise make_useless(reply, Text("document {index} has two scores", index=index))
        score = read_number(row.get("relevance_score", row.get("score")))
        if score is None:
            why = Text("the score of document {index} is not a number", index=index)
            raise make_useless(reply, why)
        by_index[index] = score
    ordered = sorted(by_index.items(), key=lambda pair: (-pair[1], pair[0]))
    token_counts = usage(answer.get("usage") if isinstance(answer, dict) else None)
    return Scores(dict(ordered), token_counts, raw if keep_body else b"")


def find_rows(answer: object) -> list[Mapping[str, Any]] | None:
    """Return the rows of an answer with index and score, None without any."""
    rows = (answer.get("results") or answer.get("data")) if isinstance(answer, dict) else answer
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return None
    return rows


def merge_scores(
    replies: Sequence[tuple[Sequence[int], bytes]],
    chosen: Sequence[tuple[int, float]],
    errors: Sequence[dict[str, Any]] = (),
) -> bytes:
    """Return one object for the bodies of several requests, on one line.

    Of each request come the numbers of its documents and its body; `chosen` are the numbers and
    scores to be shown, in order. One body with just those comes back as it was.
    """
    first: dict[str, Any] = {}
    rows: dict[int, Mapping[str, Any]] = {}
    spent: dict[str, Any] = {}
    is_same = len(replies) == 1 and not errors
    for numbers, raw in replies:
        answer = read_first(raw, exact=True)
        first = first or (answer if isinstance(answer, dict) else {"results": answer})
        for row in find_rows(answer) or ():
            index = read_count(row.get("index"), len(numbers) - 1) or 0
            is_same = is_same and numbers[index] == index
            rows[numbers[index]] = row
        counts = answer.get("usage") if isinstance(answer, dict) else None
        for name, count in counts.items() if isinstance(counts, dict) else ():
            if isinstance(count, int) and not isinstance(count, bool):
                spent[name] = spent.get(name, 0) + count
    if is_same and len(chosen) == len(rows):
        return as_line(replies[0][1])
    name = "results" if first.get("results") else "data"
    more = {"errors": list(errors)} if errors else {}
    kept_rows = [{**rows[number], "index": number} for number, _ in chosen]
    return write({**first, name: kept_rows, **({"usage": spent} if spent else {}), **more})
