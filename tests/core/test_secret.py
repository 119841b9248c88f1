from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiyi_cli.core.secret import Secret, holds_secret, mask_url, redact, redact_body

KEY = "sk-CANARY+9f3c/aa==_Zz~b"
SECRET = Secret(KEY)
SHOWN = "[key …Zz~b]"


def test_a_secret_shows_its_tail_and_nothing_else() -> None:
    secret = Secret("sk-0123456789abcdef3c2a", "environment APIYI_API_KEY")
    assert secret.tail == "…3c2a"
    assert f"{secret} {secret!r}" == "…3c2a Secret(…3c2a)"
    assert secret.value.endswith("3c2a")
    assert secret.source == "environment APIYI_API_KEY"


def test_a_short_secret_shows_no_tail() -> None:
    assert Secret("fifteen-letters").tail == "…"


def test_secrets_are_equal_by_value_whatever_their_source() -> None:
    assert Secret("a", "here") == Secret("a", "there")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a", "here"), Secret("a", "there")}) == 1


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        quote(KEY, safe=""),
        quote(KEY, safe="").lower().replace("canary", "CANARY").replace("zz", "Zz"),
        quote(KEY),
        "".join(f"%{byte:02X}" for byte in KEY.encode()),
        "".join(f"\\u{ord(letter):04x}" for letter in KEY),
        json.dumps(KEY)[1:-1],
        KEY.replace("/", "\\/"),
        KEY.replace("/", "\\\\/"),
        KEY.replace("-", "%2D", 1).replace("/", "\\u002F"),
    ],
)
def test_every_spelling_of_the_key_becomes_its_tail(text: str) -> None:
    assert redact(f"key={text}&x", [SECRET]) == f"key={SHOWN}&x"
    assert redact(f"key={text}&x".encode(), [SECRET]) == f"key={SHOWN}&x".encode()


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("before", ["", ":", "u:", "Bearer ", "user:", "é"])
@pytest.mark.parametrize("after", ["", "\n", "@x", "xyz"])
def test_base64_at_any_alignment_keeps_nothing_of_the_key(
    encode: object, before: str, after: str
) -> None:
    assert callable(encode)
    text = encode((before + KEY + after).encode()).decode()
    redacted = redact(f"Basic {text}!", [SECRET])
    assert SHOWN in redacted
    # At most the characters that the key shares with its neighbours are left.
    assert len(redacted) - len(f"Basic {SHOWN}!") <= 4 * (len(before + after) // 3 + 3)


def test_a_secret_with_quotes_and_wide_characters_is_found_in_json() -> None:
    password = 'p"a\\s\nw€😀rd'
    for ascii_only in (True, False):
        line = json.dumps({"proxy": password}, ensure_ascii=ascii_only)
        assert redact(line, [Secret(password)]) == '{"proxy": "[key …]"}'
    assert redact(quote(password), [Secret(password)]) == "[key …]"


def test_a_key_nobody_announced_is_known_by_its_shape() -> None:
    assert redact("Incorrect key: sk-proj_0123456789-abcdef.", []) == (
        "Incorrect key: [key …cdef]."
    )
    assert redact('{"a":"x\\nsk-0123456789abcdef"}', []) == '{"a":"x\\n[key …cdef]"}'
    assert redact("Bearer%20sk-0123456789abcdef", []) == "Bearer%20[key …cdef]"


@pytest.mark.parametrize(
    "text", ["", "task-management-for-everyone", "sk-short", "desk-0123456789abcdef"]
)
def test_words_that_only_resemble_a_key_are_left(text: str) -> None:
    assert redact(text, [SECRET]) == text


def test_a_placeholder_key_is_not_taken_out_of_ordinary_text() -> None:
    assert redact("EMPTY is not none", [Secret("EMPTY"), Secret("none"), Secret("")]) == (
        "EMPTY is not none"
    )


def test_of_two_keys_the_longer_is_found_first() -> None:
    short, long = Secret("abcdefgh"), Secret("abcdefgh-and-much-more")
    assert redact("abcdefgh-and-much-more abcdefgh", [short, long]) == "[key …more] [key …]"


def test_a_tail_that_would_break_a_finished_line_of_json_is_left_out() -> None:
    assert redact("0123456789abcd\\1z", [Secret("0123456789abcd\\1z")]) == "[key …]"


def test_bytes_that_are_no_text_survive() -> None:
    assert redact(b"\xff\xfe" + KEY.encode() + b"\x80", [SECRET]) == (
        b"\xff\xfe" + SHOWN.encode() + b"\x80"
    )


@given(
    key=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60),
    before=st.text(max_size=20),
)
def test_no_key_survives_in_json_urls_or_base64(key: str, before: str) -> None:
    encoded = b64encode(before.encode() + key.encode()).decode()
    text = f"{json.dumps(before + key)} {quote(key)} {encoded}"
    cleaned = redact(text, [Secret(key)])
    # The tail may repeat a character, the whole may not come back.
    assert key not in cleaned.replace(f"[key {Secret(key).tail}]", "\0")
    assert encoded not in cleaned


def test_bytes_of_a_server_lose_the_key_alone() -> None:
    looks = b"sk-" + b"b" * 20
    for size in (0, 2 << 20):
        body = b"\xff" * size + b'{"id":"' + KEY.encode() + b'","x":"' + looks + b'"}'
        changed = redact_body(body, [SECRET])
        assert KEY.encode() not in changed and looks in changed
        assert changed.startswith(b"\xff" * size + b'{"id":"[key')
    assert redact_body(b"x" * 9, []) == b"x" * 9


def test_what_is_too_short_for_a_key_is_left_in_large_bodies() -> None:
    body = b"x" * (2 << 20) + b"abc" + KEY.encode()
    assert redact_body(body, [Secret("abc"), SECRET]) == b"x" * (2 << 20) + b"abc" + SHOWN.encode()


@pytest.mark.parametrize(
    "text", [KEY, quote(KEY, safe=""), json.dumps(KEY.replace("s", "\x73")), f"a%20b {KEY}"]
)
def test_a_key_is_found_in_every_spelling(text: str) -> None:
    assert holds_secret(text, [SECRET])
    assert not holds_secret(text.replace("9", "8"), [SECRET])
    assert not holds_secret(f"{text[:2]}%41", [SECRET, Secret("sk")])


@pytest.mark.parametrize(
    "key",
    [
        "sk-0123456789abcdefghij",
        "AIza" + "b1_" * 11 + "cd",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLW9mLWl0",
    ],
)
def test_what_has_the_shape_of_a_key_is_redacted_without_being_known(key: str) -> None:
    assert redact(f"a {key} b", []) == f"a [key {Secret(key).tail}] b"


def test_an_address_is_shown_without_its_password_and_keys() -> None:
    shown = mask_url("https://me:word@host/v1?key=abc&model=m")
    assert shown == "https://***@host/v1?key=***&model=m"
