"""Builds the argv of a page's request, through the allow-list only.

The page names options and values; only what `policy` allows becomes a word of the command
line. Values go as `--option=value` and prompts after `--`, so that no value can become an
option. Files are uploads alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from apiyi_cli.core.endpoints import METHODS
from apiyi_cli.core.options import Flag, Group
from apiyi_cli.core.options.video import TASK_WORDS
from apiyi_cli.errors import UsageError
from apiyi_cli.playground import policy
from apiyi_cli.text import Text

MOST_WORD_BYTES: Final = 100_000
"""Longer prompts go through standard input: Linux allows 128 kB in one argument."""
READING_METHODS: Final = ("GET", "HEAD")
SPEECH_FILE: Final = "speech"
RESUMED_FILE: Final = "video.mp4"

_PATH_LIKE: Final = re.compile(r"^(?:[/\\~.]|[A-Za-z]:)|^\S*[/\\]\S*$|\.json$", re.I)
"""Texts that would name a file."""
_TASK: Final = re.compile(r"\w[\w.:-]{0,199}", re.ASCII)


class PageRequest(NamedTuple):
    """A request of the page: names and values, not yet checked against the table.

    `files` are ids of uploads by option; those of the command's argument are under `""`.
    `language` is that of a program (`--code`), `task` the video task to resume.
    """

    command: str
    profile: str = ""
    prompt: str = ""
    stdin: str = ""
    method: str = ""
    language: str = ""
    task: str = ""
    options: Mapping[str, Any] = {}
    files: Mapping[str, Sequence[str]] = {}


_FIELDS: Final = {
    "command": str,
    **{name: type(default) for name, default in PageRequest._field_defaults.items()},
}


class CommandLine(NamedTuple):
    """A command line to run: what a user would type, and the server's own options.

    `argv` is what is typed after `apiyi`; `added` the options for a readable output; `stdin`
    the text of standard input, None without one.
    """

    argv: tuple[str, ...]
    added: tuple[str, ...] = ()
    stdin: str | None = None

    @property
    def executed(self) -> tuple[str, ...]:
        """Return all arguments of the child, the server's own after the command's word."""
        return (self.argv[0], *self.added, *self.argv[1:])


class FormTable:
    """The options of the page's commands, by command and name.

    `groups` are the option groups of each command of the program. `allows_api` lifts the rule
    that `api` only reads.
    """

    def __init__(
        self, groups: Mapping[str, Sequence[type[Group]]], *, allows_api: bool = False
    ) -> None:
        self.allows_api = allows_api
        self._flags = {
            command: {
                name: option
                for group in groups[command]
                for name, option in group.flags.items()
                if policy.is_allowed(command, name)
            }
            for command in policy.PAGE_COMMANDS
        }

    def flags(self, command: str) -> Mapping[str, Flag]:
        """Return the allowed options of a command. Raises UsageError if unknown."""
        if command not in self._flags:
            raise _refuse(Text("the page has no command {name}", name=repr(command)))
        return self._flags[command]


def read_page_request(value: Any) -> PageRequest:
    """Return the request in a JSON value. Raises UsageError for another shape."""
    if not isinstance(value, dict) or not value.keys() <= _FIELDS.keys():
        raise _refuse(Text("the request has fields that are not known"))
    for name, item in value.items():
        if type(item) is not _FIELDS[name]:
            raise _refuse(Text("{name} has another type", name=name))
        if isinstance(item, str):
            _check_text(name, item)
    request = PageRequest(**value)
    for ids in request.files.values():
        if type(ids) is not list or not all(type(item) is str for item in ids):
            raise _refuse(Text("{name} has another type", name="files"))
    return request


def build_line(
    request: PageRequest, table: FormTable, names: Mapping[str, str], mode: str = "run"
) -> CommandLine:
    """Return the command line of a request. `names` are the file names of its uploads by id.

    `mode` is "run", "dry-run" or "code". Raises UsageError for whatever is not allowed.
    """
    flags = table.flags(request.command)
    command = policy.PAGE_COMMANDS[request.command]
    words = [request.command]
    if request.profile:
        words.append(f"--profile={request.profile}")
    for name in (*request.options, *request.files):
        if name and name not in flags:
            raise _refuse(Text("the page may not use the option {name}", name=repr(name)))
    for name, option in flags.items():
        if name == "profile":
            continue
        words += _option_words(option, request.options.get(name))
        words += _file_words(option, request.files.get(name, ()), names)
    if request.command == "speak" and mode == "run":
        words.append(f"--output={SPEECH_FILE}.{_speech_format(request)}")
    if request.task:
        # A task knows the folder that its first run would have saved to.
        words.append(f"--output={RESUMED_FILE}")
    rest, stdin = _arguments(request, table, names)
    if rest:
        words += ["--", *rest]
    added = {
        "run": (*command.machine, "--verbose", "--color=never"),
        "dry-run": ("--dry-run",),
        "code": (f"--code={request.language or 'curl'}",),
    }[mode]
    return CommandLine(tuple(words), added, stdin)


def _arguments(
    request: PageRequest, table: FormTable, names: Mapping[str, str]
) -> tuple[list[str], str | None]:
    """Return the words after `--` and the text of standard input."""
    command = policy.PAGE_COMMANDS[request.command]
    if request.task:
        return _task_words(request), None
    if request.stdin and not command.stdin:
        raise _refuse(Text("this command has no field for standard input"))
    stdin = request.stdin or None
    prompt = request.prompt
    if request.files.get("") and command.subject != "recordings":
        raise _refuse(Text("this command takes no files"))
    if command.subject == "recordings":
        return [_upload_name(id, names) for id in request.files.get("", ())], None
    if command.subject == "path":
        return _api_words(request, table), None
    if command.subject == "words":
        return prompt.split(), None
    if not prompt:
        return [], stdin
    is_own_word = request.command == "video" and prompt.strip() in TASK_WORDS
    if is_own_word or (stdin is None and len(prompt.encode()) > MOST_WORD_BYTES):
        return [], prompt
    return [prompt], stdin


def _task_words(request: PageRequest) -> list[str]:
    if request.command != "video" or not _TASK.fullmatch(request.task):
        raise _refuse(Text("there is no task {name}", name=repr(request.task)))
    return ["resume", request.task]


def _api_words(request: PageRequest, table: FormTable) -> list[str]:
    method = request.method or "GET"
    if method not in METHODS:
        raise _refuse(Text("{method} is not a method", method=repr(method)))
    if method not in READING_METHODS and not table.allows_api:
        raise UsageError(
            Text("the page cannot send {method}", method=method),
            Text("it only reads"),
            hint="apiyi playground --allow-api",
        )
    return [method, request.prompt.strip()]


def _option_words(option: Flag, value: Any) -> list[str]:
    """Return the words of one option; none if the page gives no value."""
    if value is None:
        return []
    if option.kind is bool:
        return [_switch_word(option, value)]
    items = value if option.many and isinstance(value, list) else [value]
    return [f"{option.long}={_value_text(option, item)}" for item in items]


def _switch_word(option: Flag, value: Any) -> str:
    if value is True:
        return option.long
    if value is False and (off := [name for name in option.names if "/" in name]):
        return off[0].split("/")[1]
    raise _refuse(Text("{long} has no such value", long=option.long))


def _value_text(option: Flag, value: Any) -> str:
    """Return a value as text. Raises UsageError if it would name a file or an option."""
    if type(value) not in (str, int, float):
        raise _refuse(Text("{long} has no such value", long=option.long))
    text = str(value)
    _check_text(option.long, text)
    after_equals = text.partition("=")[2] if option.many else ""
    after_colon = text.partition(":")[2].lstrip() if option.name == "header" else ""
    if text.lstrip().startswith("@") or "@" in (after_equals.lstrip()[:1], after_colon[:1]):
        raise _refuse(Text("{long}: a value that begins with @ names a file", long=option.long))
    if option.name in policy.TEXT_OR_FILE:
        if not text.lstrip().startswith(("{", "[")) and _PATH_LIKE.search(text.strip()):
            raise _refuse(Text("{long}: files come in by upload alone", long=option.long))
    elif policy.takes_upload(option) and not (
        policy.takes_url(option) and re.match(r"https?://[^\s/]", text)
    ):
        raise _refuse(Text("{long}: files come in by upload alone", long=option.long))
    return text


def _file_words(option: Flag, ids: Sequence[str], names: Mapping[str, str]) -> Iterable[str]:
    if ids and not policy.takes_upload(option):
        raise _refuse(Text("{long} takes no file", long=option.long))
    return [f"{option.long}={_upload_name(id, names)}" for id in ids]


def _upload_name(id: str, names: Mapping[str, str]) -> str:
    if id not in names:
        raise UsageError(
            Text("an uploaded file is gone"), hint=Text("add the file again, then send")
        )
    return names[id]


def _speech_format(request: PageRequest) -> str:
    given = request.options.get("format")
    return given if isinstance(given, str) and given.isalnum() else "mp3"


def _check_text(name: str, text: str) -> None:
    """Raise UsageError for a text that cannot be an argument of a program."""
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise _refuse(Text("{name}: a character that no command line can hold", name=name))


def _refuse(why: str) -> UsageError:
    return UsageError(Text("cannot do that"), why)
