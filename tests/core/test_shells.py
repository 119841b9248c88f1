"""Words of hints come back from the shell in use as they went in."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from apiyi_cli.core.shells import Shell, find_shell, quote_word, quote_words

WORDS = ["a b", "it's", 'say "x"', "$HOME", "a;b", "", "日本", "C:\\x y\\", "100%", "a`b", 'end\\"']


@pytest.mark.parametrize(
    ("environ", "windows", "shell"),
    [
        ({}, False, "posix"),
        ({"SHELL": "/usr/bin/bash", "PSModulePath": "C:\\m"}, True, "posix"),
        ({"PSModulePath": "C:\\Program Files\\WindowsPowerShell\\Modules"}, True, "cmd"),
        (
            {
                "USERPROFILE": "C:\\Users\\li",
                "PSModulePath": "C:\\users\\li\\Documents\\PowerShell\\Modules;C:\\Program Files",
            },
            True,
            "powershell",
        ),
        ({}, True, "cmd"),
    ],
)
def test_the_shell_is_found(environ: dict[str, str], windows: bool, shell: str) -> None:
    assert find_shell(environ, windows=windows) == shell


@pytest.mark.parametrize(
    ("shell", "word", "quoted"),
    [
        ("posix", "it's", "'it'\"'\"'s'"),
        ("powershell", "it's $x", "'it''s $x'"),
        ("powershell", "C:\\a\\b.txt", "C:\\a\\b.txt"),
        ("powershell", "@file", "'@file'"),
        ("powershell", "", "''"),
        ("powershell", "it\u2019s", "'it\u2019\u2019s'"),
        (
            "powershell",
            "\u2018; calc \u201a\u201b",
            "'\u2018\u2018; calc \u201a\u201a\u201b\u201b'",
        ),
        ("powershell", "a,b", "'a,b'"),
        ("cmd", "a,b", "a,b"),
        ("cmd", "a b", '"a b"'),
        ("cmd", 'say "x"', '"say \\"x\\""'),
        ("cmd", "C:\\x y\\", '"C:\\x y\\\\"'),
        ("cmd", "", '""'),
    ],
)
def test_a_word_is_quoted_for_each_shell(shell: Shell, word: str, quoted: str) -> None:
    assert quote_word(word, shell) == quoted


def read_as_windows_does(line: str) -> str:
    """Return the word that the C library of Windows reads from a quoted one."""
    assert line[0] == line[-1] == '"'
    word, backslashes = "", 0
    for character in line[1:-1]:
        if character == "\\":
            backslashes += 1
            continue
        if character == '"':
            word += "\\" * (backslashes // 2)
            assert backslashes % 2 == 1, "a quote that is not escaped ends the word"
        else:
            word += "\\" * backslashes
        word += character
        backslashes = 0
    assert backslashes % 2 == 0
    return word + "\\" * (backslashes // 2)


@pytest.mark.parametrize("word", WORDS)
def test_words_come_back(word: str) -> None:
    printed = subprocess.run(
        ["sh", "-c", f"printf %s {quote_word(word, 'posix')}"], capture_output=True, check=True
    )
    assert printed.stdout.decode() == word
    quoted = quote_word(word, "powershell")
    assert quoted[1:-1].replace("''", "'") == word
    assert read_as_windows_does(quote_word(word, "cmd")) == word


def test_a_line_is_its_words() -> None:
    assert quote_words(["echo", "a b"]) == "echo 'a b'"
    assert sys.platform == "win32" or shutil.which("sh")
