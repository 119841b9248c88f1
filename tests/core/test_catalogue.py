"""Finished texts and the messages that account for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiyi_cli.core.catalogue import Catalogue, Template, messages
from apiyi_cli.manual import po

KNOWN = Catalogue(
    {
        "cannot read {}": "无法读取 {}",
        "cannot read {}:{}": "无法读取 {} 第 {} 行",
        "cannot {}": "不能 {}",
        "{} of {}": "{1} 个中的 {0} 个",
        "{} of {} rows have failed": "{1} 行中 {0} 行失败",
        "expected {}, found {}": "应为{0!t}，实为{1!t}",
        "a list": "列表",
        "a text": "文本",
        "the template wants {{}}": "模板需要 {{}}",
        "write {index:04}": "写作 {index:04}",
        "possibly billed twice: {}": "可能重复计费：{}",
        "retry in {} s: {}": "{0} 秒后重试：{1!t}",
        "connection lost": "连接中断",
        "not yet translated": "",
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a list", "列表"),
        ("cannot read notes.txt", "无法读取 notes.txt"),
        ("cannot read a b.txt:12", "无法读取 a b.txt 第 12 行"),
        ("cannot read a:b:12", "无法读取 a 第 b:12 行"),
        ("3 of 4", "4 个中的 3 个"),
        ("3 of 4 rows have failed", "4 行中 3 行失败"),
        ("expected a list, found a text", "应为列表，实为文本"),
        ("expected a list, found a date", "应为列表，实为a date"),
        ("the template wants {city}", "模板需要 {city}"),
        ("write {index:04}", "写作 {index:04}"),
        ("cannot read {0}", "无法读取 {0}"),
        ("not yet translated", "not yet translated"),
        ("what a server says", "what a server says"),
        ("", ""),
    ],
)
def test_a_text_is_traced_to_its_message(text: str, expected: str) -> None:
    assert KNOWN.translate(text) == expected


def test_values_with_spaces_are_none_of_a_message_with_few_letters() -> None:
    assert KNOWN.translate("the rest of the quota") == "the rest of the quota"


def test_a_list_of_words_is_a_value_of_a_message_with_few_letters() -> None:
    known = Catalogue({"one of {}": "{} 之一"})
    assert known.translate("one of a, b, c-d") == "a, b, c-d 之一"
    assert known.translate("one of a b, c") == "one of a b, c"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("connection lost; possibly billed twice: 2", "连接中断；可能重复计费：2"),
        ("connection lost; 502 Bad Gateway", "连接中断；502 Bad Gateway"),
        ("retry in 2 s: connection lost; possibly billed twice: 1", None),
        ("cannot read a; b", "无法读取 a; b"),
    ],
)
def test_statements_joined_by_semicolons_are_told_apart(text: str, expected: str | None) -> None:
    assert KNOWN.translate(text) == (expected or "2 秒后重试：连接中断；可能重复计费：1")


@pytest.mark.no_cover
@given(st.lists(st.text().filter(str.strip), min_size=1, max_size=4), st.text())
def test_a_template_finds_values_that_make_the_text_again(values: list[str], tail: str) -> None:
    parts = (*(f"<part {number}>" for number in range(len(values))), tail)
    text = "".join(part + value for part, value in zip(parts, values, strict=False)) + tail
    found = Template(parts, "").values(text)
    assert found is not None
    assert "".join(part + value for part, value in zip(parts, found, strict=False)) + tail == text


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1)))
def test_what_is_compiled_is_read_again(told: dict[str, str]) -> None:
    assert messages(po.compiled(told)) == told


def test_a_message_without_a_translation_is_not_compiled() -> None:
    assert messages(po.compiled({"one": "", "two": "二"})) == {"two": "二"}


def test_something_else_is_no_catalogue() -> None:
    with pytest.raises(ValueError, match="not a compiled catalogue"):
        messages(b"\0" * 28)
