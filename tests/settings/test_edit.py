from __future__ import annotations

import stat
from pathlib import Path

import pytest

from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.settings.config_file import load
from apiyi_cli.settings.edit import find_written, locate_key, parse_words, remove, write

COMMENTED = """\
# my settings

[profile.default] # in use
model = "gpt-4o"  # cheap
  retries=3

[profile.work]   # the other
model = 'x'
"""


def change(path: Path, key: str, *words: str, profile: str = "default") -> None:
    keys = locate_key(key, profile)
    write(path, keys, parse_words(keys, words))


def test_a_new_file_is_private_and_has_the_key_in_the_profile_in_use(tmp_path: Path) -> None:
    path = tmp_path / "apiyi" / "config.toml"
    change(path, "model", "gpt-4o", profile="work")
    assert path.read_text() == '[profile.work]\nmodel = "gpt-4o"\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_comments_and_layout_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(COMMENTED)
    change(path, "model", "o3")
    change(path, "profile.work.model", "y")
    assert path.read_text() == COMMENTED.replace('"gpt-4o"', '"o3"').replace("'x'", '"y"')


def test_windows_line_ends_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(COMMENTED.replace("\n", "\r\n").encode())
    change(path, "model", "o3")
    assert b'"o3"  # cheap\r\n' in path.read_bytes()


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        ("model", ("profile", "p", "model")),
        ("max-tokens", ("profile", "p", "max_tokens")),
        ("limits.rpm", ("profile", "p", "limits", "rpm")),
        ("rpm", ("profile", "p", "limits", "rpm")),
        ("profile.work.window_s", ("profile", "work", "limits", "window_s")),
        ("profile.work.model", ("profile", "work", "model")),
        ("profile.work", ("profile", "work")),
        ('profile."a b".model', ("profile", "a b", "model")),
        ("language", ("language",)),
        ('families."gpt-5*".max_tokens', ("families", "gpt-5*", "max_tokens")),
    ],
)
def test_keys_have_a_place(key: str, keys: tuple[str, ...]) -> None:
    assert locate_key(key, "p") == keys


@pytest.mark.parametrize("key", ["", "a b", "a.", "a\nb = 1", "a = 1\nb", '"', "[a]"])
def test_what_is_not_a_key_is_refused(key: str) -> None:
    with pytest.raises(UsageError):
        locate_key(key, "p")


@pytest.mark.parametrize(
    ("key", "words", "value"),
    [
        ("model", ["gpt-4o"], "gpt-4o"),
        ("model", ["a", "b"], ["a", "b"]),
        ("retries", ["3"], 3),
        ("temperature", ["1"], 1.0),
        ("json", ["yes"], True),
        ("stream", ["FALSE"], False),
        ("seed", ["-5"], -5),
        ("stop", ["END"], "END"),
        ("stop", ['["a", "b"]'], ["a", "b"]),
        ("base_urls", ["https://a/v1"], ["https://a/v1"]),
        ("key_command", ["pass", "show"], ["pass", "show"]),
        ("limits.rpm", ["20"], 20),
        ("limits.store", ["redis://h:1/0"], "redis://h:1/0"),
        ("usage_ledger", ["false"], False),
        ("language", ["en"], "en"),
    ],
)
def test_words_become_what_the_key_holds(
    tmp_path: Path, key: str, words: list[str], value: object
) -> None:
    path = tmp_path / "config.toml"
    change(path, key, *words)
    found = find_written(path, locate_key(key, "default"))
    assert (found, type(found)) == (value, type(value))
    load(path)


@pytest.mark.parametrize(
    ("key", "words", "why"),
    [
        ("retries", ["many"], "expected a whole number from 0 to 100"),
        ("retries", ["1", "2"], "2 were given"),
        ("temperature", ["nan"], "expected a number from 0 to 2"),
        ("modle", ["x"], "did you mean model?"),
        ("api_key", ["x"], "keys do not belong"),
        ("base_urls", ["http://h/v1"], "plain http"),
        ("stop", ["[1,"], "Invalid value"),
        ("limits.rpm", ["x"], "expected a whole number of at least 1"),
        ("limits.store", ["http://h"], "expected the address of a Redis server"),
        ("profile.sandbox.key_command", ["x"], "is built in"),
        ("model.x", ["1"], "profile.default.model is a value"),
        ("language", ["fr"], "expected one of en, zh"),
    ],
)
def test_a_wrong_value_is_refused_and_the_file_stays(
    tmp_path: Path, key: str, words: list[str], why: str
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(COMMENTED)
    with pytest.raises(UsageError) as caught:
        change(path, key, *words)
    assert why in caught.value.why
    assert path.read_text() == COMMENTED


def test_unset_takes_the_key_out_and_says_whether_it_was_there(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(COMMENTED)
    assert remove(path, locate_key("model", "default"))
    assert not remove(path, locate_key("model", "default"))
    assert not remove(path, locate_key("model.x.y", "work"))
    assert path.read_text() == COMMENTED.replace('model = "gpt-4o"  # cheap\n', "")
    assert remove(path, locate_key("profile.work", "default"))
    assert "work" not in path.read_text()


def test_a_mistake_in_the_file_can_be_mended_by_the_same_command(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[profile.default]\nretries = 'many'\n")
    with pytest.raises(SetupError, match=r"config\.toml:2"):
        change(path, "model", "x")
    change(path, "retries", "3")
    assert load(path).profiles["default"].options == {"retries": 3}


def test_a_file_that_is_no_toml_is_left_to_its_editor(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[profile.default\n")
    with pytest.raises(SetupError, match=r"config\.toml:1:\d+: not valid TOML"):
        change(path, "model", "x")
    assert path.read_text() == "[profile.default\n"


def test_inline_tables_can_be_edited(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("profile.default = { model = 'x', limits = { rpm = 1 } }\n")
    change(path, "limits.rpm", "2")
    change(path, "retries", "2")
    assert load(path).profiles["default"].limits == {"rpm": 2}
    assert load(path).profiles["default"].options == {"model": "x", "retries": 2}


def test_a_table_cannot_be_set_as_a_value(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(COMMENTED)
    with pytest.raises(UsageError, match="expected a table"):
        change(path, "profile.work", "x")
    assert path.read_text() == COMMENTED


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot read"):
        change(tmp_path, "model", "x")
