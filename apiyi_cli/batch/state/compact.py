"""Rewrites an output without the records that newer ones replaced, and its journal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from apiyi_cli.batch.rows.identity import IdTable
from apiyi_cli.batch.state.entries import (
    JOURNAL_VERSION,
    RECORDS,
    is_entry,
    is_record,
    parse_entry,
    read_lines,
)
from apiyi_cli.batch.state.files import repair_tail
from apiyi_cli.batch.state.journal import finish_compaction, journal_path, replace_together
from apiyi_cli.batch.state.locks import LockedFile
from apiyi_cli.batch.state.refusals import find_holder
from apiyi_cli.batch.state.verify import Evidence
from apiyi_cli.core.disk import sync_folder, write_new
from apiyi_cli.core.jsontext import write
from apiyi_cli.errors import OutputError, SetupError, UsageError
from apiyi_cli.text import Text, system_reason


def compact_output(output: Path) -> tuple[int, int]:
    """Rewrite an output and its file of errors in one step. Return records kept and dropped.

    The newest record of each id is kept, in the order of the file. Raises SetupError if the
    output does not add up, or is in use.
    """
    if not output.is_file():
        raise UsageError(Text("cannot read {output}", output=output), Text("there is no such file"))
    # A link stays a link: what is replaced is the file behind it.
    output = output.resolve() if os.path.islink(output) else output
    journal = journal_path(output)
    finish_compaction(journal)
    held = LockedFile(output, lambda: find_holder(journal))
    try:
        repair_tail(output, is_record)
        if journal.is_file():
            repair_tail(journal, is_entry)
        evidence = Evidence(output)
        failure = evidence.judge().failure
        if isinstance(failure, SetupError):
            raise failure
        if evidence.holds_texts:
            why = Text("it holds answers alone, whose lines do not say which row they are of")
            raise UsageError(Text("cannot compact {output}", output=output), why)
        return Compaction(evidence).run()
    finally:
        held.close()


class Compaction:
    """One compaction: the records kept of each file, and the sums for the new journal."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._newest = self._find_newest()
        self._attempts = 0
        self._kept = 0
        self._sizes: dict[str, int] = {}
        self._old_ends: dict[str, int] = {}
        self._old_ids: dict[str, str] = {}

    def run(self) -> tuple[int, int]:
        """Write the new files and swap them in; return records kept and dropped."""
        evidence = self._evidence
        parts: dict[Path, Path] = {}
        fresh: LockedFile | None = None
        try:
            for path, target in evidence.files:
                part = self._add_part(parts, path)
                write_new(part, self._list_kept_lines(path, target), path.stat().st_mode & 0o777)
                if target == "out":
                    # Locked before it gets its name, so that no other process can lock it first.
                    fresh = LockedFile(part, lambda: None)
            if evidence.has_journal:
                write_new(self._add_part(parts, evidence.journal), self._journal_lines())
                replace_together(evidence.journal, parts)
            else:
                ((part, path),) = parts.items()
                part.replace(path)
                sync_folder(path.parent)
        except OSError as failure:
            what = Text("cannot rewrite {output}", output=evidence.output)
            raise OutputError(what, system_reason(failure)) from failure
        finally:
            if fresh is not None:
                fresh.close()
            for part in parts:
                with suppress(OSError):
                    part.unlink(missing_ok=True)
        return self._kept, evidence.past.records - self._kept

    def _add_part(self, parts: dict[Path, Path], path: Path) -> Path:
        part = path.with_name(f".{path.name}.compact.part")
        part.unlink(missing_ok=True)
        parts[part] = path
        return part

    def _find_newest(self) -> IdTable:
        """Return the offset (from 1) of the kept record of each id, as its sha."""
        evidence, newest = self._evidence, IdTable()
        for path, target in evidence.files:
            for line in read_lines(path, RECORDS):
                if evidence.past.is_newest(line, target):
                    newest.shas[newest.slot(line.value["custom_id"])] = line.offset + 1
        return newest

    def _list_kept_lines(self, path: Path, target: str) -> Iterator[bytes]:
        past, newest = self._evidence.past, self._newest
        size = 0
        old_end = path.stat().st_size if past.is_old else past.old_ends.get(target, 0)
        for line in read_lines(path, RECORDS):
            if not past.is_newest(line, target):
                continue
            if newest.shas[newest.slot(line.value["custom_id"])] != line.offset + 1:
                continue
            self._kept += 1
            self._attempts += line.value.get("attempts") or 0
            size += len(line.data)
            if line.offset < old_end:
                self._old_ends[target] = size
            else:
                self._note_old_id(line.value["custom_id"], line.value["sha"])
            yield line.data
        self._sizes[target] = size

    def _note_old_id(self, id: str, sha: str) -> None:
        """Remember a row of version 0.1 with its record or claim beyond its end."""
        if self._evidence.past.old_ids.has(id, sha):
            self._old_ids[id] = sha

    def _journal_lines(self) -> Iterator[bytes]:
        """Yield the new journal: the unknown claims, and everything else as sums."""
        claims = self._evidence.claims
        carried = claims.claims + claims.carried - len(claims.unknown)
        # The lines of the unknown claims stay, and count themselves.
        unknown = [*claims.unknown.values()]
        entries = [entry for line in unknown if (entry := parse_entry(line)) is not None]
        for entry in entries:
            self._note_old_id(entry["id"], entry["sha"])
        counted = sum(1 for entry in entries if not entry.get("shared"))
        header: dict[str, Any] = {
            **claims.header,
            "version": JOURNAL_VERSION,
            "errors": self._evidence.past.errors,
            "carried": carried,
            "carried_requests": claims.requests + claims.carried_requests - counted,
            "unmatched": carried - self._attempts,
            "twice": claims.twice - sum(entry.get("ambiguous", 0) for entry in entries),
            "billed": {id: sha for id, sha in claims.billed.items() if id not in claims.unknown},
            "sizes": self._sizes,
            "old_ends": self._old_ends,
            "old_ids": self._old_ids,
            "shards": sorted(claims.shards),
        }
        yield write(header) + b"\n"
        yield from unknown
        if claims.end:
            yield write(claims.end) + b"\n"
