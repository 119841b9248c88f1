"""Every picture that was paid for ends in a file, and the user knows in which."""

from __future__ import annotations

import base64
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
GIF = b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x00;"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><path/></svg>"
MODEL = "-m gpt-image-1"


def picture_reply(*contents: bytes, prefix: str = "") -> ScriptedReply:
    items = [{"b64_json": prefix + base64.b64encode(one).decode()} for one in contents]
    return ScriptedReply.json({"created": 1, "data": items})


def list_rescued(apiyi: Program) -> list[Path]:
    folder = apiyi.home / "state" / "apiyi" / "rescue"
    return sorted(folder.iterdir()) if folder.exists() else []


def test_pictures_beyond_those_asked_for_are_saved_beside_a_fixed_name(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(picture_reply(PNG, PNG, GIF))
    ran = apiyi(f"image cat {MODEL} -o cat.png")
    assert ran.code == 0
    assert ran.text.split() == ["cat.png", "cat-2.png", "cat-3.gif"]
    assert (apiyi.work / "cat-3.gif").read_bytes() == GIF
    assert "more pictures came than were asked for" in ran.err and "cat-3.gif" in ran.err


def test_they_take_the_next_numbers_of_a_template(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(picture_reply(PNG, PNG, PNG))
    ran = apiyi(f"image cat {MODEL} --n 2")
    assert (ran.code, ran.text.split()) == (0, ["cat-1.png", "cat-2.png", "cat-3.png"])


def test_they_never_replace_a_file(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(picture_reply(PNG, GIF))
    (apiyi.work / "cat-2.gif").write_bytes(b"mine")
    ran = apiyi(f"image cat {MODEL} -o cat.png")
    assert ran.code == 0
    assert (apiyi.work / "cat-2.gif").read_bytes() == b"mine"
    assert ran.text.split() == ["cat.png", "cat-2-2.gif"]


def test_beside_stdout_they_go_to_the_rescue_folder(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(picture_reply(PNG, GIF))
    ran = apiyi(f"image cat {MODEL} -o -")
    assert (ran.code, ran.out) == (0, PNG)
    (kept,) = list_rescued(apiyi)
    assert kept.read_bytes() == GIF and str(kept) in ran.err


def test_records_name_each_of_them(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(picture_reply(PNG, GIF))
    ran = apiyi(f"image cat {MODEL} --ndjson")
    records = [json.loads(line) for line in ran.out.splitlines()]
    assert [(one["n"], one["path"]) for one in records] == [(1, "cat-1.png"), (2, "cat-2.gif")]


@pytest.mark.parametrize("body", ["n=2", "sequential_image_generation_options.max_images=2"])
def test_a_name_that_exists_for_a_second_picture_is_said_before_anything_is_sent(
    apiyi: Program, gateway: Gateway, body: str
) -> None:
    (apiyi.work / "cat-2.png").write_bytes(b"mine")
    ran = apiyi(f"image cat {MODEL} -o cat.png -O {body}")
    assert ran.code == 11 and "cat-2.png" in ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (PNG, "cat-1.png"),
        (GIF, "cat-1.gif"),
        (SVG, "cat-1.svg"),
        (b"<svg/>", "cat-1.svg"),
        (b"\xef\xbb\xbf<!-- a --><svg width='1'/>", "cat-1.svg"),
        (b"<?xml version='1.0'?>\n<!-- a > b -->\n" + SVG, "cat-1.svg"),
        (
            b'<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x">' + SVG,
            "cat-1.svg",
        ),
        (SVG + b"<!-- made by a model -->" + b" " * 2000, "cat-1.svg"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,", "DATA:image/png;BASE64,"])
def test_a_picture_is_saved_by_its_bytes(
    apiyi: Program, gateway: Gateway, content: bytes, name: str, prefix: str
) -> None:
    gateway.script(picture_reply(content, prefix=prefix))
    ran = apiyi(f"image cat {MODEL}")
    assert (ran.code, ran.text) == (0, f"{name}\n")
    assert (apiyi.work / name).read_bytes() == content


@pytest.mark.parametrize(
    "url", ["data:image/svg+xml;utf8,%3Csvg%2F%3E", "data:image/svg+xml,<svg/>", "data:,%3Csvg/%3E"]
)
def test_a_data_url_without_base64_is_read_too(apiyi: Program, gateway: Gateway, url: str) -> None:
    gateway.script(ScriptedReply.json({"data": [{"url": url}]}))
    ran = apiyi(f"image cat {MODEL}")
    assert (ran.code, (apiyi.work / "cat-1.svg").read_bytes()) == (0, b"<svg/>")


def test_the_picture_itself_in_place_of_json_is_saved(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply(body=PNG, content_type="image/png"))
    ran = apiyi(f"image cat {MODEL}")
    assert (ran.code, ran.text) == (0, "cat-1.png\n")


@pytest.mark.parametrize(
    "item",
    [
        {"b64_json": base64.b64encode(b"\x01\x02 unknown").decode()},
        {"b64_json": "?!no base64"},
        {"other": "form"},
    ],
)
def test_what_cannot_be_read_is_kept_and_its_place_told(
    apiyi: Program, gateway: Gateway, item: dict[str, Any]
) -> None:
    gateway.script(ScriptedReply.json({"data": [item]}))
    ran = apiyi(f"image cat {MODEL}")
    (kept,) = list_rescued(apiyi)
    assert ran.code == 8 and str(kept) in ran.err
    assert json.loads(kept.read_bytes()) == {"data": [item]}
    assert len(gateway.posts) == 1


def test_one_picture_that_cannot_be_read_does_not_hide_the_other(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(picture_reply(PNG, b"\x01\x02 unknown"))
    ran = apiyi(f"image cat {MODEL} --n 2")
    (kept,) = list_rescued(apiyi)
    assert ran.code == 8 and str(kept) in ran.err and kept.read_bytes() == b"\x01\x02 unknown"
    assert ran.text == "cat-1.png\n"


def test_a_link_that_fails_is_printed_safe_to_paste_and_nothing_is_paid_again(
    apiyi: Program, gateway: Gateway
) -> None:
    url = "https://127.0.0.1/a'$(touch pwned)'.png"
    gateway.script(ScriptedReply.json({"data": [{"url": url}]}))
    ran = apiyi("image cat -m dall-e-3")
    assert ran.code == 8 and len(gateway.posts) == 1
    assert shlex.quote(url) in ran.err
    apiyi.shell(ran.err.split("try: ")[1].split(" (")[0].replace("curl -L -o picture", "echo"))
    assert not (apiyi.work / "pwned").exists()


@pytest.mark.parametrize(
    "url",
    [
        "https://[/",
        "https://a..b/x",
        "https://host:port/",
        "https://\ud83d/",
        "https://[::ffff:127.0.0.1]/",
        "javascript:alert(1)",
        "https://x\x1b]0;t\x07/",
    ],
)
def test_a_link_that_is_no_link_is_one_line(apiyi: Program, gateway: Gateway, url: str) -> None:
    gateway.script(ScriptedReply(body=json.dumps({"data": [{"url": url}]}).encode()))
    ran = apiyi("image cat -m dall-e-3")
    assert ran.code == 8, ran.err
    assert len(ran.err.splitlines()) == 2


def test_a_file_behind_a_link_that_is_no_picture_is_kept(apiyi: Program, gateway: Gateway) -> None:
    odd = ScriptedReply(body=b"\x01\x02 no picture", content_type="image/png")
    gateway.script(
        ScriptedReply.json({"data": [{"url": f"{gateway.origin}/x.png"}]}), odd, odd, odd
    )
    ran = apiyi("image cat -m dall-e-3")
    (kept,) = list_rescued(apiyi)
    assert ran.code == 8 and str(kept) in ran.err and kept.read_bytes() == b"\x01\x02 no picture"


@pytest.mark.off_schema
@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("speak hi -m tts-1 -o a.mp3", ScriptedReply.json({"output": "elsewhere"})),
        ("transcribe a.wav -m whisper-1", ScriptedReply.json({"words": "elsewhere"})),
        ("embed hi -m text-embedding-3-small", ScriptedReply.json({"vectors": [[1, 2]]})),
        (
            "embed hi -m text-embedding-3-small",
            ScriptedReply.json({"data": [{"embedding": "odd"}]}),
        ),
        (f"image cat {MODEL}", ScriptedReply.json({"result": "elsewhere"})),
        ("chat hi --no-stream", ScriptedReply.json({"result": "elsewhere"})),
        ("respond hi --no-stream", ScriptedReply.json({"result": "elsewhere"})),
    ],
)
def test_a_body_that_cannot_be_used_is_kept(
    apiyi: Program, gateway: Gateway, line: str, reply: ScriptedReply
) -> None:
    (apiyi.work / "a.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + bytes(32))
    gateway.script(*[reply] * 6)
    ran = apiyi(f"{line} --retries 0")
    # What is no chat answer at all comes from something that is not the API.
    assert ran.code == (6 if line.startswith(("chat", "respond")) else 8)
    (kept,) = list_rescued(apiyi)
    assert str(kept) in ran.err and kept.read_bytes() == reply.body


def test_sound_of_a_kind_that_is_not_known_is_the_answer(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply(body=b"\x00\x01odd", content_type="audio/odd"))
    assert apiyi("speak hi -m tts-1 -o a.mp3 --retries 0").code == 0
    assert (apiyi.work / "a.mp3").read_bytes() == b"\x00\x01odd"
    assert list_rescued(apiyi) == []


@pytest.mark.off_schema
@pytest.mark.parametrize("line", [f"image cat {MODEL}", "chat hi --no-stream", "api models"])
@pytest.mark.parametrize(
    "reply",
    [
        ScriptedReply.error(400, "no"),
        ScriptedReply.json({"error": {"message": "no", "type": "invalid_request_error"}}),
        ScriptedReply.text("<html><title>log in</title></html>", "text/html"),
    ],
)
def test_a_refusal_is_no_answer_and_leaves_nothing(
    apiyi: Program, gateway: Gateway, line: str, reply: ScriptedReply
) -> None:
    gateway.script(*[reply] * 6)
    apiyi(f"{line} --retries 0")
    assert list_rescued(apiyi) == []


@pytest.mark.off_schema
def test_the_newest_models_draw_gif_and_svg_and_a_wrong_name_is_said(
    apiyi: Program, gateway: Gateway
) -> None:
    line = "image cat --size 64x64 -m gpt-image-2.6"
    ran = apiyi(f"{line}-flare --output-format svg -o x.svg")
    assert (ran.code, ran.err) == (0, "")
    assert (apiyi.work / "x.svg").read_bytes().startswith(b"<svg ")
    ran = apiyi(f"{line}-all --n 2 --output-format gif")
    assert ran.text.split() == ["cat-1.gif", "cat-2.gif"]
    assert (apiyi.work / "cat-2.gif").read_bytes().startswith(b"GIF89a")
    ran = apiyi(f"{line}-flare -o y.svg")
    assert ran.code == 0 and "y.svg holds png, whatever its name says" in ran.err
