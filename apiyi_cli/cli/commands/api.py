"""`apiyi api`: any other call, raw. What the server says goes out as it came."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from apiyi_cli.build.body import placed, typed
from apiyi_cli.cli.app import single
from apiyi_cli.cli.session import Session
from apiyi_cli.cli.spread import spread
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.groups import Connection, Output, Request
from apiyi_cli.core.opt import Group, flag
from apiyi_cli.decode.whole import body, refused
from apiyi_cli.errors import UsageError

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")

Parts = Annotated[
    list[str],
    typer.Argument(
        metavar="[METHOD] PATH", help="Path: /x is below the host, x below the base URL."
    ),
]


class Fields(Group):
    """The body or query of a raw call."""

    field: list[str] | None = flag(
        "-f",
        "--raw-field",
        help="Field as a string, KEY=VALUE (repeatable).",
        panel="Request",
        metavar="KEY=VALUE",
        config=False,
    )
    typed_field: list[str] | None = flag(
        "-F",
        "--field",
        help="Field as JSON where it is JSON; @FILE reads a file (repeatable).",
        panel="Request",
        metavar="KEY=VALUE",
        config=False,
    )
    input: str | None = flag(
        "--input",
        help="File that is the body, byte for byte (- for stdin).",
        panel="Request",
        metavar="FILE",
        complete="file",
        config=False,
    )


def api(
    session: Session,
    parts: Parts,
    *,
    fields: Fields,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Call any path of the gateway: `api models`, `api POST chat/completions -f model=…`.

    Without a METHOD it is GET, or POST when there are fields or an input. Fields of a GET
    go into the query.
    """
    method, path = _split(parts)
    sent = _fields(session, fields)
    has_body = bool(sent) or fields.input is not None
    method = method or ("POST" if has_body else "GET")
    call = _call(session, method, path, sent, fields.input)
    if session.shown(call):
        return
    session.ready()

    def decode(reply: Reply) -> Iterator[bytes]:
        if reply.status >= 400:
            raise _failed(session, reply, call)
        yield from reply.chunks

    answer = session.answers(call, decode, shows=bool)
    session.write(session.filtered(answer) if session.filter is None else _whole(session, answer))


def _split(parts: list[str]) -> tuple[str | None, str]:
    if len(parts) == 2 and parts[0].upper() in METHODS:
        return parts[0].upper(), parts[1]
    if len(parts) != 1:
        raise UsageError("cannot call that", "it is not [METHOD] PATH", hint="apiyi api GET models")
    return None, parts[0]


def _fields(session: Session, fields: Fields) -> dict[str, Any]:
    """Return the fields in the order given, strings first; dotted keys nest."""
    found: dict[str, Any] = {}
    for option, values in (("-f", fields.field), ("-F", fields.typed_field)):
        for value in values or ():
            key, equals, text = value.partition("=")
            if not equals or not key:
                raise UsageError(f"cannot use {option} {value}", "it is not KEY=VALUE")
            placed(found, key, text if option == "-f" else _read(session, text))
    return found


def _read(session: Session, text: str) -> Any:
    return session.sources.at(text) if text.startswith(("@", "\\@")) else typed(text)


def _call(
    session: Session, method: str, path: str, sent: dict[str, Any], source: str | None
) -> Call:
    from urllib.parse import urlencode

    if "://" in path:
        raise UsageError(
            f"cannot call {path}", "PATH is below the gateway", hint="--base-url for another one"
        )
    from_host = path.startswith("/")
    place = path if from_host else f"/{path}"
    stream = sent.get("stream") is True
    cost: Any = "free" if method in ("GET", "HEAD") else "text"
    if source is not None:
        if sent:
            raise UsageError("cannot use fields with --input", "the input is the whole body")
        content = session.sources.content(source)
        stream = b'"stream":true' in content.replace(b" ", b"")
        return Call(
            method,
            place,
            raw=content,
            content_type="application/json",
            stream=stream,
            cost=cost,
            from_host=from_host,
        )
    if sent and method in ("GET", "HEAD"):
        query = urlencode(sent, doseq=True)
        place += ("&" if "?" in place else "?") + query
        return Call(method, place, cost=cost, from_host=from_host)
    return Call(
        method,
        place,
        json=sent or None,
        stream=stream,
        cost=cost,
        from_host=from_host,
        model=sent.get("model") if isinstance(sent.get("model"), str) else None,
    )


def _failed(session: Session, reply: Reply, call: Call) -> Exception:
    """Print the server's own words on stderr and return the classified error."""
    raw = body(reply, limit=1 << 20)
    if raw.strip():
        session.console.say(raw.decode("utf-8", "replace").rstrip("\n"))
    return refused(reply._replace(chunks=(raw,)), cost=call.cost, model=call.model)


def _whole(session: Session, answer: Iterator[bytes]) -> Iterator[bytes]:
    from apiyi_cli.decode.whole import one_line

    yield from session.filtered([one_line(b"".join(answer)) + b"\n"])


app = single(spread(api))
