"""`apiyi embed`: texts in, one JSON line with a vector for each out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from apiyi_cli.build.embed import MOST_INPUTS, MOST_TOKENS, embed_call, field_text
from apiyi_cli.cli.app import single
from apiyi_cli.cli.flow import flow
from apiyi_cli.cli.input import batches
from apiyi_cli.cli.session import Session
from apiyi_cli.cli.spent import Spent
from apiyi_cli.cli.spread import Words, spread
from apiyi_cli.cli.talk import body_options, nothing_to_send
from apiyi_cli.core.call import Reply
from apiyi_cli.core.groups import Connection, Embedding, Jobs, Model, Output, Prompt, Request
from apiyi_cli.decode.embed import Vectors, merged, vectors, with_vector
from apiyi_cli.errors import IncompleteError, UsageError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.wire.send import Sender

BATCH_SIZE = 128
# Bytes are a safe measure of tokens: no tokenizer makes more than one token of a byte.
MOST_BYTES = MOST_TOKENS

Input = tuple[bytes, str]


class Answered(NamedTuple):
    """Some inputs, the index of their first, and their vectors in the same order."""

    first: int
    inputs: list[Input]
    vectors: Vectors
    from_cache: bool


def embed(
    session: Session,
    inputs: Words = None,
    *,
    model: Model,
    source: Prompt,
    embedding: Embedding,
    jobs: Jobs,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Embed texts: one JSON line for each, in the order of the input."""
    embedding = session.fill(embedding)
    session.models  # noqa: B018 - what is missing is said before stdin is read
    options = body_options(session)
    found = _inputs(session, inputs or [], session.fill(source).file or [], embedding)
    one_object = bool(session.output.json)

    def built(batch: list[Input]) -> Any:
        texts = [text for _, text in batch]
        return embed_call(
            model=session.models[0], inputs=texts, embedding=embedding, options=options
        )

    def asked(sender: Sender, numbered: tuple[int, list[Input]]) -> Answered:
        first, batch = numbered

        def decode(reply: Reply) -> Iterator[Vectors]:
            yield vectors(reply, len(batch), embedding.dimensions, keep_body=bool(one_object))

        (got,) = session.answers(built(batch), decode, sender=sender)
        return Answered(first, batch, got, sender.from_cache)

    if session.request.dry_run or session.request.code:
        for batch in found:
            session.shown(built(batch))
        return
    session.ready()
    spent, stop = Spent(), threading.Event()
    results = _alike(flow(session, _numbered(found), asked, session.jobs, stop), spent)
    lines = _merged(results) if one_object else _records(results, embedding)
    session.write(session.filtered(lines), stop.set, content="json")
    spent.tell(session)


def _numbered(batches: Iterator[list[Input]]) -> Iterator[tuple[int, list[Input]]]:
    """Yield the batches with the index of each one's first input."""
    first = 0
    for batch in batches:
        yield first, batch
        first += len(batch)


def _alike(results: Iterator[Answered], spent: Spent) -> Iterator[Answered]:
    """Yield the answers as long as all vectors of the run have one length."""
    length = 0
    for one in results:
        spent.add(one.vectors.usage, from_cache=one.from_cache)
        length = length or one.vectors.length
        if one.vectors.length != length:
            raise IncompleteError(
                Text("the answer is not what was asked for"),
                Text(
                    "vectors of {length} numbers came after vectors of {length2}",
                    length=one.vectors.length,
                    length2=length,
                ),
            )
        yield one


def _inputs(
    session: Session, words: list[str], files: list[str], embedding: Embedding
) -> Iterator[list[Input]]:
    """Return the inputs in batches that one request can take."""
    size = embedding.batch_size or min(BATCH_SIZE, MOST_INPUTS)
    if embedding.lines or embedding.jsonl is not None:
        option = "--lines" if embedding.lines else "--jsonl"
        if embedding.lines and embedding.jsonl is not None:
            raise UsageError(
                Text("cannot use --lines with --jsonl"), Text("a line is a text or an object")
            )
        if words or files:
            raise UsageError(
                Text("cannot use {option}", option=option),
                Text("the inputs are the lines of stdin alone"),
            )
        field = embedding.jsonl
        if field == "embedding":
            raise UsageError(Text("cannot use --jsonl embedding"), Text("the vector is put there"))
        reads = None if field is None else lambda line, place: field_text(line, place, field)
        return batches(session.sources, option, size, MOST_BYTES, reads)
    texts = [session.sources.filled_file(path) for path in files]
    texts += [session.sources.stdin("-") if word == "-" else word for word in words]
    if not texts:
        whole = session.sources.prompt((), ())
        if whole is None:
            raise nothing_to_send(session)
        texts = [whole]
    for number, text in enumerate(texts, 1):
        if not text.strip():
            raise UsageError(
                Text("nothing to embed"), Text("input {number} is empty", number=number)
            )
    return iter(
        [[(b"", text) for text in texts[at : at + size]] for at in range(0, len(texts), size)]
    )


def _records(results: Iterator[Answered], embedding: Embedding) -> Iterator[bytes]:
    """Yield one line for each input, the lines of one reply together."""
    from apiyi_cli.core.jsontext import write

    for index, batch, got, _ in results:
        lines = []
        for (line, text), vector in zip(batch, got.texts, strict=True):
            if embedding.jsonl is not None:
                lines.append(with_vector(line, vector))
            elif embedding.text is False:
                lines.append(b'{"index":%d,"embedding":%s}\n' % (index, vector))
            else:
                shown = write(text)
                lines.append(b'{"index":%d,"text":%s,"embedding":%s}\n' % (index, shown, vector))
            index += 1
        yield b"".join(lines)


def _merged(results: Iterator[Answered]) -> Iterator[bytes]:
    """Yield the server's object verbatim; of several requests one object of the same shape."""
    yield merged([one.vectors.raw for one in results]) + b"\n"


app = single(spread(embed))
