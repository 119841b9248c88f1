"""`--run`: which commands may answer for which functions, and the user's word on each."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from apiyi_cli.core.events import ToolCall
from apiyi_cli.core.options.chat import Running
from apiyi_cli.core.terminal_text import neutralize
from apiyi_cli.errors import IncompleteError, UsageError
from apiyi_cli.text import Text
from apiyi_cli.tools.run import Tool, results, runnable

if TYPE_CHECKING:
    from apiyi_cli.cli.context import Context

MOST_STEPS = 20


class Toolbox:
    """The commands of `--run`. Nothing in it runs before the user agreed.

    Raises UsageError at once when nobody could be asked and `--yes` was not given.
    """

    def __init__(self, ctx: Context, running: Running, functions: Sequence[dict[str, Any]]) -> None:
        from apiyi_cli.build.json_schema import describe_unchecked

        self._ctx = ctx
        self._tools = runnable(running.run or (), functions)
        self._declared = [tool["function"]["name"] for tool in functions]
        for tool in self._tools.values():
            for text in describe_unchecked(tool.parameters or {}, f"--tool {tool.name}"):
                ctx.messages.note(text)
        self._agreed = bool(running.yes)
        self.most_steps = running.max_steps or MOST_STEPS
        if not self._agreed and not _answers():
            raise UsageError(
                Text("cannot ask whether --run may run its commands"),
                Text("there is no terminal"),
                hint=Text("add --yes if they may run unasked"),
            )

    def has(self, name: str) -> bool:
        """Tell whether calls of the function are answered here.

        So are those of a function that nobody declared: the model is told that there is none.
        """
        return name in self._tools or name not in self._declared

    def results(self, calls: Sequence[ToolCall], finished: str) -> list[str]:
        """Run the commands, several at once, and return what each call gets, in order.

        Raises IncompleteError when the answer was cut off: its arguments may be, too.
        """
        if finished in ("length", "content_filter"):
            raise IncompleteError(
                Text("the function calls were not run"),
                Text(
                    "the answer was cut off ({finished}), and perhaps the arguments",
                    finished=finished,
                ),
                hint=Text("raise --max-tokens"),
            )
        told: dict[int, str] = {}
        runs: dict[int, tuple[Tool, ToolCall]] = {}
        for place, call in enumerate(calls):
            tool = self._tools.get(call.name)
            if tool is None:
                known = ", ".join(self._declared)
                told[place] = f"error: there is no function {call.name!r} (there are: {known})"
            elif self._allowed(tool, call):
                runs[place] = tool, call
            else:
                told[place] = "error: the user did not allow this call"
        ran = results(
            list(runs.values()), environ=self._ctx.process.child_environment(), refuse=self._refuse
        )
        told.update(zip(runs, ran, strict=True))
        return [told[place] for place in range(len(calls))]

    def _refuse(self, schema: dict[str, Any], arguments: str) -> str | None:
        """Return why arguments are not used: they do not fit, or that could not be found out."""
        from apiyi_cli.build.answer_check import CHECK_S, check_answer

        check = check_answer(schema, arguments, limit_s=min(CHECK_S, self._ctx.gateway.left_s))
        return check.misfit or check.unfinished

    def _allowed(self, tool: Tool, call: ToolCall) -> bool:
        told = f"{call.name}({call.arguments}) -> {shlex.join(tool.argv)}"
        if self._agreed:
            self._ctx.messages.note(Text("running {message}", message=told))
            return True
        question = self._ctx.messages.translate(Text("run {message}?", message=told))
        return _yes(self._ctx, f"apiyi: {question} [y/N] ")


def _answers() -> bool:
    try:
        with open("/dev/tty", "rb"):
            return True
    except OSError:
        return False


def _yes(ctx: Context, question: str) -> bool:
    """Ask on the terminal itself: stdin may be the prompt, stderr a file."""
    with open("/dev/tty", "r+b", buffering=0) as terminal:
        terminal.write(neutralize(ctx.messages.redact(question)).encode())
        return terminal.readline().strip().lower() in (b"y", b"yes")
