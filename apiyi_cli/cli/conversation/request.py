"""What the commands that answer in text share: reading their input, finishing their answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from apiyi_cli.build.body import TextRequest
from apiyi_cli.cli.output.stderr_events import StderrEvents
from apiyi_cli.core.call import Call, Reply, Source
from apiyi_cli.core.events import Burst, Chunk, Delta, Finish, InlineFile, Restart, ToolCall
from apiyi_cli.core.options.chat import Answer, Kept, Running, Tools
from apiyi_cli.core.options.prompt import Conversation, Prompt
from apiyi_cli.errors import LimitError, UsageError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.build.content import Attachment
    from apiyi_cli.cli.context import Context
    from apiyi_cli.cli.conversation.history import Place
    from apiyi_cli.cli.conversation.tools import Toolbox

Decode = Callable[..., Iterator[Burst]]


class Talk:
    """One prompt with its surroundings, read and checked: nothing has been sent yet.

    Reading happens in the order in which the pieces stand in the request, so that of two
    readers of stdin the second is named.
    """

    def __init__(
        self,
        ctx: Context,
        words: Sequence[str] | None,
        source: Prompt,
        conversation: Conversation,
        answer: Answer,
        tools: Tools | None = None,
        running: Running | None = None,
        kept: Kept | None = None,
    ) -> None:
        self.ctx = ctx
        self.answer = ctx.settings.fill(answer)
        self.tools = ctx.settings.fill(tools or Tools())
        self._kept = kept
        sources = ctx.inputs
        surroundings = ctx.settings.fill(conversation)
        self.system = None if surroundings.system is None else sources.at(surroundings.system)
        old = self._remembered()
        if any(one["role"] == "system" and one.get("content") == self.system for one in old):
            # Given again, or set in the profile: the conversation has it already.
            self.system = None
        self._new = self._earlier(surroundings.messages)
        self.earlier = [*old, *self._new]
        # Before the prompt, which would otherwise read a stdin that is the attachment.
        self.attachments = [self._attachment(name) for name in surroundings.attach or ()]
        self.text = sources.prompt(
            words or (),
            ctx.settings.fill(source).file or (),
            needed=not (surroundings.messages or surroundings.attach),
        )
        if self.text is None and not surroundings.messages and not self.attachments:
            raise nothing_to_send(ctx.settings.command)
        self.schema = self._schema()
        self.functions = self._functions()
        self.tool_choice = self._tool_choice()
        self.toolbox = self._toolbox(ctx.settings.fill(running or Running()))

    @property
    def streams(self) -> bool:
        """Tell whether the answer is asked for as it is made: yes, unless one object is wanted."""
        if self.answer.stream is not None:
            return self.answer.stream
        return self.ctx.output.form != "json"

    @property
    def keeps(self) -> bool:
        """Tell whether the conversation is kept for a later run."""
        return self._place is not None and not self._place.begins

    def finish(
        self,
        built: Callable[[list[Any]], Call],
        state: list[Any],
        decode: Decode,
        turn: Callable[[Heard, Sequence[str]], list[Any]],
        *,
        choices: int = 1,
    ) -> None:
        """Send the request, print the answer; run the functions it calls, and send again.

        `built` makes the request from the conversation's `state`, `turn` what an answer and
        the results of its calls add to that. Raises IncompleteError for an answer that does
        not fit `--schema`, after printing it.
        """
        ctx = self.ctx
        if self.toolbox is not None and choices > 1:
            raise UsageError(Text("cannot use --run with --n"), Text("only one answer can go on"))
        ctx.output.require_ready()
        aside = events_for(ctx, self.answer)
        render = ctx.output.renderer(aside, self.answer, self.form)
        answers: list[Heard] = []

        def pages() -> Iterator[bytes]:
            for step in range(1, self._most_steps + 1):
                bursts = self._bursts(built(state), decode, choices, aside.shows_reasoning)
                heard = Heard(bursts, self.toolbox, ctx.output.keep_attachment)
                answers.append(heard)
                pages = render(heard)
                # Of several objects only the last is the answer; which one it is shows at its end.
                yield from self._last(pages, heard) if self.form == "json" else pages
                aside.step()
                if self.toolbox is None or not heard.to_run:
                    self._remember(heard)
                    return
                if step == self._most_steps:
                    raise LimitError(
                        Text("stopped by --max-steps"),
                        Text("the model still calls functions after {step} requests", step=step),
                        hint=Text("raise --max-steps"),
                    )
                state.extend(turn(heard, self.toolbox.results(heard.calls, heard.finished)))

        ctx.output.write(pages(), content=render.content)
        aside.close()
        if self.schema is not None and not answers[-1].calls:
            self.check_shown(self.shown_of(answers[-1].text))

    def _last(self, pages: Iterator[bytes], heard: Heard) -> Iterator[bytes]:
        """Yield an answer's object unless its functions are run; one that was cut, too."""
        held: list[bytes] = []
        try:
            held.extend(pages)
        except BaseException:
            yield from held
            raise
        if not heard.to_run:
            yield from held

    @property
    def form(self) -> str:
        """Return the form of the output, where extracting is one as well."""
        form = self.ctx.output.form
        return "extract" if self.answer.extract and form == "text" else form

    def _bursts(self, call: Call, decode: Decode, choices: int, reasoning: bool) -> Iterator[Burst]:
        held = self.form in ("json", "extract") or self.ctx.settings.output.output not in (
            None,
            "-",
        )
        verbatim = self.form in ("json", "ndjson") or self.toolbox is not None
        told = call.json.get("n")
        if type(told) is int and told > 0:
            # The body has the last word: `-O n=2`.
            choices = told

        def decoded(reply: Reply) -> Iterator[Burst]:
            return decode(reply, choices=choices, verbatim=verbatim, cost=call.cost)

        return self.ctx.gateway.stream_events(call, decoded, held=held, reasoning=reasoning)

    def text_request(self, sources: tuple[Source, ...]) -> TextRequest:
        """Return what the builders of requests need beside model and conversation."""
        return TextRequest(
            tools=self.tools,
            functions=self.functions,
            tool_choice=self.tool_choice,
            schema=self.schema,
            json_mode=bool(self.answer.json_mode),
            stream=self.streams,
            options=self.ctx.inputs.read_options(self.ctx.settings.request),
            families=self.ctx.settings.families,
            sources=sources,
        )

    @property
    def _most_steps(self) -> int:
        return self.toolbox.most_steps if self.toolbox is not None else 1

    def shown_of(self, text: str) -> str:
        """Return the part of an answer that is printed."""
        if self.form != "extract":
            return text
        from apiyi_cli.render.fence import first_block

        return first_block(text)

    def check_shown(self, text: str) -> None:
        """Hold what is shown of an answer against `--schema`, if there is one.

        Raises IncompleteError for one that does not fit or cannot be checked, LimitError when
        `--max-time` ends the check. The answer has been printed by then.
        """
        if self.schema is None:
            return
        from apiyi_cli.build.answer_check import CHECK_S, check_answer

        left_s = self.ctx.gateway.left_s
        answer = check_answer(self.schema["schema"], text, limit_s=min(CHECK_S, left_s))
        if answer.unfinished and left_s < CHECK_S:
            raise LimitError(
                Text("stopped by --max-time"),
                Text("the answer is complete, its check against --schema is not"),
                hint=Text("raise --max-time"),
            )
        if failure := answer.error():
            raise failure

    def _remembered(self) -> list[dict[str, Any]]:
        self._place: Place | None = None
        if self._kept is None:
            return []
        from apiyi_cli.cli.conversation.history import find_place

        self._place = find_place(self.ctx, self._kept)
        return [] if self._place is None else self._place.messages()

    def _remember(self, heard: Heard) -> None:
        if self._place is not None and (heard.text or heard.calls):
            from apiyi_cli.build.chat import answer_messages, build_messages

            asked, _ = build_messages(
                self.text,
                system=self.system,
                earlier=self._new,
                attachments=self.attachments,
            )
            self._place.keep([*asked, *answer_messages(heard.text, heard.calls)])

    def _earlier(self, path: str | None) -> list[dict[str, Any]]:
        if path is None:
            return []
        from apiyi_cli.build.chat import parse_messages

        sources = self.ctx.inputs
        text = sources.stdin("--messages") if path == "-" else sources.file(path)
        return parse_messages(text, "stdin" if path == "-" else path)

    def _attachment(self, name: str) -> Attachment:
        from apiyi_cli.build.content import Attachment

        if name.startswith(("https://", "http://", "data:")):
            return Attachment(name)
        return Attachment(name, self.ctx.inputs.content(name))

    def _schema(self) -> dict[str, Any] | None:
        if self.answer.schema is None:
            return None
        from apiyi_cli.build.json_schema import describe_unchecked
        from apiyi_cli.build.schema import read_schema

        found = read_schema(self.ctx.inputs.text_or_file(self.answer.schema, "--schema"))
        for text in describe_unchecked(found["schema"], "--schema"):
            self.ctx.messages.note(text)
        return found

    def _functions(self) -> list[dict[str, Any]]:
        if not self.tools.tool:
            return []
        from apiyi_cli.build.tools import read_tools

        read = self.ctx.inputs.text_or_file
        return read_tools([read(value, "--tool") for value in self.tools.tool])

    def _tool_choice(self) -> str | dict[str, Any] | None:
        if self.tools.tool_choice is None:
            return None
        from apiyi_cli.build.tools import parse_tool_choice

        return parse_tool_choice(self.tools.tool_choice, self.functions)

    def _toolbox(self, running: Running) -> Toolbox | None:
        if not running.run:
            return None
        from apiyi_cli.cli.conversation.tools import Toolbox

        return Toolbox(self.ctx, running, self.functions)


class Heard:
    """Bursts on their way to the renderer; what they said is remembered.

    With a toolbox, function calls wait until the answer has ended: those that are run are
    not part of the output.
    """

    def __init__(
        self,
        bursts: Iterable[Burst],
        toolbox: Toolbox | None = None,
        keep: Callable[[InlineFile], str] | None = None,
    ) -> None:
        self._bursts = bursts
        self._toolbox = toolbox
        self._keep = keep
        self._began_anew = False
        self._texts: list[str] = []
        self.calls: list[ToolCall] = []
        self.finished = ""
        self.chunks: list[bytes] = []

    def __iter__(self) -> Iterator[Burst]:
        if self._toolbox is None:
            for burst in self._bursts:
                yield self._take(burst)
            self._refuse_restart()
            return
        for burst in self._bursts:
            burst = self._take(burst)
            yield [event for event in burst if type(event) is not ToolCall]
        if self.calls and not self.to_run:
            yield list(self.calls)
        self._refuse_restart()

    def _refuse_restart(self) -> None:
        if self._began_anew:
            from apiyi_cli.cli.gateway.client import refuse_restart

            raise refuse_restart()

    @property
    def text(self) -> str:
        """Return the text of the first choice so far."""
        return "".join(self._texts)

    @property
    def to_run(self) -> bool:
        """Tell whether there are calls and each has a command."""
        box = self._toolbox
        return bool(self.calls) and box is not None and all(box.has(c.name) for c in self.calls)

    def _take(self, burst: Burst) -> Burst:
        """Remember what a burst says; return it with a path in place of each attachment."""
        for place, event in enumerate(burst):
            kind = type(event)
            if kind is Delta:
                if event.index == 0:  # type: ignore[union-attr]
                    self._texts.append(event.text)  # type: ignore[union-attr]
            elif kind is ToolCall:
                self.calls.append(event)  # type: ignore[arg-type]
            elif kind is Finish:
                self.finished = event.reason  # type: ignore[union-attr]
            elif kind is Chunk and self._toolbox is not None:
                self.chunks.append(event.data)  # type: ignore[union-attr]
            elif kind is InlineFile and self._keep is not None:
                burst[place] = Delta(self._keep(event))  # type: ignore[arg-type]
            elif kind is Restart:
                self._texts.clear()
                self.calls.clear()
                self.chunks.clear()
                self._began_anew = True
        return burst


def events_for(ctx: Context, answer: Answer) -> StderrEvents:
    """Return what takes the events of a run that are not the answer."""
    return StderrEvents(
        ctx.process.console,
        ctx.messages,
        ctx.settings,
        answer,
        lambda: ctx.gateway.sender.from_cache,
    )


def printed(ctx: Context, call: Call, answer: Answer, decode: Decode, *, choices: int = 1) -> None:
    """Send one call and print its answer, without conversation or tools."""
    form = "extract" if answer.extract and ctx.output.form == "text" else ctx.output.form
    held = form in ("json", "extract") or ctx.settings.output.output not in (None, "-")
    ctx.output.require_ready()
    aside = events_for(ctx, answer)
    render = ctx.output.renderer(aside, answer, form)

    def decoded(reply: Reply) -> Iterator[Burst]:
        verbatim = form in ("json", "ndjson")
        return decode(reply, choices=choices, verbatim=verbatim, cost=call.cost)

    bursts = ctx.gateway.stream_events(call, decoded, held=held, reasoning=aside.shows_reasoning)
    heard = Heard(bursts, keep=ctx.output.keep_attachment)
    ctx.output.write(render(heard), content=render.content)
    aside.close()


EXAMPLES = {
    "chat": '"Why is the sky blue?"',
    "complete": '"Once upon a time"',
    "respond": '"Why is the sky blue?"',
    "embed": '"a text to embed"',
}
"""What a hint suggests to type after each command that takes a prompt."""


def nothing_to_send(command: str) -> UsageError:
    """Return the error for a run without any input, with a line of that command to type."""
    return UsageError(
        Text("nothing to send"),
        Text("no prompt was given"),
        hint=Text(
            "apiyi {command} {example}, or … | apiyi {command}; apiyi {command} --help",
            command=command,
            example=EXAMPLES[command],
        ),
    )
