"""Which option lands where in the request, and that nothing else is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.core.options.chat import AnswerForm, ChatSampling, Tools
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

PLAIN: dict[str, Any] = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": "hi"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}
WEATHER = (
    '{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}'
)
WEATHER_TOOL = {"type": "function", "function": json.loads(WEATHER)}

FIELDS: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("-m claude-sonnet-4", {"model": "claude-sonnet-4"}),
    ("--temperature 0", {"temperature": 0.0}),
    ("--temperature 0.7", {"temperature": 0.7}),
    ("--top-p .5", {"top_p": 0.5}),
    ("--max-tokens 5", {"max_tokens": 5}),
    ("--n 2", {"n": 2}),
    ("--stop END", {"stop": ["END"]}),
    ("--stop '\n' --stop b", {"stop": ["\n", "b"]}),
    ("--seed -9223372036854775808", {"seed": -(2**63)}),
    ("--presence-penalty -1.5", {"presence_penalty": -1.5}),
    ("--frequency-penalty 2", {"frequency_penalty": 2.0}),
    ("--logprobs", {"logprobs": True}),
    ("--no-logprobs", {"logprobs": False}),
    ("--logprobs --top-logprobs 0", {"logprobs": True, "top_logprobs": 0}),
    ("--logit-bias 17=-100 --logit-bias 5=2", {"logit_bias": {"17": -100, "5": 2}}),
    ("--user ann", {"user": "ann"}),
    ("--reasoning-effort low", {"reasoning_effort": "low"}),
    ("--verbosity high", {"verbosity": "high"}),
    ("--json-mode", {"response_format": {"type": "json_object"}}),
    (f"--tool '{WEATHER}'", {"tools": [WEATHER_TOOL]}),
    (
        f"--tool '{WEATHER}' --tool-choice weather",
        {
            "tools": [WEATHER_TOOL],
            "tool_choice": {"type": "function", "function": {"name": "weather"}},
        },
    ),
    (
        f"--tool '{WEATHER}' --tool-choice required",
        {"tools": [WEATHER_TOOL], "tool_choice": "required"},
    ),
    (
        f"--tool '{WEATHER}' --no-parallel-tools",
        {"tools": [WEATHER_TOOL], "parallel_tool_calls": False},
    ),
    (
        f"--tool '{WEATHER}' --parallel-tools",
        {"tools": [WEATHER_TOOL], "parallel_tool_calls": True},
    ),
    ("-x", {}),
    ("-R --no-newline --strict-finish -u --color never --no-markdown", {}),
    ("--ndjson", {}),
]


@pytest.mark.parametrize(("options", "fields"), FIELDS, ids=[line for line, _ in FIELDS])
def test_an_option_lands_in_its_field_and_nothing_else_is_sent(
    apiyi: Program, gateway: Gateway, options: str, fields: dict[str, Any]
) -> None:
    ran = apiyi(f"chat hi {options}")
    assert (ran.code, len(gateway.posts)) == (0, 1), ran.err
    assert gateway.posts[0].json == {**PLAIN, **fields}
    for name, value in fields.items():
        assert repr(gateway.posts[0].json[name]) == repr(value)


def test_the_table_of_fields_has_every_option_that_is_sent() -> None:
    wired = {
        one.wire for group in (ChatSampling, AnswerForm, Tools) for one in group.flags.values()
    } - {None}
    assert wired - {name for _, fields in FIELDS for name in fields} == set()


@pytest.mark.parametrize("options", ["--json -m sandbox-1", "--no-stream", "--json --no-stream"])
def test_without_a_stream_nothing_is_said_of_one(
    apiyi: Program, gateway: Gateway, options: str
) -> None:
    assert apiyi(f"chat hi {options}").code == 0
    sent = gateway.posts[0].json
    assert sent.keys() == {"model", "messages"}
    assert sent["messages"] == PLAIN["messages"]
    assert gateway.posts[0].headers["accept"].startswith("application/json")


def test_json_with_a_stream_asks_for_one(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("chat hi --json --stream").code == 0
    assert gateway.posts[0].json == PLAIN
    assert gateway.posts[0].headers["accept"].startswith("text/event-stream")


@pytest.mark.off_schema
@pytest.mark.parametrize(
    ("option", "place"),
    [
        ("top_k=40", {"top_k": 40}),
        ("a=true", {"a": True}),
        ('a="12"', {"a": "12"}),
        ("a=text with spaces", {"a": "text with spaces"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=12345678901234567890123", {"a": 12345678901234567890123}),
        ("a.b.c=1", {"a": {"b": {"c": 1}}}),
        ("a=@value.json", {"a": {"from": "file"}}),
        ("a=\\@value", {"a": "@value"}),
        ("stream_options.include_usage=false", {"stream_options": {"include_usage": False}}),
        ("temperature=2", {"temperature": 2}),
    ],
)
def test_any_field_can_be_set_typed_and_nested(
    apiyi: Program, gateway: Gateway, option: str, place: dict[str, Any]
) -> None:
    (apiyi.work / "value.json").write_text('{"from": "file"}')
    gateway.script(ScriptedReply.chat("ok"))
    ran = apiyi(["chat", "hi", "-O", option])
    assert (ran.code, len(gateway.posts)) == (0, 1), ran.err
    assert json.loads(gateway.posts[0].body) == {**PLAIN, **place}


def test_options_by_name_yield_to_body_fields(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat("ok"))
    options = ["--temperature", "0", "-O", "temperature=1", "-O", "temperature=0.5"]
    assert apiyi(["chat", "hi", *options]).code == 0
    assert gateway.posts[0].json["temperature"] == 0.5


def test_a_stream_switched_off_in_the_body_is_read_as_one_answer(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi(["chat", "hi", "-O", "stream=false", "-O", "stream_options=null"])
    assert (ran.code, ran.text) == (0, "[sandbox] You said: hi\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["-O", "novalue"], "it is not KEY=VALUE"),
        (["-O", "model.x=1"], "model already has a value that is not an object"),
        (["-O", "a=@nowhere"], "cannot read nowhere"),
        (["--temperature", "2.1"], "2.1 is not between 0 and 2"),
        (["--temperature", "hot"], "'hot' is not a valid float"),
        (["--max-tokens", "0"], "0 is less than 1"),
        (["--n", "129"], "129 is not between 1 and 128"),
        (["--seed", "1.5"], "'1.5' is not a valid int"),
        (["--logit-bias", "x=1"], "it is not TOKEN=BIAS"),
        (["--tool-choice", "nobody"], "no --tool has that name"),
        (["--tool", "{}"], "its name is None"),
        (["--tool", "nowhere.json"], "there is no such file"),
        (["--schema", "name, age integral"], "'age integral' is not NAME or NAME TYPE"),
        (["--schema", "@nowhere"], "cannot read nowhere"),
        (["-H", "no colon"], "it is not 'Name: value'"),
        (["--jq", ".["], "is not a jq expression"),
        (["--timeout", "0"], "is not between"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_value_out_of_bounds_is_refused_and_nothing_is_sent(
    apiyi: Program, gateway: Gateway, words: list[str], why: str
) -> None:
    ran = apiyi(["chat", "hi", *words])
    assert (ran.code, ran.out) == (2, b"")
    assert why in ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize(
    "model", ["gpt-5", "gpt-5-mini", "openai/gpt-5", "o3", "o4-mini", "GPT-5.1-chat-latest"]
)
def test_reasoning_models_get_their_own_token_limit(
    apiyi: Program, gateway: Gateway, model: str
) -> None:
    gateway.script(ScriptedReply.chat("ok"))
    assert apiyi(["chat", "hi", "-m", model, "--max-tokens", "9"]).code == 0
    assert gateway.posts[0].json == {**PLAIN, "model": model, "max_completion_tokens": 9}


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4", "gemini-3.6-flash", "gpt-oss-120b"])
def test_other_models_keep_the_common_token_limit(
    apiyi: Program, gateway: Gateway, model: str
) -> None:
    gateway.script(ScriptedReply.chat("ok"))
    assert apiyi(["chat", "hi", "-m", model, "--max-tokens", "9"]).code == 0
    assert gateway.posts[0].json == {**PLAIN, "model": model, "max_tokens": 9}


def test_the_user_has_the_last_word_on_families(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.home / "config" / "apiyi").mkdir(parents=True, exist_ok=True)
    (apiyi.home / "config" / "apiyi" / "config.toml").write_text(
        '[families."gpt-5*"]\nmax_tokens = "max_tokens"\nrefuses = ["seed"]\n'
    )
    gateway.script(ScriptedReply.chat("ok"))
    ran = apiyi("chat hi -m gpt-5 --max-tokens 9 --seed 1 --top-p 1")
    assert ran.code == 0
    assert gateway.posts[0].json == {
        **PLAIN, "model": "gpt-5", "max_tokens": 9, "seed": 1, "top_p": 1.0
    }  # fmt: skip
    assert ran.err == "apiyi: gpt-5 is known to refuse seed; sent as asked\n"


def test_what_a_family_refuses_is_sent_and_said(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi -m o3 --temperature 0.5")
    assert gateway.ledger[0].json["temperature"] == 0.5
    assert ran.code == 6
    assert "o3 is known to refuse temperature; sent as asked" in ran.err
    assert "temperature" in ran.err.splitlines()[-1]


def test_both_limits_can_be_given_at_once(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat("ok"))
    words = ["chat", "hi", "-m", "o3", "--max-tokens", "5", "-O", "max_completion_tokens=7"]
    assert apiyi(words).code == 0
    assert gateway.posts[0].json == {**PLAIN, "model": "o3", "max_completion_tokens": 7}


def test_headers_are_ours_the_users_win_and_the_key_goes_as_bearer(
    apiyi: Program, gateway: Gateway
) -> None:
    words = ["-H", "X-Trace: 7", "-H", "user-agent:me", "-H", "Accept-Encoding: gzip"]
    assert apiyi(["chat", "hi", *words]).code == 0
    headers = gateway.posts[0].headers
    assert headers["x-trace"] == "7"
    assert headers["user-agent"] == "me"
    assert headers["accept-encoding"] == "gzip"
    assert headers["authorization"] == f"Bearer {apiyi.environ['APIYI_API_KEY']}"
    assert headers["host"] == f"127.0.0.1:{gateway.port}"
    assert len(headers["idempotency-key"]) == 32


def test_an_authorization_header_of_the_user_replaces_the_key(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply.chat("ok"))
    assert apiyi(["chat", "hi", "-H", "authorization: Basic YTpi"]).code == 0
    assert gateway.posts[0].headers["authorization"] == "Basic YTpi"


def test_without_a_model_the_ways_to_set_one_are_told(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("chat hi", env={"APIYI_MODEL": None})
    assert ran.code == 2
    for way in ("-m MODEL", "APIYI_MODEL", "apiyi config set model", "apiyi models"):
        assert way in ran.err
    assert gateway.ledger == []


def test_the_sandbox_profile_needs_nothing(apiyi: Program, gateway: Gateway) -> None:
    bare = {"APIYI_MODEL": None, "APIYI_API_KEY": None, "APIYI_BASE_URL": None}
    assert apiyi("--profile sandbox chat hi", env=bare).text == "[sandbox] You said: hi\n"
    assert apiyi("chat hi", env={**bare, "APIYI_PROFILE": "sandbox"}).code == 0
    assert apiyi("--profile sandbox chat hi").code == 0
    assert gateway.ledger == []


def test_flag_beats_environment_beats_profile_beats_default(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.home / "config" / "apiyi").mkdir(parents=True, exist_ok=True)
    (apiyi.home / "config" / "apiyi" / "config.toml").write_text(
        '[profile.default]\nmodel = "gpt-4.1"\ntemperature = 0.25\nsystem = "profile"\n'
        '[profile.work]\nmodel = "gpt-4.1-mini"\n'
    )
    unset = {"APIYI_MODEL": None}
    assert apiyi("chat hi", env=unset).code == 0
    assert apiyi("chat hi").code == 0
    assert apiyi("chat hi -m o3 -s flag --temperature 1").code == 0
    assert apiyi("chat hi --profile work", env=unset).code == 0
    assert apiyi("--profile work chat hi", env=unset).code == 0
    assert apiyi("chat hi", env={**unset, "APIYI_PROFILE": "work"}).code == 0
    bodies = [received.json for received in gateway.posts]
    assert [body["model"] for body in bodies] == [
        "gpt-4.1", "gpt-4o", "o3", "gpt-4.1-mini", "gpt-4.1-mini", "gpt-4.1-mini"
    ]  # fmt: skip
    assert [body.get("temperature") for body in bodies[:4]] == [0.25, 0.25, 1.0, None]
    assert [body["messages"][0]["content"] for body in bodies[:3]] == ["profile", "profile", "flag"]


def test_what_a_family_refuses_is_said_once_of_a_request_that_is_only_shown(
    apiyi: Program,
) -> None:
    ran = apiyi("chat hi -m o3 --temperature 0.5 --dry-run")
    assert ran.err.count("o3 is known to refuse temperature") == 1
