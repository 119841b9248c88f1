"""`--skip-existing` and names made of the input's: loops over many files, never paid twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.audio_files import wav
from apiyi_cli.sandbox.endpoints.speech import tone
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

WAV = wav(tone(0.1))
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
SOUND = b"ID3\x04" + bytes(range(256))
TRANSCRIBE = "transcribe -m whisper-1 -j 1"
SPEAK = "speak -m tts-1"


@pytest.fixture
def recordings(apiyi: Program) -> None:
    for name in ("a.wav", "b.wav", "sub/a.wav"):
        path = apiyi.work / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(WAV)


def text_replies(*texts: str) -> list[ScriptedReply]:
    return [ScriptedReply.json({"text": text}) for text in texts]


@pytest.mark.usefixtures("recordings")
def test_only_recordings_without_a_transcript_are_sent(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(*text_replies("B", "C"))
    (apiyi.work / "a.txt").write_text("mine\n")
    line = f"{TRANSCRIBE} a.wav b.wav sub/a.wav -o '{{dir}}/{{stem}}.txt' --skip-existing"
    ran = apiyi(line)
    assert (ran.code, ran.out) == (0, b"")
    assert "skipped 1 that exists" in ran.err
    assert (apiyi.work / "a.txt").read_text() == "mine\n"
    assert (apiyi.work / "b.txt").read_text() == "B\n"
    assert (apiyi.work / "sub/a.txt").read_text() == "C\n"
    again = apiyi(line, env={"APIYI_API_KEY": ""})
    assert again.code == 0 and "skipped 3 that exist" in again.err
    assert len(gateway.posts) == 2


@pytest.mark.usefixtures("recordings")
def test_a_run_that_failed_in_part_goes_on_with_the_rest(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(*text_replies("A"), ScriptedReply.error(400, "no"), *text_replies("B"))
    line = f"{TRANSCRIBE} a.wav b.wav -o '{{stem}}.{{ext}}'"
    first = apiyi(line)
    assert first.code == 3 and "--skip-existing" in first.err
    assert apiyi(f"{line} --skip-existing").code == 0
    assert [(apiyi.work / name).read_text() for name in ("a.txt", "b.txt")] == ["A\n", "B\n"]
    assert len(gateway.ledger) == 3


@pytest.mark.usefixtures("recordings")
@pytest.mark.parametrize("output", ["out", "out/"])
def test_a_folder_twice_is_refused_with_the_way(
    apiyi: Program, gateway: Gateway, output: str
) -> None:
    (apiyi.work / "out").mkdir()
    gateway.script(*text_replies("A", "B"))
    line = f"{TRANSCRIBE} a.wav b.wav -o {output}"
    assert apiyi(line).code == 0
    assert (apiyi.work / "out/b.txt").read_text() == "B\n"
    again = apiyi(line)
    assert again.code == 11 and "--skip-existing" in again.err and "--force" in again.err
    assert apiyi(f"{line} --skip-existing").code == 0
    assert len(gateway.posts) == 2


@pytest.mark.usefixtures("recordings")
@pytest.mark.parametrize(
    ("files", "output", "way"),
    [
        ("a.wav b.wav", "out.txt", "{dir}/{stem}.{ext}"),
        ("a.wav sub/a.wav", "'{stem}.txt'", "{dir}/{stem}.{ext}"),
        ("a.wav a.wav", "'{dir}/{stem}.txt'", "{index}-{stem}.{ext}"),
    ],
)
@pytest.mark.parametrize("skip", ["", "--skip-existing"])
def test_two_recordings_for_one_name_are_refused_though_it_exists(
    apiyi: Program, gateway: Gateway, files: str, output: str, way: str, skip: str
) -> None:
    for name in ("out.txt", "a.txt"):
        (apiyi.work / name).write_text("there")
    ran = apiyi(f"{TRANSCRIBE} {files} -o {output} {skip}")
    assert ran.code == 2 and "would both be written" in ran.err and way in ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize(
    "line",
    [
        f"{TRANSCRIBE} a.wav --skip-existing",
        f"{TRANSCRIBE} a.wav --skip-existing -o -",
        f"{TRANSCRIBE} a.wav --skip-existing -o a.txt --force",
        f"{SPEAK} hi --skip-existing",
        f"{SPEAK} hi --skip-existing -o x.mp3 --force",
        f"{TRANSCRIBE} a.wav -o '{{dir}}{{stem}}.txt'",
        f"{TRANSCRIBE} a.wav -o 'x{{dir}}/{{stem}}.txt'",
        f"{TRANSCRIBE} a.wav -o '{{stem}}/{{dir}}'",
        f"{TRANSCRIBE} a.wav -o '{{slug}}.txt'",
        f"{SPEAK} hi -o '{{stem}}.mp3'",
        "image cat -m gpt-image-1 -o '{stem}.png'",
    ],
)
@pytest.mark.usefixtures("recordings")
def test_options_that_leave_nothing_to_look_for_are_refused(
    apiyi: Program, gateway: Gateway, line: str
) -> None:
    ran = apiyi(line)
    assert ran.code == 2, ran.err
    assert gateway.ledger == []


@pytest.mark.usefixtures("recordings")
def test_a_folder_in_the_way_is_no_transcript(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "a.txt").mkdir()
    ran = apiyi(f"{TRANSCRIBE} a.wav -o '{{stem}}.txt' --skip-existing")
    assert ran.code == 11 and "a.txt" in ran.err
    assert gateway.ledger == []


@pytest.mark.usefixtures("recordings")
def test_a_folder_below_another_never_leads_upwards(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "out/_").mkdir(parents=True)
    (apiyi.work / "out/sub").mkdir()
    gateway.script(*text_replies("A", "B"))
    line = f"{TRANSCRIBE} sub/a.wav ../{apiyi.work.name}/b.wav -o 'out/{{dir}}/{{stem}}.txt'"
    (apiyi.work / "out/_" / apiyi.work.name).mkdir()
    assert apiyi(line).code == 0
    assert (apiyi.work / "out/sub/a.txt").read_text() == "A\n"
    assert (apiyi.work / "out/_" / apiyi.work.name / "b.txt").read_text() == "B\n"


def test_speech_that_is_there_is_not_bought_again(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(*[ScriptedReply(body=(SOUND,), content_type="audio/mpeg")] * 3)
    (apiyi.work / "book").mkdir()
    (apiyi.work / "book/one.txt").write_text("Chapter one.")
    line = f"{SPEAK} -f book/one.txt -o '{{dir}}/{{stem}}.mp3'"
    assert apiyi(line).code == 0
    assert (apiyi.work / "book/one.mp3").read_bytes() == SOUND
    again = apiyi(line)
    assert again.code == 11 and "--skip-existing" in again.err
    skipped = apiyi(f"{line} --skip-existing")
    assert (skipped.code, skipped.out) == (0, b"") and "skipped 1" in skipped.err
    assert gateway.posts[0].json["response_format"] == "mp3"
    assert apiyi(f"{SPEAK} Good morning -o book --format wav").code == 0
    assert (apiyi.work / "book/good-morning.wav").read_bytes() == SOUND
    assert len(gateway.posts) == 2


def test_pictures_are_named_after_the_one_that_is_edited(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "in").mkdir()
    assert apiyi("image cat -m gpt-image-1 --size 16x16 -o in/cat.png").code == 0
    line = "image 'a hat' -i in/cat.png -m gpt-image-1 --size 16x16 -o '{dir}/{stem}-hat.{ext}'"
    ran = apiyi(line)
    assert (ran.code, ran.out) == (0, b"in/cat-hat.png\n"), ran.err
    again = apiyi(line)
    assert again.code == 11 and "--skip-existing" in again.err
    assert apiyi(f"{line} --skip-existing").code == 0
    assert len(gateway.posts) == 2


def test_a_fixed_name_for_many_pictures_is_refused_though_it_exists(
    apiyi: Program, gateway: Gateway
) -> None:
    assert apiyi("image cat -m gpt-image-1 --size 16x16 -o cat.png").code == 0
    line = "image --lines -m gpt-image-1 -o cat.png --skip-existing"
    ran = apiyi(line, stdin=b"one\ntwo\n")
    assert ran.code == 2 and "would both be written" in ran.err
    assert len(gateway.posts) == 1


@pytest.mark.usefixtures("recordings")
@pytest.mark.parametrize(
    ("line", "stdin", "existing", "left"),
    [
        (f"{TRANSCRIBE} a.wav b.wav -o '{{stem}}.txt'", b"", ("a.txt",), 1),
        (f"{TRANSCRIBE} a.wav b.wav -o '{{stem}}.txt'", b"", ("a.txt", "b.txt"), 0),
        ("image --lines -m gpt-image-1 -o '{index}.png'", b"x\ny\n", ("1.png",), 1),
        ("image cat -m gpt-image-1 --n 3 -o '{n}.png'", b"", ("1.png", "2.png"), 1),
        (f"{SPEAK} hello -o hello.mp3", b"", ("hello.mp3",), 0),
        (f"{SPEAK} hello -o hello.mp3", b"", (), 1),
    ],
)
def test_a_dry_run_shows_the_requests_that_would_be_sent_and_no_others(
    apiyi: Program, gateway: Gateway, line: str, stdin: bytes, existing: tuple[str, ...], left: int
) -> None:
    for name in existing:
        (apiyi.work / name).write_bytes(PNG)
    ran = apiyi(f"{line} --skip-existing --dry-run", stdin=stdin)
    assert ran.code == 0 and len(ran.out.splitlines()) == left, ran.err
    assert ("skipped" in ran.err) == bool(existing)
    assert len(apiyi(f"{line} --dry-run", stdin=stdin).out.splitlines()) >= left
    if "--n 3" in line:
        assert "n" not in ran.json["body"] or ran.json["body"]["n"] == 1
    assert gateway.posts == []
