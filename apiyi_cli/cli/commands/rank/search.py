"""Searches streamed vectors by cosine: the best in a heap, numpy as filter.

numpy sums in another order than Python. Therefore it only leaves out what cannot be among the
best; what may be is scored by `fsum`, which is exact, so that both ways print the same.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator, Sequence
from math import fsum, isfinite, sqrt
from operator import mul
from typing import Any, Final

from apiyi_cli.build.embed import embed_call
from apiyi_cli.cli.commands.rank.run import format_lines
from apiyi_cli.cli.commands.rank.vectors import (
    NameBad,
    VectorBlock,
    VectorLines,
    VectorMatrix,
    format_found,
    open_vectors,
)
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.output.failures import ItemFailures
from apiyi_cli.cli.output.usage import UsageTotals, print_usage
from apiyi_cli.cli.settings import no_model
from apiyi_cli.core.call import Call
from apiyi_cli.core.families import find_family
from apiyi_cli.core.jsontext import read, write
from apiyi_cli.core.options.embed import EmbedOptions
from apiyi_cli.core.options.rank import RankOptions
from apiyi_cli.core.options.request import Model
from apiyi_cli.decode.embed import vectors
from apiyi_cli.errors import PartialError, UsageError
from apiyi_cli.text import Text

TOP: Final = 10
MARGIN: Final = 1e-6
"""An upper bound for the error of numpy's scores."""

SearchResult = tuple[int, float, dict[str, object]]


def choose_model(ctx: Context, model: Model) -> str:
    """Return the query's model: -m, else that of the profile's `embed` table.

    It is the run's model from then on. Raises UsageError without one.
    """
    name = model.model or ctx.settings.in_profile.commands.get("embed", {}).get("model")
    if not name:
        raise no_model("embed", ctx.settings)
    if not ctx.settings.fill(model).force_model:
        ctx.settings.require_able(name, "embed")
    ctx.settings.adopt(model.replace(model=name, force_model=True))
    return str(name)


def search(
    ctx: Context, rank_options: RankOptions, query: str, name: str, options: Sequence[str]
) -> None:
    """Print the lines whose vectors are nearest to the query's, best first.

    A vector that cannot be compared is named; raises PartialError at the end then.
    """
    failures = ItemFailures(ctx.messages)
    path = str(rank_options.vectors)

    def name_bad(number: int, why: Text) -> None:
        place = f"{path}:{number + 1}"
        failures.add(place, UsageError(Text("cannot compare {place}", place=place), why))

    source = open_vectors(path, name_bad)
    call = make_call(ctx, source, query, name, options)
    if ctx.settings.prints_request:
        ctx.gateway.print_request(call)
        return
    ctx.output.require_ready()
    ctx.output.jq_filter  # noqa: B018 - a broken program is said before anything is sent
    answer = ctx.gateway.ask(call, lambda reply: vectors(reply, 1))
    if answer.length != source.length:
        raise refuse_length(source, str(call.model), answer.length)
    nearest = NearestVectors(read(bytes(answer.texts[0])), rank_options, name_bad)
    for block in source.blocks():
        nearest.add(block)
    results = nearest.best()
    lines = source.read_lines({number for number, _, _ in results})
    results = [(number, score, line or lines.get(number, {})) for number, score, line in results]
    ctx.output.write(ctx.output.filter_lines(format_answer(ctx, results, name)))
    usage = UsageTotals()
    usage.add(answer.usage, from_cache=ctx.gateway.sender.from_cache)
    print_usage(usage, ctx.settings, ctx.messages)
    if failures.count:
        raise PartialError(
            Text("{count} lines have no score", count=failures.count), Text("they are named above")
        )


def make_call(
    ctx: Context, source: VectorLines | VectorMatrix, query: str, name: str, options: Sequence[str]
) -> Call:
    """Return the request for the query's vector, with the length of the file's vectors.

    Raises UsageError for a model that is known not to make vectors of that length.
    """
    family = find_family(name, ctx.settings.families)
    usual = family.dimensions[0] if family.dimensions else source.length
    if usual != source.length and (usual < source.length or "dimensions" in family.refuses):
        raise refuse_length(source, name, usual)
    dimensions = None if usual == source.length else source.length
    return embed_call(
        model=name,
        inputs=[query],
        embed_options=EmbedOptions(dimensions=dimensions),
        options=options,
        families=ctx.settings.families,
    )


def refuse_length(source: VectorLines | VectorMatrix, name: str, length: int) -> UsageError:
    """Return the error for a file of another model's vectors."""
    return UsageError(
        Text("cannot search {path} with {model}", path=source.path, model=name),
        Text(
            "its vectors have {there} numbers, those of the model {here}",
            there=source.length,
            here=length,
        ),
        hint=Text(
            "-m and the model that made the file, with -O dimensions={there} if it was made so",
            there=source.length,
        ),
    )


def format_answer(ctx: Context, results: Sequence[SearchResult], name: str) -> Iterator[bytes]:
    """Yield the lines of the answer; with --json one object for all of them."""
    as_json = ctx.output.form == "ndjson"
    if ctx.output.form == "json":
        rows = [{"index": number, "score": score, **line} for number, score, line in results]
        return iter((write({"model": name, "results": rows}) + b"\n",))
    shown = (
        (number, score, format_found(line, as_json=as_json)) for number, score, line in results
    )
    return format_lines(shown, as_json=as_json)


class NearestVectors:
    """The vectors nearest to a query among those added."""

    def __init__(
        self, query: Sequence[float], rank_options: RankOptions, name_bad: NameBad
    ) -> None:
        """Raises UsageError if the query's vector is zero."""
        self._query = array("d", query)
        self._norm = _norm(self._query)
        if not self._norm or not isfinite(self._norm):
            raise UsageError(Text("cannot search"), Text("the vector of the query is zero"))
        self._top = rank_options.top or TOP
        self._threshold = rank_options.threshold
        self._name_bad = name_bad
        self._heap: list[tuple[float, int, dict[str, object]]] = []
        self._numpy = _find_numpy()

    def add(self, block: VectorBlock) -> None:
        """Add those vectors of a block that are among the best so far."""
        length = len(self._query)
        for at in self._choose(block):
            vector = block.values[at * length : (at + 1) * length]
            number = block.numbers[at]
            norm = _norm(vector)
            if not norm or not isfinite(norm):
                why = Text("its vector is zero") if not norm else Text("its vector has no length")
                self._name_bad(number, why)
                continue
            score = fsum(map(mul, self._query, vector)) / self._norm / norm
            if self._threshold is not None and score < self._threshold:
                continue
            item = (score, -number, block.lines[at] if block.lines else {})
            if len(self._heap) < self._top:
                heapq.heappush(self._heap, item)
            elif item[:2] > self._heap[0][:2]:
                heapq.heapreplace(self._heap, item)

    def best(self) -> list[SearchResult]:
        """Return number, score and line of the nearest, best first."""
        ordered = sorted(self._heap, key=lambda item: item[:2], reverse=True)
        return [(-number, score, line) for score, number, line in ordered]

    def _choose(self, block: VectorBlock) -> Sequence[int]:
        """Return the positions of the vectors that need an exact score."""
        numpy, count = self._numpy, len(block.numbers)
        if numpy is None:
            return range(count)
        matrix = numpy.frombuffer(block.values, dtype=block.values.typecode)
        matrix = matrix.reshape(count, -1).astype("f8", copy=False)
        with numpy.errstate(all="ignore"):
            norms = numpy.sqrt(numpy.einsum("ij,ij->i", matrix, matrix)) * self._norm
            scores = matrix @ numpy.frombuffer(self._query) / norms
        least = self._heap[0][0] if len(self._heap) == self._top else -numpy.inf
        if count > self._top:
            known = numpy.nan_to_num(scores, nan=-2.0)
            least = max(least, numpy.partition(known, count - self._top)[count - self._top])
        if self._threshold is not None:
            least = max(least, self._threshold)
        # NaN needs a look too: its line is reported.
        chosen: list[int] = numpy.nonzero(~(scores < least - MARGIN))[0].tolist()
        return chosen


def _norm(vector: array[float]) -> float:
    try:
        return sqrt(fsum(map(mul, vector, vector)))
    except (OverflowError, ValueError):
        return float("nan")


def _find_numpy() -> Any:
    try:
        import numpy
    except ImportError:
        return None
    return numpy
