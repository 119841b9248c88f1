"""Pictures in a chat answer: saved where the user says, and named in the text."""

from __future__ import annotations

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


def said(text: str) -> ScriptedReply:
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
    gateway.script(said(f"Here: ![cat]({DATA})\nDone"))
    ran = apiyi(f"{ASK} --no-stream {line}")
    assert (ran.code, ran.text) == (0, f"Here: ![cat]({path})\nDone\n"), ran.err
    assert (apiyi.work / path).read_bytes() == PNG


def test_a_link_is_downloaded_and_the_text_names_the_file(apiyi: Program, gateway: Gateway) -> None:
    url = f"{gateway.origin}/files/{'ab' * 32}-16x16.png"
    gateway.script(said(f"![cat]({url}) and a page: https://example.com/about"))
    ran = apiyi(f"{ASK} --no-stream --save cat.png")
    text = "![cat](cat-1.png) and a page: https://example.com/about\n"
    assert (ran.code, ran.text) == (0, text), ran.err
    assert (apiyi.work / "cat-1.png").read_bytes().startswith(b"\x89PNG")


def test_a_link_that_fails_stays_in_the_text_and_exits_8(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(said("![cat](http://127.0.0.1:1/cat.png)"))
    ran = apiyi(f"{ASK} --no-stream --save cat.png")
    assert (ran.code, ran.text) == (8, "![cat](http://127.0.0.1:1/cat.png)\n")


def test_a_folder_that_is_missing_is_said_before_anything_is_sent(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi(f"{ASK} --save none/")
    assert (ran.code, gateway.ledger) == (11, [])
