"""An output opened for a run: locked, whole to its last line, its past read, its journal ready."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from apiyi_cli.batch.rows.identity import SEEN
from apiyi_cli.batch.rows.shard import Shard
from apiyi_cli.batch.run.causes import FailureCauses
from apiyi_cli.batch.state.entries import (
    ENTRIES,
    RECORDS,
    StoredLine,
    is_entry,
    is_record,
    read_lines,
)
from apiyi_cli.batch.state.files import LockedFile, repair_tail, truncate_at
from apiyi_cli.batch.state.journal import Fsync, Journal, journal_path
from apiyi_cli.batch.state.output import FileTarget
from apiyi_cli.batch.state.record import FREE_AGAIN
from apiyi_cli.batch.state.replace import finish_compaction
from apiyi_cli.batch.state.resume import (
    FAILED,
    OK,
    RECORD,
    WRITTEN,
    ResumeState,
    read_journal,
    read_records,
)
from apiyi_cli.batch.state.verify import count_unmatched
from apiyi_cli.core.jsontext import read
from apiyi_cli.errors import OutputError, SetupError
from apiyi_cli.text import Text, system_reason

Tell = Callable[[str], None]
_PAID = re.compile(rb'"t":"[SDW]"|"carried":')


OutputForm = Literal["records", "texts", "table"]
_FORMS: dict[str, str] = {
    "records": Text("records"),
    "texts": Text("texts"),
    "table": Text("rows of a table"),
}


@dataclass(slots=True)
class OpenOptions:
    """How an output is to be opened: see the options of the same names.

    The lines of texts and tables do not say whose they are; the journal alone knows.
    """

    errors: Path | None = None
    force: bool = False
    resume: bool = False
    repair: bool = False
    form: OutputForm = "records"
    fsync: Fsync = "group"
    shard: Shard | None = None

    @property
    def texts(self) -> bool:
        """Return True if the journal alone knows what the lines are."""
        return self.form != "records"


class OpenOutput:
    """An output that this run holds, with what earlier runs left of it."""

    def __init__(self, output: Path, terms: OpenOptions, tell: Tell) -> None:
        self.output = output
        self.terms = terms
        self._tell = tell
        self._journal_path = journal_path(output)
        self.past = ResumeState()
        self.journal: Journal | None = None
        self.errors: FileTarget | None = None
        self._errors_fd = -1
        self._error_files: set[str] = set()
        self._lost = 0
        self._began: dict[str, int] = {}
        self._refuse_orphan()
        finish_compaction(self._journal_path)
        self.held = LockedFile(output, lambda: find_holder(self._journal_path))
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
        past = self.past
        sizes = {"out": self.output.stat().st_size}
        synced = [self.held.fd]
        self._began = sizes
        if self.terms.errors is not None:
            sizes["errors"] = os.fstat(self._errors_fd).st_size
            synced.append(self._errors_fd)
        more: dict[str, Any] = {"old_ends": sizes if past.is_old else past.old_ends}
        is_mended = bool(self._lost) or (self.terms.repair and self._journal_path.exists())
        lost = [*self._lost_entries()] if self._lost else []
        try:
            journal = self.journal = Journal(
                self._journal_path, fsync=self.terms.fsync, synced=synced
            )
        except OSError as failure:
            why = system_reason(failure)
            raise OutputError(
                Text("cannot write {journal_path}", journal_path=self._journal_path), why
            ) from failure
        if past.unsettled:
            journal.done(past.unsettled)
        journal.note("L", lost)
        if is_mended:
            # What is missing, here or there, is not to be told again and again.
            more["unmatched"] = count_unmatched(self.output)
        errors = None if self.terms.errors is None else str(self.terms.errors.absolute())
        form = {"texts": self.terms.texts, "form": self.terms.form}
        fields = {**form, "errors": errors, "sizes": sizes}
        journal.began(
            {**fields, **{name: value for name, value in more.items() if value}, **header}
        )
        return journal

    @property
    def rescue_target(self) -> Path:
        """Return the file to which records are appended that this run could not write."""
        return self._journal_path if self.terms.texts else self.output

    def find_trouble(self) -> OutputError | None:
        """Return what somebody did to the files of this run, None when they are as they were."""
        files = [self.out, *([self.errors] if self.errors else [])]
        for path, target in zip((self.output, self.terms.errors), files, strict=False):
            if path is not None and (trouble := target.find_trouble(path)) is not None:
                return trouble
        return None if self.journal is None else self.journal.find_trouble()

    def drop_replaced_errors(self) -> int:
        """Note the failures whose rows are no longer in the input; return how many there are.

        To be called once the whole input has been read: what is not in it was mended.
        """
        assert self.journal is not None
        if not any(
            flag & RECORD and flag & FAILED and not flag & SEEN for flag in self.past.ids.flags
        ):
            return 0
        entries = [*self._replaced_errors()]
        self.journal.note("R", entries)
        return len(entries)

    def count_failures(self, causes: FailureCauses) -> None:
        """Count the failures of earlier runs, of rows that are in this input."""
        for line, target, slot in self._known_records():
            error = line.value["error"]
            # The others were sent again, and are counted where their answers came.
            if error is None or error["class"] in FREE_AGAIN:
                continue
            if self.past.ids.flags[slot] & SEEN and self.past.is_newest(line, target):
                causes.add_record(error)

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
        journal = self._journal_path
        if journal.exists() and not journal.is_file():
            raise SetupError(
                Text("cannot use {journal}", journal=journal), Text("it is not a file")
            )
        if self.terms.force or self.output.exists() or not journal.exists():
            return
        with suppress(OSError):
            if _PAID.search(journal.read_bytes()):
                raise SetupError(
                    Text("{output} is gone, its journal is there", output=self.output),
                    Text("rows that were paid for would be sent again"),
                    hint=Text(
                        "bring the output back, or --force to begin anew: {journal}",
                        journal=journal,
                    ),
                )

    def _read(self) -> None:
        terms, past = self.terms, self.past
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
            size = self.output.stat().st_size
            # Without a journal nobody knows who wrote it: rows are known by their content, too.
            past.ends, past.plain_ends, past.is_old = {"out": size}, {"out": size}, True
            self._read_errors(RECORD)
            read_records(past, self.output, "out", repair=terms.repair)
            return
        self._repaired(self._journal_path, is_entry)
        if terms.texts:
            past.text_size = size
        read_journal(past, self._journal_path, repair=terms.repair)
        self._check_shard()
        self._read_output(size)

    def _read_output(self, size: int) -> None:
        past, terms = self.past, self.terms
        held = _form_of(past.header)
        if past.header and held != terms.form and size:
            raise SetupError(
                Text("{output} holds {message}", output=self.output, message=_FORMS[held]),
                Text("this run would add {form}", form=_FORMS[terms.form]),
                hint=Text("name another -o, or --force to begin anew"),
            )
        if terms.texts:
            past.take_placed(self.output)
            if truncate_at(self.output, past.ends.get("out", 0)):
                self._tell(
                    Text(
                        "the last text of {output} was torn; it is in {output}.torn",
                        output=self.output,
                    )
                )
            if terms.errors is not None and terms.errors.is_file():
                self._repaired(terms.errors, is_record)
            past.records = past.count(RECORD)
        else:
            self._repaired(self.output, is_record)
            self._read_errors(WRITTEN)
            read_records(past, self.output, "out", repair=terms.repair)
        self._check_whole()

    def _read_errors(self, known: int) -> None:
        """Read the failures that stand in a file of their own, where that is the one there is."""
        past, given = self.past, self.terms.errors
        named = None if past.errors is None else Path(past.errors)
        path = given or named
        if path is None or not path.is_file():
            past.trust_errors()
            return
        if known == WRITTEN and (named is None or path.absolute() != named):
            past.trust_errors()
            return
        if given is not None:
            self._repaired(path, is_record)
        elif path.stat().st_size < past.ends.get("errors", 0):
            past.trust_errors()
        read_records(past, path, "errors", repair=self.terms.repair)

    def _check_shard(self) -> None:
        """Refuse rows of another shard than the output's: nobody would notice what is missing."""
        told = self.past.header.get("options", {}).get("shard")
        if self.terms.resume or not self.past.header:
            return
        then = Shard(told) if isinstance(told, str) else None
        now = self.terms.shard
        if (then and then.part) != (now and now.part):
            raise SetupError(
                (
                    Text("{output} is shard {message}", output=self.output, message=told)
                    if then
                    else Text("{output} is no shard", output=self.output)
                ),
                (
                    Text("this run is for shard {now}", now=now)
                    if now
                    else Text("this run is for all rows")
                ),
                hint=(
                    Text("name another -o, or --shard {message}", message=told)
                    if then
                    else Text("name another -o")
                ),
            )

    def _check_whole(self) -> None:
        """Refuse an output without answers that its journal knows of: they would be paid again."""
        past, terms = self.past, self.terms
        self._lost = past.count(WRITTEN | OK, without=RECORD)
        if not self._lost:
            return
        if past.records and not past.count(WRITTEN | OK | RECORD):
            raise SetupError(
                Text("the journal beside {output} is of another output", output=self.output),
                Text("none of the {lost} answers that it knows of is in there", lost=self._lost),
                hint=Text("bring the two together again, or name another -o"),
            )
        if not (terms.resume or terms.repair):
            raise SetupError(
                Text("{output} is not whole", output=self.output),
                Text(
                    "{lost} answers that its journal knows of are not in it; they "
                    "were paid for and would be sent again",
                    lost=self._lost,
                ),
                hint=Text(
                    "bring them back from a copy, --resume to send those rows again "
                    "all the same, or --force to begin anew"
                ),
            )
        self._tell(
            Text(
                "{lost} answers are not in {output} any more: sending them again",
                lost=self._lost,
                output=self.output,
            )
        )

    def _lost_entries(self) -> Iterator[dict[str, Any]]:
        """Yield which answers the journal knows of and the output does not hold."""
        ids = self.past.ids
        for line in read_lines(self._journal_path, ENTRIES, repair=self.terms.repair):
            entry = line.value
            if entry["t"] == "D":
                slot = ids.slot(entry["id"])
                if ids.flags[slot] & (WRITTEN | OK | RECORD) == WRITTEN | OK:
                    ids.flags[slot] &= ~WRITTEN
                    yield {"id": entry["id"], "sha": entry["sha"]}

    def _replaced_errors(self) -> Iterator[dict[str, Any]]:
        flags = self.past.ids.flags
        for line, target, slot in self._known_records():
            if flags[slot] & SEEN or not self.past.is_newest(line, target):
                continue
            if flags[slot] & FAILED:
                flags[slot] &= ~RECORD
                yield {"id": line.value["custom_id"], "sha": line.value["sha"]}

    def _known_records(self) -> Iterator[tuple[StoredLine, str, int]]:
        """Yield the records that were there when the run began, with target and slot."""
        past = self.past
        named = self.terms.errors or (None if past.errors is None else Path(past.errors))
        for path, target in ((self.output, "out"), (named, "errors")):
            if self.terms.texts or path is None or not path.is_file():
                continue
            for line in read_lines(path, RECORDS, tell=lambda number, data: None):
                if line.offset >= self._began.get(target, 0):
                    break
                yield line, target, past.ids.slot(line.value["custom_id"])

    def _repaired(self, path: Path, is_whole: Callable[[bytes], bool]) -> None:
        if told := repair_tail(path, is_whole):
            self._tell(told)

    def _open_errors(self, path: Path) -> None:
        known = self.past.errors == str(path.absolute())
        self._errors_fd = open_errors_file(path, fresh=not (known or self.terms.resume))
        self.errors = FileTarget(self._errors_fd, str(path))


def _form_of(header: Mapping[str, Any]) -> str:
    """Return what the output of a run holds; version 0.1 told texts and records apart."""
    form = header.get("form")
    return form if form in _FORMS else "texts" if header.get("texts") else "records"


def open_errors_file(path: Path, *, fresh: bool) -> int:
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
