"""Local commands that answer function calls: arguments on stdin, result from stdout.

No shell, no key in the environment, bounded in time and output. What the model wrote is
checked before anything runs; what it wrote wrongly becomes the call's result, for the model
to correct.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from apiyi_cli.core.events import ToolCall
from apiyi_cli.errors import UsageError

TIMEOUT_S = 120.0
MOST_BYTES = 256 * 1024


class Tool(NamedTuple):
    """A function of the model and the command that answers for it."""

    name: str
    argv: tuple[str, ...]
    parameters: dict[str, Any] | None


def runnable(commands: Sequence[str], functions: Sequence[dict[str, Any]]) -> dict[str, Tool]:
    """Read `--run NAME=COMMAND` values; COMMAND is split as a shell would and run without one.

    Raises UsageError for a name that no `--tool` has, one that comes twice, and what cannot
    be split.
    """
    schemas = {tool["function"]["name"]: tool["function"].get("parameters") for tool in functions}
    found: dict[str, Tool] = {}
    for value in commands:
        name, equals, command = value.partition("=")
        try:
            argv = tuple(shlex.split(command))
        except ValueError as failure:
            raise UsageError(f"cannot use --run {value}", str(failure).lower()) from None
        if not equals or not name or not argv:
            raise UsageError(
                f"cannot use --run {value}", "it is not NAME=COMMAND", hint="--run 'now=date -Is'"
            )
        if name not in schemas:
            raise UsageError(
                f"cannot use --run {name}",
                f"no --tool describes it (there are: {', '.join(schemas) or 'none'})",
                hint=f"describe it: --tool '{{\"name\": \"{name}\"}}'",
            )
        if name in found:
            raise UsageError(f"cannot use --run {name}", "it is given twice")
        found[name] = Tool(name, argv, schemas[name])
    return found


def ran(
    tool: Tool,
    call: ToolCall,
    *,
    environ: Mapping[str, str],
    misfit: Callable[[dict[str, Any], str], str | None],
    timeout_s: float = TIMEOUT_S,
) -> str:
    """Run the command for one call and return what the model is told.

    `misfit` says why the arguments do not fit the function's schema, None when they do;
    then nothing runs. A command that fails, is late or cannot start is told as such, with
    the end of its stderr. Output beyond 256 KiB is cut, and that is said.
    """
    if why := misfit(tool.parameters or {"type": "object"}, call.arguments):
        return f"error: the arguments were not used: {why}"
    try:
        done = subprocess.run(
            tool.argv,
            input=call.arguments.encode("utf-8", "replace"),
            capture_output=True,
            timeout=timeout_s,
            env=dict(environ),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"error: {tool.name} did not end within {timeout_s:g} s"
    except OSError as failure:
        return f"error: {tool.argv[0]} cannot be run: {failure.strerror or failure}"
    result = _text(done.stdout)
    if done.returncode:
        told = _text(done.stderr[-2000:]).strip()
        return f"error: exit status {done.returncode}: {told}\n{result}".rstrip("\n")
    return result


def _text(content: bytes) -> str:
    cut = content[:MOST_BYTES]
    text = cut.decode("utf-8", "replace")
    more = len(content) - len(cut)
    return f"{text}\n[{more} bytes more were cut]" if more else text
