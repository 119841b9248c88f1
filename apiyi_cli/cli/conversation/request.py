"""`ConversationRequest`: the request of a text command, read from inputs and options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from apiyi_cli.build.body import TextRequest
from apiyi_cli.build.chat import answer_messages, build_messages, parse_messages
from apiyi_cli.cli.conversation.history import History, find_history
from apiyi_cli.cli.conversation.reply import answer_form
from apiyi_cli.core.call import Source
from apiyi_cli.core.options.chat import AnswerForm, SessionOptions, ToolRunOptions, Tools
from apiyi_cli.core.options.prompt import Conversation, DraftOptions, Prompt
from apiyi_cli.errors import UsageError
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.build.content import Attachment
    from apiyi_cli.cli.context import Context
    from apiyi_cli.cli.conversation.prompt_template import PromptTemplate
    from apiyi_cli.cli.conversation.repl.log import ConversationLog
    from apiyi_cli.cli.conversation.tools import ToolCommands
    from apiyi_cli.cli.inputs.prompt import Inputs
    from apiyi_cli.core.events import ToolCall


class ConversationRequest(PlainValue):
    """One prompt with everything sent with it, read and checked before sending.

    `old` are the messages of the history, `given` those of `--messages`. `system` is None if
    the history has it already. `form` is the form of output.
    """

    text: str | None
    system: str | None
    old: Sequence[dict[str, Any]]
    given: Sequence[dict[str, Any]]
    attachments: Sequence[Attachment]
    history: History | ConversationLog | None
    answer: AnswerForm
    form: str
    tools: Tools
    functions: Sequence[dict[str, Any]]
    tool_choice: str | dict[str, Any] | None
    schema: dict[str, Any] | None
    commands: ToolCommands | None
    body_options: Sequence[str]
    families: Mapping[str, Mapping[str, Any]]

    @property
    def earlier(self) -> list[dict[str, Any]]:
        """Return the messages before the prompt."""
        return [*self.old, *self.given]

    @property
    def is_kept(self) -> bool:
        """Return True if a stored conversation is continued or named."""
        return self.history is not None and not self.history.is_new

    def chat_messages(self) -> tuple[list[dict[str, Any]], tuple[Source, ...]]:
        """Return the conversation as chat messages, and the sources of attached data."""
        return build_messages(
            self.text, system=self.system, earlier=self.earlier, attachments=self.attachments
        )

    def text_request(self, sources: tuple[Source, ...]) -> TextRequest:
        """Return the arguments of call builders besides model, messages and sampling."""
        stream = self.answer.stream
        return TextRequest(
            tools=self.tools,
            functions=self.functions,
            tool_choice=self.tool_choice,
            schema=self.schema,
            json_mode=bool(self.answer.json_mode),
            stream=self.form != "json" if stream is None else stream,
            options=self.body_options,
            families=self.families,
            sources=sources,
            underneath=stream is None and self.form == "json",
        )

    @property
    def keeps_turns(self) -> bool:
        """Return True if native answers are needed: for tools, or for a kept conversation."""
        return self.commands is not None or self.is_kept

    def keep(
        self, text: str, calls: Sequence[ToolCall], native: dict[str, Any] | None = None
    ) -> None:
        """Add this exchange to the history, if there is one and an answer came."""
        if self.history is not None and (text or calls):
            answer = answer_messages(text, calls, native=native)
            self.history.append([*self.new_messages(), *answer])

    def new_messages(self) -> list[dict[str, Any]]:
        """Return the new messages of the history: all before the answer."""
        messages, _ = build_messages(
            self.text, system=self.system, earlier=self.given, attachments=self.attachments
        )
        return messages

    def notices(self) -> list[str]:
        """Return the notices for the user before the request is sent."""
        notices: list[str] = []
        if self.history is not None and self.history.notice is not None:
            notices.append(self.history.notice)
        if self.schema is not None:
            from apiyi_cli.build.schemas.json_schema import describe_unchecked

            notices += describe_unchecked(self.schema["schema"], "--schema")
        return notices if self.commands is None else [*notices, *self.commands.notices()]


def read_request(
    ctx: Context, words: Sequence[str] | None, history: ConversationLog | None = None
) -> ConversationRequest:
    """Read the inputs of a request in order. `history` overrides the options of sessions."""
    template = begin_draft(ctx)
    inputs, fill = ctx.inputs, ctx.settings.fill
    conversation, answer, tools = fill(Conversation()), fill(AnswerForm()), fill(Tools())
    system = None if conversation.system is None else inputs.expand_file(conversation.system)
    kept = history or find_history(ctx.process, fill(SessionOptions()))
    old = kept.messages() if kept else []
    given = _read_messages(inputs, conversation.messages)
    # Before the prompt, which would read a stdin that is the attachment.
    attachments = [_read_attachment(inputs, name) for name in conversation.attach or ()]
    text = read_prompt(ctx, words, template, needed=not (given or attachments))
    functions, commands = _read_commands(ctx, _read_functions(inputs, tools.tool))
    return ConversationRequest(
        text=text,
        system=None if _has_system(old, system) else system,
        old=old,
        given=given,
        attachments=attachments,
        history=kept,
        answer=answer,
        form=answer_form(ctx.output.form, answer),
        tools=tools,
        functions=functions,
        tool_choice=_read_tool_choice(tools.tool_choice, functions),
        schema=_read_schema(inputs, answer.schema),
        commands=commands,
        body_options=inputs.read_options(ctx.settings.request),
        families=ctx.settings.families,
    )


def begin_draft(ctx: Context) -> PromptTemplate | None:
    """Return the template of the run, with its options in force; None without one."""
    if ctx.settings.fill(DraftOptions()).template is None:
        return None
    from apiyi_cli.cli.conversation.prompt_template import begin_draft

    return begin_draft(ctx.settings)


def read_prompt(
    ctx: Context,
    words: Sequence[str] | None,
    template: PromptTemplate | None,
    *,
    needed: bool = True,
) -> str | None:
    """Return the prompt from its sources, template and editor; None without one.

    Raises UsageError where one is `needed`.
    """
    draft_options = ctx.settings.fill(DraftOptions())
    is_drafted = template is not None or bool(draft_options.edit or draft_options.param)
    files = ctx.settings.fill(Prompt()).file or ()
    text = ctx.inputs.prompt(words or (), files, needed=needed and not is_drafted)
    if is_drafted:
        from apiyi_cli.cli.conversation.prompt_template import finish_draft

        text = finish_draft(ctx, template, text)
    if text is None and needed:
        raise missing_prompt_error(ctx.settings.command)
    return text


EXAMPLES = {
    "chat": '"Why is the sky blue?"',
    "complete": '"Once upon a time"',
    "respond": '"Why is the sky blue?"',
    "embed": '"a text to embed"',
}
"""The example that a hint gives for each command with a prompt."""


def missing_prompt_error(command: str) -> UsageError:
    """Return the error for a run without input, with an example of that command."""
    return UsageError(
        Text("nothing to send"),
        Text("no prompt was given"),
        hint=Text(
            "apiyi {command} {example}, or … | apiyi {command}; apiyi {command} --help",
            command=command,
            example=EXAMPLES[command],
        ),
    )


def _has_system(messages: Sequence[dict[str, Any]], text: str | None) -> bool:
    """Return True if the history has the system text that is given again."""
    return any(item["role"] == "system" and item.get("content") == text for item in messages)


def _read_messages(inputs: Inputs, path: str | None) -> list[dict[str, Any]]:
    if path is None:
        return []
    text = inputs.stdin("--messages") if path == "-" else inputs.file(path)
    return parse_messages(text, "stdin" if path == "-" else path)


def _read_attachment(inputs: Inputs, name: str) -> Attachment:
    from apiyi_cli.build.content import Attachment

    if name.startswith(("https://", "http://", "data:")):
        return Attachment(name)
    return Attachment(name, inputs.content(name))


def _read_schema(inputs: Inputs, value: str | None) -> dict[str, Any] | None:
    if value is None:
        return None
    from apiyi_cli.build.schemas.schema import read_schema

    return read_schema(inputs.text_or_file(value, "--schema"))


def _read_functions(inputs: Inputs, values: Sequence[str] | None) -> list[dict[str, Any]]:
    if not values:
        return []
    from apiyi_cli.build.tools import read_tools

    return read_tools([inputs.text_or_file(value, "--tool") for value in values])


def _read_tool_choice(
    value: str | None, functions: Sequence[dict[str, Any]]
) -> str | dict[str, Any] | None:
    if value is None:
        return None
    from apiyi_cli.build.tools import parse_tool_choice

    return parse_tool_choice(value, functions)


def _read_commands(
    ctx: Context, functions: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], ToolCommands | None]:
    """Return all functions, those of MCP servers added, and what answers them here."""
    tool_run = ctx.settings.fill(ToolRunOptions())
    if not (tool_run.run or tool_run.mcp or tool_run.mcp_header):
        return functions, None
    from apiyi_cli.cli.conversation.tools import read_commands

    return read_commands(ctx, tool_run, functions)
