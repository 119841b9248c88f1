from __future__ import annotations

from pathlib import Path

import pytest

from apiyi_cli.errors import SetupError
from apiyi_cli.settings.config_file import line_of, load

GOOD = """\
usage_ledger = false
language = "zh"

[profile.default]
model = "gpt-4o"   # the usual one
temperature = 1
stop = "END"

[profile.work]
base_urls = ["https://Gateway.example/v1/", "https://gateway.example/v1"]
key_command = ["pass", "show", "apiyi"]
limits = { rpm = 10, window_s = 30 }

[families."gpt-5*"]
max_tokens = "max_completion_tokens"
refuses = ["temperature"]
"""


def file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "config.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)
    return path


def test_a_good_file_is_read_whole(tmp_path: Path) -> None:
    config = load(file(tmp_path, GOOD))
    assert (config.usage_ledger, config.language) == (False, "zh")
    assert config.profiles["default"].options == {
        "model": "gpt-4o",
        "temperature": 1.0,
        "stop": ["END"],
    }
    work = config.profiles["work"]
    assert work.base_urls == ("https://gateway.example/v1",)
    assert work.key_command == ("pass", "show", "apiyi")
    assert work.limits == {"rpm": 10, "window_s": 30}
    assert config.families == {
        "gpt-5*": {"max_tokens": "max_completion_tokens", "refuses": ["temperature"]}
    }


def test_no_file_is_an_empty_one_unless_it_was_named(tmp_path: Path) -> None:
    assert load(tmp_path / "none.toml").profiles == {}
    with pytest.raises(SetupError, match="no such file") as caught:
        load(tmp_path / "none.toml", required=True)
    assert caught.value.hint == "correct or unset APIYI_CONFIG"


def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()
    assert load(file(tmp_path, text)).profiles["default"].options["model"] == "gpt-4o"


BAD = [
    ('modle = "x"', 1, "modle: unknown setting; did you mean model?"),
    ("[profiles.a]", 1, "profiles: unknown setting; did you mean profile?"),
    ('\n[profile.default]\nmodle = "x"', 3, "profile.default.modle: unknown setting"),
    ("[profile.a]\nmax-tokens = 5", 2, "did you mean max_tokens?"),
    ("[profile.a]\nzzzzzzz = 5", 2, "known here: base_urls, key_command, limits, group, model"),
    ("[profile.a]\nretries = 'many'", 2, "expected a whole number from 0 to 100, found a text"),
    ("[profile.a]\nretries = 101", 2, "from 0 to 100, found 101"),
    ("[profile.a]\nretries = true", 2, "from 0 to 100, found true"),
    ("[profile.a]\nretries = 2.0", 2, "from 0 to 100, found 2.0"),
    ("[profile.a]\ntemperature = nan", 2, "expected a number from 0 to 2, found nan"),
    ("[profile.a]\nmax_tokens = 0", 2, "expected a whole number of at least 1, found 0"),
    ("[profile.a]\njson = 1", 2, "expected true or false, found 1"),
    ("[profile.a]\ncolor = 'red'", 2, "expected one of auto, always, never, found a text"),
    ("[profile.a]\nproxy = 1979-05-27", 2, "expected text, found a date or time"),
    ("[profile.a]\nstop = [1]", 2, "expected text, or a list of such, found a list"),
    ("[profile.a]\ndry_run = true", 2, "--dry-run is for one command"),
    ("[profile.a]\nbase_url = 'https://h/v1'", 2, "--base-url is for one command"),
    ("[profile.a]\nrpm = 5", 2, "stands in profile.a.limits"),
    ("[profile.a]\nkey_command = 'pass show x'", 2, "expected a list of texts"),
    ("[profile.a]\nbase_urls = []", 2, "expected a list of texts"),
    ("[profile.a]\n\nbase_urls = [\n 'https://h/v1',\n 'h'\n]", 3, "starts with https://"),
    ("[profile.a]\nbase_urls = ['http://h/v1']", 2, "plain http"),
    ("[profile.a]\nlimits = 3", 2, "expected a table, found 3"),
    ("[profile.a.limits]\nrpm = 0", 2, "expected a whole number of at least 1, found 0"),
    ("[profile.a.limits]\nwindow_s = 0.5", 2, "expected seconds from 1 to 86400, found 0.5"),
    ("[profile.a.limits]\nstore = '/x'", 2, "address of a Redis server"),
    ("[profile.a.limits]\nrmp = 1", 2, "did you mean rpm?"),
    ("[profile.sandbox]\nbase_urls = ['https://h/v1']", 2, "is built in"),
    ("[profile.'a/b']\nmodel = 'x'", 1, 'profile."a/b": a profile\'s name has letters'),
    ("profile = 3", 1, "expected a table, found 3"),
    ("profile.a = 3", 1, "profile.a: expected a table"),
    ("language = 'fr'", 1, "expected one of en, zh"),
    ("usage_ledger = 'no'", 1, "expected true or false, found a text"),
    ("[families.'o*']\nmaxtokens = 'x'", 2, "did you mean max_tokens?"),
    ("[families.'o*']\nmax_tokens = 1", 2, "expected a text"),
    ("[families.'o*']\nrefuses = [1]", 2, "expected a list of texts"),
    ("a = [\n1,\n2", 3, "not valid TOML"),
    ("# x\n[profile.a]\nmodel = x\n", 3, "not valid TOML: Invalid value"),
    (b"# x\nmodel = '\xff'", 2, "not UTF-8"),
]


@pytest.mark.parametrize(("text", "line", "why"), BAD)
def test_a_mistake_is_told_with_file_and_line(
    tmp_path: Path, text: str | bytes, line: int, why: str
) -> None:
    path = file(tmp_path, text)
    with pytest.raises(SetupError) as caught:
        load(path)
    place = caught.value.what
    assert place == f"{path}:{line}" or place.startswith(f"{path}:{line}:")
    assert why in caught.value.why


def test_a_syntax_error_has_its_column(tmp_path: Path) -> None:
    path = file(tmp_path, "[profile.a]\nmodel = x")
    with pytest.raises(SetupError) as caught:
        load(path)
    assert caught.value.what == f"{path}:2:9"


def test_a_key_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    path = file(tmp_path, "[profile.a]\napi_key = 'hush-hush-hush'")
    with pytest.raises(SetupError, match="keys do not belong") as caught:
        load(path)
    assert "hush" not in f"{caught.value} {caught.value.hint}"
    assert caught.value.hint == "apiyi auth login"


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot read"):
        load(tmp_path)


def test_a_key_command_that_every_user_can_change_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path, GOOD)
    path.chmod(0o666)
    with pytest.raises(SetupError, match="every user of this machine") as caught:
        load(path)
    assert caught.value.hint == f"chmod 600 {path}"
    path.write_text('[profile.default]\nmodel = "x"')
    assert load(path).profiles["default"].options == {"model": "x"}


@pytest.mark.parametrize(
    ("text", "keys", "line"),
    [
        ("[a]\nb = 1\n[c]\nb = 2", ["c", "b"], 4),
        ("a.b.c = 1", ["a", "b", "c"], 1),
        ("# a\n\na = [\n  1,\n]\nb = 2", ["b"], 6),
        ("# a\n\na = [\n  1,\n]\nb = 2", ["a"], 3),
        ('x = """\nb = 1\n"""\nb = 2', ["b"], 4),
        ('"\\u0061" = 1', ["a"], 1),
        ("x = { y = { z = 1 } }", ["x", "y", "z"], 1),
        ("a = 1", ["b"], None),
    ],
)
def test_the_line_is_where_the_statement_begins(
    text: str, keys: list[str], line: int | None
) -> None:
    assert line_of(text, keys) == line
