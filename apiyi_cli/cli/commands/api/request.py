"""Builds the call of `apiyi api` from its words, its fields or its input."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote, urlencode

from apiyi_cli.build.body import read_value, set_path
from apiyi_cli.cli.inputs.prompt import Inputs
from apiyi_cli.core.call import Call, Cost
from apiyi_cli.core.endpoints import GENERATE_STREAM, METHODS, find_endpoint
from apiyi_cli.core.jsontext import write_text
from apiyi_cli.core.options import Group, flag
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


class Fields(Group, config=False):
    """The body or query of a raw call."""

    field = flag(
        list[str],
        Text("Field as a string, KEY=VALUE (repeatable)."),
        "-f",
        "--raw-field",
        panel="Request",
        metavar="KEY=VALUE",
    )
    typed_field = flag(
        list[str],
        Text("Field as JSON where it is JSON; @FILE reads a file (repeatable)."),
        "-F",
        "--field",
        panel="Request",
        metavar="KEY=VALUE",
    )
    input = flag(
        str,
        Text("File that is the body, byte for byte (- for stdin)."),
        panel="Request",
        metavar="FILE",
        complete="file",
    )


def build_call(inputs: Inputs, parts: list[str], fields: Fields) -> Call:
    """Return the call that the words and fields describe. Raises UsageError."""
    method, path = _split(parts)
    body = _read_fields(inputs, fields)
    if method is None:
        method = "POST" if body or fields.input is not None else "GET"
    return _in_protocol(_with_body(inputs, _make_call(method, path), body, fields.input), path)


def _with_body(inputs: Inputs, call: Call, body: dict[str, Any], source: str | None) -> Call:
    """Return the call with fields or input as its body. For GET they are its query."""
    if source is not None:
        if body:
            raise UsageError(
                Text("cannot use fields with --input"), Text("the input is the whole body")
            )
        return _with_input(call, inputs.content(source))
    if body and call.method in ("GET", "HEAD"):
        return call._replace(path=_add_query(call.path, body))
    return call._replace(
        json=body or None, stream=body.get("stream") is True, model=_find_model(body)
    )


def _split(parts: list[str]) -> tuple[str | None, str]:
    """Return the method, None if it is left out, and the path."""
    if len(parts) == 2 and parts[0].upper() in METHODS:
        return parts[0].upper(), parts[1]
    if len(parts) != 1:
        raise UsageError(
            Text("cannot call that"), Text("it is not [METHOD] PATH"), hint="apiyi api GET models"
        )
    return None, parts[0]


def _read_fields(inputs: Inputs, fields: Fields) -> dict[str, Any]:
    """Return the fields in the order given, strings first; dotted keys nest."""
    body: dict[str, Any] = {}
    for option, values in (("-f", fields.field), ("-F", fields.typed_field)):
        for value in values or ():
            key, equals, text = value.partition("=")
            if not equals or not key:
                raise UsageError(
                    Text("cannot use {option} {value}", option=option, value=value),
                    Text("it is not KEY=VALUE"),
                )
            item: Any = text
            if option == "-F":
                is_file = text.startswith(("@", "\\@"))
                item = inputs.expand_file(text) if is_file else read_value(text)
            set_path(body, key, item)
    return body


def _make_call(method: str, path: str) -> Call:
    """Return the call without a body, with the endpoint's cost class and kind of answer."""
    if "://" in path:
        raise UsageError(
            Text("cannot call {path}", path=path),
            Text("PATH is below the gateway"),
            hint=Text("--base-url for another one"),
        )
    # As a browser does: what a request line cannot hold is escaped, the rest stays as written.
    escaped = quote(os.fsencode(path), safe="%/:=&?~+!$,;'@()*[]#")
    cost = _find_cost(method, path)
    if path.startswith("/"):
        return Call(method, escaped, cost=cost, root="host")
    return Call(method, f"/{escaped}", cost=cost)


def _with_input(call: Call, content: bytes) -> Call:
    """Return the call with the content as its body, byte for byte."""
    value = read_value(content.decode("utf-8", "replace"))
    body = value if isinstance(value, dict) else {}
    return call._replace(
        raw=content,
        content_type="application/json",
        stream=body.get("stream") is True,
        model=_find_model(body),
    )


def _add_query(path: str, fields: dict[str, Any]) -> str:
    texts = {
        key: value if isinstance(value, str) else write_text(value) for key, value in fields.items()
    }
    query = urlencode(texts)
    return f"{path}{'&' if '?' in path else '?'}{query}"


def _in_protocol(call: Call, path: str) -> Call:
    """Return the call with its protocol's version and key header; -H overrides them."""
    endpoint = find_endpoint(call.method, path.partition("?")[0])
    if endpoint is None:
        return call
    if endpoint is GENERATE_STREAM:
        call = call._replace(stream="alt=sse" in path)
    if endpoint.protocol == "anthropic":
        from apiyi_cli.build.native.anthropic import HEADERS

        call = call._replace(headers=HEADERS)
    return call._replace(auth=endpoint.auth, protocol=endpoint.protocol)


def _find_cost(method: str, path: str) -> Cost:
    """Return the cost class of a retry; unknown paths count as expensive."""
    if method in ("GET", "HEAD"):
        return "free"
    endpoint = find_endpoint(method, path.partition("?")[0])
    return endpoint.cost if endpoint else "heavy"


def _find_model(body: dict[str, Any]) -> str | None:
    model = body.get("model")
    return model if isinstance(model, str) else None
