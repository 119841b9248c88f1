"""An output without the records that newer ones replaced, and a journal that fits it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from apiyi_cli.batch.files import Held, placed_lines, repaired
from apiyi_cli.batch.ids import Ids
from apiyi_cli.batch.journal import VERSION, journal_path
from apiyi_cli.batch.opening import holder
from apiyi_cli.batch.past import entry_of, is_entry, is_record, record_of
from apiyi_cli.batch.verify import Claims, verified
from apiyi_cli.core.jsontext import read, write
from apiyi_cli.errors import OutputError, SetupError, UsageError
from apiyi_cli.text import Text, system_reason


def compacted(output: Path) -> tuple[int, int]:
    """Rewrite the output in one step; return how many records were kept and left out.

    The newest record of each id is kept, in the order of the file. Raises SetupError when the
    output does not add up, or is in use.
    """
    if not output.is_file():
        raise UsageError(Text("cannot read {output}", output=output), Text("there is no such file"))
    # A link stays one: what is replaced is the file behind it.
    output = output.resolve() if output.is_symlink() else output
    journal = journal_path(output)
    held = Held(output, lambda: holder(journal))
    try:
        repaired(output, is_record)
        if journal.exists():
            repaired(journal, is_entry)
        found = verified(output)
        if isinstance(found.failure, SetupError):
            raise found.failure
        if found.summary["ok"] is None:
            raise UsageError(
                Text("cannot compact {output}", output=output), Text("it holds texts, not records")
            )
        return _rewritten(output, journal)
    finally:
        held.close()


def _rewritten(output: Path, journal: Path) -> tuple[int, int]:
    newest, count = _newest(output)
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    attempts = 0
    try:
        with open(part, "xb") as file:
            part.chmod(output.stat().st_mode & 0o777)
            kept = 0
            for _, offset, line in placed_lines(output):
                record = record_of(line)
                if record is None or newest.shas[newest.slot(record["custom_id"])] != offset:
                    continue
                kept += 1
                attempts += record.get("attempts") or 0
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
        # Locked before it has its name, so that nobody gets hold of it meanwhile.
        fresh = Held(part, lambda: None)
        try:
            size = part.stat().st_size
            new_journal = _journal_part(journal, attempts, size) if journal.exists() else None
            part.replace(output)
            if new_journal is not None:
                new_journal.replace(journal)
        finally:
            fresh.close()
    except OSError as failure:
        why = system_reason(failure)
        raise OutputError(Text("cannot rewrite {output}", output=output), why) from failure
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return kept, count - kept


def _newest(output: Path) -> tuple[Ids, int]:
    """Return the offset of each id's newest record, in the column of shas; and their count."""
    ids, count = Ids(), 0
    for _, offset, line in placed_lines(output):
        record = record_of(line)
        if record is not None:
            slot = ids.slot(record["custom_id"])
            ids.shas[slot] = offset
            count += 1
    return ids, count


def _journal_part(journal: Path, attempts: int, size: int) -> Path:
    """Write a journal that knows of the unknown claims, and of all else in sums only."""
    claims = Claims()
    for _, _, line in placed_lines(journal):
        entry = entry_of(line)
        if entry is not None:
            claims.take(entry, line)
    errors = claims.header.get("errors")
    in_errors = [*_error_notes(journal)] if errors else []
    if errors and Path(errors).exists():
        for _, _, line in placed_lines(Path(errors)):
            attempts += (record_of(line) or {}).get("attempts") or 0
    carried = claims.requests + claims.carried - len(claims.unknown)
    # The lines of the unknown claims stay, and count themselves.
    counted = sum(read(line).get("ambiguous", 0) for line in claims.unknown.values())
    header = {
        **claims.header,
        "version": VERSION,
        "carried": carried,
        "unmatched": carried - attempts,
        "twice": claims.twice - counted,
        "billed": {k: v for k, v in claims.billed.items() if k not in claims.unknown},
        "sizes": {**claims.header.get("sizes", {}), "out": size},
    }
    if errors and Path(errors).exists():
        header["sizes"]["errors"] = Path(errors).stat().st_size
    part = journal.with_name(f".{journal.name}.{os.getpid()}.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(write(header) + b"\n")
        file.writelines(in_errors)
        file.writelines(claims.unknown.values())
        if claims.end:
            file.write(write(claims.end) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return part


def _error_notes(journal: Path) -> Iterator[bytes]:
    """Yield the newest note of each row whose record is in the file of errors."""
    newest = Ids()
    for _, offset, line in placed_lines(journal):
        entry = entry_of(line)
        if entry is not None and entry["t"] == "D":
            slot = newest.slot(entry["id"])
            newest.shas[slot] = offset
    for _, offset, line in placed_lines(journal):
        entry = entry_of(line)
        if entry is None or entry["t"] != "D" or entry["to"] != "errors":
            continue
        if newest.shas[newest.slot(entry["id"])] == offset:
            yield line
