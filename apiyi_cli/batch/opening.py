"""An output opened for a run: locked, whole to its last line, its past read, its journal ready."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apiyi_cli.batch.files import Held, cut_to, repaired
from apiyi_cli.batch.journal import Fsync, Journal, journal_path
from apiyi_cli.batch.output import FileTarget
from apiyi_cli.batch.past import (
    Past,
    check_belonging,
    is_entry,
    is_record,
    read_journal,
    read_records,
    trust_journal,
)
from apiyi_cli.core.jsontext import read
from apiyi_cli.errors import OutputError, SetupError
from apiyi_cli.text import Text, system_reason

Tell = Callable[[str], None]


@dataclass(slots=True)
class Terms:
    """How an output is to be opened: see the options of the same names."""

    errors: Path | None = None
    force: bool = False
    resume: bool = False
    repair: bool = False
    texts: bool = False
    fsync: Fsync = "group"


class Opened:
    """An output that this run holds, with what earlier runs left of it."""

    def __init__(self, output: Path, terms: Terms, tell: Tell) -> None:
        self.output = output
        self.terms = terms
        self._tell = tell
        self._journal_path = journal_path(output)
        self.past = Past()
        self.journal: Journal | None = None
        self.errors: FileTarget | None = None
        self._errors_fd = -1
        self._refuse_orphan()
        self.held = Held(output, lambda: holder(self._journal_path))
        try:
            self._read()
            self.out = FileTarget(self.held.fd, str(output))
            if terms.errors is not None:
                self._open_errors(terms.errors)
        except BaseException:
            self.close()
            raise

    def begin(self, header: Mapping[str, Any]) -> Journal:
        """Open the journal and write the header of this run into it."""
        sizes = {"out": self.output.stat().st_size}
        synced = [self.held.fd]
        if self.terms.errors is not None:
            sizes["errors"] = os.fstat(self._errors_fd).st_size
            synced.append(self._errors_fd)
        try:
            journal = self.journal = Journal(
                self._journal_path, fsync=self.terms.fsync, synced=synced
            )
        except OSError as failure:
            why = system_reason(failure)
            raise OutputError(
                Text("cannot write {journal_path}", journal_path=self._journal_path), why
            ) from failure
        if self.past.unsettled:
            journal.done(self.past.unsettled)
        errors = None if self.terms.errors is None else str(self.terms.errors.absolute())
        journal.began({"texts": self.terms.texts, "errors": errors, "sizes": sizes, **header})
        return journal

    def close(self) -> None:
        """Bring all to the disk and let others have the output."""
        if self.journal is not None:
            # What it could not bring there has been told when the run ended.
            with suppress(OutputError):
                self.journal.close()
        if self._errors_fd >= 0:
            os.close(self._errors_fd)
            self._errors_fd = -1
        self.held.close()

    def _refuse_orphan(self) -> None:
        """Refuse a journal whose output is gone: what it knows of would be paid for again."""
        if self.terms.force or self.output.exists() or not self._journal_path.exists():
            return
        with suppress(OSError):
            if b'"t":"S"' in self._journal_path.read_bytes():
                raise SetupError(
                    Text("{output} is gone, its journal is there", output=self.output),
                    Text("rows that were paid for would be sent again"),
                    hint=Text(
                        "bring the output back, or --force to begin anew: {journal_path}",
                        journal_path=self._journal_path,
                    ),
                )

    def _read(self) -> None:
        terms = self.terms
        if terms.force:
            os.ftruncate(self.held.fd, 0)
            self._journal_path.unlink(missing_ok=True)
            if terms.errors is not None:
                terms.errors.unlink(missing_ok=True)
            return
        size = os.fstat(self.held.fd).st_size
        if not self._journal_path.exists():
            if not size:
                return
            if not terms.resume or terms.texts:
                raise SetupError(
                    Text("{output} has no journal", output=self.output),
                    Text("it was not written by a batch, or its journal was lost"),
                    hint=Text(
                        "another -o; --resume to go on with its records; --force to begin anew"
                    ),
                )
            self._repaired(self.output, is_record)
            self.past.ends["out"] = self.output.stat().st_size
            read_records(self.past, self.output, "out", repair=terms.repair)
            return
        self._repaired(self._journal_path, is_entry)
        read_journal(self.past, self._journal_path, repair=terms.repair)
        self._read_output(size)

    def _read_output(self, size: int) -> None:
        past, terms = self.past, self.terms
        if past.header and bool(past.header.get("texts")) != terms.texts and size:
            told = "texts" if past.header.get("texts") else "records"
            raise SetupError(
                Text("{output} holds {message}", output=self.output, message=told),
                Text("--text must be as it was then"),
            )
        if terms.texts:
            if cut_to(self.output, past.ends.get("out", 0)):
                self._tell(
                    Text(
                        "the last text of {output} was torn; it is in {output}.torn",
                        output=self.output,
                    )
                )
            trust_journal(past)
            return
        self._repaired(self.output, is_record)
        read_records(past, self.output, "out", repair=terms.repair)
        if terms.errors is not None and terms.errors.exists():
            self._repaired(terms.errors, is_record)
            read_records(past, terms.errors, "errors", repair=terms.repair)
        check_belonging(past, self.output)

    def _repaired(self, path: Path, is_whole: Callable[[bytes], bool]) -> None:
        if told := repaired(path, is_whole):
            self._tell(told)

    def _open_errors(self, path: Path) -> None:
        known = self.past.header.get("errors") == str(path.absolute())
        self._errors_fd = errors_descriptor(path, fresh=not (known or self.terms.resume))
        self.errors = FileTarget(self._errors_fd, str(path))


def errors_descriptor(path: Path, *, fresh: bool) -> int:
    """Open a file for the records of failures; a `fresh` one must not have anything in it."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as failure:
        raise OutputError(
            Text("cannot write {path}", path=path), system_reason(failure)
        ) from failure
    if fresh and os.fstat(fd).st_size:
        os.close(fd)
        raise OutputError(
            Text("cannot write {path}", path=path),
            Text("it exists"),
            hint=Text("another name, or --force"),
        )
    return fd


def holder(journal: Path) -> int | None:
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
