"""A picture in the Markdown of an answer is never megabytes of base64 on stdout."""

from __future__ import annotations

import random
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

PNG = b"\x89PNG\r\n\x1a\n" + random.Random(7).randbytes(9000) + b"\0\0\0\0IEND\xaeB`\x82"
TEXT = f"![cat](data:image/png;base64,{b64encode(PNG).decode()})"


@pytest.mark.parametrize("stream", [True, False])
def test_it_goes_to_the_rescue_folder_and_the_text_names_it(
    apiyi: Program, gateway: Gateway, stream: bool
) -> None:
    choice = {"index": 0, "finish_reason": "stop"}
    name = "delta" if stream else "message"
    body = {"id": "x", "choices": [{**choice, name: {"role": "assistant", "content": TEXT}}]}
    gateway.script(ScriptedReply.sse(body, "[DONE]") if stream else ScriptedReply.json(body))
    ran = apiyi(f"chat -n draw -m gpt-4o {'' if stream else '--no-stream'}")
    assert ran.code == 0, ran.err
    path = ran.text.removeprefix("![cat](").removesuffix(")\n")
    assert Path(path).read_bytes() == PNG
