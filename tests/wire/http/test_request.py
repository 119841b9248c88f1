"""From a call to the bytes of a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli import __version__
from apiyi_cli.core.call import Auth, Call, Part
from apiyi_cli.core.jsontext import write_canonical
from apiyi_cli.errors import UsageError
from apiyi_cli.sandbox.received_request import form_parts
from apiyi_cli.wire.http.request import (
    Multipart,
    address,
    build_request,
    headers,
    json_bytes,
    split_header,
)

BASE = "https://api.example.com/v1"


@pytest.mark.parametrize(
    ("call", "base", "url"),
    [
        (Call("GET", "/models"), BASE, f"{BASE}/models"),
        (Call("GET", "/models"), f"{BASE}/", f"{BASE}/models"),
        (Call("GET", "/api/x?y=1", root="host"), BASE, "https://api.example.com/api/x?y=1"),
        (Call("GET", "/api/x", root="gateway"), BASE, "https://api.example.com/api/x"),
        (Call("GET", "/api/x", root="gateway"), "https://p/x/v1/", "https://p/x/api/x"),
        (Call("GET", "/api/x", root="gateway"), "https://p/v2", "https://p/v2/api/x"),
        (Call("GET", "/x", root="host"), "http://[::1]:8/a/v1", "http://[::1]:8/x"),
    ],
)
def test_a_path_is_below_its_root(call: Call, base: str, url: str) -> None:
    assert address(call, base) == url


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, True, None, "中\u2028🤖"]},
        {"n": 123456789012345678901234567890},
        {"s": "\x00\x1f\x7f"},
    ],
)
def test_a_body_means_what_was_given(value: Any) -> None:
    assert json.loads(json_bytes(value)) == value
    assert json.loads(write_canonical(value)) == value


def test_equal_bodies_are_equal_bytes_in_their_canonical_form() -> None:
    assert write_canonical({"a": 1, "b": {"d": 2, "c": 3}}) == write_canonical(
        {"b": {"c": 3, "d": 2}, "a": 1}
    )


@pytest.mark.parametrize("value", [{"a": "\udcff"}, {"a": object()}, {"a": b"x"}])
def test_what_json_cannot_carry_is_refused(value: Any) -> None:
    with pytest.raises(UsageError):
        json_bytes(value)


def named(call: Call, *extra: str) -> dict[str, str]:
    return dict(headers(call, extra, "id-1"))


def test_a_stream_is_asked_for_uncompressed() -> None:
    call = Call("POST", "/x", json={}, stream=True)
    assert named(call) == {
        "Accept": "text/event-stream, */*;q=0.5",
        "Accept-Encoding": "identity",
        "User-Agent": f"apiyi/{__version__}",
        "Idempotency-Key": "id-1",
        "Content-Type": "application/json",
    }


def test_a_list_needs_no_key_against_repetition_and_no_type() -> None:
    assert named(Call("GET", "/models")) == {
        "Accept": "application/json, */*;q=0.5",
        "Accept-Encoding": "gzip",
        "User-Agent": f"apiyi/{__version__}",
    }


def test_the_users_headers_win_over_the_calls_and_those_over_ours() -> None:
    call = Call("POST", "/x", json={}, headers=(("X-A", "call"), ("accept", "call/*")))
    found = named(call, "x-a: user", "User-Agent:  me ")
    assert (found["x-a"], found["accept"], found["User-Agent"]) == ("user", "call/*", "me")
    assert "X-A" not in found and "Accept" not in found


@pytest.mark.parametrize("text", ["", "x", ": v", "a b: c", "a\n: c", "a: b\r\nEvil: 1", "é: x"])
def test_what_is_not_a_header_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        split_header(text)


def test_a_request_carries_the_key_and_its_length() -> None:
    made = build_request(Call("POST", "/x", json={"a": 1}), BASE, (), "id", "sk-k")
    found = dict(made.headers)
    assert (found["Authorization"], found["Content-Length"]) == ("Bearer sk-k", "7")
    assert (made.body, made.url, made.free) == (b'{"a":1}', f"{BASE}/x", False)


@pytest.mark.parametrize(
    ("key", "extra", "sent"),
    [(None, (), []), ("sk-k", ("AUTHORIZATION: mine",), ["mine"])],
)
def test_no_key_is_sent_where_there_is_none_or_the_user_has_his_own(
    key: str | None, extra: tuple[str, ...], sent: list[str]
) -> None:
    made = build_request(Call("GET", "/x"), BASE, extra, "id", key)
    assert [value for name, value in made.headers if name.lower() == "authorization"] == sent
    assert "Content-Length" not in dict(made.headers)


def test_raw_bytes_go_as_they_are() -> None:
    call = Call("PUT", "/x", raw=b"\xff", content_type="application/x-y")
    made = build_request(call, BASE, (), "id", None)
    assert made.body == b"\xff"
    assert dict(made.headers)["Content-Type"] == "application/x-y"


def test_a_form_streams_its_files_and_can_be_sent_again(tmp_path: Path) -> None:
    sound = tmp_path / 'a "b" 中.mp3'
    sound.write_bytes(bytes(range(256)) * 1000)
    body = Multipart(
        (
            Part("model", value="whisper-1"),
            Part("granularity[]", value="word"),
            Part("granularity[]", value="segment"),
            Part("file", path=str(sound), type="audio/mpeg"),
            Part("mask", content=b"\r\n--x", filename="m.png", type="image/png"),
        )
    )
    found = dict(body.headers)
    first, second = b"".join(body), b"".join(body)
    assert first == second
    assert int(found["Content-Length"]) == len(first)
    parts = form_parts(found["Content-Type"], first)
    assert [(part.name, part.filename, part.type) for part in parts] == [
        ("model", None, None),
        ("granularity[]", None, None),
        ("granularity[]", None, None),
        ("file", sound.name, "audio/mpeg"),
        ("mask", "m.png", "image/png"),
    ]
    assert [part.content for part in parts[:3]] == [b"whisper-1", b"word", b"segment"]
    assert (parts[3].content, parts[4].content) == (sound.read_bytes(), b"\r\n--x")


def test_a_form_without_files_stays_a_form() -> None:
    body = Multipart((Part("a", value="1"), Part("a", value="2")))
    assert dict(body.headers)["Content-Type"].startswith("multipart/form-data; boundary=")
    parts = form_parts(dict(body.headers)["Content-Type"], b"".join(body))
    assert [(part.name, part.text) for part in parts] == [("a", "1"), ("a", "2")]


def test_a_file_of_a_form_that_cannot_be_read_is_named() -> None:
    with pytest.raises(UsageError, match="cannot read /no/such"):
        Multipart((Part("file", path="/no/such"),))


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ("bearer", ("Authorization", "Bearer K")),
        ("bare", ("Authorization", "K")),
        ("x-api-key", ("x-api-key", "K")),
        ("x-goog-api-key", ("x-goog-api-key", "K")),
    ],
)
def test_the_key_goes_as_the_protocol_wants_it_unless_the_user_says_otherwise(
    auth: Auth, header: tuple[str, str]
) -> None:
    call = Call("GET", "/x", auth=auth)
    assert header in build_request(call, BASE, (), "id", "K").headers
    own = build_request(call, BASE, (f"{header[0].upper()}: mine",), "id", "K").headers
    assert [value for name, value in own if name.lower() == header[0].lower()] == ["mine"]
