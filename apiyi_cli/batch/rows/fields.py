"""Fields of a short row, checked against the options, and the command's defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from apiyi_cli.build.content import Attachment
from apiyi_cli.build.schemas.schema import read_schema, wrap_schema
from apiyi_cli.build.tools import parse_tool_choice, read_tools
from apiyi_cli.core.call import Call
from apiyi_cli.core.disk import read_regular
from apiyi_cli.core.encodings import show_name
from apiyi_cli.core.families import refusal
from apiyi_cli.core.jsontext import read_strict, write_text
from apiyi_cli.core.options import Flag, Group
from apiyi_cli.decode.frames.fields import read_object
from apiyi_cli.errors import UsageError
from apiyi_cli.settings.values import InvalidValue, convert_value, describe_expected, parse_value
from apiyi_cli.text import Text

_ANY_OBJECT: Final = {"type": "object"}
_UNWIRED = frozenset(("web_search", "base64", "format", "timestamps", "diarize", "translate"))

PICTURE_FIELDS = ("image", "images", "image_url", "picture")
FILE_FIELDS = (*PICTURE_FIELDS, "file", "files", "audio", "pdf", "attachment", "attachments")
"""Names of fields that hold a path or URL to attach, in several spellings."""


@dataclass(frozen=True)
class CommandDefaults:
    """Values of the command line for every short row: options by name, and the rest.

    `typed` are the names that were given as flags; one that an endpoint does not have is a
    mistake then. `models` has the model of each endpoint with a separate one; unless
    `force_model`, one is refused that cannot do it as `refuse` says. `functions`, `schema` and
    `options` (`-O`) are read and checked already. `pack_size` is how many texts go into one request
    for embeddings.
    """

    model: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    typed: frozenset[str] = frozenset()
    system: str | None = None
    schema: dict[str, Any] | None = None
    json_mode: bool = False
    protocol: str = "auto"
    functions: Sequence[dict[str, Any]] = ()
    tool_choice: str | dict[str, Any] | None = None
    options: Sequence[str] = ()
    families: Mapping[str, Mapping[str, Any]] | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    force_model: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)
    refuse: Callable[[str, str], Text | None] = refusal
    pack_size: int = 1
    _by_command: dict[str, dict[str, Any]] = field(default_factory=dict, compare=False)

    def check_model(self, own: str | None, command: str) -> str:
        """Return the model of a row, else the command's. Raises InvalidField, MissingModel."""
        model = own or self.models.get(command) or self.model
        if model is None:
            raise MissingModel()
        if not self.force_model and (why := self.refuse(model, command)):
            if own is not None:
                reason = Text("{model} cannot be used: {why}", model=model, why=why)
                raise InvalidField("model", reason)
            raise MissingModel(model, why)
        return model

    def of(self, command: str, table: Mapping[str, Flag]) -> dict[str, Any]:
        """Return the values under the names that the options of `command` have.

        Raises UsageError for a flag that the command does not know.
        """
        values = self._by_command.get(command)
        if values is None:
            values = self._by_command[command] = {}
            for name, value in self.values.items():
                option = table.get(name)
                if option is not None:
                    values[option.name] = convert_value(option, value)
                elif name in self.typed:
                    flag = f"--{name.replace('_', '-')}"
                    why = Text("apiyi {command} has no such option", command=command)
                    raise UsageError(Text("cannot use {option}", option=flag), why)
        return dict(values)


@dataclass(eq=False)
class InvalidField(ValueError):
    """A field of a row that cannot be used: its name, and why."""

    name: str
    why: str


class RowFields:
    """The fields of one short row; building its request removes them one by one.

    `take` removes a field; what is left when the request is built goes into the body as it
    is. Texts of a table (`as_text`) are parsed like environment variables.
    """

    def __init__(
        self,
        command: str,
        table: Mapping[str, Flag],
        fields: dict[str, Any],
        defaults: CommandDefaults,
        as_text: bool,
    ) -> None:
        self.fields = fields
        self.defaults = defaults
        self._command = command
        self._as_text = as_text
        self._options = defaults.of(command, table)
        for name in [name for name in fields if name in table]:
            option = table[name]
            value = fields.pop(name)
            if value is None or (as_text and value == ""):
                continue
            try:
                self._options[option.name] = (
                    parse_value(option, value) if as_text else convert_value(option, value)
                )
            except InvalidValue:
                if option.many and isinstance(value, dict):
                    # The API's own form of logit_bias.
                    fields[name] = value
                    self._options.pop(option.name, None)
                    continue
                why = Text("expected {item}", item=describe_expected(option))
                raise InvalidField(name, why) from None

    def group(self, kind: type[Group]) -> Any:
        """Return an option group with the values of the row and the defaults."""
        names = [option.name for option in kind.flags.values()]
        return kind(**{name: self._options[name] for name in names if name in self._options})

    def take(self, *names: str) -> Any:
        """Remove these fields; return the first that has a value, None without any."""
        for name in names:
            if self.fields.get(name) is not None:
                return self.fields.pop(name)
            self.fields.pop(name, None)
        return None

    def rest(self) -> list[str]:
        """Remove all remaining fields; return them as `-O` options for multipart bodies."""
        left, self.fields = self.fields, {}
        if self._as_text:
            # Other columns than options are data of the user, not of the request.
            return []
        return [rf"{name.replace('.', chr(92) + '.')}={write_text(left[name])}" for name in left]

    def text(self, *names: str) -> str | None:
        """Remove a field; return its text, which must not be empty."""
        value = self.take(*names)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise InvalidField(names[0], Text("expected a text that is not empty"))
        return value

    def prompt(self, *names: str) -> str:
        """Remove the input of the row; raise InvalidField if there is none."""
        value = self.text(*names)
        if value is None:
            why = Text("the row has no {names}", names=" or ".join(names))
            if "input" in self.fields and "input" not in names:
                why = Text(
                    "the row has an input and no {names}: --endpoint embed or respond reads it",
                    names=" or ".join(names),
                )
            raise InvalidField("", why)
        return value

    @property
    def model(self) -> str:
        """Return the model: the row's own, else the command's."""
        return self.defaults.check_model(self.text("model"), self._command)

    def functions(self) -> Sequence[dict[str, Any]]:
        """Return the functions on offer, in the form that the builders take."""
        own = self.take("tools", "tool")
        if own is None:
            return self.defaults.functions
        return read_tools(own if isinstance(own, list) else [own])

    def tool_choice(self, functions: Sequence[dict[str, Any]]) -> str | dict[str, Any] | None:
        """Return the function that must be called, as `tool_choice` has it."""
        own = self.take("tool_choice")
        if isinstance(own, str):
            return parse_tool_choice(own, functions)
        return self.defaults.tool_choice if own is None else own

    def schema(self) -> dict[str, Any] | None:
        """Return the schema of the answer."""
        own = self.take("schema")
        if own is None:
            return self.defaults.schema
        return read_schema(own) if isinstance(own, str) else wrap_schema(own)

    def json_mode(self) -> bool:
        """Return True if the answer must be a JSON object."""
        own = self.take("json_mode")
        return self.defaults.json_mode if own is None else bool(own)

    def messages(self) -> list[dict[str, Any]]:
        """Remove and return the earlier messages of the row."""
        own = self.take("messages") or []
        if isinstance(own, str):
            own = read_strict(own)
        if not isinstance(own, list) or not all(
            isinstance(item, dict) and isinstance(item.get("role"), str) for item in own
        ):
            raise InvalidField("messages", Text("expected a list of messages, each with a role"))
        return own

    def attachments(self) -> list[Attachment]:
        """Read the files that the row names, under any of the fields for them."""
        return [
            Attachment(name, _content(field, name))
            for field, name in self.files("attach", *FILE_FIELDS)
        ]

    def files(self, *names: str) -> list[tuple[str, str]]:
        """Remove these fields; return their paths and URLs, each with its field's name.

        The first field holds nothing else; in the others a value in the API's own form
        (`"audio": {"voice": …}`) stays.
        """
        paths: list[tuple[str, str]] = []
        for name in names:
            own = self.fields.get(name)
            given: list[Any] = own if isinstance(own, list) else [own]
            if own in (None, []):
                self.fields.pop(name, None)
            elif all(isinstance(path, str) and path for path in given):
                self.fields.pop(name)
                paths += [(name, path) for path in given]
            elif name == names[0]:
                raise InvalidField(name, Text("expected paths or URLs"))
        return paths


@dataclass(eq=False)
class MissingModel(Exception):
    """A row has no model, or the command's model cannot do the rows."""

    model: str = ""
    why: str = ""


@cache
def index_options(groups: tuple[type[Group], ...]) -> Mapping[str, Flag]:
    """Return the options that go into the body, by each of their spellings."""
    options: dict[str, Flag] = {}
    for group in groups:
        for option in group.flags.values():
            if option.wire is not None or option.name in _UNWIRED:
                options[option.name] = option
                for spelling in option.names:
                    plain = spelling.split("/")[0].lstrip("-").replace("-", "_")
                    if len(plain) > 1:
                        options.setdefault(plain, option)
    return options


def find_schema(call: Call) -> Any:
    """Return the schema in a request's body for its answer, None without one."""
    body = call.json
    if not isinstance(body, dict):
        return None
    if call.protocol == "anthropic":
        tools = body.get("tools") or ()
        schemas = (tool["input_schema"] for tool in tools if tool.get("name") == call.answer_tool)
        return next(schemas, None)
    if call.protocol == "google":
        return _google_schema(call, read_object(body.get("generationConfig")))
    asked = body.get("response_format")
    if asked is None:
        asked = read_object(body.get("text")).get("format")
    asked = read_object(asked)
    if asked.get("type") == "json_object":
        return _ANY_OBJECT
    if asked.get("type") != "json_schema":
        return None
    return read_object(asked.get("json_schema", asked)).get("schema")


def _google_schema(call: Call, config: Mapping[str, Any]) -> Any:
    """Return the schema that a `generationConfig` asks for, {} where any JSON will do."""
    if config.get("responseMimeType") != "application/json":
        return None
    if call.answer_schema is not None:
        return call.answer_schema
    if "responseJsonSchema" in config:
        return config["responseJsonSchema"]
    from apiyi_cli.build.schemas.openapi_schema import json_schema

    return json_schema(config.get("responseSchema"))


def _content(field: str, name: str) -> bytes | None:
    if name.startswith(("https://", "http://", "data:")):
        return None
    try:
        return read_regular(name)
    except (OSError, ValueError) as failure:
        raise cannot_read(field, name, failure) from None


def cannot_read(field: str, name: str, failure: OSError | ValueError) -> InvalidField:
    """Return the error for a file that a row's field names."""
    why = getattr(failure, "strerror", None) or str(failure)
    return InvalidField(field, Text("cannot read {name}: {why}", name=show_name(name), why=why))
