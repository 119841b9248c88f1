"""The whole program as one JSON Schema 2020-12 document, for coding agents and other programs.

An instance of the schema is a command line as an object: `command`, `arguments`, `options`.
What JSON Schema has no word for (spellings, environment variables, configuration keys, exit
codes) is in members that begin with `x-`. A command is what `manual.describe` calls so, read by
its fields alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from apiyi_cli.core.exit_codes import EXIT_CODES
from apiyi_cli.core.language import Translate, as_is
from apiyi_cli.text import Text

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TYPES: Final = {bool: "boolean", int: "integer", float: "number"}
_LINE: Final = Text(
    "An instance is one command line: apiyi, the words of `command`, each option as NAME=VALUE (an"
    " array: once for each item; true: NAME alone; false: the first of x-negative, or nothing),"
    " then --, then the arguments in order."
)


def describe_as_schema(
    commands: Iterable[Any], version: str, environment: Mapping[str, str], say: Translate = as_is
) -> dict[str, Any]:
    """Return the document for these commands; groups of commands are left out.

    `environment` explains the variables that belong to no option, by name. `say` puts what
    explains into the reader's language.
    """
    leaves = [command.translate(say) for command in commands if not command.commands]
    definitions = {_key(command): _command_schema(command) for command in leaves}
    variables = {**_option_variables(leaves), **environment}
    return {
        "$schema": DIALECT,
        "$id": f"urn:apiyi-cli:{version}",
        "title": "apiyi",
        "description": say(Text("Command lines of apiyi {version}.", version=version)),
        "$comment": say(_LINE),
        "oneOf": [{"$ref": f"#/$defs/{key}"} for key in definitions],
        "$defs": definitions,
        "x-exit-codes": describe_exit_codes(say),
        "x-environment": variables,
    }


def describe_exit_codes(say: Translate = as_is) -> list[dict[str, Any]]:
    """Return the exit codes as objects: code, name, meaning, cost of running again."""
    return [
        {
            "code": row.code,
            "name": row.name,
            "when": say(Text(row.when)),
            "run_again": None if row.again == "-" else say(Text(row.again)),
        }
        for row in EXIT_CODES
    ]


def option_schema(option: Any) -> dict[str, Any]:
    """Return the schema of an option's value; a repeatable option is an array."""
    kind = bool if option.metavar is None else option.kind
    value = {"type": _TYPES.get(kind, "string"), **_list_choices(option)}
    if option.low is not None:
        value["minimum"] = option.low
    if option.high is not None:
        value["maximum"] = option.high
    return {"type": "array", "items": value} if option.many else value


def _list_choices(item: Any) -> dict[str, Any]:
    """Return the values of an option or argument: all that are valid, or some."""
    if not item.rule.choices:
        return {}
    return {"enum" if item.rule.kind == "choice" else "examples": list(item.rule.choices)}


def _key(command: Any) -> str:
    return "-".join(command.path[1:])


def _command_schema(command: Any) -> dict[str, Any]:
    words = list(command.path[1:])
    arguments = {item.name: _argument_schema(item) for item in command.arguments}
    required = [item.name for item in command.arguments if item.required]
    text = "\n\n".join(part for part in (command.help, command.more) if part)
    return {
        "title": command.title,
        "description": text,
        "type": "object",
        "properties": {
            "command": {"const": words},
            "arguments": {
                "type": "object",
                "properties": arguments,
                "required": required,
                "additionalProperties": False,
            },
            "options": {
                "type": "object",
                "properties": {option.long: _describe_option(option) for option in command.options},
                "additionalProperties": False,
            },
        },
        "required": ["command", "arguments"] if required else ["command"],
        "additionalProperties": False,
        "x-usage": f"{command.title} {command.usage}",
    }


def _argument_schema(argument: Any) -> dict[str, Any]:
    value = {"type": "string", **_list_choices(argument)}
    if argument.many:
        value = {"type": "array", "items": value}
        if argument.required:
            value["minItems"] = 1
    return {**value, "description": argument.help} if argument.help else value


def _describe_option(option: Any) -> dict[str, Any]:
    """Return an option's schema with everything the table says about it."""
    facts = {
        "x-spellings": list(option.names),
        "x-negative": list(option.off),
        "x-metavar": option.metavar,
        "x-completes": option.rule.kind if option.rule.kind in ("file", "dir", "model") else None,
        "x-env": option.envvar,
        "x-config": option.config,
        "x-body": option.wire,
        "x-default-origin": _default_origin(option),
    }
    schema = option_schema(option)
    schema["description"] = option.help
    if option.default_value is not None:
        schema["default"] = option.default_value
    return {**schema, **{name: value for name, value in facts.items() if value}}


def _default_origin(option: Any) -> str | None:
    """Return where the value comes from if nothing sets it: apiyi, the gateway, or None."""
    if option.default_value is not None:
        return "apiyi"
    return "gateway" if option.wire and option.wire != "model" else None


def _option_variables(commands: Iterable[Any]) -> dict[str, str]:
    """Return the help of each environment variable that sets an option."""
    return {
        option.envvar: f"{option.long}: {option.help}"
        for command in commands
        for option in command.options
        if option.envvar
    }
