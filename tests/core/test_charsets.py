"""Which encoding a text is in, by how ordinary its characters would be."""

from __future__ import annotations

import pytest

from apiyi_cli.core.charsets import guess_encoding

TEXTS = [
    ("GB18030", "编号,text,说明\r\n1,hello,一\r\n2,质量很好,二\r\n"),
    ("GB18030", '{"id":"a","prompt":"质量很好"}\n'),
    ("GB18030", "你好"),
    ("GB18030", "鸳鸯蝴蝶派作家张恨水"),
    ("Big5", "產品品質很好，客服態度也不錯。"),
    ("Big5", "編號,內容\n1,很好"),
    ("Shift_JIS", "これはテストです。"),
    ("Shift_JIS", "東京都の天気"),
    ("EUC-JP", "東京都の天気は晴れ"),
    ("EUC-KR", "안녕하세요. 반갑습니다."),
    ("EUC-KR", "제품이 아주 좋아요"),
    ("windows-1252", "Café crème à la française"),
    ("windows-1252", "Grüße aus München, 1,50 €"),
    ("windows-1251", "Привет, как дела?"),
    ("KOI8-R", "Быстрая доставка, спасибо"),
    ("UTF-16LE", "第一行\nline two\n"),
    ("UTF-16LE", "id,text\r\n1,hello\r\n"),
    ("UTF-16BE", "hello, 你好\n"),
    ("UTF-32LE", "hello 你好"),
]


@pytest.mark.parametrize(("name", "text"), TEXTS)
def test_a_text_is_recognised_also_by_a_part_of_it(name: str, text: str) -> None:
    coded = text.encode(name)
    assert guess_encoding(coded) == name
    unit = 4 if name.startswith("UTF-32") else 2
    long = coded * 600
    # As a sample from the middle of a long text is cut.
    assert guess_encoding(long[unit : len(long) // 4 * 4 - unit]) == name


@pytest.mark.parametrize("noise", [bytes(range(128, 256)), b"\x81\xff\x8d\xff", b"a\xff"])
def test_what_reads_well_in_no_encoding_gets_no_name(noise: bytes) -> None:
    assert guess_encoding(noise) is None
