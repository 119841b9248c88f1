"""What each family of picture models is sent, and what its refusals tell the user."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.cli.settings import CommandSettings
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.request import Model
from apiyi_cli.sandbox.answers import answer
from apiyi_cli.sandbox.drawing import png
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

PNG = png(b"seed" * 8, 16, 16)
GIF = b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x00;"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF" + b"\0" * 20 + b"\xff\xda\0\x08 scan \xff\xd9"
SEEDREAM = "seedream-5-0-260128"
GEMINI = "gemini-3-pro-image"


def encode_picture(content: bytes = PNG) -> str:
    return b64encode(content).decode()


def generated(*parts: dict[str, Any], **more: Any) -> ScriptedReply:
    candidate = {"content": {"parts": list(parts)}, "finishReason": "STOP", **more}
    return ScriptedReply.json({"candidates": [candidate]})


def inline_picture(content: bytes = PNG) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/png", "data": encode_picture(content)}}


def list_rescued(apiyi: Program) -> list[Path]:
    folder = apiyi.home / "state" / "apiyi" / "rescue"
    return sorted(folder.iterdir()) if folder.exists() else []


@pytest.fixture
def inputs(apiyi: Program) -> None:
    (apiyi.work / "a.png").write_bytes(PNG)
    (apiyi.work / "b.jpg").write_bytes(JPEG)


GENERATIONS = "/v1/images/generations"
BODIES: list[tuple[str, str, dict[str, Any]]] = [
    (
        f"-m {SEEDREAM} --size 2K -O watermark=false",
        GENERATIONS,
        {"model": SEEDREAM, "prompt": "cat", "size": "2K", "watermark": False},
    ),
    (
        f"-m {SEEDREAM} -i a.png -i https://example.com/b.png --size 1280x720",
        GENERATIONS,
        {
            "model": SEEDREAM,
            "prompt": "cat",
            "size": "1280x720",
            "image": [f"data:image/png;base64,{encode_picture()}", "https://example.com/b.png"],
        },
    ),
    (
        f"-m {SEEDREAM} -O sequential_image_generation=auto"
        " -O sequential_image_generation_options.max_images=2",
        GENERATIONS,
        {
            "model": SEEDREAM,
            "prompt": "cat",
            "sequential_image_generation": "auto",
            "sequential_image_generation_options": {"max_images": 2},
        },
    ),
    (
        "-m gpt-image-2.5-flare --quality xhigh --size 2048x1152 --background transparent",
        GENERATIONS,
        {
            "model": "gpt-image-2.5-flare",
            "prompt": "cat",
            "quality": "xhigh",
            "size": "2048x1152",
            "background": "transparent",
        },
    ),
    (
        "-m gpt-image-2-vip --size 848x1280 -O response_format=url --n 1",
        GENERATIONS,
        {
            "model": "gpt-image-2-vip",
            "prompt": "cat",
            "size": "848x1280",
            "response_format": "url",
        },
    ),
    (
        "-m gpt-image-2.6-all --n 2 --output-format gif",
        GENERATIONS,
        {"model": "gpt-image-2.6-all", "prompt": "cat", "n": 2, "output_format": "gif"},
    ),
    (
        f"-m {GEMINI} --aspect-ratio 16:9 --size 2K",
        f"/v1beta/models/{GEMINI}:generateContent",
        {
            "contents": [{"role": "user", "parts": [{"text": "cat"}]}],
            "generationConfig": {
                "responseModalities": ["IMAGE"],
                "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
            },
        },
    ),
    (
        "-m gemini-3.1-flash-image -i a.png -i b.jpg -i https://example.com/c.png"
        ' -O \'generationConfig.responseModalities=["TEXT","IMAGE"]\'',
        "/v1beta/models/gemini-3.1-flash-image:generateContent",
        {
            "contents": [
                {
                    "role": "user",
                    "parts": [
                        {"text": "cat"},
                        {"inlineData": {"mimeType": "image/png", "data": encode_picture()}},
                        {"inlineData": {"mimeType": "image/jpeg", "data": encode_picture(JPEG)}},
                        {"fileData": {"fileUri": "https://example.com/c.png"}},
                    ],
                }
            ],
            "generationConfig": {"responseModalities": ["TEXT", "IMAGE"]},
        },
    ),
    (
        "-m gpt-4o-image",
        "/v1/chat/completions",
        {"model": "gpt-4o-image", "messages": [{"role": "user", "content": "cat"}]},
    ),
    (
        "-m gpt-4o-image -i a.png",
        "/v1/chat/completions",
        {
            "model": "gpt-4o-image",
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "cat"},
                        {
                            "type": "image_url",
                            "image_url": {"url": f"data:image/png;base64,{encode_picture()}"},
                        },
                    ],
                }
            ],
        },
    ),
    (
        "-m flux-2-pro -i a.png -i b.jpg",
        GENERATIONS,
        {
            "model": "flux-2-pro",
            "prompt": "cat",
            "input_image": f"data:image/png;base64,{encode_picture()}",
            "input_image_2": f"data:image/jpeg;base64,{encode_picture(JPEG)}",
        },
    ),
]


@pytest.mark.off_schema
@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize(("line", "path", "body"), BODIES)
def test_each_family_is_asked_in_its_own_way(
    apiyi: Program, gateway: Gateway, line: str, path: str, body: dict[str, Any]
) -> None:
    gateway.script(
        ScriptedReply.json({"data": [{"b64_json": encode_picture()}] * body.get("n", 1)})
    )
    ran = apiyi(f"image cat {line}")
    assert ran.code == 0, ran.err
    (post,) = gateway.posts
    assert post.path == path
    assert post.json == body


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("gpt-image-2.5-flare", "image[]"),
        ("gpt-image-2-vip", "image"),
        ("gpt-image-2-all", "image"),
        ("gpt-image-2.6-all", "image"),
    ],
)
def test_two_inputs_are_named_as_the_family_names_them(
    apiyi: Program, gateway: Gateway, model: str, field: str
) -> None:
    ran = apiyi(f"image cat -i a.png -i b.jpg -m {model} --size 16x16")
    assert ran.code == 0, ran.err
    (post,) = [post for post in gateway.posts if post.path == "/v1/images/edits"]
    pictures = [(part.name, part.content) for part in post.parts if part.filename]
    assert pictures == [(field, PNG), (field, JPEG)]


@pytest.mark.parametrize(
    "line",
    [
        f"-m {SEEDREAM} --size 720x720",
        f"-m {SEEDREAM} -O response_format=b64_json --size 720x720",
        "-m gpt-image-2-vip --size 16x16",
        "-m gpt-image-2-vip --size 16x16 -O response_format=url",
        "-m gpt-image-2.5-flare --size 16x16",
        "-m gemini-3.1-flash-image --size 512",
        "-m gpt-4o-image",
        "-m flux-kontext-pro --aspect-ratio 1:1",
    ],
)
def test_the_sandbox_draws_like_each_family_and_the_picture_is_saved(
    apiyi: Program, line: str
) -> None:
    ran = apiyi(f"image cat {line} -o cat.png")
    assert (ran.code, ran.text, ran.err) == (0, "cat.png\n", "")
    assert (apiyi.work / "cat.png").read_bytes().startswith(b"\x89PNG")


def test_one_picture_a_request_makes_three_requests_without_n(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi(f"image cat -m {SEEDREAM} --size 720x720 --n 3 --ndjson")
    assert ran.code == 0, ran.err
    records = [json.loads(line) for line in ran.text.splitlines()]
    assert [(one["n"], one["path"]) for one in records] == [(n, f"cat-{n}.png") for n in (1, 2, 3)]
    assert [post.json for post in gateway.posts] == [
        {"model": SEEDREAM, "prompt": "cat", "size": "720x720"}
    ] * 3


def test_one_of_three_that_fails_is_named_and_the_others_are_saved(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply.error(400, "no cats", code="invalid_value"))
    ran = apiyi("image cat -m gpt-image-2-vip --size 16x16 --n 3 -j 1")
    assert (ran.code, ran.text.split()) == (3, ["cat-2.png", "cat-3.png"])
    assert "input 0, picture 1" in ran.err and "no cats" in ran.err


def test_only_the_missing_picture_is_asked_for(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "cat-1.png").write_bytes(PNG)
    ran = apiyi("image cat -m gpt-image-2-vip --size 16x16 --n 2 --skip-existing")
    assert (ran.code, ran.text) == (0, "cat-2.png\n"), ran.err
    assert len(gateway.posts) == 1


def test_equal_requests_are_not_one_answer_of_the_cache(apiyi: Program, gateway: Gateway) -> None:
    line = "image cat -m gpt-image-2-vip --size 16x16 --n 2 --cache 1h -j 1"
    for _ in range(2):
        ran = apiyi(f"{line} --force")
        assert ran.code == 0, ran.err
    assert len(gateway.posts) == 2


def test_every_picture_of_a_series_is_saved(apiyi: Program, gateway: Gateway) -> None:
    series = "-O sequential_image_generation=auto"
    ran = apiyi(f"image cat -m {SEEDREAM} --size 720x720 {series} -o cat.png")
    assert (ran.code, ran.text.split()) == (0, ["cat.png", "cat-2.png", "cat-3.png"])
    assert "more pictures came than were asked for" in ran.err


def test_extra_pictures_of_one_request_leave_the_names_of_the_others(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(generated(inline_picture(), inline_picture(GIF)))
    gateway.script(generated(inline_picture()))
    ran = apiyi(f"image cat -m {GEMINI} --n 2 -j 1")
    assert (ran.code, ran.text.split()) == (0, ["cat-1.png", "cat-3.gif", "cat-2.png"])


def test_thoughts_and_words_beside_a_picture_are_no_pictures(
    apiyi: Program, gateway: Gateway
) -> None:
    draft = {**inline_picture(GIF), "thought": True}
    gateway.script(generated(draft, {"text": "Here you are"}, inline_picture()))
    ran = apiyi(f"image cat -m {GEMINI}")
    assert (ran.code, ran.text) == (0, "cat-1.png\n"), ran.err


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"candidates": None, "usageMetadata": {"candidatesTokenCount": 0}}, "refused before"),
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "PROHIBITED_CONTENT"),
        *(
            ({"candidates": [{"finishReason": reason}]}, reason)
            for reason in (
                "IMAGE_SAFETY",
                "PROHIBITED_CONTENT",
                "IMAGE_PROHIBITED_CONTENT",
                "SAFETY",
                "RECITATION",
                "IMAGE_RECITATION",
                "IMAGE_OTHER",
                "NO_IMAGE",
            )
        ),
        (
            {
                "candidates": [
                    {
                        "finishReason": "STOP",
                        "content": {"parts": [{"text": "我不能画这个。"}]},
                    }
                ]
            },
            "我不能画这个。",
        ),
        (
            {"candidates": [{"finishReason": "IMAGE_SAFETY", "finishMessage": "Try again"}]},
            "IMAGE_SAFETY: Try again",
        ),
    ],
)
def test_a_refusal_of_gemini_exits_6_with_its_words_and_what_it_may_have_cost(
    apiyi: Program, gateway: Gateway, body: Any, words: str
) -> None:
    gateway.script(ScriptedReply.json(body))
    ran = apiyi(f"image cat -m {GEMINI}")
    assert (ran.code, ran.out) == (6, b""), ran.err
    assert words in ran.err
    assert "it may have been billed; see the log in the console" in " ".join(ran.err.split())
    assert len(gateway.posts) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"candidates": [{"finishReason": "MAX_TOKENS"}]},
        {"candidates": [{"finishReason": "STOP", "content": {"parts": []}}]},
        {"candidates": [{"content": {"parts": [{"inlineData": {"data": "%%%"}}]}}]},
    ],
)
def test_an_answer_of_gemini_that_cannot_be_used_is_kept(
    apiyi: Program, gateway: Gateway, body: Any
) -> None:
    gateway.script(ScriptedReply.json(body))
    ran = apiyi(f"image cat -m {GEMINI}")
    assert ran.code == 8, ran.err
    (kept,) = list_rescued(apiyi)
    assert str(kept) in ran.err
    assert json.loads(kept.read_bytes()) == body


@pytest.mark.parametrize(
    "content",
    [
        f"Here:\n\n![cat](data:image/png;base64,{encode_picture()})",
        [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encode_picture()}"}}],
    ],
)
def test_a_data_url_in_a_chat_answer_is_a_picture(
    apiyi: Program, gateway: Gateway, content: Any
) -> None:
    gateway.script(ScriptedReply.json({"choices": [{"message": {"content": content}}]}))
    ran = apiyi("image cat -m gpt-4o-image -o cat.png")
    assert (ran.code, (apiyi.work / "cat.png").read_bytes()) == (0, PNG), ran.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"-m {GEMINI}" + " -i a.png" * 15, "takes 14, 15 were given"),
        (f"-m {GEMINI} -i big.png", "it has 7.5 MB, the API takes 7 MB"),
        (f"-m {SEEDREAM} -i half.png -i half.png", "they have 8.0 MB in base64 together"),
        (f"-m {SEEDREAM}" + " -i a.png" * 11, "takes 10, 11 were given"),
        (f"-m {SEEDREAM} -i a.png --mask a.png", "takes none"),
        (f"-m {GEMINI} -i a.png --mask a.png", "takes none"),
    ],
)
@pytest.mark.usefixtures("inputs")
def test_inputs_that_a_family_does_not_take_are_refused_before_sending(
    apiyi: Program, gateway: Gateway, line: str, words: str
) -> None:
    for name, size in (("big.png", 15 << 19), ("half.png", 3 << 20)):
        with (apiyi.work / name).open("wb") as file:
            file.write(PNG)
            file.truncate(size)
    ran = apiyi(f"image cat {line}")
    assert (ran.code, gateway.ledger) == (2, [])
    assert words in " ".join(ran.err.split())


def test_a_variation_is_refused_where_there_is_none(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "a.png").write_bytes(PNG)
    ran = apiyi(f"image --vary -i a.png -m {GEMINI}")
    assert (ran.code, gateway.ledger) == (2, [])


@pytest.mark.off_schema
@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("-m gpt-image-2 --quality xhigh", "--quality xhigh is not among"),
        (f"-m {GEMINI} --size 8K", "--size 8K is not among"),
        (f"-m {GEMINI} --quality high", "quality is left out"),
        ("-m gpt-image-2 --output-format gif", "--output-format gif is not among"),
        ("-m gpt-image-2-vip -O n=2", "makes one picture at a time"),
    ],
)
def test_a_value_that_is_not_known_is_warned_of_and_sent(
    apiyi: Program, gateway: Gateway, line: str, warning: str
) -> None:
    gateway.script(ScriptedReply.json({"data": [{"b64_json": encode_picture()}]}))
    ran = apiyi(f"image cat {line}")
    assert (ran.code, len(gateway.posts)) == (0, 1), ran.err
    assert warning in ran.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-m gpt-image-2 -O response_format=url", "response_format"),
        ("-m gpt-image-2-vip -O n=2", "'n' is not supported"),
        ("-m seedream-5-0-pro-260628 -O sequential_image_generation=auto", "not supported"),
    ],
)
def test_what_the_gateway_refuses_of_a_family_exits_6_in_its_words(
    apiyi: Program, gateway: Gateway, line: str, words: str
) -> None:
    ran = apiyi(f"image cat {line}")
    assert (ran.code, ran.out) == (6, b"")
    assert words in ran.err


def test_the_users_own_family_has_the_last_word_on_the_route(
    apiyi: Program, gateway: Gateway
) -> None:
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text('[families."nano-*"]\npicture = {route = "gemini", one_each = true}\n')
    gateway.script(generated(inline_picture()))
    ran = apiyi("image cat -m nano-banana --aspect-ratio 1:1")
    assert (ran.code, ran.text) == (0, "cat-1.png\n"), ran.err
    assert gateway.posts[0].path == "/v1beta/models/nano-banana:generateContent"


@pytest.mark.parametrize(
    ("line", "longest_s"),
    [
        ("-m gemini-3-pro-image", 600.0),
        ("-m gpt-image-2-vip", 300.0),
        ("-m seedream-5-0-260128", 120.0),
        ("-m gpt-image-2-vip --timeout 7", 7.0),
        ("-m dall-e-2", 600.0),
    ],
)
def test_the_wait_for_headers_is_the_familys_unless_one_is_given(
    line: str, longest_s: float
) -> None:
    words = dict(zip(*[iter(line.split())] * 2, strict=True))
    timeout = words.get("--timeout")
    settings = CommandSettings(
        Model(model=words["-m"]),
        Connection(timeout=float(timeout) if timeout else None),
        environ={},
        command="image",
    )
    assert settings.timeouts.headers_s == longest_s


def test_links_to_flux_pictures_die_after_ten_minutes() -> None:
    def fetch(at: float, path: str) -> int:
        received = ReceivedRequest(0, at, "GET", path, "", {}, origin="http://127.0.0.1:1")
        return answer(received, "stop").status

    body = json.dumps({"model": "flux-2-pro", "prompt": "cat"}).encode()
    headers = {"content-type": "application/json"}
    origin = "http://127.0.0.1:1"
    post = ReceivedRequest(0, 0.0, "POST", GENERATIONS, "", headers, body, origin=origin)
    drawn_body = answer(post, "stop").body
    assert isinstance(drawn_body, bytes)
    url = json.loads(drawn_body)["data"][0]["url"]
    path = url.removeprefix(origin)
    assert (fetch(599.0, path), fetch(601.0, path)) == (200, 403)


def test_a_phones_jpeg_of_several_pictures_is_refused_with_the_way_out(
    apiyi: Program, gateway: Gateway
) -> None:
    exif = b"\xff\xe1\xf0\x02" + bytes(0xF000)
    content = b"\xff\xd8" + exif + b"\xff\xe2\0\x08MPF\0II\xff\xda\0\x08" + bytes(99)
    (apiyi.work / "my photo.jpg").write_bytes(content)
    ran = apiyi("image hat -i 'my photo.jpg' -m gpt-image-2")
    assert ran.code == 2
    assert "MPO" in ran.err and "ffmpeg -i 'my photo.jpg' -frames:v 1 picture.png" in ran.err
    assert gateway.posts == []
    assert apiyi("image hat -i 'my photo.jpg' -m gemini-3-pro-image --dry-run").code == 0
