"""The page's paths: the answers of its server after `security` has admitted a request."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Generator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from apiyi_cli.core.disk import open_regular
from apiyi_cli.core.filetypes import HEAD_BYTES, detect_type
from apiyi_cli.core.jsontext import InvalidJSON, read_event, write
from apiyi_cli.core.temporary_files import make_scratch_folder
from apiyi_cli.errors import ApiyiError
from apiyi_cli.playground.argv import FormTable, read_page_request
from apiyi_cli.playground.child_processes import TooManyChildren
from apiyi_cli.playground.export_entry import export_entry
from apiyi_cli.playground.facts import PageFacts, PageProgram, translator_of
from apiyi_cli.playground.history import PageHistory
from apiyi_cli.playground.run_starter import RunStarter
from apiyi_cli.playground.security import FILE_POLICY, HttpAnswer, HttpRefusal
from apiyi_cli.playground.shell_words import format_lines
from apiyi_cli.settings.paths import state_dir
from apiyi_cli.text import Text

PAGE: Final = Path(__file__).parent / "page"
RUN_PATH: Final = "/api/run"
MODES: Final = ("run", "dry-run", "code")
_STATUS_LINE: Final = ("auth", "status", "--json", "--timeout=5", "--retries=0")
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_PIECE_BYTES: Final = 1 << 18
_SHOWN_TYPES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif")
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")

IsGone = Callable[[], bool]
"""Returns True if the client is gone."""


class PageRoutes:
    """The paths of one playground; thread-safe."""

    def __init__(self, program: PageProgram, table: FormTable) -> None:
        self._program = program
        self._facts = PageFacts(program, table)
        folder = state_dir(program.environ) / "playground" if program.keeps_history else None
        self._history = PageHistory(folder)
        self._scratch = make_scratch_folder()
        self._starter = RunStarter(self._facts, self._history, self._scratch)
        self._assets = _read_assets(PAGE)
        self._reads: dict[str, Callable[[Mapping[str, str]], Any]] = {
            "/api/schema": self._schema,
            "/api/status": self._status,
            "/api/models": self._models,
            "/api/today": lambda query: {"usd": self._facts.sum_today()},
            "/api/history": self._search_history,
            "/api/history/entry": lambda query: {"entry": self._history.find(query.get("id", ""))},
        }
        self._writes: dict[str, Callable[[Any], Any]] = {
            "/api/line": self._line,
            "/api/stop": lambda value: self._starter.stop(str(value.get("id"))),
            "/api/upload/drop": lambda value: self._starter.uploads.drop(str(value.get("id"))),
            "/api/history/delete": self._delete_entry,
            "/api/history/export": self._export_entry,
        }

    def read(self, path: str, query: Mapping[str, str], part: str = "") -> HttpAnswer:
        """Answer a GET; `part` is its Range line. Raises HttpRefusal for an unknown path."""
        if path in self._assets:
            return self._assets[path]
        if path in self._reads:
            return self._translate_errors(query.get("lang", ""), lambda: self._reads[path](query))
        kind, _, rest = path.removeprefix("/").partition("/")
        id, _, name = rest.partition("/")
        if kind == "made":
            return _answer_file(self._starter.find_file(id, name), part)
        if kind == "kept":
            return _answer_file(self._history.find_file(id, name), part)
        raise HttpRefusal(404, "there is nothing here")

    def write(self, path: str, body: bytes, is_gone: IsGone) -> HttpAnswer:
        """Answer a POST with a JSON body. Raises HttpRefusal."""
        if path not in (*self._writes, RUN_PATH):
            raise HttpRefusal(404, "there is nothing here")
        try:
            value = read_event(body)
        except InvalidJSON:
            raise HttpRefusal(400, "the body is not JSON") from None
        if not isinstance(value, dict):
            raise HttpRefusal(400, "the body is not an object")
        if path == RUN_PATH:
            return self._translate_errors(value.get("lang"), lambda: self._run(value, is_gone))
        return self._translate_errors(value.get("lang"), lambda: self._writes[path](value))

    def upload(self, name: str, size: int, read: Callable[[int], bytes], lang: str) -> HttpAnswer:
        """Store an uploaded file."""
        uploads = self._starter.uploads
        return self._translate_errors(lang, lambda: uploads.take(name, size, read))

    @property
    def is_busy(self) -> bool:
        """Return True if a child runs."""
        return len(self._starter.slots) > 0

    def close(self) -> None:
        """End the children and delete uploads and made files."""
        self._starter.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _translate_errors(self, language: object, find: Callable[[], Any]) -> HttpAnswer:
        """Return the answer as JSON unless it is whole, or the error translated."""
        say = translator_of(self._language(language))
        try:
            answer = find()
            return answer if isinstance(answer, HttpAnswer) else _as_json(answer or {})
        except TooManyChildren:
            why: str = Text("four requests are running; wait for one, or stop one")
            return _as_json({"error": {"message": say(why)}}, 429)
        except ApiyiError as failure:
            hint = say(failure.hint) if failure.hint else ""
            error = {"message": say(failure.sentence()), "hint": hint}
            return _as_json({"error": {**error, "exit_code": failure.exit_code}}, 400)

    def _language(self, given: object) -> str:
        if given in ("zh", "en"):
            return str(given)
        return "zh" if self._program.is_chinese else "en"

    def _schema(self, query: Mapping[str, str]) -> dict[str, Any]:
        language = self._language(query.get("lang"))
        return self._facts.describe(query.get("profile", ""), language)

    def _status(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return whether there is a key, its tail and source, as `auth status` says."""
        status = self._ask(_STATUS_LINE, query)
        return {name: status.get(name) for name in ("profile", "key", "source", "hosts")}

    def _models(self, query: Mapping[str, str]) -> dict[str, Any]:
        listed = self._ask(("models", "--json"), query)
        return {"models": self._facts.describe_models(listed, query.get("profile", ""))}

    def _ask(self, line: tuple[str, ...], query: Mapping[str, str]) -> dict[str, Any]:
        language = self._language(query.get("lang"))
        return self._starter.ask(line, query.get("profile", ""), language)

    def _line(self, value: Any) -> dict[str, Any]:
        request = read_page_request(value.get("request"))
        return {"line": format_lines(self._starter.build(request, "run"))}

    def _run(self, value: Any, is_gone: IsGone) -> HttpAnswer:
        mode = value.get("mode")
        if mode not in MODES:
            raise HttpRefusal(400, "there is no such mode")
        request = read_page_request(value.get("request"))
        language = self._language(value.get("lang"))
        stream = self._starter.start(request, mode, language, is_gone)
        return HttpAnswer(stream, "text/event-stream")

    def _search_history(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of entries, and how many runs are still going on."""
        running = self._starter.running
        found = self._history.search(query.get("q", ""), query.get("before", ""))
        return {**found, "running": running}

    def _delete_entry(self, value: Any) -> None:
        """Delete the named entry, or all of them: `*`."""
        id = value.get("id")
        if type(id) is not str or not id:
            raise HttpRefusal(400, "no entry is named")
        self._history.delete("" if id == "*" else id)

    def _export_entry(self, value: Any) -> dict[str, Any]:
        entry = self._history.find(str(value.get("id")))
        if entry is None:
            raise HttpRefusal(404, "there is no such entry")
        show = partial(self._starter.show, language=self._language(value.get("lang")))
        name, text = export_entry(entry, str(value.get("form")), show)
        return {"name": name, "text": text}


def _read_assets(folder: Path) -> dict[str, HttpAnswer]:
    assets = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in _TYPES:
            name = path.relative_to(folder).as_posix()
            assets[f"/assets/{name}"] = HttpAnswer(path.read_bytes(), _TYPES[path.suffix])
    assets["/"] = assets.pop("/assets/index.html")
    assets["/favicon.svg"] = assets["/favicon.ico"] = assets.pop("/assets/favicon.svg")
    return assets


def _as_json(value: Any, status: int = 200) -> HttpAnswer:
    return HttpAnswer(write(value), "application/json", status)


def _answer_file(path: Path | None, wanted: str = "") -> HttpAnswer:
    """Return a file, shown or saved by its type; `wanted` is the Range line.

    Players seek by ranges, and Safari plays nothing without them. Raises HttpRefusal.
    """
    if path is None:
        raise HttpRefusal(404, "the file is gone")
    try:
        file = open(open_regular(path), "rb")
    except OSError:
        raise HttpRefusal(404, "the file is gone") from None
    size = file.seek(0, 2)
    file.seek(0)
    kind = detect_type(file.read(HEAD_BYTES))
    file.close()
    mime = kind.mime if kind else "application/octet-stream"
    is_shown = mime in _SHOWN_TYPES or mime.startswith(("audio/", "video/"))
    named = f"{'inline' if is_shown else 'attachment'}; filename*=UTF-8''{quote(path.name)}"
    part = _find_part(wanted, size)
    start, end = part or (0, size)
    headers = [
        ("Content-Disposition", named),
        ("Accept-Ranges", "bytes"),
        ("Content-Length", str(end - start)),
    ]
    if part is not None:
        headers.append(("Content-Range", f"bytes {start}-{end - 1}/{size}"))
    status = 200 if part is None else 206
    pieces = _read_pieces(path, start, end)
    return HttpAnswer(pieces, mime, status, policy=FILE_POLICY, headers=tuple(headers))


def _find_part(wanted: str, size: int) -> tuple[int, int] | None:
    """Return start and end of the wanted part, None for the whole file. Raises HttpRefusal."""
    match = _RANGE.fullmatch(wanted.strip())
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
    else:
        start, end = max(0, size - int(last)), size
    if start >= end:
        raise HttpRefusal(416, "the file has no such part")
    return start, end


def _read_pieces(path: Path, start: int, end: int) -> Generator[bytes]:
    with open(open_regular(path), "rb") as file:
        file.seek(start)
        while start < end and (piece := file.read(min(_PIECE_BYTES, end - start))):
            start += len(piece)
            yield piece
