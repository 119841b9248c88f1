"""`apiyi batch verify`, `compact` and `unlock`: work on outputs, send nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from apiyi_cli.batch.rows.identity import IdAssigner
from apiyi_cli.batch.rows.options import RowDefaults
from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.state.entries import ENTRIES, read_lines, skip_broken
from apiyi_cli.batch.state.journal import journal_path
from apiyi_cli.cli.commands.batch.inputs import BatchInputs
from apiyi_cli.cli.context import Context
from apiyi_cli.core.jsontext import write
from apiyi_cli.core.options import list_given
from apiyi_cli.core.options.batch import BatchOptions
from apiyi_cli.core.options.request import Model
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text, system_reason

_SHAPING: Final = frozenset(
    ("format", "lines", "template", "endpoint", "params", "delimiter", "quote", "encoding")
)
"""Options for reading a file; for a run's output the journal has them."""


def run_word(
    ctx: Context, words: Sequence[str], model: Model, batch_options: BatchOptions, rows: RowDefaults
) -> None:
    """Run the command of the first word on the outputs that follow it."""
    word, *paths = words
    if not paths or (word == "unlock" and len(paths) > 1):
        why = Text("{word} takes one output or several", word=word)
        if word == "unlock":
            why = Text("{word} takes one output", word=word)
        hint = f"apiyi batch {word} out.jsonl"
        raise UsageError(Text("cannot run the batch"), why, hint=hint)
    if word == "verify":
        verify(ctx, paths, model, batch_options, rows)
    elif word == "compact":
        compact(ctx, paths)
    else:
        unlock(ctx, paths[0])


def verify(
    ctx: Context, paths: Sequence[str], model: Model, batch_options: BatchOptions, rows: RowDefaults
) -> None:
    """Print the numbers of outputs and their journals; raise if they disagree."""
    from apiyi_cli.batch.state.verify import Evidence
    from apiyi_cli.batch.state.verify_rows import verify_outputs

    outputs = [Path(path) for path in paths]
    try:
        if batch_options.rows is not None:
            read_rows = _open_rows(ctx, _read_header(outputs), model, batch_options, rows)
            result = verify_outputs(outputs, read_rows)
        elif len(outputs) == 1:
            result = Evidence(outputs[0]).judge()
        else:
            result = verify_outputs(outputs)
    except OSError as failure:
        path = failure.filename or paths[0]
        raise UsageError(Text("cannot read {path}", path=path), system_reason(failure)) from None
    ctx.process.console.write(write(result.summary) + b"\n", "json")
    if result.failure is not None:
        raise result.failure


def compact(ctx: Context, paths: Sequence[str]) -> None:
    """Rewrite outputs without the records that newer ones replaced."""
    from apiyi_cli.batch.state.compact import compact_output

    for path in paths:
        kept, dropped = (f"{count:,}" for count in compact_output(Path(path)))
        ctx.messages.note(
            Text(
                "{path}: {kept} records kept, {dropped} left out",
                path=path,
                kept=kept,
                dropped=dropped,
            )
        )


def unlock(ctx: Context, path: str) -> None:
    """Remove the lock of a run whose machine is gone, and report the risk."""
    from apiyi_cli.batch.state.locks import break_lock

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


def _open_rows(
    ctx: Context, header: dict[str, Any], model: Model, options: BatchOptions, rows: RowDefaults
) -> Callable[[IdAssigner, bool], Iterator[Row]]:
    """Return a function that reads the rows that outputs must answer.

    They are read with the options of the run that the journal's `header` is of, unless others
    were given.
    """
    known = header.get("rows")
    known = known if isinstance(known, dict) else {}
    shaping = {
        name: value
        for name, value in (header.get("options") or {}).items()
        if name in _SHAPING and hasattr(options, name) and getattr(options, name) is None
    }
    options = options.replace(**shaping, shard=None)
    ctx.settings.adopt(options)
    options = ctx.settings.fill(options)
    typed = {option.name for option, _ in list_given(rows)}
    defaults = {
        name: value
        for name, value in (known.get("defaults") or {}).items()
        if name not in typed and name in rows.flags
    }
    assert options.rows is not None
    rows = rows.replace(**defaults)
    ctx.settings.adopt(rows)
    inputs = BatchInputs(ctx, options.rows, options, rows)
    more: dict[str, Any] = {"force_model": True}
    if isinstance(known.get("models"), dict) and model.model is None:
        more["models"] = known["models"]
    if known.get("options") and not inputs.defaults.options:
        more["options"] = tuple(known["options"])
    inputs.defaults = replace(inputs.defaults, **more, _by_command={})
    return lambda ids, by_index: iter(inputs.read_rows(ids, by_index))


def _read_header(outputs: Sequence[Path]) -> dict[str, Any]:
    """Return the last run's header of the first output that has one."""
    for output in outputs:
        journal = journal_path(output)
        header: dict[str, Any] = {}
        if journal.is_file():
            for line in read_lines(journal, ENTRIES, on_broken=skip_broken):
                if line.value["t"] == "H":
                    header = line.value
        if header:
            return header
    return {}
