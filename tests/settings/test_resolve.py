from __future__ import annotations

from pathlib import Path

import pytest

from apiyi_cli.core.options import Group, flag
from apiyi_cli.core.options.chat import AnswerForm, ChatSampling
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.request import Model, Models, Request
from apiyi_cli.core.options.table import OPTION_GROUPS
from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.settings.defaults import BASE_URLS, BATCH, DEFAULTS, LIMITS, TIMEOUTS, Timeouts
from apiyi_cli.settings.listing import list_settings
from apiyi_cli.settings.resolve import Settings

FILE = """\
[profile.default]
model = "of-profile"
retries = 7
temperature = 0.5
json = true

[profile.default.limits]
rpm = 11
concurrency = 3

[profile.work]
base_urls = ["https://work.example/v1", "https://spare.example/v1"]

[profile.sandbox]
retries = 1
"""


NODE_ORDER = [f"https://{name}.apiyi.com/v1" for name in ("api", "vip", "b")]


def settings(tmp_path: Path, *flags: Group, text: str = FILE, **environ: str) -> Settings:
    folder = tmp_path / "apiyi"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(text)
    return Settings(
        *flags, environ={"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), **environ}
    )


PRECEDENCE = [
    # option, flags, environment, file, value, origin
    ("model", Model(model="f"), {"APIYI_MODEL": "e"}, FILE, "f", "flag --model"),
    ("model", Model(), {"APIYI_MODEL": "e"}, FILE, "e", "environment APIYI_MODEL"),
    ("model", Model(), {"APIYI_MODEL": ""}, FILE, "of-profile", "profile default in"),
    ("model", Model(), {}, FILE, "of-profile", "profile default in"),
    ("model", Model(), {}, "", None, "not set"),
    ("model", Model(), {"APIYI_PROFILE": "sandbox"}, "", "sandbox-1", "profile sandbox, built in"),
    ("retries", Connection(retries=0), {}, FILE, 0, "flag --retries"),
    ("retries", Connection(), {}, FILE, 7, "profile default in"),
    ("retries", Connection(), {}, "", 2, "default"),
    ("retries", Connection(profile="work"), {}, FILE, 2, "default"),
    ("retries", Connection(profile="sandbox"), {}, FILE, 1, "profile sandbox in"),
    ("profile", Connection(profile="work"), {"APIYI_PROFILE": "x"}, FILE, "work", "flag --profile"),
    ("profile", Connection(), {"APIYI_PROFILE": "work"}, FILE, "work", "environment APIYI_PROFILE"),
    ("profile", Connection(), {"APIYI_PROFILE": ""}, FILE, "default", "default"),
    ("rpm", Connection(rpm=5), {}, FILE, 5, "flag --rpm"),
    ("rpm", Connection(), {}, FILE, 11, "profile default in"),
    ("rpm", Connection(), {}, "", 3000, "default"),
    ("failover", Connection(failover=False), {}, FILE, False, "flag --no-failover"),
    ("failover", Connection(), {}, FILE, True, "default"),
    ("color", Output(color="never"), {}, FILE, "never", "flag --color"),
    ("temperature", ChatSampling(temperature=0.0), {}, FILE, 0.0, "flag --temperature"),
    ("temperature", ChatSampling(), {}, FILE, 0.5, "profile default in"),
    ("top_p", ChatSampling(), {}, FILE, None, "not set"),
    ("stream", AnswerForm(), {}, FILE, None, "not set"),
    ("dry_run", Request(dry_run=True), {}, FILE, True, "flag --dry-run"),
]


@pytest.mark.parametrize(("name", "flags", "environ", "text", "value", "origin"), PRECEDENCE)
def test_flag_beats_environment_beats_profile_beats_default(
    tmp_path: Path,
    name: str,
    flags: Group,
    environ: dict[str, str],
    text: str,
    value: object,
    origin: str,
) -> None:
    made = settings(tmp_path, flags, text=text, **environ)
    assert made.value(name) == value
    assert made.origin(name).startswith(origin)
    assert getattr(made.fill(flags), name) == value


def test_a_group_that_was_not_announced_keeps_its_flags(tmp_path: Path) -> None:
    assert vars(settings(tmp_path).fill(Connection(retries=0)))["retries"] == 0


def test_one_model_of_a_profile_is_a_list_where_several_may_be_asked(tmp_path: Path) -> None:
    assert vars(settings(tmp_path).fill(Models()))["model"] == ["of-profile"]


def test_several_models_of_a_profile_are_none_where_one_is_asked(tmp_path: Path) -> None:
    made = settings(tmp_path, text="[profile.default]\nmodel = ['a', 'b']")
    assert vars(made.fill(Models()))["model"] == ["a", "b"]
    assert vars(made.fill(Model()))["model"] is None


def test_a_flag_switches_off_what_contradicts_it_in_the_profile(tmp_path: Path) -> None:
    filled = vars(settings(tmp_path).fill(Output(ndjson=True)))
    assert (filled["json"], filled["ndjson"]) == (None, True)
    assert vars(settings(tmp_path).fill(Output()))["json"] is True


def test_no_default_goes_into_the_body() -> None:
    for group in OPTION_GROUPS:
        for one in group.flags.values():
            assert one.wire is None or one.name not in DEFAULTS


def test_every_default_is_an_option() -> None:
    names = {one.name for group in OPTION_GROUPS for one in group.flags.values()}
    assert set(DEFAULTS) <= names


def test_what_the_table_does_not_have_is_a_key_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        settings(tmp_path).value("nonsense")


def test_the_two_hosts_are_the_default_and_one_address_has_no_backup(tmp_path: Path) -> None:
    assert settings(tmp_path).base_urls == BASE_URLS
    work = ("https://work.example/v1", "https://spare.example/v1")
    assert settings(tmp_path, Connection(profile="work")).base_urls == work
    by_variable = settings(tmp_path, APIYI_BASE_URL="http://127.0.0.1:9/v1/")
    assert by_variable.base_urls == ("http://127.0.0.1:9/v1",)
    assert by_variable.origin("base_urls") == "environment APIYI_BASE_URL"
    assert by_variable.configured_base_urls == BASE_URLS
    by_flag = settings(tmp_path, Connection(base_url="https://f/v1"), APIYI_BASE_URL="https://e/v1")
    assert by_flag.base_urls == ("https://f/v1",)
    assert by_flag.origin("base_urls") == "flag --base-url"


def test_a_bad_address_fails_by_where_it_was_given(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--base-url"):
        _ = settings(tmp_path, Connection(base_url="https://h/api")).base_urls
    with pytest.raises(SetupError, match="APIYI_BASE_URL"):
        _ = settings(tmp_path, APIYI_BASE_URL="https://h/api").base_urls
    with pytest.raises(SetupError, match="plain http"):
        _ = settings(tmp_path, Connection(base_url="http://h/v1")).base_urls


def test_the_sandbox_has_no_address_of_its_own_before_it_runs(tmp_path: Path) -> None:
    made = settings(tmp_path, APIYI_PROFILE="sandbox", APIYI_BASE_URL="https://real/v1")
    assert made.sandbox
    assert (made.base_urls, made.configured_base_urls) == ((), ())
    with pytest.raises(UsageError, match="the sandbox profile has its own address"):
        _ = settings(tmp_path, Connection(profile="sandbox", base_url="https://h/v1")).base_urls


@pytest.mark.parametrize(
    ("name", "why"),
    [("wrok", "did you mean work?"), ("zzz", "known are default, sandbox, work"), ("a/b", "known")],
)
def test_an_unknown_profile_is_a_setup_error(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(SetupError) as caught:
        settings(tmp_path, APIYI_PROFILE=name).value("model")
    assert why in caught.value.why


def test_limits_come_from_flags_and_profile(tmp_path: Path) -> None:
    assert settings(tmp_path, text="").limits == LIMITS
    made = settings(tmp_path, Connection(tpm=9))
    assert made.limits == LIMITS._replace(rpm=11, tpm=9, concurrency=3)
    assert made.origin("limits.tpm") == "flag --tpm"
    assert made.origin("limits.rpm").startswith("profile default in")
    assert made.origin("limits.window_s") == "default"


def test_timeout_sets_every_silence_after_connecting(tmp_path: Path) -> None:
    assert settings(tmp_path).timeouts == TIMEOUTS
    assert settings(tmp_path, Connection(timeout=700.0)).timeouts == Timeouts(
        10.0, 700.0, 700.0, 700.0
    )
    assert settings(tmp_path, Connection(timeout=2.0)).timeouts == Timeouts(2.0, 2.0, 2.0, 2.0)


def test_nothing_is_read_before_a_value_needs_it(tmp_path: Path) -> None:
    made = settings(tmp_path, Connection(base_url="https://h/v1"), text="broken [")
    assert (made.profile, made.base_urls) == ("default", ("https://h/v1",))
    with pytest.raises(SetupError, match="not valid TOML"):
        made.fill(Model())


def test_a_named_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no such file"):
        settings(tmp_path, APIYI_CONFIG=str(tmp_path / "nowhere.toml")).value("model")


def test_nothing_is_read_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = tmp_path / "repository"
    hostile.mkdir()
    for name in ("config.toml", "apiyi.toml", ".apiyi.toml", ".env"):
        (hostile / name).write_text('[profile.default]\nmodel = "evil"\nAPIYI_MODEL=evil\n')
    monkeypatch.chdir(hostile)
    assert Settings(environ={"HOME": str(tmp_path)}).value("model") is None


def test_the_listing_has_every_value_with_its_origin(tmp_path: Path) -> None:
    text = FILE + '\n[families."o*"]\nrefuses = ["top_p"]\n'
    made = settings(tmp_path, Connection(retries=4), text=text, APIYI_MODEL="e")
    rows = {row.name: (row.value, row.origin) for row in list_settings(made)}
    path = tmp_path / "apiyi" / "config.toml"
    assert rows["model"] == ("e", "environment APIYI_MODEL")
    assert rows["retries"] == (4, "flag --retries")
    assert rows["temperature"] == (0.5, f"profile default in {path}")
    assert rows["limits.rpm"] == (11, f"profile default in {path}")
    assert rows["limits.tpm"] == (1_000_000, "default")
    assert rows["base_urls"] == (list(BASE_URLS), "default")
    assert rows["profile"] == ("default", "default")
    assert rows["usage_ledger"] == (True, "default")
    assert rows['families."o*"'] == ({"refuses": ["top_p"]}, str(path))
    assert "top_p" not in rows


def test_a_variable_obeys_the_table(tmp_path: Path) -> None:
    class Odd(Group):
        retries = flag(int, "", envvar="ODD_RETRIES", low=0, high=9)

    assert vars(settings(tmp_path, ODD_RETRIES=" 3 ").fill(Odd()))["retries"] == 3
    for text in ("many", "10", "1.5"):
        with pytest.raises(SetupError, match="environment ODD_RETRIES"):
            settings(tmp_path, ODD_RETRIES=text).fill(Odd())


def test_language_ledger_and_families_are_the_files(tmp_path: Path) -> None:
    text = "language = 'zh'\nusage_ledger = false\n[families.'o*']\nmax_tokens = 'm'\n"
    made = settings(tmp_path, text=text)
    assert (made.config.language, made.usage_ledger) == ("zh", False)
    assert list(made.families) == ["o*"]
    assert {row.name for row in list_settings(made)} >= {"language", "usage_ledger"}
    plain = settings(tmp_path, text="")
    assert (plain.config.language, plain.usage_ledger, plain.families) == (None, True, {})


def test_the_profiles_own_addresses_and_command_have_their_origin(tmp_path: Path) -> None:
    text = FILE.replace("[profile.work]", "[profile.work]\nkey_command = ['pass', 'show']")
    made = settings(tmp_path, Connection(profile="work"), text=text)
    rows = {row.name: row for row in list_settings(made)}
    assert rows["key_command"].value == ["pass", "show"]
    assert rows["base_urls"].origin.startswith("profile work in")


@pytest.mark.parametrize(
    ("node", "urls"),
    [
        ("api", ["https://api.apiyi.com/v1", "https://vip.apiyi.com/v1", "https://b.apiyi.com/v1"]),
        ("b", ["https://b.apiyi.com/v1", "https://api.apiyi.com/v1", "https://vip.apiyi.com/v1"]),
        ("cf", ["https://api-cf.apiyi.com/v1", *NODE_ORDER]),
    ],
)
def test_a_node_has_the_others_as_its_backups(tmp_path: Path, node: str, urls: list[str]) -> None:
    made = settings(tmp_path, Connection(node=node), text="")
    assert list(made.base_urls) == urls
    in_file = settings(tmp_path, text=f'[profile.default]\nnode = "{node}"')
    assert list(in_file.base_urls) == urls


def test_a_base_url_comes_before_a_node_of_the_profile_and_not_beside_one(tmp_path: Path) -> None:
    text = '[profile.default]\nnode = "vip"'
    other = "https://own.example/v1"
    assert settings(tmp_path, text=text, APIYI_BASE_URL=other).base_urls == (other,)
    with pytest.raises(UsageError, match="--node with --base-url"):
        _ = settings(tmp_path, Connection(node="b", base_url=other), text="").base_urls


def test_a_number_of_retries_holds_if_it_was_given_though_it_be_the_default(
    tmp_path: Path,
) -> None:
    assert not settings(tmp_path, text="").retry_policy(BATCH).fixed
    for retries in (0, BATCH.attempts - 1, 9):
        policy = settings(tmp_path, Connection(retries=retries)).retry_policy(BATCH)
        assert (policy.attempts, policy.fixed, policy.time_fixed) == (retries + 1, True, False)
    policy = settings(tmp_path, Connection(max_time=5.0)).retry_policy(BATCH)
    # The profile's number of retries counts as given.
    assert (policy.attempts, policy.fixed) == (8, True)
    assert (policy.max_retry_time_s, policy.time_fixed) == (5.0, True)
