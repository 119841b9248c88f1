"""Prints a request instead of sending it: as JSON (`--dry-run`) or as a program (`--code`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from apiyi_cli.cli.gateway.plan import request_notes
from apiyi_cli.cli.process import Process
from apiyi_cli.cli.settings import CommandSettings
from apiyi_cli.core.call import Call, Part
from apiyi_cli.core.secret import Secret, holds_secret, is_secret_name, mask_header, mask_url
from apiyi_cli.settings.defaults import BASE_URLS
from apiyi_cli.text import Text
from apiyi_cli.wire.http.request import address, headers, json_bytes, key_header, split_header

MASKED_KEY = "***"
SANDBOX_URL = "http://sandbox.localhost/v1"
"""`--dry-run` shows this for the sandbox, which has an address only while it runs."""


def print_request(call: Call, process: Process, settings: CommandSettings) -> None:
    """Print a request on stdout instead of sending it, as `--code` or `--dry-run` asks."""
    extra, messages = settings.connection.header, process.messages
    urls = settings.base_urls
    for note in request_notes(call, urls):
        messages.note(note)
    if language := settings.request.code:
        url = urls[0] if urls else BASE_URLS[0]
        text = format_program(call, language, url, extra, messages.note, process.secrets)
        process.console.write(text)
        for name in settings.answer_options:
            messages.note(
                Text("{name} is left out: the program shows the answer its own way", name=name)
            )
        return
    url = urls[0] if urls else SANDBOX_URL
    process.console.write(describe_request(call, url, extra, process.secrets), "json")


def describe_request(
    call: Call, base_url: str, extra: Sequence[str] | None, secrets: Sequence[Secret] = ()
) -> bytes:
    """Return the request as one line of JSON, keys in headers and address masked.

    A multipart body is a list of parts `{"name","filename","type","bytes"|"value"}`.
    """
    sent = headers(call, extra or (), "0" * 32)
    named = {
        name: mask_header(name, value, secrets) for name, value in sent if name != "Idempotency-Key"
    }
    name, masked = key_header(call.auth, MASKED_KEY)
    if not any(given.lower() == name.lower() for given in named):
        named[name] = masked
    body: Any = call.json
    if call.parts:
        body = [_part(part) for part in call.parts]
    elif call.raw is not None:
        body = call.raw.decode("utf-8", "replace")
    description = {
        "method": call.method,
        "url": mask_url(address(call, base_url), secrets),
        "headers": named,
        "body": body,
    }
    return json_bytes(description) + b"\n"


def format_program(
    call: Call,
    language: str,
    base_url: str,
    extra: Sequence[str] | None,
    note: Callable[[str], None],
    secrets: Sequence[Secret] = (),
) -> bytes:
    """Return the request as a program in `language`; note what the program leaves out."""
    from apiyi_cli.export.program import program

    named = [*call.headers, *(split_header(text) for text in extra or ())]
    kept = []
    for name, value in named:
        # By its name it is left out by the program's own rules, which say so.
        if not is_secret_name(name) and holds_secret(value, secrets):
            note(Text("the header {name} is left out: it holds the key", name=name))
        else:
            kept.append((name, value))
    exported = program(language, call._replace(headers=tuple(kept)), base_url)
    for text in exported.notes:
        note(text)
    return exported.text.encode()


def _part(part: Part) -> dict[str, Any]:
    if part.value is not None:
        return {"name": part.name, "value": part.value}
    if part.path is not None:
        size = Path(part.path).stat().st_size
        name = part.filename or Path(part.path).name
    else:
        size, name = len(part.content or b""), part.filename or part.name
    return {"name": part.name, "filename": name, "type": part.type, "bytes": size}
