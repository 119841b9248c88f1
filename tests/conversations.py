"""Starts conversations on terminals, and answers that are held back, for tests."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from tests.terminal_session import LIMIT_S, TerminalSession

if TYPE_CHECKING:
    from tests.conftest import Program


class ConversationStarter:
    """Starts conversations, with prompt_toolkit and readline or as if they were not installed."""

    def __init__(self, started: Program, warm: Program) -> None:
        self._started = started
        self._warm = warm
        self._running: list[TerminalSession] = []

    def __call__(
        self,
        line: str = "chat",
        *,
        plain: bool = False,
        bare: bool = False,
        starts: bool = False,
        **how: Any,
    ) -> TerminalSession:
        """Start a conversation; one that `starts` is a process that signals can be sent to.

        A `plain` one has no prompt_toolkit, a `bare` one no readline either.
        """
        env = dict(how.pop("env", None) or {})
        if plain or bare:
            hidden = self._started.work.with_name("hidden")
            hidden.mkdir(exist_ok=True)
            for name in ("prompt_toolkit", "readline") if bare else ("prompt_toolkit",):
                (hidden / f"{name}.py").write_text("raise ImportError\n")
            env["PYTHONPATH"] = str(hidden)
        program = self._started if plain or bare or starts else self._warm
        talk = TerminalSession(program, line, env=env, **how)
        self._running.append(talk)
        return talk

    def close(self) -> None:
        for talk in self._running:
            talk.close()


def state(apiyi: Program) -> Path:
    return apiyi.home / "state" / "apiyi"


def stored(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class HeldAnswer:
    """A streamed answer that stops before its last piece until it is let go."""

    def __init__(self, *deltas: Any) -> None:
        self.go = threading.Event()
        whole = ScriptedReply.chat(*deltas, usage=usage(10, 5))
        self.reply = whole.replace(wait=lambda piece: self._wait(piece, len(deltas)))

    def _wait(self, piece: int, last: int) -> None:
        if piece == last:
            self.go.wait(LIMIT_S)


def usage(prompt: int, completion: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
