"""Which model each command asks: the line, the profile's table for it, never one that cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


def configured(apiyi: Program, text: str) -> Path:
    path = apiyi.home / "config" / "apiyi" / "config.toml"
    path.write_text(text)
    return path


def model_of(apiyi: Program, line: str, **env: str | None) -> str:
    """Return the model of the request that the line would send."""
    ran = apiyi(f"{line} --dry-run", env=env)
    assert ran.code == 0, ran.err
    shown = json.loads(ran.out)["body"]
    if isinstance(shown, list):
        return next(str(part["value"]) for part in shown if part["name"] == "model")
    return str(shown["model"])


TABLES = """
[profile.default]
model = "of-profile"

[profile.default.image]
model = "of-table"
size = "512x512"

[profile.default.chat]
temperature = 0.25
"""


def test_the_table_of_a_command_counts_before_the_profile(apiyi: Program) -> None:
    configured(apiyi, TABLES)
    assert model_of(apiyi, "image x", APIYI_MODEL=None) == "of-table"
    assert model_of(apiyi, "chat x", APIYI_MODEL=None) == "of-profile"
    assert model_of(apiyi, "chat -m own x") == "own"


def test_any_option_may_stand_in_the_table(apiyi: Program) -> None:
    configured(apiyi, TABLES)
    body = json.loads(apiyi("image x --dry-run").out)["body"]
    assert body["size"] == "512x512"
    assert json.loads(apiyi("chat x --dry-run").out)["body"]["temperature"] == 0.25
    assert "temperature" not in json.loads(apiyi("respond x --dry-run").out)["body"]


@pytest.mark.parametrize("line", ["embed x", "image x", "speak x -o x.mp3"])
def test_a_model_for_text_is_never_sent_by_another_command(
    apiyi: Program, gateway: Gateway, line: str
) -> None:
    configured(apiyi, "[profile.default]\nmodel = 'of-profile'\n")
    ran = apiyi(line, env={"APIYI_MODEL": "of-variable"})
    assert ran.code == 2
    word = line.split()[0]
    assert f"apiyi config set {word}.model" in ran.err and "APIYI_MODEL" not in ran.err
    assert gateway.ledger == []


def test_the_line_that_the_hint_names_works(apiyi: Program) -> None:
    configured(apiyi, "")
    hint = apiyi("embed x").err.split("try: ")[1].split(",")[0]
    assert apiyi(hint.removeprefix("apiyi ")).code == 0
    assert model_of(apiyi, "embed x") == "text-embedding-3-small"
    assert apiyi("config get embed.model").text == "text-embedding-3-small\n"
    listed = apiyi("config list --origin").text
    assert 'embed.model = "text-embedding-3-small"' in listed
    assert "profile default.embed in" in listed


def test_a_key_of_a_command_goes_into_the_profile_in_use(apiyi: Program) -> None:
    path = configured(apiyi, "[profile.work]\nmodel = 'a'\n")
    assert apiyi("config set --profile work image.model pic-1").code == 0
    assert apiyi("config set image.model pic-2").code == 0
    assert apiyi("config set profile.work.embed.batch-size 7").code == 0
    assert apiyi("config set model b").code == 0
    assert model_of(apiyi, "image x --profile work") == "pic-1"
    assert model_of(apiyi, "image x") == "pic-2"
    assert model_of(apiyi, "chat x", APIYI_MODEL=None) == "b"
    assert "batch_size = 7" in path.read_text()
    assert apiyi("config unset image.model").code == 0
    assert apiyi("image x").code == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[profile.default.image]\nmodle = 'x'\n", "did you mean model?"),
        ("[profile.default.image]\nrpm = 3\n", "stands in profile.default.limits"),
        ("[profile.default.picture]\nmodel = 'x'\n", "unknown setting"),
        ("[profile.default.chat]\ntemperature = 'hot'\n", "expected a number"),
    ],
)
def test_a_mistake_in_a_table_is_named_with_its_line(apiyi: Program, text: str, why: str) -> None:
    configured(apiyi, text)
    ran = apiyi("chat x")
    assert ran.code == 10
    assert "config.toml:" in ran.err and why in ran.err


UNABLE = [
    ("chat -m text-embedding-3-small x", "an embedding model"),
    ("chat -m gpt-image-2 x", "an image model"),
    ("chat -m flux-kontext-pro x", "an image model"),
    ("chat -m whisper-1 x", "a speech-to-text model"),
    ("chat -m gpt-4o-mini-tts x", "a text-to-speech model"),
    ("chat -m gpt-4o -m bge-m3 x", "an embedding model"),
    ("chat -m doubao-seedance-2-5-260628 x", "a video model"),
    ("respond -m dall-e-3 x", "an image model"),
    ("complete -m tts-1 x", "a text-to-speech model"),
    ("embed -m gpt-4o x", "a text model"),
    ("image -m claude-opus-5 x", "a text model"),
    ("speak -m whisper-1 x -o x.mp3", "a speech-to-text model"),
    ("transcribe -m tts-1 a.wav", "a text-to-speech model"),
]


@pytest.mark.parametrize(("line", "kind"), UNABLE)
def test_a_model_that_cannot_do_the_command_is_refused_before_sending(
    apiyi: Program, gateway: Gateway, line: str, kind: str
) -> None:
    (apiyi.work / "a.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt ")
    for more in ("", " --dry-run"):
        ran = apiyi(line + more)
        assert ran.code == 2
        assert kind in ran.err and "--force-model" in ran.err
    assert gateway.ledger == []


def test_force_model_sends(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat -m text-embedding-3-small --force-model x")
    assert ran.code == 6 and "not a chat model" in ran.err
    assert len(gateway.ledger) == 1


@pytest.mark.parametrize(
    "line", ["chat -m my-own-model x", "chat -m gpt-image-2-vip x", "chat -m fault:200 x"]
)
def test_what_is_not_known_to_be_unable_is_sent(apiyi: Program, line: str) -> None:
    assert apiyi(f"{line} --dry-run").code == 0


def test_rows_of_a_batch_get_the_model_of_their_endpoint(apiyi: Program) -> None:
    (apiyi.work / "rows.jsonl").write_text('{"prompt": "a"}\n')
    lines = apiyi("batch rows.jsonl --endpoint image --dry-run").text
    assert json.loads(lines)["body"]["model"] == "gpt-image-1"
    lines = apiyi("batch rows.jsonl --dry-run").text
    assert json.loads(lines)["body"]["model"] == "gpt-4o"


def test_a_batch_refuses_a_model_that_cannot_do_its_rows(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "rows.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    ran = apiyi("batch rows.jsonl -m whisper-1 -o out.jsonl")
    assert ran.code == 2 and "a speech-to-text model" in ran.err
    assert gateway.ledger == []
    assert apiyi("batch rows.jsonl -m whisper-1 --force-model --dry-run").code == 0


def test_a_row_that_names_such_a_model_is_a_bad_row(apiyi: Program, gateway: Gateway) -> None:
    rows = '{"prompt": "a"}\n{"prompt": "b", "model": "tts-1"}\n'
    (apiyi.work / "rows.jsonl").write_text(rows)
    ran = apiyi("batch rows.jsonl -o out.jsonl")
    assert ran.code == 3
    assert "a text-to-speech model" in (apiyi.work / "out.jsonl").read_text()
    assert len(gateway.posts) == 1


def test_the_sandbox_has_a_model_for_each_command(apiyi: Program) -> None:
    env = {"APIYI_MODEL": None, "APIYI_BASE_URL": None, "APIYI_API_KEY": None}
    for line in ("chat hi", "embed hi", "respond hi", "complete hi", "speak hi -o a.wav"):
        assert apiyi(f"{line} --profile sandbox", env=env).code == 0
    assert apiyi("transcribe a.wav --profile sandbox", env=env).code == 0
    assert apiyi("image hi --size 32x32 --profile sandbox", env=env).code == 0
