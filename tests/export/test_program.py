"""The languages as a set, and what a program cannot say."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from functools import reduce

import pytest

from apiyi_cli.core.call import Call, Part
from apiyi_cli.errors import UsageError
from apiyi_cli.export.program import LANGUAGES, program
from apiyi_cli.export.python_sdk import SDK_METHODS

BASE = "https://api.apiyi.com/v1"
CHAT = Call("POST", "/chat/completions", json={"model": "m", "messages": []})


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_takes_the_key_from_the_environment(language: str) -> None:
    text = program(language, CHAT, BASE).text
    assert "APIYI_API_KEY" in text
    assert "https://api.apiyi.com/v1" in text
    assert not re.search("__[A-Z_]+__", text)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_has_no_trailing_blanks(language: str) -> None:
    for call in (CHAT, Call("GET", "/models"), Call("POST", "/audio/speech", json={"input": "x"})):
        assert all(line == line.rstrip() for line in program(language, call, BASE).text.split("\n"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_program_leaves_out_is_noted(language: str) -> None:
    call = Call("GET", "/models", headers=(("Authorization", "Bearer sk-canary"),))
    written = program(language, call, BASE)
    assert "sk-canary" not in written.text
    assert "the header Authorization is left out" in written.notes[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_that_looks_like_a_place_of_a_template_is_sent_as_it_is(language: str) -> None:
    text = "__URL__ __BODY__ __DELTA__\n// __CALLS__\n# [answer.chat]\n"
    call = Call("POST", "/chat/completions", json={"model": "m", "messages": [], "user": text})
    for stream in (False, True):
        written = program(language, call._replace(stream=stream), BASE).text
        assert "__URL__ __BODY__ __DELTA__" in written
        assert "// __CALLS__" in written
        assert "# [answer.chat]" in written


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_of_the_user_add_no_imports_and_no_functions(language: str) -> None:
    words = (
        "readFile( writeFile( existsSync( textOf( file( multipart( addFile( Json. jq Stream "
        "StringIO HttpxBinaryResponseContent ImagesResponse base64. os.X strings.X Path("
    )
    plain, asked = (
        program(language, Call("POST", "/chat/completions", json={**CHAT.json, "user": user}), BASE)
        for user in ("x", words)
    )
    assert asked.text.replace(words, "x") == plain.text


def test_an_unknown_language_is_a_usage_error_that_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        program("cobol", CHAT, BASE)
    assert caught.value.exit_code == 2
    assert "curl, python, requests" in str(caught.value.hint)


def test_only_the_language_that_is_asked_for_is_imported() -> None:
    script = (
        "import sys; from apiyi_cli.core.call import Call\n"
        "from apiyi_cli.export.program import program\n"
        "program('go', Call('GET', '/models'), 'https://x/v1')\n"
        "print(*[name for name in sys.modules if name.startswith('apiyi_cli.export.')])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.rpartition(".")[2] for name in ran.stdout.split()}
    assert loaded == {"program", "plan", "pieces", "quote", "frame", "go"}


def test_the_openai_package_takes_every_argument_that_a_program_gives() -> None:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(api_key="x")
    for method in SDK_METHODS.values():
        called = reduce(getattr, method.name.split("."), client)
        assert method.takes <= inspect.signature(called).parameters.keys(), method.name


def test_fields_that_the_openai_package_does_not_know_go_into_extra_body() -> None:
    call = Call("POST", "/chat/completions", json={**CHAT.json, "top_k": 3, "class": 1})
    text = program("python", call, BASE).text
    assert 'extra_body={"top_k": 3, "class": 1}' in text


def test_a_paid_heavy_request_is_not_repeated_by_the_openai_package() -> None:
    call = Call("POST", "/images/generations", json={"prompt": "x"}, cost="heavy")
    assert "max_retries=0" in program("python", call, BASE).text
    assert "max_retries=2" in program("python", CHAT, BASE).text


def test_a_request_that_the_openai_package_cannot_send_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="HEAD"):
        program("python", Call("HEAD", "/models"), BASE)


def test_node_says_what_its_form_and_its_fetch_change() -> None:
    parts = (Part("file", path="a.wav"), Part("prompt", "one\ntwo"))
    notes = program("node", Call("POST", "/audio/transcriptions", parts=parts), BASE).notes
    assert any("CR LF" in note for note in notes)
    assert any("300 s" in note for note in notes)


def test_php_says_that_it_has_no_integer_of_that_size() -> None:
    call = Call("POST", "/x", json={"a": [2**64, 2**63 - 1]})
    (note,) = program("php", call, BASE).notes
    assert str(2**64) in note


def test_csharp_says_that_it_changes_a_file_name() -> None:
    call = Call("POST", "/x", parts=(Part("file", path="声.wav"), Part("model", "模型")))
    (note,) = program("csharp", call, BASE).notes
    assert "声.wav" in note
