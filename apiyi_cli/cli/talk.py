"""What the commands that answer in text share: reading their input, finishing their answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.events import Burst, Delta
from apiyi_cli.core.groups import Answer, Conversation, Prompt, Tools
from apiyi_cli.errors import IncompleteError, UsageError

if TYPE_CHECKING:
    from apiyi_cli.build.content import Attachment
    from apiyi_cli.cli.session import Session


class Talk:
    """One prompt with its surroundings, read and checked: nothing has been sent yet.

    Reading happens in the order in which the pieces stand in the request, so that of two
    readers of stdin the second is named.
    """

    def __init__(
        self,
        session: Session,
        words: Sequence[str] | None,
        source: Prompt,
        conversation: Conversation,
        answer: Answer,
        tools: Tools,
    ) -> None:
        self.session = session
        self.answer = session.fill(answer)
        self.tools = session.fill(tools)
        sources = session.sources
        surroundings = session.fill(conversation)
        self.system = None if surroundings.system is None else sources.at(surroundings.system)
        self.earlier = self._earlier(surroundings.messages)
        self.text = sources.prompt(words or (), session.fill(source).file or ())
        self.attachments = [self._attachment(name) for name in surroundings.attach or ()]
        if self.text is None and not self.earlier and not self.attachments:
            raise nothing_to_send(session)
        self.schema = self._schema()
        self.functions = self._functions()
        self.tool_choice = self._tool_choice()

    @property
    def streams(self) -> bool:
        """Tell whether the answer is asked for as it is made: yes, unless one object is wanted."""
        if self.answer.stream is not None:
            return self.answer.stream
        return self.session.form != "json"

    @property
    def options(self) -> list[str]:
        """Return the `-O` values with `@FILE` read."""
        return body_options(self.session)

    @property
    def families(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the user's own model families."""
        return families(self.session)

    def finish(
        self,
        call: Call,
        decode: Callable[..., Iterator[Burst]],
        *,
        choices: int = 1,
    ) -> None:
        """Send the call, print the answer, tell what is to be told.

        Raises IncompleteError for an answer that does not fit `--schema`, after printing it.
        """
        session = self.session
        session.ready()
        form = "extract" if self.answer.extract and session.form == "text" else session.form
        held = form in ("json", "extract") or session.output.output not in (None, "-")
        verbatim = form in ("json", "ndjson")

        def decoded(reply: Reply) -> Iterator[Burst]:
            return decode(reply, choices=choices, verbatim=verbatim, cost=call.cost)

        aside = session.aside(self.answer)
        render = session.renderer(aside, self.answer, form)
        heard = Heard(session.bursts(call, decoded, held=held))
        session.write(render(heard))
        aside.close()
        if self.schema is not None and not heard.called:
            self._fitting(heard.text)

    def _fitting(self, text: str) -> None:
        from apiyi_cli.build.schema import misfit

        assert self.schema is not None
        why = misfit(self.schema["schema"], text)
        if why is not None:
            raise IncompleteError("the answer does not fit --schema", why)

    def _earlier(self, path: str | None) -> list[dict[str, Any]]:
        if path is None:
            return []
        from apiyi_cli.build.chat import messages_of

        sources = self.session.sources
        text = sources.stdin("--messages") if path == "-" else sources.file(path)
        return messages_of(text, path)

    def _attachment(self, name: str) -> Attachment:
        from apiyi_cli.build.content import Attachment

        if name.startswith(("https://", "http://", "data:")):
            return Attachment(name)
        return Attachment(name, self.session.sources.bytes(name))

    def _schema(self) -> dict[str, Any] | None:
        if self.answer.schema is None:
            return None
        from apiyi_cli.build.schema import schema

        return schema(self.session.sources.text_or_file(self.answer.schema, "--schema"))

    def _functions(self) -> list[dict[str, Any]]:
        if not self.tools.tool:
            return []
        from apiyi_cli.build.tools import tools

        read = self.session.sources.text_or_file
        return tools([read(value, "--tool") for value in self.tools.tool])

    def _tool_choice(self) -> str | dict[str, Any] | None:
        if self.tools.tool_choice is None:
            return None
        from apiyi_cli.build.tools import choice

        return choice(self.tools.tool_choice, self.functions)


class Heard:
    """Bursts on their way to the renderer, the first choice's text remembered."""

    def __init__(self, bursts: Iterable[Burst]) -> None:
        self._bursts = bursts
        self._texts: list[str] = []
        self.called = False

    def __iter__(self) -> Iterator[Burst]:
        for burst in self._bursts:
            for event in burst:
                if type(event) is Delta:
                    if event.index == 0:
                        self._texts.append(event.text)
                elif type(event).__name__ == "ToolCall":
                    self.called = True
            yield burst

    @property
    def text(self) -> str:
        """Return the text of the first choice so far."""
        return "".join(self._texts)


def nothing_to_send(session: Session) -> UsageError:
    """Return the error for a run without any input."""
    return UsageError(
        "nothing to send",
        "no prompt was given",
        hint='apiyi chat "Why is the sky blue?", or … | apiyi chat; apiyi chat --help',
    )


def body_options(session: Session) -> list[str]:
    """Return the `-O` values with `@FILE` read."""
    read = []
    for option in session.request.option or ():
        key, equals, value = option.partition("=")
        read.append(key + equals + session.sources.at(value))
    return read


def families(session: Session) -> Mapping[str, Mapping[str, Any]]:
    """Return the user's own model families by pattern."""
    return {
        one.pattern: {"max_tokens": one.max_tokens or "max_tokens", "refuses": one.refuses}
        for one in session.settings.families
    }
