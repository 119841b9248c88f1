"""Values that cannot be meant: one clear line, the code of whoever wrote them, nothing sent."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


def configure(apiyi: Program, text: str) -> str:
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(text)
    return str(config)


@pytest.mark.parametrize("ttl", ["", "5x", "-5m", "inf", "nan", "1 h", "1e3", "٣d"])
def test_a_time_that_is_none_is_refused_on_the_line_and_in_the_file(
    apiyi: Program, gateway: Gateway, ttl: str
) -> None:
    typed = apiyi(["chat", "hi", f"--cache={ttl}"])
    assert (typed.code, typed.out) == (2, b"")
    assert typed.err.startswith("apiyi: --cache: ")
    path = configure(apiyi, f'[profile.default]\ncache = "{ttl}"\n')
    written = apiyi("chat hi")
    assert (written.code, written.out) == (10, b"")
    assert path in written.err and "not a time" in written.err
    assert gateway.ledger == []
    assert apiyi("chat hi --no-cache").code == 0


@pytest.mark.parametrize(
    "value", ["http://代理:80", "http://a b:80", "http://a\x7fb:1", "http://", "http://h:abc"]
)
def test_a_proxy_without_a_possible_host_is_named(apiyi: Program, value: str) -> None:
    env = {"HTTPS_PROXY": value, "APIYI_BASE_URL": "https://gateway.example/v1"}
    ran = apiyi("chat hi --retries 0", env=env)
    assert (ran.code, ran.out) == (10, b"")
    assert "cannot use HTTPS_PROXY" in ran.err


def test_a_folder_of_certificates_that_is_missing_is_the_one_named(apiyi: Program) -> None:
    env = {
        "SSL_CERT_FILE": str(apiyi.home),
        "SSL_CERT_DIR": "/no/such/folder",
        "APIYI_BASE_URL": "https://127.0.0.1:9/v1",
    }
    ran = apiyi("chat hi", env=env)
    assert ran.code == 10
    assert "correct SSL_CERT_DIR" in ran.err and "give SSL_CERT_FILE" not in ran.err


@pytest.mark.parametrize(
    "line",
    [
        *("--rpm 0", "--rpm -5", "--rpm 1e3", "--tpm 0", "--timeout nan", "--timeout -1"),
        *("--max-time inf", "--retries -1", "--retry-ambiguous -1", "--max-retry-time nan"),
    ],
)
@pytest.mark.parametrize("command", ["chat hi", "embed hi", "image hi -o x.png", "models"])
def test_absurd_limits_and_times_are_refused_by_every_command(
    apiyi: Program, gateway: Gateway, command: str, line: str
) -> None:
    ran = apiyi(f"{command} {line}")
    assert (ran.code, ran.out) == (2, b"")
    assert line.split()[0] in ran.err
    assert gateway.ledger == []


def test_a_cache_of_another_version_is_told_and_clearing_mends_it(
    apiyi: Program, gateway: Gateway
) -> None:
    import sqlite3

    apiyi("chat hi --cache")
    path = apiyi.home / "cache" / "apiyi" / "replies.sqlite3"
    with sqlite3.connect(path) as newer:
        newer.execute("ALTER TABLE replies RENAME COLUMN body TO content")
    newer.close()
    ran = apiyi("chat hi --cache")
    assert (ran.code, ran.err) == (0, "")
    assert apiyi("cache stats").json["is_damaged"] is True
    assert apiyi("cache clear").code == 0
    assert apiyi("cache stats").json["is_damaged"] is False
    sent = len(gateway.ledger)
    for _ in range(2):
        apiyi("chat hi --cache")
    assert len(gateway.ledger) == sent + 1


@pytest.mark.parametrize(
    "line",
    ["chat", "chat hi -s", "embed", "image", "speak -o a.mp3", "batch -o out --lines x --system"],
)
def test_an_argument_in_another_encoding_is_refused_with_its_name(
    apiyi: Program, gateway: Gateway, line: str
) -> None:
    (apiyi.work / "x").write_text("a row\n")
    word = os.fsdecode("请翻译：你好，世界。这是一个测试".encode("gbk"))
    ran = apiyi([*line.split(), word, "--model", "m"])
    assert (ran.code, gateway.ledger) == (2, [])
    assert "not UTF-8 at byte 0" in ran.err and "--encoding GB18030" in ran.err
