"""The source of the Chinese messages, written and read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apiyi_cli.manual import po


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_what_is_written_is_read_again(told: dict[str, str]) -> None:
    assert po.read(po.write(po.Message(*pair) for pair in told.items())) == told


def test_a_message_stands_with_its_places() -> None:
    message = po.Message('say "hi"\\\n', "说“hi”\\\n", ("cli/app.py", "main.py"))
    assert po.write([message]).split("\n\n")[1] == (
        '#: cli/app.py\n#: main.py\nmsgid "say \\"hi\\"\\\\\\n"\nmsgstr "说“hi”\\\\\\n"\n'
    )


def test_what_other_tools_write_is_read() -> None:
    text = (
        "# A translator's remark.\n"
        'msgid ""\nmsgstr ""\n"Language: zh_CN\\n"\n\n'
        '#, fuzzy\n#| msgid "before"\nmsgid ""\n"in two "\n"pieces"\nmsgstr "两段"\n\n'
        '#~ msgid "gone"\n#~ msgstr "没了"\n'
    )
    assert po.read(text) == {"in two pieces": "两段"}
