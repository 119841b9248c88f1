"""The choice of a language."""

from __future__ import annotations

import pytest

from apiyi_cli.core.language import as_is, chinese, translator


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_TW"}, True),
        ({"LANG": "ZH"}, True),
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LC_ALL": "en_US.UTF-8", "LANG": "zh_CN.UTF-8"}, False),
        ({"LC_ALL": "", "LANG": "zh_CN.UTF-8"}, True),
        ({"LC_MESSAGES": "zh_CN", "LC_CTYPE": "en_US.UTF-8", "LANG": "C"}, True),
        ({"LC_CTYPE": "zh_CN.UTF-8"}, False),
        ({"LC_ALL": "C.UTF-8", "LANGUAGE": "zh_CN:en"}, False),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, True),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en:zh"}, False),
        ({"LANG": "POSIX", "LANGUAGE": "zh"}, False),
        ({"APIYI_LANG": "zh", "LC_ALL": "C"}, True),
        ({"APIYI_LANG": "en", "LANG": "zh_CN.UTF-8"}, False),
        ({"APIYI_LANG": "", "LANG": "zh_CN.UTF-8"}, True),
    ],
)
def test_the_language_follows_the_environment(environ: dict[str, str], expected: bool) -> None:
    assert chinese(environ) is expected


def test_the_configuration_stands_between_the_variable_and_the_locale() -> None:
    assert chinese({"LANG": "en_US.UTF-8"}, "zh")
    assert not chinese({"LANG": "zh_CN.UTF-8"}, "en")
    assert not chinese({"APIYI_LANG": "en"}, "zh")


def test_english_is_not_translated() -> None:
    assert translator({"LANG": "en_US.UTF-8"}) is as_is
    assert as_is("the prompt") == "the prompt"
