"""Starts the page's runs, streams them, and keeps their files while needed."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from apiyi_cli.core.jsontext import InvalidJSON, read_event, write_text
from apiyi_cli.errors import ApiyiError, LimitError
from apiyi_cli.playground.argv import CommandLine, PageRequest, build_line
from apiyi_cli.playground.child_processes import ChildCommand, ChildProcess, ChildSlots
from apiyi_cli.playground.facts import PageFacts
from apiyi_cli.playground.history import PageHistory
from apiyi_cli.playground.runs import PageRun
from apiyi_cli.playground.uploads import UploadStore
from apiyi_cli.text import Text

EXIT_S: Final = 5.0
"""Seconds for a child to exit after its output has ended."""
KEPT_RUNS: Final = 64
"""The number of runs whose files stay for the page; the history has copies."""


class RunStarter:
    """The runs of one playground; thread-safe.

    `scratch` is a private folder for the uploads and for the folder of each run.
    """

    def __init__(self, facts: PageFacts, history: PageHistory, scratch: Path) -> None:
        self._facts = facts
        self._history = history
        self._scratch = scratch
        (scratch / "uploads").mkdir(mode=0o700)
        self.uploads = UploadStore(scratch / "uploads")
        self.slots = ChildSlots()
        self._runs: dict[str, PageRun] = {}
        self._children: dict[str, ChildProcess] = {}
        self._streams = 0
        self._changed = threading.Condition()

    def build(self, request: PageRequest, mode: str) -> CommandLine:
        """Return the command line of a request, with an existing profile. Raises ApiyiError.

        The profile that a line without one has is left out.
        """
        profile = self._facts.settings(request.profile).in_profile.name
        named = "" if profile == self._facts.usual_profile else profile
        names = self._assign_names(request)
        return build_line(request._replace(profile=named), self._facts.table, names, mode)

    def start(
        self, request: PageRequest, mode: str, language: str, is_gone: Callable[[], bool]
    ) -> Generator[bytes]:
        """Start a child and return its events as server-sent events, which end with it.

        `mode` is "run", "dry-run" or "code"; `is_gone` returns True if the client is gone. Raises
        TooManyChildren and ApiyiError.
        """
        line = self.build(request, mode)
        if mode == "run" and "max_cost" in self._facts.table.flags(request.command):
            line = self._limit_cost(line, request)
        run = self._make_run(request, line, mode, language)
        environ = self._environ(language)
        command = ChildCommand(line.executed, run.folder, environ, line.stdin, mode != "run")
        try:
            child = self.slots.start(command)
        except BaseException:
            run.close()
            raise
        stream = self._stream(run, child, is_gone)
        # Begun here, so that closing it ends the child even if nothing of it can be sent.
        next(stream)
        return stream

    def ask(self, line: tuple[str, ...], profile: str, language: str) -> dict[str, Any]:
        """Return the object that a command prints, {} if it prints none."""
        name = self._facts.settings(profile).in_profile.name
        # Before the command's word, for it takes subcommands of a group as well.
        words = (f"--profile={name}", *line)
        environ = self._environ(language)
        child = self.slots.start(ChildCommand(words, self._scratch, environ, is_side=True))
        try:
            out = child.read_all()
        finally:
            self.slots.finish(child)
        try:
            value = read_event(out)
        except InvalidJSON:
            return {}
        return value if isinstance(value, dict) else {}

    def show(self, request: PageRequest, language: str) -> dict[str, Any]:
        """Return the request that `--dry-run` prints, {} if there is none."""
        return self.ask(self.build(request, "dry-run").executed, request.profile, language)

    @property
    def running(self) -> int:
        """Return the number of the user's runs that have not ended."""
        return len(self._children)

    def stop(self, id: str) -> None:
        """End a run as Ctrl-C would, and return after it; an unknown id is ignored.

        Its stream goes on until the end: what the child says last is part of it.
        """
        child = self._children.get(id)
        if child is not None:
            child.stop()

    def find_file(self, id: str, name: str) -> Path | None:
        """Return the path of a run's file, None if it is gone."""
        run = self._runs.get(id)
        files = run.list_files() if run is not None else ()
        return next((path for path in files if path.name == name), None)

    def close(self) -> None:
        """End the children; return after the history has their entries."""
        self.slots.close()
        with self._changed:
            self._changed.wait_for(lambda: not self._streams, EXIT_S)

    def _stream(
        self, run: PageRun, child: ChildProcess, is_gone: Callable[[], bool]
    ) -> Generator[bytes]:
        """Yield the events of a run; end the child with the stream."""
        shown: list[str] = []
        self._count_streams(1)
        if run.mode == "run":
            self._children[run.id] = child
        try:
            yield b""
            for name, data in run.events(child, is_gone):
                if name == "line" and run.mode == "dry-run":
                    shown.append(data["text"])
                yield _as_event(name, data)
            if not is_gone():
                child.wait(EXIT_S)
            self._end(run, child)
            end = run.summarize(child.wait(0), was_stopped=child.was_stopped)
            if shown and not end["exit"]:
                end["estimate"] = self._estimate_for_page(shown[0], run.request.profile)
            self._keep(run, end)
            self._children.pop(run.id, None)
            yield _as_event("end", end)
        finally:
            self._end(run, child)
            self._keep(run, run.summarize(child.wait(0), was_stopped=True))
            self._children.pop(run.id, None)
            self._count_streams(-1)

    def _end(self, run: PageRun, child: ChildProcess) -> None:
        """End the child, note what it said last, and release its slot."""
        child.stop()
        run.drain()
        self.slots.finish(child)

    def _count_streams(self, change: int) -> None:
        with self._changed:
            self._streams += change
            self._changed.notify_all()

    def _keep(self, run: PageRun, end: dict[str, Any]) -> None:
        """Add a run to the history, once; previews are not added."""
        if run.is_kept:
            return
        run.is_kept = True
        if run.mode != "run":
            run.close()
            return
        self._runs[run.id] = run
        for id in list(self._runs)[:-KEPT_RUNS]:
            self._runs.pop(id).close()
        try:
            self._history.add(run.entry(end), run.list_files())
        except OSError as failure:
            end["history_error"] = str(failure)
        if end["task"] and not end["files"]:
            # A terminal that resumes the task would save the video here, and lose it with us.
            run.close()

    def _make_run(
        self, request: PageRequest, line: CommandLine, mode: str, language: str
    ) -> PageRun:
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self._scratch))
        try:
            self.uploads.link_into(folder, self._assign_names(request))
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return PageRun(request, line, folder, mode=mode, language=language, facts=self._facts)

    def _limit_cost(self, line: CommandLine, request: PageRequest) -> CommandLine:
        """Return the line with the rest of the day's limit. Raises LimitError if it is used up.

        It bounds the page's own limit as well: the last `--max-cost` counts.
        """
        limit_usd = self._facts.program.max_cost_usd
        if limit_usd is None or self._facts.settings(request.profile).sandbox:
            return line
        left = limit_usd - (self._facts.sum_today() or 0.0)
        if left <= 0:
            raise LimitError(
                Text("stopped by --max-cost"),
                Text("today's requests have cost {limit}", limit=f"${limit_usd:g}"),
                hint=Text("raise --max-cost"),
            )
        with suppress(ValueError):
            if float(str(request.options.get("max_cost"))) <= left:
                return line
        argv = tuple(word for word in line.argv if not word.startswith("--max-cost="))
        return line._replace(argv=argv, added=(*line.added, f"--max-cost={left:.6f}"))

    def _assign_names(self, request: PageRequest) -> dict[str, str]:
        return self.uploads.assign_names(id for ids in request.files.values() for id in ids)

    def _estimate_for_page(self, text: str, profile: str) -> float | None:
        try:
            return self._facts.estimate_request(read_event(text.encode()), profile)
        except (InvalidJSON, ApiyiError):
            return None

    def _environ(self, language: str) -> dict[str, str]:
        lang = "zh_CN" if language == "zh" else "en"
        return {**self._facts.program.environ, "APIYI_LANG": lang, "NO_COLOR": "1"}


def _as_event(name: str, data: Mapping[str, Any]) -> bytes:
    return f"event: {name}\ndata: {write_text(dict(data))}\n\n".encode("utf-8", "replace")
