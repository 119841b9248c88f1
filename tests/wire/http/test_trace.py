"""What `-v` tells of an exchange, and what it keeps to itself."""

from __future__ import annotations

from apiyi_cli.core.call import Reply
from apiyi_cli.wire.http.proxies import parse_proxy
from apiyi_cli.wire.http.request import HttpRequest
from apiyi_cli.wire.http.trace import SHOWN_BYTES, Trace


def test_lines_are_marked_and_credentials_masked() -> None:
    told: list[str] = []
    trace = Trace(told.append)
    trace.on_connect("https://h/v1/x", parse_proxy("http://me:pw@proxy:1", "HTTPS_PROXY"))
    sent = (
        ("Authorization", "Bearer sk-secret"),
        ("cookie", "secret"),
        ("X-Api-Key", "secret"),
        ("X", "y"),
    )
    trace.on_request(HttpRequest("POST", "https://h/v1/x", sent, b'{"a":"\xc3\xa9"}', True, False))
    trace.on_reply(Reply(200, {"set-cookie": "secret", "x": "y"}, (), reason="OK", host="h"), 0.25)
    assert told == [
        "* connecting for https://h/v1/x through http://proxy:1 (HTTPS_PROXY)",
        "> POST https://h/v1/x",
        "> Authorization: Bearer ***",
        "> cookie: ***",
        "> X-Api-Key: ***",
        "> X: y",
        '> {"a":"é"}',
        "< 200 OK (0.250 s, h)",
        "< set-cookie: ***",
        "< x: y",
    ]


def test_a_long_body_is_told_by_its_start_and_size() -> None:
    told: list[str] = []
    Trace(told.append).on_request(
        HttpRequest("POST", "https://h/x", (), b"x" * (SHOWN_BYTES + 5), False, False)
    )
    assert told[-1] == f"> {'x' * SHOWN_BYTES}… (5 bytes more)"


def test_a_body_that_is_streamed_is_not_read_for_it() -> None:
    told: list[str] = []
    body = iter([b"x"])
    Trace(told.append).on_request(HttpRequest("POST", "https://h/x", (), body, False, False))
    assert told == ["> POST https://h/x"]
    assert list(body) == [b"x"]
