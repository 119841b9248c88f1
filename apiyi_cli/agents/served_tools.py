"""The tools that `apiyi mcp` serves: each one is a command, its parameters are options.

Pure: schemas are made from the described commands, and a call becomes a command line with what
goes to its stdin. Types, choices and ranges are those of the option table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from apiyi_cli.agents.describe import option_schema
from apiyi_cli.core.jsontext import write
from apiyi_cli.core.language import Translate, as_is
from apiyi_cli.text import Text


class ServedTool(NamedTuple):
    """One tool: the command that it runs and where its parameters go.

    `stdin` is the parameter that the command reads, a text, or a list as objects with a `text`;
    `words` are parameters that become arguments, in order; `options` are the names of long
    options, between spaces. `always` is on every line. `runs` is the command if it has another
    name. `writes` says that the command writes files: to the folder of the server unless the
    caller names one. `costs` is False where nothing is ever charged.
    """

    name: str
    help: str
    required: tuple[str, ...] = ()
    stdin: str | None = None
    words: tuple[str, ...] = ()
    options: str = ""
    always: tuple[str, ...] = ()
    runs: str = ""
    writes: bool = False
    costs: bool = True

    @property
    def command(self) -> str:
        """Return the word of the command."""
        return self.runs or self.name


SERVED: Final = (
    ServedTool(
        "chat",
        Text("Ask a model and return its answer; files and pictures go by path."),
        required=("prompt",),
        stdin="prompt",
        options="model system file attach schema max-tokens temperature reasoning-effort session",
    ),
    ServedTool(
        "image",
        Text("Draw pictures, or edit those of `input`; returns a JSON line with the path of each."),
        required=("prompt",),
        stdin="prompt",
        options="model input mask n size quality aspect-ratio output force",
        always=("--ndjson",),
        writes=True,
    ),
    ServedTool(
        "video",
        Text("Make a video, which takes minutes; returns a JSON line with its path."),
        required=("prompt",),
        stdin="prompt",
        options="model input first last duration resolution ratio seed max-time output force",
        always=("--ndjson",),
        writes=True,
    ),
    ServedTool(
        "embed",
        Text(
            "Embed texts; returns a JSON line with `embedding` for each, or writes it to `output`."
        ),
        required=("texts",),
        stdin="texts",
        options="model dimensions output force",
        always=("--jsonl=text",),
    ),
    ServedTool(
        "rank",
        Text(
            "Rank documents by how well they answer a query; returns a JSON line for each, the"
            " best first."
        ),
        required=("query", "documents"),
        stdin="documents",
        words=("query",),
        options="model top threshold",
        always=("--jsonl=text", "--ndjson"),
    ),
    ServedTool(
        "transcribe",
        Text("Write down what recordings say."),
        required=("files",),
        words=("files",),
        options="model language prompt format diarize translate",
    ),
    ServedTool(
        "speak",
        Text("Read a text aloud into the file `output`; returns its path."),
        required=("text", "output"),
        stdin="text",
        options="model voice format speed instructions output force",
    ),
    ServedTool(
        "models",
        Text("List the models of the gateway, those whose names have all words of `query`."),
        words=("query",),
        costs=False,
    ),
    ServedTool(
        "balance",
        Text("Return what is left in the account, in US dollars, as JSON."),
        always=("--json",),
        costs=False,
    ),
    ServedTool(
        "batch_status",
        Text(
            "Return as JSON how far outputs of `apiyi batch` are: rows, ok, failed, unknown; with "
            "`rows` (the input) also what is missing."
        ),
        required=("outputs",),
        words=("outputs",),
        options="rows",
        runs="batch",
        costs=False,
    ),
)
_PLAIN: Final = {
    "prompt": (Text("What to ask for."), False),
    "text": (Text("The text to read aloud."), False),
    "texts": (Text("The texts to embed."), True),
    "query": (Text("What is looked for."), False),
    "documents": (Text("The texts to rank."), True),
    "files": (Text("Paths of the recordings."), True),
    "outputs": (Text("Paths of the outputs."), True),
}
"""Tool parameters that are not options: their help, and whether they are lists."""


class ServedLine(NamedTuple):
    """A command line without the program name, and its stdin."""

    words: tuple[str, ...]
    stdin: bytes


def tool_schema(tool: ServedTool, command: Any, say: Translate = as_is) -> dict[str, Any]:
    """Return the JSON Schema of a tool's parameters; `command` is the described command."""
    described = {option.long: option for option in command.options}
    properties: dict[str, Any] = {}
    for name in (*((tool.stdin,) if tool.stdin else ()), *tool.words):
        help, is_list = _PLAIN[name]
        value: dict[str, Any] = {"type": "string"}
        if is_list:
            value = {"type": "array", "items": value, "minItems": 1}
        properties[name] = {**value, "description": say(help)}
    for name in tool.options.split():
        option = described[f"--{name}"]
        schema = option_schema(option)
        if name == "model":
            # Several models are compared, which is for people.
            schema = schema.get("items", schema)
        properties[_parameter(name)] = {**schema, "description": say(Text(option.help))}
    return {
        "type": "object",
        "properties": properties,
        "required": list(tool.required),
        "additionalProperties": False,
    }


def make_line(
    tool: ServedTool, arguments: Mapping[str, Any], folder: Path, shared: Iterable[str] = ()
) -> ServedLine:
    """Return the command line of a call whose arguments fit the schema.

    Paths of output are made absolute below `folder`, so that the answer names files wherever
    the caller is. `shared` are options of the session.
    """
    words = [tool.command, *shared, *tool.always]
    for name in tool.options.split():
        words += _option_words(f"--{name}", arguments.get(_parameter(name)), folder)
    if tool.writes and arguments.get("output") is None:
        words.append(f"--output={folder}/")
    if tool.stdin is None:
        words.append("--")
        words += ["verify"] if tool.command == "batch" else []
    elif tool.words:
        words.append("--")
    for name in tool.words:
        value = arguments.get(name)
        words += value if isinstance(value, list) else [] if value is None else [value]
    return ServedLine(tuple(words), _make_stdin(tool, arguments))


def answer_without_output(tool: ServedTool, arguments: Mapping[str, Any], folder: Path) -> str:
    """Return the answer for a command without output: the path that it wrote."""
    output = arguments.get("output")
    return "" if output is None else _resolve_path(output, folder)


def _parameter(option: str) -> str:
    return option.replace("-", "_")


def _option_words(long: str, value: Any, folder: Path) -> Sequence[str]:
    if value is None or value is False:
        return ()
    if value is True:
        return (long,)
    if long == "--output":
        value = _resolve_path(value, folder)
    return [f"{long}={item}" for item in (value if isinstance(value, list) else [value])]


def _resolve_path(path: str, folder: Path) -> str:
    """Return a path below the folder; a trailing slash, which marks a folder, is kept."""
    end = "/" if path.endswith("/") else ""
    return str(folder / path).removesuffix("/") + end


def _make_stdin(tool: ServedTool, arguments: Mapping[str, Any]) -> bytes:
    if tool.stdin is None:
        return b""
    value = arguments[tool.stdin]
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    return b"".join(write({"text": item}) + b"\n" for item in value)
