"""`apiyi batch verify`, `compact` and `unlock`: what an output holds, without sending anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apiyi_cli.core.options import given
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text, system_reason

if TYPE_CHECKING:
    from apiyi_cli.batch.rows.identity import IdAssigner
    from apiyi_cli.batch.rows.options import RowDefaults
    from apiyi_cli.batch.rows.row import Row
    from apiyi_cli.cli.context import Context
    from apiyi_cli.core.options.batch import Batching
    from apiyi_cli.core.options.request import Model

_SHAPING = (
    "format",
    "lines",
    "template",
    "endpoint",
    "params",
    "delimiter",
    "quote",
    "encoding",
)
"""Options that say what the rows of a file are; a journal has those of its run."""


def verify(
    ctx: Context, paths: Sequence[str], model: Model, batching: Batching, rows: RowDefaults
) -> None:
    """Print what outputs and their journals add up to; raise where they do not."""
    from apiyi_cli.batch.state.proof import verify_outputs
    from apiyi_cli.batch.state.verify import verify_output
    from apiyi_cli.core.jsontext import write

    outputs = [Path(path) for path in paths]
    try:
        if len(outputs) == 1 and batching.rows is None:
            found = verify_output(outputs[0])
        elif batching.rows is None:
            found = verify_outputs(outputs)
        else:
            source = _Input(ctx, outputs, model, batching, rows)
            found = verify_outputs(outputs, source.rows)
    except OSError as failure:
        path = failure.filename or paths[0]
        raise UsageError(Text("cannot read {path}", path=path), system_reason(failure)) from None
    ctx.process.console.write(write(found.summary) + b"\n", "json")
    if found.failure is not None:
        raise found.failure


def compact(ctx: Context, paths: Sequence[str]) -> None:
    """Rewrite outputs without the records that newer ones replaced."""
    from apiyi_cli.batch.state.compact import compact_output

    for path in paths:
        kept, dropped = compact_output(Path(path))
        ctx.messages.note(
            Text(
                "{path}: {kept} records kept, {dropped} left out",
                path=path,
                kept=f"{kept:,}",
                dropped=f"{dropped:,}",
            )
        )


def unlock(ctx: Context, path: str) -> None:
    """Take an output from a run on a machine that is gone, and say what that risks."""
    from apiyi_cli.batch.state.files import break_lock

    pid, host = break_lock(Path(path))
    ctx.messages.note(
        Text(
            "{path} was held by process {pid} on {host}: if that run still lives, both write "
            "to one output, and rows are paid for twice",
            path=path,
            pid=pid or "?",
            host=host or "?",
        )
    )


class _Input:
    """The rows that outputs must answer, with the options that their runs had."""

    def __init__(
        self,
        ctx: Context,
        outputs: Sequence[Path],
        model: Model,
        batching: Batching,
        rows: RowDefaults,
    ) -> None:
        from apiyi_cli.cli.commands.batch.inputs import BatchInputs

        header = _header(outputs)
        known = header.get("rows")
        known = known if isinstance(known, dict) else {}
        then = {
            name: value
            for name, value in (header.get("options") or {}).items()
            if name in _SHAPING and hasattr(batching, name) and getattr(batching, name) is None
        }
        batching = batching.replace(**then, shard=None)
        ctx.settings.adopt(batching)
        batching = ctx.settings.fill(batching)
        typed = {option.name for option, _ in given(rows)}
        table = rows.flags
        defaults = {
            name: value
            for name, value in (known.get("defaults") or {}).items()
            if name not in typed and name in table
        }
        assert batching.rows is not None
        rows = rows.replace(**defaults)
        ctx.settings.adopt(rows)
        self._inputs = BatchInputs(ctx, batching.rows, batching, rows)
        now: dict[str, Any] = {"force_model": True}
        if isinstance(known.get("models"), dict) and model.model is None:
            now["models"] = known["models"]
        if known.get("options") and not self._inputs.defaults.options:
            now["options"] = tuple(known["options"])
        self._inputs.defaults = replace(self._inputs.defaults, **now, _by_command={})

    def rows(self, identities: IdAssigner, by_index: bool) -> Iterator[Row]:
        return iter(self._inputs.rows_by(identities, by_index))


def _header(outputs: Sequence[Path]) -> dict[str, Any]:
    """Return the header of the last run of the first output that has one."""
    from apiyi_cli.batch.state.entries import ENTRIES, read_lines
    from apiyi_cli.batch.state.journal import journal_path

    for output in outputs:
        journal = journal_path(output)
        found: dict[str, Any] = {}
        if journal.is_file():
            for line in read_lines(journal, ENTRIES, tell=lambda number, data: None):
                if line.value["t"] == "H":
                    found = line.value
        if found:
            return found
    return {}


def run(
    ctx: Context, words: Sequence[str], model: Model, batching: Batching, rows: RowDefaults
) -> None:
    """Do what a word of `apiyi batch` names, with the outputs that follow it."""
    word, *paths = words
    if not paths or (word == "unlock" and len(paths) > 1):
        raise UsageError(
            Text("cannot run the batch"),
            Text("{word} takes one output", word=word)
            if word == "unlock"
            else Text("{word} takes one output or several", word=word),
            hint=f"apiyi batch {word} out.jsonl",
        )
    if word == "verify":
        verify(ctx, paths, model, batching, rows)
    elif word == "compact":
        compact(ctx, paths)
    else:
        unlock(ctx, paths[0])
