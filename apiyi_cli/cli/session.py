"""One run of the program, and what a command needs of it.

`Run` is what `main` starts: the console, the environment, the clock. A `Session` is that
plus the options of the command: settings with their origins, input, sending, showing.
Commands read like a list because the decisions that all of them share are made here.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.families import OTHER_COMMANDS, PROPOSED, refusal
from apiyi_cli.core.options import Group, given
from apiyi_cli.core.options.chat import Answer
from apiyi_cli.core.options.connection import Connection, Jobs
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.request import Model, Models, Request
from apiyi_cli.core.secret import Secret, redact
from apiyi_cli.errors import ApiyiError, SetupError, UsageError
from apiyi_cli.output.console import Console
from apiyi_cli.settings.defaults import BASE_URLS
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from pathlib import Path

    from apiyi_cli.cli.inputs.prompt import Sources
    from apiyi_cli.cli.output.stderr_events import Aside
    from apiyi_cli.core.events import Burst, InlineFile
    from apiyi_cli.core.language import Translate
    from apiyi_cli.core.terminal_text import Content
    from apiyi_cli.output.rescue import Rescue
    from apiyi_cli.render.choose import Renderer
    from apiyi_cli.wire.send import Sender, SentRequest

G = TypeVar("G", bound=Group)
T = TypeVar("T")


class Run:
    """One process: where it writes, when it began, what has to be closed at its end.

    A command that can stop softly sets `heed`: it is called, in the signal's handler, with
    the name and number of each signal that would else end the process. It returns the seconds
    after which the process is to end all the same, None when that needs no watching.
    """

    def __init__(self, console: Console, environ: Mapping[str, str], clock: Clock) -> None:
        self.console = console
        self.environ = environ
        self.clock = clock
        self.began_s = clock.monotonic()
        self.before: dict[str, Any] = {}
        self.secrets: list[Secret] = []
        self.machine_errors = False
        self.exit_code = 0
        self.heed: Callable[[str, int], float | None] | None = None
        self._closers: list[Callable[[], None]] = []
        console.redact = lambda text: redact(text, self.secrets)

    @classmethod
    def started(cls, environ: Mapping[str, str]) -> Run:
        """Take over the standard streams; to be called before any file is opened."""
        run = cls(Console.opened(), environ, CLOCK)
        if key := environ.get("APIYI_API_KEY", "").strip():
            # Known before anything can fail with it in its words.
            run.secrets.append(Secret(key))
        return run

    def child_environment(self) -> dict[str, str]:
        """Return the environment for a program that this one starts, without keys."""
        from apiyi_cli.settings.secrets import child_environment

        return child_environment(self.environ, self.secrets)

    def closing(self, close: Callable[[], None]) -> None:
        """Have something closed when the run ends, whichever way."""
        self._closers.append(close)

    def close(self) -> None:
        """Close what the run opened, the last first; never raise."""
        while self._closers:
            try:
                self._closers.pop()()
            except Exception:
                continue

    def report(self, failure: ApiyiError) -> None:
        """Print an error on stderr: a line and a hint, or one JSON object for machines."""
        if self.machine_errors:
            from apiyi_cli.cli.records import describe_error
            from apiyi_cli.core.jsontext import write_text

            record = {"error": describe_error(failure, self.console.redact)}
            self.console.say(write_text(record), content="json")
            return
        say = self.translate
        self.say_error(failure)
        if failure.hint:
            self.console.say(f"  {say(Text('try: '))}{say(failure.hint)}")

    def say_error(self, failure: ApiyiError) -> None:
        """Print an error's line on stderr, without its hint."""
        self.say_line(failure.sentence())

    def say_line(self, message: str) -> None:
        """Print a message of the program on stderr."""
        self.console.say(f"apiyi: {self.translate(message)}")

    @cached_property
    def translate(self) -> Translate:
        """Return what puts a text for people into their language."""
        from apiyi_cli.core.language import translator
        from apiyi_cli.settings.language import configured

        return translator(self.environ, configured(self.environ))


class Session:
    """A command's view of its run.

    `groups` are the option groups as typed; `fill` completes them from environment, profile
    and defaults, where `command` names those of a command's own.
    """

    def __init__(self, run: Run, *groups: Group, command: str | None = None) -> None:
        self.run = run
        self.console = run.console
        self._before = {name: value for name, value in run.before.items() if value is not None}
        self._groups: dict[type[Group], Group] = {}
        for group in groups:
            completed = _completed(group, self._before)
            for kind in type(group).__mro__[: -len(Group.__mro__)]:
                # A command may have a form of its own of a group that others ask for.
                self._groups[kind] = completed
        self.command = command or "chat"
        self.settings = Settings(*self._groups.values(), environ=run.environ, command=command)
        typed = self._groups.get(Output)
        # Before the configuration is read, so that its errors have the right form, too.
        run.machine_errors = isinstance(typed, Output) and bool(typed.json or typed.ndjson)

    @cached_property
    def output(self) -> Output:
        """Return the output options in force."""
        output = self.fill(Output())
        self.run.machine_errors = bool(output.json or output.ndjson)
        return output

    @cached_property
    def request(self) -> Request:
        """Return the request options in force."""
        return self.fill(Request())

    def fill(self, group: G) -> G:
        """Return a group with every option that something sets.

        What was typed counts, whether `group` is the one that the command got or a new one.
        """
        typed = self._groups.get(type(group))
        if not isinstance(typed, type(group)):
            typed = _completed(group, self._before)
        return self.settings.fill(typed)

    def adopt(self, group: Group) -> None:
        """Take a group as if the user had typed it: an earlier run's options, for example."""
        self._groups[type(group)] = group

    def given(self, group: G) -> G:
        """Return a group with what the user gave, wherever, and without any default."""
        typed = self._groups.get(type(group))
        if not isinstance(typed, type(group)):
            typed = _completed(group, self._before)
        return self.settings.fill(typed, defaults=False)

    @cached_property
    def jobs(self) -> int:
        """Return how many requests may be under way at once."""
        return self.fill(Jobs()).jobs or 1

    @cached_property
    def sources(self) -> Sources:
        """Return the inputs of the run."""
        from apiyi_cli.cli.inputs.prompt import Sources
        from apiyi_cli.core.options.prompt import Prompt, TextInput

        return Sources(
            no_stdin=bool(self.fill(Prompt()).no_stdin),
            notice=self.note,
            encoding=self.fill(TextInput()).encoding,
        )

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Return the models to ask, at least one. Raises UsageError when none is set."""
        group: Models | Model
        if Models in self._groups:
            group = models_group = self.fill(Models())
            models = tuple(models_group.model or ())
        else:
            group = model_group = self.fill(Model())
            models = () if model_group.model is None else (model_group.model,)
        if not models:
            raise no_model(self.command)
        if not group.force_model:
            for model in models:
                require_able(model, self.command)
        return models

    @property
    def sends_many(self) -> bool:
        """Return True if the command sends several requests at once (it has `--jobs`)."""
        return Jobs in self._groups

    def note(self, text: str) -> None:
        """Print a notice on stderr unless the user wants quiet."""
        if not self.output.quiet:
            self.console.say(f"apiyi: {self.run.translate(text)}")

    def detail(self, text: str) -> None:
        """Print something for `-v` on stderr."""
        if self.output.verbose:
            self.console.say(self.run.translate(text))

    def _stays_here(self) -> Iterator[str]:
        """Yield the options as typed that work on the answer and that no program has."""
        for group in self._groups.values():
            for one, _ in given(group):
                if one.name in ("output", "jq", "extract", "run"):
                    yield one.long

    def shown(self, call: Call) -> bool:
        """Print the request instead of sending it, if the user asked for that."""
        if self.request.code:
            from apiyi_cli.cli.gateway.dry_run import program

            extra = self.fill(Connection()).header
            language = self.request.code
            address, secrets = self._address(real=True), self.run.secrets
            self.console.write(program(call, language, address, extra, self.note, secrets))
            for name in self._stays_here():
                self.note(
                    Text("{name} is left out: the program shows the answer its own way", name=name)
                )
            return True
        if self.request.dry_run:
            from apiyi_cli.cli.gateway.dry_run import described

            extra = self.fill(Connection()).header
            request = described(call, self._address(), extra, self.run.secrets)
            self.console.write(request, "json")
            return True
        return False

    def bursts(
        self,
        call: Call,
        decode: Callable[[Reply], Iterator[Burst]],
        *,
        held: bool = False,
        reasoning: bool = False,
    ) -> Iterator[Burst]:
        """Send a call and yield its events.

        `held` tells that nothing is shown until the end: of an answer that was begun anew only
        the newest attempt is yielded then. `reasoning` tells that the user sees that, too.
        """
        from apiyi_cli.cli.gateway.attempts import is_shown, newest_attempt

        if held:
            return newest_attempt(self.answers(call, decode))
        return self.answers(call, decode, shows=partial(is_shown, reasoning=reasoning))

    def answers(
        self,
        call: Call,
        decode: Callable[[Reply], Iterator[T]],
        *,
        shows: Callable[[T], bool] = lambda item: False,
        sender: Sender | None = None,
    ) -> Iterator[T]:
        """Send a call and yield what `decode` makes of the reply; a thread gives its `sender`.

        A body that was paid for and cannot be used is kept in the rescue folder.
        """
        for text in call.notes:
            self.note(text)
        received = None
        if call.cost != "free":
            from apiyi_cli.cli.gateway.unusable import ReceivedBody

            received = ReceivedBody()
            decode = received.watch(decode)
        try:
            yield from (sender or self.sender).answer(call, decode, shows=shows)
        except ApiyiError as failure:
            from apiyi_cli.cli.gateway.hints import advised

            told = advised(failure, self, call)
            if received is not None:
                received.keep(told, self.rescue, self.run.secrets)
            raise told from failure.__cause__

    @cached_property
    def sender(self) -> Sender:
        """Return the way to the gateway: one connection pool for the run."""
        from apiyi_cli.cli.gateway.plan import sender

        return sender(self)

    @property
    def left_s(self) -> float:
        """Return the seconds that `--max-time` leaves, without end where it is not given."""
        plan = self.sender.plan
        if plan.timeouts.total_at is None:
            return float("inf")
        return max(0.0, plan.timeouts.total_at - plan.clock.monotonic())

    @cached_property
    def record(self) -> Callable[[SentRequest], None] | None:
        """Return what takes note of each request that ended, None when nothing is kept."""
        if not self.settings.usage_ledger or self.settings.sandbox:
            return None
        from apiyi_cli.cli.output.ledger import Books

        return Books(self).add

    @cached_property
    def secret(self) -> Secret:
        """Return the key; found once, known to the redaction from then on."""
        from apiyi_cli.settings.secrets import find_key

        found = find_key(self.settings)
        self.run.secrets.append(found)
        return found

    def renderer(self, aside: Aside, answer: Answer, form: str) -> Renderer:
        """Return what turns bursts into bytes, by the options and by where they go."""
        from apiyi_cli.decode.whole import assembled
        from apiyi_cli.render.choose import choose

        output = self.output
        terminal = output.output is None and self.console.stdout_is_terminal
        return choose(
            form,  # type: ignore[arg-type]
            aside=aside,
            terminal=terminal,
            markdown=answer.markdown,
            color=self.color,
            width=self.console.width,
            newline=answer.newline is not False,
            assembled=assembled,
            program=self.filter,
        )

    @cached_property
    def filter(self) -> Any:
        """Return the compiled `--jq` program, None without one. Raises before anything is sent."""
        if self.output.jq is None:
            return None
        from apiyi_cli.render.whole import compiled

        return compiled(self.output.jq)

    def filtered(self, lines: Iterable[bytes]) -> Iterable[bytes]:
        """Return JSON lines through the `--jq` program, if there is one."""
        if self.filter is None:
            return lines
        from apiyi_cli.render.whole import filtered

        return filtered(lines, self.filter)

    @property
    def color(self) -> bool:
        """Tell whether stdout gets colour."""
        from apiyi_cli.render.choose import color_wanted

        terminal = self.output.output is None and self.console.stdout_is_terminal
        return color_wanted(self.output.color or "auto", self.run.environ, terminal)

    @property
    def form(self) -> str:
        """Return the form of the output: text, ndjson or json (`--jq` alone filters json)."""
        if self.output.ndjson:
            return "ndjson"
        return "json" if self.output.json or self.output.jq is not None else "text"

    def aside(self, answer: Answer) -> Aside:
        """Return what takes the events that are not the answer."""
        from apiyi_cli.cli.output.stderr_events import Aside

        return Aside(self, answer)

    def write(
        self,
        lines: Iterable[bytes],
        stop: Callable[[], object] | None = None,
        *,
        content: Content | None = None,
        path: Path | None = None,
    ) -> None:
        """Write the answer to stdout, or whole to `-o`; keep what was paid for if that fails.

        `path` is the file that `-o` stands for where it is a directory or a template.

        `stop` is called then: it makes `lines` end with what was on its way. `content` is
        what the lines are; by default JSON where the form of the output is a JSON one.
        """
        target = path or self.output.output
        rescue = self.rescue if stop is None else self.rescue._replace(stop=stop)
        if target is None or target == "-":
            kind = content or ("text" if self.form == "text" else "json")
            self.console.write_lines(lines, rescue, kind)
            return
        from pathlib import Path

        from apiyi_cli.output.files import write_file

        write_file(lines, Path(target), force=bool(self.output.force), rescue=rescue)

    def ready(self) -> None:
        """Check, before anything is sent, that the answer will have a place to go."""
        target = self.output.output
        if target is None or target == "-":
            self.console.require_stdout()
            return
        from pathlib import Path

        from apiyi_cli.output.files import refuse_existing

        refuse_existing(Path(target), force=bool(self.output.force))

    @property
    def rescue(self) -> Rescue:
        """Return where an answer goes when its output fails."""
        from apiyi_cli.output.rescue import Rescue
        from apiyi_cli.settings.paths import state_dir

        own: tuple[Path, ...] = ()
        with suppress(SetupError):
            own = (state_dir(self.run.environ) / "rescue",)
        return Rescue(own, spare=_temporary_directory)

    def keep_attachment(self, attachment: InlineFile) -> str:
        """Save a picture, sound or file of an answer in text; return the line that names it."""
        import binascii

        try:
            content = binascii.a2b_base64(attachment.base64)
            path = self.rescue.keep([content])
        except (ValueError, OSError) as error:
            self.note(
                Text(
                    "a part of the answer ({type}) is lost: {reason}",
                    type=attachment.type or "base64",
                    reason=str(error),
                )
            )
            return ""
        return f"{path}\n"

    def _address(self, *, real: bool = False) -> str:
        """Return the address to show; the sandbox has one only while it runs."""
        urls = self.settings.base_urls
        return urls[0] if urls else BASE_URLS[0] if real else "http://sandbox.localhost/v1"


def _temporary_directory() -> Iterator[Path]:
    import tempfile
    from pathlib import Path

    yield Path(tempfile.gettempdir())


def no_model(command: str) -> UsageError:
    """Return the error of a command that has no model, with a line that gives it one."""
    model = PROPOSED.get(command, PROPOSED["chat"])
    key = f"{command}.model" if command in OTHER_COMMANDS else "model"
    ways = Text("-m MODEL") if command in OTHER_COMMANDS else Text("-m MODEL, or APIYI_MODEL")
    return UsageError(
        Text("no model"),
        Text("none was given and none is set"),
        hint=Text(
            "apiyi config set {key} {model}, or {ways}; apiyi models lists them",
            key=key,
            model=model,
            ways=ways,
        ),
    )


def require_able(model: str, command: str) -> None:
    """Raise UsageError when a model's family is known not to do the command."""
    why = refusal(model, command)
    if why is not None:
        proposed = PROPOSED.get(command, PROPOSED["chat"])
        hint = Text(
            "-m {proposed}; --force-model sends {model} all the same",
            proposed=proposed,
            model=shlex.quote(model),
        )
        raise UsageError(Text("cannot use the model {model}", model=model), why, hint=hint)


def _completed(group: G, before: Mapping[str, Any]) -> G:
    """Give a group the options that stood before the command, where it has none of its own."""
    missing = {
        name: value
        for name, value in before.items()
        if name in vars(group) and getattr(group, name) is None
    }
    return group.replace(**missing) if missing else group
