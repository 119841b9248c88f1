"""Text in bytes: marks, named encodings, and what is refused with a way out."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator

import pytest

from apiyi_cli.core.encodings import (
    convert_to_utf8,
    decode_text,
    find_encoding,
    quote_path,
    refuse_undecodable,
    show_name,
)
from apiyi_cli.errors import UsageError

GBK = "质量很好".encode("gbk")


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize(
    ("content", "encoding", "text"),
    [
        ("中文 text".encode(), None, "中文 text"),
        ("\ufeff中文".encode(), None, "中文"),
        ("\ufeff中文".encode("utf-16-le"), None, "中文"),
        ("\ufeff中文".encode("utf-16-be"), "gb18030", "中文"),
        ("\ufeff中文".encode("utf-32-le"), None, "中文"),
        ("中文，镕".encode("gb18030"), "gb18030", "中文，镕"),
        ("中文".encode("big5"), "big5", "中文"),
    ],
)
def test_pieces_of_any_size_give_the_same_text(
    content: bytes, encoding: str | None, text: str, size: int
) -> None:
    assert decode_text(content, "f", encoding) == text
    # A mark is looked for in the first piece, which a read of a file or pipe does not cut.
    head, rest = content[:4], content[4:]
    read = convert_to_utf8([head, *pieces(rest, size)], encoding)
    assert b"".join(read).decode() == text
    refuse_undecodable([head, *pieces(rest, size)], "f", encoding)


@pytest.mark.parametrize("size", [1, 3, 7, 64, 100_000])
def test_the_offset_is_the_files_own_however_it_was_read(size: int) -> None:
    content = "中".encode() * 50 + GBK
    with pytest.raises(UsageError, match=r"cannot read f\.txt: not UTF-8 at byte 150"):
        refuse_undecodable(pieces(content, size), "f.txt")
    with pytest.raises(UsageError, match="byte 150"):
        decode_text(content, "f.txt")


def test_a_text_cut_in_a_character_is_whole_only_as_a_beginning() -> None:
    cut = "中文".encode()[:-1]
    refuse_undecodable([cut], "stdin", whole=False)
    with pytest.raises(UsageError, match="byte 3"):
        refuse_undecodable([cut], "stdin")


def test_the_hint_converts_the_file_when_it_is_pasted(tmp_path: object) -> None:
    name = "it's a list.csv"
    with pytest.raises(UsageError) as refused:
        decode_text(b"id,text\n1," + GBK, name)
    assert refused.value.why == (
        "not UTF-8 at byte 10; it reads well as GB18030: --encoding GB18030"
    )
    assert refused.value.hint is not None
    words = shlex.split(refused.value.hint)
    converted = "it's a list.utf8.csv"
    assert words == ["iconv", "-f", "GB18030", "-t", "UTF-8", name, ">", converted]


def test_bytes_of_no_encoding_are_named_and_can_be_left_out() -> None:
    with pytest.raises(UsageError, match="not UTF-8 at byte 6; if it has another") as refused:
        decode_text("中文".encode() + b"\xff", "p.txt")
    assert refused.value.hint == "iconv -c -f UTF-8 -t UTF-8 p.txt > p.utf8.txt"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_wide_text_without_a_mark_is_known_by_its_nuls(encoding: str) -> None:
    with pytest.raises(UsageError, match="it reads well as UTF-"):
        decode_text("id,text\n1,hello\n".encode(encoding), "f")


def test_a_nul_here_and_there_is_let_through() -> None:
    assert decode_text(b"a.txt\0b.txt\0", "f") == "a.txt\0b.txt\0"
    with pytest.raises(UsageError, match="it is binary data"):
        decode_text(bytes(1000), "f")


@pytest.mark.parametrize(
    ("content", "told", "hint"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "a picture (image/png)", "apiyi chat -a 'a b'"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "a document (application/pdf)", "apiyi chat -a 'a b'"),
        (b"\x1f\x8b\x08\0\xff", "compressed (application/gzip)", "zcat 'a b' > 'a b.txt'"),
    ],
)
def test_what_is_not_text_is_named_with_the_way_to_send_it(
    content: bytes, told: str, hint: str
) -> None:
    with pytest.raises(UsageError) as refused:
        decode_text(content, "a b")
    assert refused.value.why == f"it is {told}" and refused.value.hint == hint


@pytest.mark.parametrize("name", ["nonsense", "base64", "rot13", "punycode", "", "a\0b"])
def test_a_name_of_no_encoding_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="it names no encoding of text"):
        find_encoding(name)


def test_the_old_names_of_chinese_encodings_read_all_of_gb18030() -> None:
    assert {find_encoding(name) for name in ("GB2312", "gbk", "cp936", "GB18030")} == {"gb18030"}


@pytest.mark.parametrize("path", ["plain", "a b", "it's", "-x", "\udcca\udcbe x'.wav", "$HOME"])
def test_a_quoted_path_is_one_word_for_a_shell(path: str) -> None:
    ran = subprocess.run(
        ["bash", "-c", f"printf %s {quote_path(path)}"], capture_output=True, check=True
    )
    wanted = path.encode("utf-8", "surrogateescape")
    assert ran.stdout == (b"./" + wanted if path.startswith("-") else wanted)


def test_a_name_of_odd_bytes_can_be_shown() -> None:
    assert show_name("\udcb5\udcca.wav") == "\\xb5\\xca.wav"
    assert show_name("测试.wav") == "测试.wav"
