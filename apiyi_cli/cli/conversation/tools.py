"""`--run`: which commands answer which functions, and the user's permission for each call."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from apiyi_cli.core.events import ToolCall
from apiyi_cli.core.options.chat import Running
from apiyi_cli.core.terminal_text import neutralize
from apiyi_cli.errors import IncompleteError, UsageError
from apiyi_cli.text import Text
from apiyi_cli.tools.run import Tool, parse_run_options, run_tools

if TYPE_CHECKING:
    from apiyi_cli.cli.context import Context

MOST_STEPS = 20


class ToolCommands(NamedTuple):
    """The commands of `--run` by function; `declared` are the names of all functions.

    Without `runs_unasked` the user is asked before each call.
    """

    tools: dict[str, Tool]
    declared: tuple[str, ...]
    runs_unasked: bool
    most_steps: int

    def answers(self, name: str) -> bool:
        """Return True if calls of the function are answered here.

        So are calls of undeclared functions: the model is told that there is none.
        """
        return name in self.tools or name not in self.declared

    def notices(self) -> list[str]:
        """Return what to say once about parameters that cannot be checked."""
        from apiyi_cli.build.json_schema import describe_unchecked

        return [
            notice
            for tool in self.tools.values()
            for notice in describe_unchecked(tool.parameters or {}, f"--tool {tool.name}")
        ]


def read_commands(running: Running, functions: Sequence[dict[str, Any]]) -> ToolCommands | None:
    """Return the commands of `--run`, None without one.

    Raises UsageError if nobody could be asked and `--yes` was not given.
    """
    if not running.run:
        return None
    tools = parse_run_options(running.run, functions)
    if not running.yes and not _has_terminal():
        raise UsageError(
            Text("cannot ask whether --run may run its commands"),
            Text("there is no terminal"),
            hint=Text("add --yes if they may run unasked"),
        )
    declared = tuple(tool["function"]["name"] for tool in functions)
    return ToolCommands(tools, declared, bool(running.yes), running.max_steps or MOST_STEPS)


class ToolRunner:
    """Answers function calls with the commands of `--run`."""

    def __init__(self, ctx: Context, commands: ToolCommands) -> None:
        self._ctx = ctx
        self._commands = commands

    def run(self, calls: Sequence[ToolCall], finish_reason: str) -> list[str]:
        """Run the commands, several at once, and return the result of each call in order.

        Raises IncompleteError if the answer was cut off, because arguments may be, too.
        """
        if finish_reason in ("length", "content_filter"):
            raise IncompleteError(
                Text("the function calls were not run"),
                Text(
                    "the answer was cut off ({finished}), and perhaps the arguments",
                    finished=finish_reason,
                ),
                hint=Text("raise --max-tokens"),
            )
        results: dict[int, str] = {}
        allowed: dict[int, tuple[Tool, ToolCall]] = {}
        for place, call in enumerate(calls):
            tool = self._commands.tools.get(call.name)
            if tool is None:
                known = ", ".join(self._commands.declared)
                results[place] = f"error: there is no function {call.name!r} (there are: {known})"
            elif self._ask_permission(tool, call):
                allowed[place] = tool, call
            else:
                results[place] = "error: the user did not allow this call"
        ran = run_tools(
            list(allowed.values()),
            environ=self._ctx.process.child_environment(),
            refuse=self._find_misfit,
        )
        results.update(zip(allowed, ran, strict=True))
        return [results[place] for place in range(len(calls))]

    def _find_misfit(self, schema: dict[str, Any], arguments: str) -> str | None:
        """Return why arguments are not used: they do not fit, or could not be checked."""
        from apiyi_cli.build.answer_check import CHECK_S, check_answer

        check = check_answer(schema, arguments, limit_s=min(CHECK_S, self._ctx.gateway.left_s))
        return check.misfit or check.unfinished

    def _ask_permission(self, tool: Tool, call: ToolCall) -> bool:
        message = f"{call.name}({call.arguments}) -> {shlex.join(tool.argv)}"
        messages = self._ctx.messages
        if self._commands.runs_unasked:
            messages.note(Text("running {message}", message=message))
            return True
        question = messages.translate(Text("run {message}?", message=message))
        return _ask_on_terminal(messages.redact(f"apiyi: {question} [y/N] "))


def _has_terminal() -> bool:
    try:
        with open("/dev/tty", "rb"):
            return True
    except OSError:
        return False


def _ask_on_terminal(question: str) -> bool:
    """Return True for yes. Asks on the terminal, because stdin may be the prompt."""
    with open("/dev/tty", "r+b", buffering=0) as terminal:
        terminal.write(neutralize(question).encode())
        return terminal.readline().strip().lower() in (b"y", b"yes")
