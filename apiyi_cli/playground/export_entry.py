"""Exports an entry of the history: a shell script, a `.http` file, a batch row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from apiyi_cli.core.jsontext import write_ascii, write_text
from apiyi_cli.errors import UsageError
from apiyi_cli.playground.argv import PageRequest, read_page_request
from apiyi_cli.text import Text

Ask = Callable[[PageRequest], dict[str, Any]]
"""Returns the request of `--dry-run`, {} if there is none."""


def export_entry(entry: dict[str, Any], form: str, ask: Ask) -> tuple[str, str]:
    """Return a file name and its text. Raises UsageError if the form cannot express it."""
    stem = f"{entry.get('command')}-{str(entry.get('id'))[:6]}"
    if form == "sh":
        return f"{stem}.sh", f"#!/usr/bin/env bash\nset -euo pipefail\n\n{entry.get('line')}\n"
    if form not in ("http", "batch"):
        raise UsageError(Text("there is no export form {form}", form=repr(form)))
    if entry.get("had_files"):
        raise UsageError(
            Text("cannot export the request"), Text("its files were deleted with the playground")
        )
    shown = ask(read_page_request(entry.get("request")))
    if not shown:
        raise UsageError(Text("cannot export the request"), Text("it cannot be made again"))
    return _as_http(stem, shown) if form == "http" else _as_batch_row(stem, shown, entry)


def _as_http(stem: str, shown: dict[str, Any]) -> tuple[str, str]:
    """Return the request as `.http` text for editors; the key is a variable."""
    lines = [f"{shown.get('method')} {shown.get('url')}"]
    for name, value in (shown.get("headers") or {}).items():
        lines.append(f"{name}: {str(value).replace('***', '{{apiyi_key}}')}")
    body = shown.get("body")
    text = "" if body is None else write_ascii(body, indent=2)
    return f"{stem}.http", "\n".join(lines) + f"\n\n{text}\n"


def _as_batch_row(stem: str, shown: dict[str, Any], entry: dict[str, Any]) -> tuple[str, str]:
    """Return the request as a line of `apiyi batch`."""
    body = shown.get("body")
    if not isinstance(body, dict):
        raise UsageError(Text("cannot export the request"), Text("a batch has JSON bodies alone"))
    body.pop("stream", None)
    body.pop("stream_options", None)
    path = urlsplit(str(shown.get("url"))).path
    row = {"custom_id": str(entry.get("id")), "method": shown.get("method"), "url": path}
    return f"{stem}.jsonl", write_text({**row, "body": body}) + "\n"
