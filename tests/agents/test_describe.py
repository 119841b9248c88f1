"""`apiyi describe`: a valid schema, whose instances are lines that the program takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from apiyi_cli import __version__
from apiyi_cli.agents.describe import describe_as_schema
from apiyi_cli.cli.app import describe_all, load_command
from apiyi_cli.core.exit_codes import EXIT_CODES

if TYPE_CHECKING:
    from tests.conftest import Program

Line = dict[str, Any]


@cache
def document() -> dict[str, Any]:
    made = describe_as_schema(describe_all().walk(), __version__, {"NO_COLOR": "No colours."})
    copied: dict[str, Any] = json.loads(json.dumps(made))
    return copied


@cache
def validator(name: str = "") -> jsonschema.Draft202012Validator:
    """Return what judges lines by one command's definition, or by that of any command."""
    definition = {"$ref": f"#/$defs/{name}", "$defs": document()["$defs"]}
    return jsonschema.Draft202012Validator(definition if name else document())


def definitions() -> list[str]:
    return list(document()["$defs"])


def part(name: str, member: str) -> dict[str, Any]:
    found: dict[str, Any] = document()["$defs"][name]["properties"][member]
    return found


def words(line: Line) -> list[str]:
    """Write an instance as the document's own comment says."""
    typed = list(line["command"])
    options = part("-".join(line["command"]), "options")["properties"]
    for name, value in line.get("options", {}).items():
        for item in value if isinstance(value, list) else [value]:
            if item is True:
                typed.append(name)
            elif item is False:
                typed += options[name].get("x-negative", [])[:1]
            else:
                typed.append(f"{name}={item}")
    typed.append("--")
    for value in line.get("arguments", {}).values():
        typed += value if isinstance(value, list) else [value]
    return typed


def sample(schema: dict[str, Any]) -> Any:
    """Return a value that fits the schema of an option or argument."""
    match schema:
        case {"enum": [first, *_]} | {"examples": [first, *_]}:
            return first
        case {"type": "array"}:
            return [sample(schema["items"])]
        case {"type": "boolean"}:
            return True
        case {"type": "integer" | "number"}:
            return schema.get("minimum", 1)
    return "x"


def lines(name: str) -> Iterator[Line]:
    """Yield one line with every option that the command has, and one line for each alone."""
    arguments = {
        word: sample(schema) for word, schema in part(name, "arguments")["properties"].items()
    }
    base = {"command": part(name, "command")["const"], "arguments": arguments}
    options = {
        word: sample(schema)
        for word, schema in part(name, "options")["properties"].items()
        # They end a line before anything else is read.
        if word not in ("--help", "--help-all")
    }
    yield {**base, "options": options}
    yield from ({**base, "options": {word: value}} for word, value in options.items())
    for word, schema in part(name, "options")["properties"].items():
        if schema.get("x-negative"):
            yield {**base, "options": {word: False}}


def parse(typed: list[str], depth: int) -> None:
    """Have Typer read a line without running it; raises what it has against it."""
    command = load_command(typed[0])
    for word in typed[1:depth]:
        command = command.commands[word]
    command.make_context(typed[depth - 1], typed[depth:])


def test_the_document_is_json_schema_2020_12(apiyi: Program) -> None:
    done = apiyi.shell("apiyi describe | jq -c .")
    assert (done.code, done.err) == (0, "")
    jsonschema.Draft202012Validator.check_schema(done.json)
    assert done.json["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(done.json["$defs"]) == set(definitions())
    assert {item["$ref"] for item in done.json["oneOf"]} == {
        f"#/$defs/{name}" for name in definitions()
    }


@pytest.mark.parametrize("name", definitions())
def test_every_line_made_from_the_schema_parses(name: str) -> None:
    assert validator().is_valid(next(lines(name)))
    for line in lines(name):
        assert list(validator(name).iter_errors(line)) == []
        parse(words(line), len(line["command"]))


@pytest.mark.parametrize(
    ("name", "arguments", "options", "path"),
    [
        ("chat", {"PROMPT": ["hi"]}, {"--temperature": 0.5}, "/v1/chat/completions"),
        ("complete", {"PROMPT": ["hi"]}, {}, "/v1/completions"),
        ("respond", {"PROMPT": ["-x"]}, {}, "/v1/responses"),
        ("embed", {"INPUTS": ["a", "b"]}, {"--dimensions": 8}, "/v1/embeddings"),
        ("image", {"PROMPT": ["a cat"]}, {"--output": "cat.png"}, "/v1/images/generations"),
        ("rank", {"QUERY": ["birds"]}, {}, "/v1/rerank"),
        ("speak", {"TEXT": ["hello"]}, {"--output": "a.mp3"}, "/v1/audio/speech"),
        ("batch", {"FILE": ["-"]}, {"--lines": True}, "/v1/chat/completions"),
    ],
)
def test_a_line_made_from_the_schema_runs(
    apiyi: Program, name: str, arguments: Line, options: Line, path: str
) -> None:
    line = {
        "command": [name],
        "arguments": arguments,
        "options": {"--profile": "sandbox", "--dry-run": True, **options},
    }
    validator().validate(line)
    bare = {"APIYI_BASE_URL": None, "APIYI_API_KEY": None, "APIYI_MODEL": None}
    done = apiyi(words(line), stdin=b"a duck\n", env=bare)
    assert done.code == 0, done.err
    assert json.loads(done.out.splitlines()[0])["url"].endswith(path)


@pytest.mark.parametrize(
    "options",
    [{"--temperature": 3}, {"--color": "much"}, {"--nope": True}, {"--n": "two"}],
    ids=str,
)
def test_what_the_schema_refuses_the_program_refuses(apiyi: Program, options: Line) -> None:
    line = {"command": ["chat"], "arguments": {"PROMPT": ["hi"]}, "options": options}
    with pytest.raises(jsonschema.ValidationError):
        validator().validate(line)
    assert apiyi(words(line)).code == 2


def test_an_option_says_all_that_the_table_knows() -> None:
    options = part("chat", "options")["properties"]
    assert options["--model"]["x-env"] == "APIYI_MODEL"
    assert options["--model"]["type"] == "array"
    assert options["--retries"] == {
        "type": "integer",
        "minimum": 0,
        "maximum": 100,
        "description": "Attempts after the first one.",
        "default": 2,
        "x-spellings": ["--retries"],
        "x-metavar": "N",
        "x-config": "retries",
        "x-default-origin": "apiyi",
    }
    assert options["--temperature"]["x-default-origin"] == "gateway"
    assert options["--temperature"]["x-body"] == "temperature"
    assert "default" not in options["--temperature"]
    assert options["--failover"]["x-negative"] == ["--no-failover"]
    assert options["--failover"]["default"] is True
    # A default of one command alone.
    assert part("batch", "options")["properties"]["--jobs"]["default"] == 32


def test_exit_codes_and_variables_are_listed(apiyi: Program) -> None:
    described = apiyi("describe chat").json
    codes = {row["code"]: row for row in described["x-exit-codes"]}
    assert list(codes) == [row.code for row in EXIT_CODES]
    assert codes[5]["run_again"] == "free"
    assert codes[0]["run_again"] is None
    assert {"APIYI_API_KEY", "APIYI_MODEL", "NO_COLOR"} <= described["x-environment"].keys()


def test_one_command_or_one_group_can_be_asked_for(apiyi: Program) -> None:
    assert list(apiyi("describe auth login").json["$defs"]) == ["auth-login"]
    assert set(apiyi("describe cache").json["$defs"]) == {
        "cache-path",
        "cache-stats",
        "cache-clear",
    }
    done = apiyi("describe chta")
    assert done.code == 2
    assert "try: apiyi describe chat" in done.err


def test_explanations_are_in_the_language_of_the_user(apiyi: Program) -> None:
    described = apiyi("describe chat", env={"APIYI_LANG": "zh"}).json
    prompt = described["$defs"]["chat"]["properties"]["options"]["properties"]["--system"]
    assert any("\u4e00" <= character <= "\u9fff" for character in prompt["description"])
    assert prompt["x-spellings"] == ["-s", "--system"]
