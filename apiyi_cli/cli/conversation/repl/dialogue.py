"""`Dialogue`: the state of a conversation, and how one turn is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from apiyi_cli.cli.context import Context
from apiyi_cli.cli.conversation.repl.log import ConversationLog
from apiyi_cli.cli.conversation.repl.options import ConversationOptions
from apiyi_cli.cli.conversation.repl.turn import ConversationTotals, TurnRecord, describe_turn
from apiyi_cli.cli.conversation.request import ConversationRequest, read_request
from apiyi_cli.cli.gateway.client import GatewayClient
from apiyi_cli.cli.output.ledger import load_prices
from apiyi_cli.cli.process import Process
from apiyi_cli.cli.typer_options import make_context
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.errors import ApiyiError, Interrupted, UsageError, describe_billing
from apiyi_cli.output.console import Console, write_unseen
from apiyi_cli.text import Text, join_texts
from apiyi_cli.wire.send import SentRequest

_DECIDING = (
    *(name for name in Connection.flags if name != "max_time"),
    "cache",
    "no_cache",
    "max_cost",
    "verbose",
)
"""The options that decide how requests are sent; a change needs new connections."""

QUICKLY_S = 1.0
SendTurn = Callable[["Context", ConversationRequest, "TurnRecord | None"], None]
"""Sends a request and prints the answer, as `chat` does."""
SIGINT = 2
_WARNED_SHARE = 0.8


class SharedGateway:
    """Gives each turn's context the same client; `on_sent` gets every finished request."""

    def __init__(self, on_sent: Callable[[SentRequest], None]) -> None:
        self._on_sent = on_sent
        self._client: GatewayClient | None = None
        self._values: tuple[Any, ...] = ()

    def give_to(self, context: Context) -> None:
        """Let a context use the existing client, or share the one that it makes."""
        settings = context.settings
        values = tuple(settings.value(name) for name in _DECIDING)
        if self._client is not None and values == self._values:
            self._client.begin_turn(settings)
            context.gateway = self._client
            return
        client = context.gateway
        client.begin_turn(settings)
        client.add_listener(self._on_sent)
        if self._client is not None:
            self._client.close()
        self._client, self._values = client, values

    def begin_anew(self) -> None:
        """Close the connections after a signal in the middle of an answer."""
        if self._client is not None:
            self._client.begin_anew()


class InterruptTimer:
    """Remembers when the user last typed Ctrl-C."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._last_s: float | None = None
        self.is_second = False

    def note(self) -> bool:
        """Note one Ctrl-C; return True if it is the second within a second."""
        now_s = self._monotonic()
        self.is_second = self._last_s is not None and now_s - self._last_s <= QUICKLY_S
        self._last_s = now_s
        return self.is_second

    def reset(self) -> None:
        """Note any other input: the next Ctrl-C is a first one again."""
        self._last_s, self.is_second = None, False


def clear_interrupt(console: Console) -> None:
    """Give the next message a row without the ^C that the terminal has shown."""
    if console.line_is_open or not console.window.can_draw:
        console.say("")
    else:
        write_unseen(console, b"\r\x1b[K")


class PendingInput:
    """Files, attachments and template for the next prompt only."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.attach: list[str] = []
        self.messages: str | None = None
        self.template: str | None = None
        self.params: list[str] = []


class Dialogue:
    """The state of a conversation: options, messages, pending input, totals.

    `last` is the last turn that was sent, `exit_code` how it ended.
    """

    def __init__(
        self, process: Process, options: ConversationOptions, log: ConversationLog, send: SendTurn
    ) -> None:
        self.process = process
        self.options = options
        self.log = log
        self.pending = PendingInput()
        self.last: TurnRecord | None = None
        self._record: TurnRecord | None = None
        self._is_comparing = False
        self.exit_code = 0
        self.has_keys = True
        """False if prompts are read without prompt_toolkit."""
        self.lacks_package = False
        self.interrupts = InterruptTimer(process.clock.monotonic)
        self.is_strict = bool(options.value("strict"))
        self._send = send
        self._gateway = SharedGateway(lambda sent: self.totals.add(sent))
        self._has_warned = False
        self._counted: tuple[int, int] | None = None

    @property
    def messages(self) -> Any:
        """Return the writer of messages on stderr."""
        return self.process.messages

    @cached_property
    def totals(self) -> ConversationTotals:
        """Return the usage of all requests of the conversation."""
        return ConversationTotals(load_prices(self.context.settings))

    @cached_property
    def context(self) -> Context:
        """Return the context of the current options, with the client of the gateway."""
        return self.make_context()

    @property
    def model(self) -> str:
        """Return the current model. Raises UsageError if there is none."""
        return self.context.settings.models[0]

    def set_log(self, log: ConversationLog) -> None:
        """Continue with another conversation."""
        self.log = log
        self._has_warned = False

    def set_options(self, options: ConversationOptions) -> None:
        """Use other options; if one of them is invalid, none is changed."""
        context = self._context_of(options)
        if len(context.settings.models) > 1:
            raise several_models_error(context.settings.models)
        self.options = options
        self.__dict__.pop("context", None)

    def make_context(self, **values: Any) -> Context:
        """Return a context for one request: the current options, some with other values."""
        context = self._context_of(self.options.replace(**values) if values else self.options)
        self._gateway.give_to(context)
        context.inputs.dash_is_stdin = False
        return context

    def ask(
        self,
        text: str | None,
        *,
        base: int | None = None,
        content: dict[str, Any] | None = None,
        models: Sequence[str] = (),
        options: dict[str, Any] | None = None,
    ) -> bool:
        """Send a prompt and print the answer; return False if nothing of it stays.

        `base` is the number of messages before it, `content` the message to send again in place
        of a text. Several `models` are compared, and leave the conversation as it is. A failure
        is reported here; a signal other than SIGINT is raised.
        """
        self.process.started_s = self.process.clock.monotonic()
        values = {**(options or {}), **({"model": list(models)} if models else {})}
        self.interrupts.reset()
        self.log.begin_turn(base)
        self._record, self._is_comparing = None, False
        try:
            self._send_turn(self._make_turn_context(values, content is not None), text, content)
            self.exit_code = 0
            stays = len(models) > 1 or not self.log.is_answering
        except ApiyiError as failure:
            stays = self._end_failed(failure)
        except Interrupted as stop:
            stays = self._end_stopped(stop)
        finally:
            if self.log.is_answering:
                self.log.drop_turn()
        if stays and content is None:
            self.pending = PendingInput()
        if self._record is not None and self._record.call is not None:
            self.last = self._record
            self._print_ending(self._record)
        return stays

    def count_context(self) -> int:
        """Return the tokens of the conversation so far, estimated if unknown."""
        usage = self.last.usage if self.last is not None else None
        version = id(self.log), len(self.log.everything)
        if self._counted is not None and self._counted == version and usage is not None:
            return usage.total_tokens or 0
        from apiyi_cli.build.tokens import estimate_text_tokens

        return estimate_text_tokens([item.get("content") for item in self.log.everything])

    def find_context_length(self) -> int | None:
        """Return the model's context length in tokens, None if unknown."""
        from apiyi_cli.core.families import find_context

        return find_context(self.model, self.context.settings.families)

    def _context_of(self, options: ConversationOptions) -> Context:
        return make_context(self.process, *options.groups, command="chat")

    def _make_turn_context(self, values: dict[str, Any], is_again: bool) -> Context:
        """Return the context of a turn: the current options with this prompt's input."""
        pending = PendingInput() if is_again else self.pending
        return self.make_context(
            file=pending.files or None,
            attach=pending.attach or None,
            messages=pending.messages,
            template=pending.template,
            param=pending.params or None,
            hide_reasoning=True,
            **values,
        )

    def _send_turn(
        self, context: Context, text: str | None, content: dict[str, Any] | None
    ) -> None:
        """Send a turn: a text with its input, or a stored message once more."""
        words = ["…"] if text is None else [text] if text else []
        asked = read_request(context, words, self.log)
        if content is not None:
            asked = asked._replace(text=None, given=[content])
        self.log.set_asked(asked.new_messages())
        self._is_comparing = len(context.settings.models) > 1
        if context.gateway.cost_limit is not None:
            context.gateway.cost_limit.set_spent(self.totals.usd)
        if self._is_comparing:
            self._send(context, asked._replace(history=None), None)
            return
        hides = self.options.value("hide_reasoning") or context.settings.output.quiet
        record = TurnRecord(self.log, self.messages, self.process.clock.monotonic, folds=not hides)
        self._record = record
        self._send(context, asked, record)
        record.is_from_cache = context.gateway.sender.from_cache

    def _end_failed(self, failure: ApiyiError) -> bool:
        """Report a failed turn; return True if something of it stays."""
        self.exit_code = failure.exit_code
        record = self._record
        if record is not None:
            record.end_reasoning()
        stays = self.log.cut() if record is not None else False
        self.messages.error(failure)
        if not stays:
            self.log.drop_turn()
        return stays

    def _end_stopped(self, stop: Interrupted) -> bool:
        """Keep the part of an answer that a signal stopped. Raise it again unless it is one ^C."""
        record = self._record
        stays = self.log.cut() if record is not None else False
        if stop.signum != SIGINT or self.interrupts.note():
            raise stop
        self.exit_code = 128 + SIGINT
        if record is not None:
            record.end_reasoning()
            if record.call is not None:
                self.totals.add_stopped(record.call)
        self._gateway.begin_anew()
        clear_interrupt(self.process.console)
        pieces: list[str] = [Text("stopped")]
        if record is not None and record.call is not None:
            kept = Text("what came is kept, marked cut") if stays else Text("nothing of it came")
            pieces += [kept, describe_billing("pending")]
        elif self._is_comparing:
            pieces.append(describe_billing("pending"))
        self.messages.note(join_texts(pieces, "; "))
        return stays

    def _print_ending(self, record: TurnRecord) -> None:
        """Print a turn's usage, and warn once when the conversation gets too long."""
        self._counted = id(self.log), len(self.log.everything)
        if record.chunks:
            width = self.process.console.width
            self.messages.print_faint(
                describe_turn(record, self.totals, self.messages.translate, width)
            )
        length = self.find_context_length()
        share = self.count_context() / length if length else 0.0
        if share < _WARNED_SHARE:
            self._has_warned = False
        elif not self._has_warned:
            self._has_warned = True
            self.messages.note(
                Text(
                    "the conversation fills {percent} % of the context of {model}; nothing is left "
                    "out of it: /session new begins another, /undo takes the last exchange back",
                    percent=f"{share * 100:.0f}",
                    model=self.model,
                )
            )


def several_models_error(models: Sequence[str]) -> UsageError:
    """Return the error of a conversation with several models."""
    import shlex

    return UsageError(
        Text("cannot talk with several models at once"),
        Text("a conversation has one model"),
        hint=Text("-m MODEL, then /compare {models}", models=shlex.join(models)),
    )
