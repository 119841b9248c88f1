"""Refuses outputs that a run must not continue, with the reason and the way out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

from apiyi_cli.batch.rows.shard import Shard
from apiyi_cli.batch.state.resume import OK, RECORD, WRITTEN, ResumeState
from apiyi_cli.core.jsontext import read
from apiyi_cli.errors import SetupError
from apiyi_cli.text import Text

OutputForm = Literal["records", "texts", "table"]
_FORMS: Final[Mapping[str, str]] = {
    "records": Text("records"),
    "texts": Text("texts"),
    "table": Text("rows of a table"),
}
_PAID: Final = re.compile(rb'"t":"[SDW]"|"carried":')


def refuse_orphan(output: Path, journal: Path) -> None:
    """Raise SetupError for a journal without its output: its rows would be paid for again."""
    if journal.exists() and not journal.is_file():
        raise SetupError(Text("cannot use {journal}", journal=journal), Text("it is not a file"))
    if output.exists() or not journal.exists():
        return
    with suppress(OSError):
        if _PAID.search(journal.read_bytes()):
            what = Text("{output} is gone, its journal is there", output=output)
            why = Text("rows that were paid for would be sent again")
            hint = Text(
                "bring the output back, or --force to begin anew: {journal}", journal=journal
            )
            raise SetupError(what, why, hint=hint)


def no_journal(output: Path) -> SetupError:
    """Return the error for an output without a journal."""
    why = Text("it was not written by a batch, or its journal was lost")
    hint = Text("another -o; --resume to go on with its records; --force to begin anew")
    return SetupError(Text("{output} has no journal", output=output), why, hint=hint)


def refuse_other_form(output: Path, header: Mapping[str, Any], form: OutputForm) -> None:
    """Raise SetupError if the output's lines have another form than this run writes."""
    held = str(header.get("form"))
    if held not in _FORMS:
        # Version 0.1 knew texts and records only.
        held = "texts" if header.get("texts") else "records"
    if header and held != form:
        what = Text("{output} holds {message}", output=output, message=_FORMS[held])
        why = Text("this run would add {form}", form=_FORMS[form])
        raise SetupError(what, why, hint=Text("name another -o, or --force to begin anew"))


def refuse_other_shard(output: Path, header: Mapping[str, Any], shard: Shard | None) -> None:
    """Raise SetupError if the output belongs to another shard: gaps would go unnoticed."""
    if not header:
        return
    text = header.get("options", {}).get("shard")
    then = Shard(text) if isinstance(text, str) else None
    if (then and then.part) == (shard and shard.part):
        return
    what, hint = Text("{output} is no shard", output=output), Text("name another -o")
    if then:
        what = Text("{output} is shard {message}", output=output, message=text)
        hint = Text("name another -o, or --shard {message}", message=text)
    why = Text("this run is for all rows")
    if shard:
        why = Text("this run is for shard {now}", now=shard)
    raise SetupError(what, why, hint=hint)


def refuse_incomplete(output: Path, past: ResumeState, *, accepted: bool) -> int:
    """Return how many answers the journal has and the output lacks.

    Raises SetupError for such an output unless the user `accepted` to send them again, and for
    one that has none of them, because the journal is then of another output.
    """
    lost = past.count(WRITTEN | OK, without=RECORD)
    if not lost:
        return 0
    if past.records and not past.count(WRITTEN | OK | RECORD):
        what = Text("the journal beside {output} is of another output", output=output)
        why = Text("none of the {lost} answers that it knows of is in there", lost=lost)
        raise SetupError(what, why, hint=Text("bring the two together again, or name another -o"))
    if not accepted:
        why = Text(
            "{lost} answers that its journal knows of are not in it; they "
            "were paid for and would be sent again",
            lost=lost,
        )
        hint = Text(
            "bring them back from a copy, --resume to send those rows again "
            "all the same, or --force to begin anew"
        )
        raise SetupError(Text("{output} is not whole", output=output), why, hint=hint)
    return lost


def refuse_edited(output: Path, past: ResumeState) -> None:
    """Raise SetupError for an output whose lines are not where its journal has them.

    It was written anew by an editor, a spreadsheet or jq: what follows the journal's end is
    then no torn line.
    """
    end = past.ends.get("out", 0)
    with open(output, "rb") as file:
        file.seek(max(0, end - 1))
        last = file.read(2)
    if end and len(last) == 2 and last[:1] != b"\n":
        what = Text("{output} was changed by another program", output=output)
        hint = Text("bring it back from a copy, or name another -o, which pays again")
        raise SetupError(what, Text("its lines are not where its journal has them"), hint=hint)


def find_holder(journal: Path) -> int | None:
    """Return the process that began the last run of a journal."""
    import mmap

    with (
        suppress(OSError, ValueError, KeyError, TypeError),
        open(journal, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        at = content.rfind(b'\n{"t":"H"') + 1
        end = content.find(b"\n", at)
        return int(read(content[at : end if end >= 0 else len(content)])["pid"])
    return None
