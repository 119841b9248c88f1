from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from apiyi_cli.errors import UsageError
from apiyi_cli.output.names import (
    NAME_FIELDS,
    DistinctNames,
    PathTemplate,
    input_fields,
    safe_name,
    slug,
)

EVIL = [
    "..",
    ".",
    "...",
    "",
    " ",
    "/",
    "//",
    "\\",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "../../etc/passwd",
    "..\\..\\windows",
    "~/.ssh/id_rsa",
    "a/../b",
    "./a",
    "C:\\x",
    "C:x",
    "\\\\server\\share",
    "file:///etc/passwd",
    "a\0b",
    "\0",
    "a\nb",
    "a\rb",
    "a\tb",
    "\x1b[2J",
    "\x07",
    "\x7f",
    "\x9b2J",
    "\u202egnp.exe",
    "\u2066x",
    "\u200bzero",
    "\ufeffbom",
    "\u2028",
    "\ud800",
    "\ue000",
    "-rf",
    "--help",
    "-",
    "--",
    "- x",
    ".bashrc",
    ".git",
    "..hidden",
    ". x",
    " x",
    "\u3000x",
    "\u00a0x",
    "x.",
    "x...",
    "x ",
    "x. .",
    "CON",
    "con",
    "nul",
    "NUL.txt",
    "nul.tar.gz",
    "aux .txt",
    "PRN",
    "COM1",
    "com9.log",
    "COM¹",
    "lpt1",
    "CONIN$",
    "conout$.x",
    "a:b",
    "a:stream:$DATA",
    "a*b",
    "a?b",
    'a"b',
    "a<b>c",
    "a|b",
    "$(reboot)",
    "`reboot`",
    "a;b",
    "x" * 300,
    "中" * 300,
    "😀" * 300,
    "e\u0301" * 300,
    "x" * 300 + ".png",
    "x." + "y" * 300,
    "e\u0301",
    "ﬁ",
    "İ",
    "👨\u200d👩\u200d👧",
]


def assert_safe(name: str) -> None:
    assert name not in ("", ".", "..")
    assert not set(name) & set('/\\:*?"<>|\0')
    assert name[0] not in "-. " and name[-1] not in ". "
    assert len(name.encode()) <= 200
    assert unicodedata.is_normalized("NFC", name)
    assert not any(unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") for one in name)
    assert name.split(".")[0].strip().lower() not in ("con", "nul", "aux", "prn", "com1", "lpt1")


@pytest.mark.parametrize("text", EVIL, ids=ascii)
def test_a_name_from_outside_is_one_plain_file_in_its_directory(text: str, tmp_path: Path) -> None:
    name = safe_name(text)
    assert_safe(name)
    path = tmp_path / name
    path.write_bytes(b"x")
    assert path.resolve().parent == tmp_path.resolve()
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("text", EVIL, ids=ascii)
def test_a_safe_name_is_as_safe_as_it_gets(text: str) -> None:
    assert safe_name(safe_name(text)) == safe_name(text)


@pytest.mark.parametrize("text", EVIL, ids=ascii)
def test_no_value_of_a_field_leads_out_of_the_template_s_directory(
    text: str, tmp_path: Path
) -> None:
    for template in ("{slug}", "{id}.{ext}", "sub/{stem}/{model}", "x-{n}", "{id}{slug}"):
        path = PathTemplate(template).path(dict.fromkeys(NAME_FIELDS, text))
        assert len(path.parts) == template.count("/") + 1
        assert not path.is_absolute()
        for part, written in zip(path.parts, template.split("/"), strict=True):
            if "{" in written:
                assert_safe(part)


@pytest.mark.parametrize("text", EVIL, ids=ascii)
def test_a_slug_is_a_safe_short_name(text: str) -> None:
    assert_safe(slug(text))
    assert len(slug(text).encode()) <= 61


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a cat.png", "a cat.png"),
        ("图片 1.png", "图片 1.png"),
        ("v1.2.3", "v1.2.3"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("NUL.txt", "_NUL.txt"),
        ("console", "console"),
        ("e\u0301", "é"),
        ("...", "untitled"),
        ("a\u3000b", "a b"),
    ],
)
def test_names_stay_readable(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_a_long_name_is_cut_between_characters_and_keeps_its_extension() -> None:
    assert safe_name("中" * 100 + ".png") == "中" * 65 + ".png"
    assert safe_name("x" * 201) == "x" * 200
    assert safe_name("a." + "y" * 300) == "a." + "y" * 198
    assert safe_name("x" * 199 + "中") == "x" * 199
    assert safe_name("q\u0307" * 67) == "q\u0307" * 66
    assert safe_name("x" * 198 + ". " + "y" * 20) == "x" * 198


def test_nothing_is_left_of_a_name_without_room() -> None:
    assert safe_name("中", max_bytes=1, default="x") == "x"


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("A cat, on a MAT!", "a-cat-on-a-mat"),
        ("画一只猫：水彩", "画一只猫-水彩"),
        ("  ", "untitled"),
        ("snake_case", "snake-case"),
        ("Straße №5", "strasse-no5"),
        ("word " * 40, ("word-" * 12).strip("-")),
        ("con", "_con"),
    ],
)
def test_a_slug_is_the_words_in_lower_case(text: str, short: str) -> None:
    assert slug(text) == short


def test_names_that_some_file_systems_take_for_one_are_numbered() -> None:
    numbered = DistinctNames([Path("d/cat.png")])
    assert numbered.make_distinct(Path("d/Cat.png")) == Path("d/Cat-2.png")
    assert numbered.make_distinct(Path("d/CAT.PNG")) == Path("d/CAT-3.PNG")
    assert numbered.make_distinct(Path("e/cat.png")) == Path("e/cat.png")
    assert numbered.make_distinct(Path("e\u0301")) == Path("e\u0301")
    assert numbered.make_distinct(Path("\u00e9")) == Path("\u00e9-2")


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("out/{index:04}-{slug}.{ext}", "out/0007-a-cat.png"),
        ("{index}.{ext}", "7.png"),
        ("{n:2}", "01"),
        ("{n}", "1"),
        ("/abs/{model}/{id}", "/abs/gpt_4o/row 1"),
        ("../up/{stem}.srt", "../up/talk.srt"),
        ("{{x}}-{n}", "{x}-1"),
        ("plain.png", "plain.png"),
        (".cache/.{slug}", ".cache/.a-cat"),
        ("odd:name/{n}", "odd:name/1"),
        ("{n}/plain", "1/plain"),
    ],
)
def test_a_template_is_filled_and_what_its_author_wrote_is_kept(template: str, path: str) -> None:
    values = {
        "index": 7,
        "slug": "a-cat",
        "model": "gpt/4o",
        "n": 1,
        "ext": "png",
        "stem": "talk",
        "id": "row 1",
    }
    assert PathTemplate(template).path(values) == Path(path)


@pytest.mark.parametrize(
    ("template", "folder", "path"),
    [
        ("{dir}/{stem}.txt", "/music/a", "/music/a/talk.txt"),
        ("{dir}/{stem}.txt", "../a", "../a/talk.txt"),
        ("{dir}/{stem}.txt", "", "talk.txt"),
        ("out/{dir}/{stem}.txt", "/music/a", "out/music/a/talk.txt"),
        ("out/{dir}/{stem}.txt", "../../a", "out/_/_/a/talk.txt"),
        ("out/{dir}/{stem}.txt", "/", "out/talk.txt"),
    ],
)
def test_a_folder_is_kept_at_the_start_and_never_leads_upwards_elsewhere(
    template: str, folder: str, path: str
) -> None:
    assert PathTemplate(template).path({"dir": folder, "stem": "talk"}) == Path(path)


def test_a_value_that_is_missing_or_empty_leaves_no_hidden_file() -> None:
    assert PathTemplate("{slug}.{ext}").path({"slug": "", "ext": "png"}) == Path("untitled.png")
    assert PathTemplate("{id}.{ext}").path({"ext": "png"}) == Path("untitled.png")


def test_a_long_value_does_not_push_the_number_off_the_name() -> None:
    template = PathTemplate("{id}-{index}.{ext}")
    paths = {template.path({"id": "x" * 500, "index": n, "ext": "png"}) for n in range(20)}
    assert len(paths) == 20


def test_a_template_tells_which_fields_it_uses() -> None:
    assert PathTemplate("{slug}-{n:02}.{ext}").fields == {"slug", "n", "ext"}
    assert PathTemplate("plain").fields == frozenset()


@pytest.mark.parametrize(
    "template",
    [
        "{unknown}",
        "{}",
        "{0}",
        "{slug",
        "slug}",
        "{slug!r}",
        "{slug:>10}",
        "{index:x}",
        "{index:0999}",
        "{model.__class__}",
        "{model[0]}",
        "{index:{n}}",
        "",
        "..",
        "/",
        "a\0b",
    ],
)
def test_a_template_that_cannot_be_filled_is_refused_at_once(template: str) -> None:
    with pytest.raises(UsageError):
        PathTemplate(template)


def test_an_unknown_field_is_told_together_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        PathTemplate("{title}", known=("id", "ext"))
    assert "{title}" in str(caught.value)
    assert caught.value.hint == "use {id}, {ext}"


@pytest.mark.parametrize(
    ("name", "folder", "stem"),
    [
        ("a/b.png", "a", "b"),
        ("-", ".", "stdin"),
        ("data:image/png;base64,iVBORw0KGgo=", ".", "edit"),
        ("https://example.com/x/a%20cat.png?key=1", ".", "a cat"),
    ],
)
def test_an_input_names_its_output(name: str, folder: str, stem: str) -> None:
    assert input_fields(name, default="edit") == {"dir": folder, "stem": stem}
