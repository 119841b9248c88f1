"""Pictures in a chat answer: saved where the user says, and named in the text."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.drawing import png
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

PNG = png(b"seed" * 8, 16, 16)
DATA = f"data:image/png;base64,{b64encode(PNG).decode()}"
ASK = "chat -n draw -m gpt-4o"


def text_reply(text: str) -> ScriptedReply:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return ScriptedReply.json({"id": "x", "object": "chat.completion", "choices": [choice]})


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("-o out/", "out/answer-1.png"),
        ("-o out", "out/answer-1.png"),
        ("--save out/", "out/answer-1.png"),
        ("--save 'out/pic-{n}.{ext}'", "out/pic-1.png"),
    ],
)
def test_a_data_url_in_the_text_becomes_a_file_that_the_text_names(
    apiyi: Program, gateway: Gateway, line: str, path: str
) -> None:
    (apiyi.work / "out").mkdir()
    gateway.script(text_reply(f"Here: ![cat]({DATA})\nDone"))
    ran = apiyi(f"{ASK} --no-stream {line}")
    assert (ran.code, ran.text) == (0, f"Here: ![cat]({path})\nDone\n"), ran.err
    assert (apiyi.work / path).read_bytes() == PNG


def test_a_link_is_downloaded_and_the_text_names_the_file(apiyi: Program, gateway: Gateway) -> None:
    url = f"{gateway.origin}/files/{'ab' * 32}-16x16.png"
    gateway.script(text_reply(f"![cat]({url}) and a page: https://example.com/about"))
    ran = apiyi(f"{ASK} --no-stream --save cat.png")
    text = "![cat](cat-1.png) and a page: https://example.com/about\n"
    assert (ran.code, ran.text) == (0, text), ran.err
    assert (apiyi.work / "cat-1.png").read_bytes().startswith(b"\x89PNG")


def test_a_link_that_fails_stays_in_the_text_and_exits_8(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(text_reply("![cat](http://127.0.0.1:1/cat.png)"))
    ran = apiyi(f"{ASK} --no-stream --save cat.png")
    assert (ran.code, ran.text) == (8, "![cat](http://127.0.0.1:1/cat.png)\n")


def test_a_folder_that_is_missing_is_said_before_anything_is_sent(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi(f"{ASK} --save none/")
    assert (ran.code, gateway.ledger) == (11, [])


def test_several_models_save_the_files_of_their_answers(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "out").mkdir()
    drawn = text_reply(f"Here: ![cat]({DATA})")
    models = "-m gpt-4o -m gpt-4.1 --no-stream"
    for line, paths in (
        ("-o out/", ["out/gpt-4.1-1.png", "out/gpt-4o-1.png"]),
        ("--save cat.png", ["cat-1-2.png", "cat-1.png"]),
        ("--save '{model}.{ext}'", ["gpt-4.1-1.png", "gpt-4o-1.png"]),
    ):
        gateway.script(drawn, drawn)
        ran = apiyi(f"chat -n draw {models} {line}")
        assert ran.code == 0, ran.err
        texts = sorted(json.loads(row)["text"] for row in ran.text.splitlines())
        assert texts == [f"Here: ![cat]({path})" for path in paths]
        assert all((apiyi.work / path).read_bytes() == PNG for path in paths)


def test_a_file_that_one_of_several_models_cannot_give_is_its_failure(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(text_reply("![cat](http://127.0.0.1:1/cat.png)"), text_reply("no picture"))
    ran = apiyi("chat -n draw -m gpt-4o -m gpt-4.1 --no-stream --save cat.png")
    assert ran.code == 3
    failed = [row for row in map(json.loads, ran.text.splitlines()) if row["error"]]
    assert [row["text"] for row in failed] == ["![cat](http://127.0.0.1:1/cat.png)"]
    assert failed[0]["error"]["exit_code"] == 8
