"""`apiyi image`: what is sent for each family, and what becomes of what comes back."""

from __future__ import annotations

import json
import signal
import subprocess
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.drawing import png
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

PNG = png(b"seed" * 8, 16, 16)
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF" + b"\0" * 20 + b"\xff\xda\0\x08 scan \xff\xd9"
WEBP = b"RIFF" + (20).to_bytes(4, "little") + b"WEBPVP8 " + b"\0" * 12
MODEL = "-m gpt-image-1"


def answer(*items: dict[str, Any]) -> ScriptedReply:
    return ScriptedReply.json({"created": 1, "data": list(items)})


def encode_picture(content: bytes = PNG) -> str:
    return b64encode(content).decode()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def parts(gateway: Gateway) -> list[tuple[str, str | None, str | None]]:
    return [(one.name, one.filename, one.type) for one in gateway.posts[0].parts]


@pytest.mark.parametrize(
    ("line", "body"),
    [
        ("-m gpt-image-1", {"model": "gpt-image-1"}),
        ("-m gpt-image-2 --size 64x32", {"model": "gpt-image-2", "size": "64x32"}),
        (
            "-m gpt-image-1 --quality low --background transparent --output-format webp"
            " --output-compression 50 --n 2",
            {
                "model": "gpt-image-1",
                "quality": "low",
                "background": "transparent",
                "output_format": "webp",
                "output_compression": 50,
                "n": 2,
            },
        ),
        (
            "-m dall-e-3 --style natural --quality hd",
            {"model": "dall-e-3", "style": "natural", "quality": "hd"},
        ),
        (
            "-m flux-kontext-pro --aspect-ratio 16:9 --seed 7 -O safety_tolerance=6",
            {
                "model": "flux-kontext-pro",
                "aspect_ratio": "16:9",
                "seed": 7,
                "safety_tolerance": 6,
            },
        ),
    ],
)
def test_only_what_was_set_is_sent(
    apiyi: Program, gateway: Gateway, line: str, body: dict[str, Any]
) -> None:
    gateway.script(*[answer({"b64_json": encode_picture()}, {"b64_json": encode_picture()})])
    ran = apiyi(f"image a cat {line}")
    assert ran.code == 0, ran.err
    assert gateway.posts[0].path == "/v1/images/generations"
    assert gateway.posts[0].json == {"prompt": "a cat", **body}


def test_a_picture_is_saved_and_its_path_printed(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("image A red Cat! -m gpt-image-1 --size 16x16")
    assert (ran.code, ran.out, ran.err) == (0, b"a-red-cat-1.png\n", "")
    assert (apiyi.work / "a-red-cat-1.png").read_bytes().startswith(b"\x89PNG")


def test_editing_one_picture_sends_image_and_the_mask_as_files(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "in.PNG").write_bytes(PNG)
    (apiyi.work / "mask.png").write_bytes(PNG)
    ran = apiyi(f"image a hat -i in.PNG --mask mask.png {MODEL} --quality low --n 1")
    assert ran.code == 0, ran.err
    assert gateway.posts[0].path == "/v1/images/edits"
    assert parts(gateway) == [
        ("model", None, None),
        ("prompt", None, None),
        ("n", None, None),
        ("quality", None, None),
        ("image", "in.PNG", "image/png"),
        ("mask", "mask.png", "image/png"),
    ]
    assert gateway.posts[0].parts[-1].content == PNG


def test_several_pictures_are_sent_as_image_brackets_in_their_order(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "b.png").write_bytes(PNG)
    (apiyi.work / "photo").write_bytes(JPEG)
    (apiyi.work / "wrong.png").write_bytes(WEBP)
    ran = apiyi(f"image both -i b.png -i photo -i wrong.png {MODEL}")
    assert ran.code == 0, ran.err
    assert parts(gateway)[2:] == [
        ("image[]", "b.png", "image/png"),
        ("image[]", "photo.jpg", "image/jpeg"),
        ("image[]", "wrong.webp", "image/webp"),
    ]


def test_flux_edits_on_the_generations_route_with_data_urls(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "a.jpg").write_bytes(JPEG)
    (apiyi.work / "b.png").write_bytes(PNG)
    ran = apiyi("image mix -i a.jpg -i https://example.com/x.png -i b.png -m flux-2-pro --dry-run")
    assert ran.code == 0, ran.err
    assert ran.json["url"].endswith("/images/generations")
    assert ran.json["body"] == {
        "model": "flux-2-pro",
        "prompt": "mix",
        "input_image": f"data:image/jpeg;base64,{encode_picture(JPEG)}",
        "input_image_2": "https://example.com/x.png",
        "input_image_3": f"data:image/png;base64,{encode_picture(PNG)}",
    }


def test_a_variation_has_a_picture_and_no_prompt(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "in.png").write_bytes(PNG)
    ran = apiyi("image --vary -i in.png -m dall-e-2 --n 2 --size 16x16 -o out-{n}.{ext}")
    assert (ran.code, ran.text) == (0, "out-1.png\nout-2.png\n"), ran.err
    assert gateway.posts[0].path == "/v1/images/variations"
    assert [name for name, *_ in parts(gateway)] == ["model", "n", "size", "image"]


def test_a_picture_may_come_from_stdin(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(f"image a hat -i - {MODEL}", stdin=JPEG)
    assert ran.code == 0, ran.err
    assert parts(gateway)[-1] == ("image", "stdin.jpg", "image/jpeg")
    assert gateway.posts[0].parts[-1].content == JPEG


@pytest.mark.parametrize(
    "text",
    [
        encode_picture(),
        f"data:image/png;base64,{encode_picture()}",
        f"data:image/png;;base64,{encode_picture()}",
        "\r\n".join(encode_picture()[at : at + 76] for at in range(0, len(encode_picture()), 76)),
        urlsafe_b64encode(PNG).decode(),
        encode_picture().rstrip("="),
        f"  {encode_picture()}\n",
    ],
)
def test_base64_in_any_clothes_is_the_same_picture(
    apiyi: Program, gateway: Gateway, text: str
) -> None:
    # A data URL may stand in either field, and the other one is empty rather than absent.
    field, other = ("url", "b64_json") if ";;" in text else ("b64_json", "url")
    text = text.replace(";;", ";")
    gateway.script(answer({field: text, other: "", "revised_prompt": ""}))
    ran = apiyi(f"image cat {MODEL} -o cat.png")
    assert (ran.code, ran.text) == (0, "cat.png\n"), ran.err
    assert (apiyi.work / "cat.png").read_bytes() == PNG


@pytest.mark.parametrize(("content", "name"), [(JPEG, "cat-1.jpg"), (WEBP, "cat-1.webp")])
def test_the_extension_follows_the_bytes(
    apiyi: Program, gateway: Gateway, content: bytes, name: str
) -> None:
    gateway.script(answer({"b64_json": encode_picture(content)}))
    ran = apiyi(f"image cat {MODEL} --output-format png")
    assert (ran.code, ran.text) == (0, f"{name}\n")
    assert files(apiyi.work) == [name]


def test_a_name_without_fields_is_kept_and_what_it_holds_is_said(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(answer({"b64_json": encode_picture(JPEG)}))
    ran = apiyi(f"image cat {MODEL} -o cat.png")
    assert (ran.code, ran.text) == (0, "cat.png\n")
    assert "cat.png holds jpg" in ran.err


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"data": []}, "it has no data"),
        ({"data": None}, "it has no data"),
        ({"data": [{"url": "", "b64_json": ""}]}, "it is empty"),
        ({"data": [{"revised_prompt": "I cannot draw that"}]}, "I cannot draw that"),
        ({"choices": [{"message": {"content": "Sorry, no."}}]}, "Sorry, no."),
        ({"data": [{"b64_json": "%%%"}]}, "not valid base64"),
        ({"data": [{"b64_json": encode_picture()[:-7]}]}, "base64"),
        ({"data": [{"b64_json": encode_picture(b"<html>no</html>")}]}, "no picture"),
    ],
)
def test_an_answer_without_a_picture_exits_8_and_leaves_no_file(
    apiyi: Program, gateway: Gateway, body: Any, told: str
) -> None:
    gateway.script(ScriptedReply.json(body))
    ran = apiyi(f"image cat {MODEL}")
    assert (ran.code, ran.out, files(apiyi.work)) == (8, b"", [])
    assert told in ran.err
    assert len(gateway.posts) == 1


def test_a_cut_picture_is_no_file_and_its_bytes_are_kept_elsewhere(
    apiyi: Program, gateway: Gateway
) -> None:
    half = PNG[: len(PNG) // 2]
    gateway.script(answer({"b64_json": encode_picture(half)}))
    ran = apiyi(f"image cat {MODEL}")
    assert (ran.code, files(apiyi.work)) == (8, [])
    (kept,) = (apiyi.home / "state" / "apiyi" / "rescue").iterdir()
    assert kept.read_bytes() == half
    assert str(kept) in ran.err


def test_two_of_four_pictures_are_saved_and_exit_8(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(answer({"b64_json": encode_picture()}, {"b64_json": encode_picture(JPEG)}))
    ran = apiyi(f"image cat {MODEL} --n 4")
    assert (ran.code, ran.text) == (8, "cat-1.png\ncat-2.jpg\n")
    assert "2 of 4 pictures" in ran.err
    assert files(apiyi.work) == ["cat-1.png", "cat-2.jpg"]


def test_events_that_nobody_waited_for_are_a_picture_all_the_same(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi(f"image cat {MODEL} --size 16x16 -O stream=true -O partial_images=2")
    assert (ran.code, ran.text) == (0, "cat-1.png\n"), ran.err


@pytest.mark.parametrize(
    "line",
    [
        "image cat --mask m.png",
        "image --vary",
        "image cat --vary -i in.png",
        "image cat --vary -i in.png -i in.png",
        "image cat -o -  --n 2",
        "image cat -o - --json",
        "image cat -o x-{who}.png",
        "image cat -o {n.x}.png",
        "image cat --n 2 -o cat.png",
        "image cat --lines",
        "image cat --skip-existing --force",
        "image cat -i missing.png",
        "image cat -i empty.png",
        "image cat -i text.txt",
        "image cat -i in.png --mask photo.jpg",
        "image cat -i in.png -m dall-e-3",
        "image cat -i photo.jpg -m dall-e-2",
        "image cat -i in.png -i in.png -m flux-kontext-pro",
        "image cat -i in.png --mask in.png -m flux-2-pro",
        "image cat -i https://example.com/x.png",
        "image cat --n 0",
        "image",
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_sent(
    apiyi: Program, gateway: Gateway, line: str
) -> None:
    for name, content in {
        "in.png": PNG,
        "photo.jpg": JPEG,
        "empty.png": b"",
        "text.txt": b"words",
    }.items():
        (apiyi.work / name).write_bytes(content)
    before = files(apiyi.work)
    ran = apiyi(line if " -m " in line else f"{line} {MODEL}", stdin=b"")
    assert (ran.code, ran.out) == (2, b""), ran.err
    assert (gateway.ledger, files(apiyi.work)) == ([], before)


def test_an_input_that_is_too_large_is_named(apiyi: Program, gateway: Gateway) -> None:
    with (apiyi.work / "big.png").open("wb") as file:
        file.write(PNG)
        file.truncate(51 << 20)
    ran = apiyi(f"image cat -i big.png {MODEL}")
    assert ran.code == 2
    assert "big.png" in ran.err
    assert "50 MB" in ran.err
    assert gateway.ledger == []


def test_what_exists_is_said_before_anything_is_sent(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "cat-1.jpg").write_bytes(JPEG)
    ran = apiyi(f"image cat {MODEL}")
    assert (ran.code, gateway.ledger) == (11, [])
    assert "cat-1.jpg" in ran.err
    assert apiyi(f"image cat {MODEL} --force --size 16x16 -o cat-1.jpg").code == 0
    assert (apiyi.work / "cat-1.jpg").read_bytes() != JPEG


def test_a_directory_gets_the_default_name(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "{n}").mkdir()
    ran = apiyi(f"image cat {MODEL} --size 16x16 -o {{n}}/")
    assert (ran.code, ran.text) == (0, "{n}/cat-1.png\n"), ran.err


def test_a_missing_directory_is_said_before_anything_is_sent(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi(f"image cat {MODEL} -o out/{{slug}}.png")
    assert (ran.code, gateway.ledger) == (11, [])
    assert "mkdir -p" in ran.err


def test_a_name_from_the_prompt_cannot_leave_the_directory(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi(["image", "../../etc/passwd", "-m", "gpt-image-1", "--size", "16x16"])
    assert ran.code == 0
    assert files(apiyi.work) == ["etc-passwd-1.png"]


def test_stdout_takes_the_bytes_of_one_picture(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(answer({"b64_json": encode_picture()}))
    ran = apiyi(f"image cat {MODEL} -o -")
    assert (ran.code, ran.out, files(apiyi.work)) == (0, PNG, [])


def test_a_picture_is_not_written_to_a_terminal(apiyi: Program, gateway: Gateway) -> None:
    screen = apiyi.terminal(f"image cat {MODEL} -o -")
    assert (screen.code, gateway.ledger) == (2, [])


def test_json_is_the_servers_object_and_ndjson_a_record_for_each(
    apiyi: Program, gateway: Gateway
) -> None:
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    item = {"b64_json": encode_picture(), "revised_prompt": "a very red cat"}
    body = {"created": 1, "data": [item, item], "usage": usage}
    gateway.script(ScriptedReply.json(body), ScriptedReply.json(body))
    ran = apiyi(f"image cat {MODEL} --n 2 --json")
    assert (ran.code, ran.json) == (0, body)
    assert files(apiyi.work) == ["cat-1.png", "cat-2.png"]
    ran = apiyi(f"image cat {MODEL} --n 2 --ndjson --force -u")
    first, second = (json.loads(line) for line in ran.out.splitlines())
    assert first == {
        "path": "cat-1.png",
        "index": 0,
        "n": 1,
        "model": "gpt-image-1",
        "revised_prompt": "a very red cat",
        "bytes": len(PNG),
        "type": "image/png",
        "usage": usage,
    }
    # Sums over the records are right: what a request used stands in its first one.
    assert second == {**first, "path": "cat-2.png", "n": 2, "usage": None}
    assert "1 prompt + 2 completion = 3 tokens" in ran.err


def test_a_url_is_fetched_without_the_key(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("image cat -m flux-kontext-pro --size 16x16 -H 'X-Own: 1'")
    assert (ran.code, ran.text) == (0, "cat-1.png\n"), ran.err
    post, fetched = gateway.ledger
    assert (post.method, fetched.method) == ("POST", "GET")
    assert not {"authorization", "cookie", "x-own", "idempotency-key"} & fetched.headers.keys()


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (ScriptedReply.text("gone", status=404), "HTTP 404"),
        (ScriptedReply(body=PNG[:40], content_type="image/png"), "cut"),
    ],
)
def test_a_paid_picture_whose_download_fails_is_not_made_again(
    apiyi: Program, gateway: Gateway, reply: ScriptedReply, told: str
) -> None:
    url = f"{gateway.origin}/files/x.png?sig=a%2Fb&c=1"
    gateway.script(answer({"url": url, "revised_prompt": "x"}), path="/generations")
    gateway.script(reply, reply, reply, path="/files/x.png")
    ran = apiyi("image cat -m flux-kontext-pro --ndjson")
    assert (ran.code, len(gateway.posts), len(gateway.ledger)) == (8, 1, 4)
    record = json.loads(ran.out)
    assert (record["path"], record["url"]) == (None, url)
    assert record["error"]["exit_code"] == 8
    assert url in ran.err
    assert told in ran.err
    assert files(apiyi.work) == []


def test_a_url_in_the_own_network_is_refused_unless_allowed(
    apiyi: Program, gateway: Gateway
) -> None:
    with Gateway() as stranger:
        url = f"{stranger.origin}/files/{'0' * 64}-16x16.png"
        gateway.script(answer({"url": url}), answer({"url": url}))
        ran = apiyi("image cat -m dall-e-3")
        assert (ran.code, stranger.connections) == (8, 0)
        assert url in ran.err
        ran = apiyi("image cat -m dall-e-3 --allow-private")
        assert (ran.code, ran.text) == (0, "cat-1.png\n"), ran.err


def test_what_was_sent_and_never_answered_is_not_sent_again(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply.json({"data": []}, billed=True).cut())
    ran = apiyi(f"image cat {MODEL}")
    assert (ran.code, len(gateway.ledger)) == (8, 1), ran.err
    gateway.script(ScriptedReply.text("late", status=524))
    assert apiyi(f"image cat {MODEL}").code == 8
    assert len(gateway.ledger) == 2


def test_what_was_refused_for_now_is_sent_again(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.error(429, "slow down", headers=(("retry-after-ms", "1"),)))
    ran = apiyi(f"image cat {MODEL} --size 16x16")
    assert (ran.code, len(gateway.ledger)) == (0, 2), ran.err


LINES = b"a cat\n\nthe dog\r\nein Hund\n"


def test_lines_make_a_picture_each_in_order(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(
        f"image --lines {MODEL} --size 16x16 -o {{index:03}}-{{slug}}.{{ext}} -j 2", stdin=LINES
    )
    assert ran.code == 0, ran.err
    assert ran.text.split() == ["000-a-cat.png", "001-the-dog.png", "002-ein-hund.png"]
    assert sorted(one.json["prompt"] for one in gateway.posts) == ["a cat", "ein Hund", "the dog"]


def test_lines_that_would_be_one_file_are_refused(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(f"image --lines {MODEL}", stdin=b"Cat\ndog\ncat\n")
    assert (ran.code, gateway.ledger) == (2, [])
    assert "input 2" in ran.err
    assert "cat-1.png" in ran.err


def test_skip_existing_asks_only_for_what_is_missing(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "a-cat-2.jpg").write_bytes(JPEG)
    (apiyi.work / "the-dog-1.png").write_bytes(PNG)
    (apiyi.work / "the-dog-2.png").write_bytes(PNG)
    line = f"image --lines {MODEL} --size 16x16 --n 2 --skip-existing"
    ran = apiyi(line, stdin=LINES)
    assert ran.code == 0, ran.err
    assert ran.text.split() == ["a-cat-1.png", "ein-hund-1.png", "ein-hund-2.png"]
    assert sorted((one.json["prompt"], one.json["n"]) for one in gateway.posts) == [
        ("a cat", 1),
        ("ein Hund", 2),
    ]
    again = apiyi(line, stdin=LINES)
    assert (again.code, again.out, len(gateway.posts)) == (0, b"", 2)
    assert "skipped 6" in again.err


def test_a_file_that_is_no_picture_is_not_taken_for_one(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "cat-1.png").write_bytes(b"")
    ran = apiyi(f"image cat {MODEL} --skip-existing")
    assert (ran.code, gateway.ledger) == (11, [])


def test_one_line_that_fails_does_not_stop_the_others(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.error(400, "no cats", code="moderation_blocked"))
    ran = apiyi(f"image --lines {MODEL} --size 16x16 -j 1 --ndjson", stdin=LINES)
    assert (ran.code, len(gateway.ledger)) == (3, 3)
    first, *others = (json.loads(line) for line in ran.out.splitlines())
    assert (first["path"], first["error"]["code"]) == (None, "moderation_blocked")
    assert [one["path"] for one in others] == ["the-dog-1.png", "ein-hund-1.png"]
    told = [json.loads(line)["error"] for line in ran.err.splitlines()]
    assert [one["exit_code"] for one in told] == [6, 3]
    assert told[0]["message"].startswith("input 0: ")


def test_a_key_that_is_refused_ends_the_run(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(
        f"image --lines {MODEL} -j 1", stdin=LINES, env={"APIYI_API_KEY": "sk-other-0123456789"}
    )
    assert ran.code == 4
    assert [request.method for request in gateway.ledger] == ["POST", "GET"]


def test_a_stopped_run_saves_what_is_under_way_and_pays_for_nothing_twice(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    prompts = [f"picture {k}" for k in range(12)]
    text = "".join(f"{one}\n" for one in prompts).encode()
    line = f"image --lines {MODEL} --size 16x16 -j 3 --skip-existing"
    process = apiyi.start(line, stdin=subprocess.PIPE)
    stopped.append(process)
    held = [answer({"b64_json": encode_picture()}).replace(delay_s=0.4) for _ in prompts]
    gateway.script(*held)
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.close()
    process.stdin = None
    assert gateway.wait_for(lambda: len(gateway.ledger) >= 5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    sent = len(gateway.ledger)
    assert sent < len(prompts), "it went on after the signal"
    assert len(files(apiyi.work)) == sent == len(out.split()), err
    gateway._scripts.clear()
    ran = apiyi(line, stdin=text)
    assert ran.code == 0, ran.err
    assert sorted(one.json["prompt"] for one in gateway.posts) == sorted(prompts)


def test_a_killed_run_leaves_whole_pictures_and_parts_that_the_next_run_clears(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    text = b"".join(b"p%d\n" % k for k in range(40))
    line = f"image --lines {MODEL} --size 16x16 -j 4 --skip-existing"
    for count in (3, 9, 17):
        seen = len(gateway.ledger)
        process = apiyi.start(line, stdin=subprocess.PIPE)
        stopped.append(process)
        assert process.stdin is not None
        process.stdin.write(text)
        process.stdin.close()
        process.stdin = None
        assert gateway.wait_for(lambda seen=seen, count=count: len(gateway.ledger) >= seen + count)  # type: ignore[misc]
        process.kill()
        process.communicate()
        for path in apiyi.work.glob("*.png"):
            assert path.read_bytes().endswith(b"IEND\xaeB`\x82")
    stale = apiyi.work / ".p1-1.png.999999999-0123abcd.part"
    stale.write_bytes(b"half")
    missing = 40 - len(list(apiyi.work.glob("*.png")))
    before = len(gateway.ledger)
    assert apiyi(line, stdin=text).code == 0
    assert len(gateway.ledger) - before == missing
    assert len(files(apiyi.work)) == 40


def test_a_picture_that_cannot_be_written_is_kept_elsewhere(
    apiyi: Program, gateway: Gateway
) -> None:
    made = apiyi.work / "cat.png"
    reply = answer({"b64_json": encode_picture()}).replace(wait=lambda k: made.write_bytes(b"mine"))
    gateway.script(reply)
    ran = apiyi(f"image cat {MODEL} -o cat.png")
    assert (ran.code, made.read_bytes()) == (11, b"mine")
    (kept,) = (apiyi.home / "state" / "apiyi" / "rescue").iterdir()
    assert kept.read_bytes() == PNG


def test_a_preview_is_shown_in_kitty_and_iterm(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(
        answer({"b64_json": encode_picture()}), answer({"b64_json": encode_picture(JPEG)})
    )
    kitty = apiyi.terminal(f"image cat {MODEL} --preview", env={"KITTY_WINDOW_ID": "1"})
    assert kitty.code == 0
    assert b"\x1b_Ga=T,f=100,q=2,m=0;" + b64encode(PNG) + b"\x1b\\" in kitty.raw
    iterm = apiyi.terminal(f"image dog {MODEL} --preview", env={"TERM_PROGRAM": "iTerm.app"})
    # Of the 50 rows of the window three are left for the file's name and the prompt.
    fit = b"size=%d;width=80;height=47;preserveAspectRatio=1:" % len(JPEG)
    assert b"\x1b]1337;File=inline=1;" + fit + b64encode(JPEG) + b"\x07" in iterm.raw


def test_a_preview_is_drawn_by_chafa_where_the_terminal_has_no_pictures(
    apiyi: Program, gateway: Gateway
) -> None:
    tool = apiyi.path.with_name("chafa")
    tool.write_text('#!/bin/sh\necho "drawn $1 $2 $(basename "$3")"\n')
    tool.chmod(0o755)
    screen = apiyi.terminal(f"image cat {MODEL} --size 16x16 --preview", columns=60)
    assert (screen.code, screen.lines) == (0, ["cat-1.png", "drawn --size 60x47 cat-1.png"])
    piped = apiyi(f"image dog {MODEL} --size 16x16 --preview")
    assert piped.text == "dog-1.png\n"


def test_progress_is_shown_on_a_terminal_alone(apiyi: Program, gateway: Gateway) -> None:
    script = f"image --lines {MODEL} --size 16x16 -j 1"
    (apiyi.work / "prompts").write_bytes(LINES)
    screen = apiyi.terminal(script, redirect="<prompts >/dev/null")
    assert screen.code == 0
    assert b"1/3" in screen.raw


def test_what_a_family_refuses_is_warned_of_once_and_sent(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(f"image --lines {MODEL} --size 16x16 --style vivid", stdin=LINES)
    assert ran.code == 0
    assert ran.err.count("gpt-image-1 is known to refuse style") == 1
    assert {one.json["style"] for one in gateway.posts} == {"vivid"}


def test_an_outage_is_not_met_with_a_retry_for_each_line(apiyi: Program, gateway: Gateway) -> None:
    """The requests of a run share a purse of 500, of which a retry takes 5."""
    gateway.script(*[ScriptedReply.error(503, "down")] * 300)
    lines = "".join(f"{n}\n" for n in range(120)).encode()
    ran = apiyi(f"image --lines {MODEL} -j 100 --retries 1 --no-limits", stdin=lines)
    assert "too many retries in this process" in ran.err
    assert (ran.code, len(gateway.ledger)) == (3, 120 + 100)
