"""The endpoints that rows may name: how a row becomes a request, and a reply an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apiyi_cli.batch.rows.fields import (
    FILE_FIELDS,
    CommandDefaults,
    InvalidField,
    RowAnswer,
    RowFields,
    index_options,
)
from apiyi_cli.batch.rows.media import (
    build_image,
    build_speech,
    build_transcript,
    read_pictures,
    read_speech,
    read_transcript,
)
from apiyi_cli.build.body import TextRequest
from apiyi_cli.build.chat import build_messages, chat_call
from apiyi_cli.build.complete import complete_call
from apiyi_cli.build.embed import embed_call
from apiyi_cli.build.respond import build_items, respond_call
from apiyi_cli.core import endpoints
from apiyi_cli.core.call import Call, Reply, Source
from apiyi_cli.core.events import Chunk, Delta, Empty, Finish, Refusal, Restart, ToolCall, Usage
from apiyi_cli.core.jsontext import InvalidJSON, read_strict, write
from apiyi_cli.core.options import Flag, Group
from apiyi_cli.core.options.chat import ChatSampling, Sampling, Tools
from apiyi_cli.core.options.complete import Completing
from apiyi_cli.core.options.embed import Embedding
from apiyi_cli.core.options.image import Imaging
from apiyi_cli.core.options.respond import Responding
from apiyi_cli.core.options.speak import Speaking
from apiyi_cli.core.options.transcribe import Transcribing
from apiyi_cli.text import Text


@dataclass(frozen=True)
class RowEndpoint:
    """What rows need of an endpoint: the field that is the input, how to ask and to read."""

    at: endpoints.Endpoint
    input: str
    groups: tuple[type[Group], ...]
    build: Callable[[RowFields], Call]
    read: Callable[[Call, Reply], Iterator[Any]]
    known: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Return the word of the command that asks the same endpoint."""
        return self.at.command

    @property
    def options(self) -> Mapping[str, Flag]:
        """Return the options of the table by their names and by how they are spelled."""
        return index_options(self.groups)

    def call(
        self, fields: dict[str, Any], defaults: CommandDefaults, *, as_text: bool = False
    ) -> Call:
        """Return the request of a short row; `fields` is used up.

        Raises Misfit, NoModel, and the UsageError of what builds the request.
        """
        asked = RowFields(self.name, self.options, fields, defaults, as_text)
        call = self.build(asked)
        if asked.fields and call.json is not None and not as_text:
            call.json.update(asked.fields)
            if call.json.get("stream") is True:
                return call._replace(stream=True)
        return call

    def unknown(self, fields: Mapping[str, Any]) -> str | None:
        """Return the first field that neither the table nor the API has."""
        own = {"id", "custom_id", "model", self.input, *self.known}
        return next((name for name in fields if name not in own and name not in self.options), None)


def _chat(asked: RowFields) -> Call:
    earlier = asked.messages()
    attached = asked.attachments()
    text = asked.text("prompt") if earlier or attached else asked.prompt("prompt", "messages")
    own = asked.text("system")
    messages, sources = build_messages(
        text,
        system=asked.defaults.system if own is None else own,
        earlier=earlier,
        attachments=attached,
    )
    sampling = asked.group(ChatSampling)
    return chat_call(asked.model, messages, sampling, _text_request(asked, sources))


def _complete(asked: RowFields) -> Call:
    prompt = asked.take("prompt")
    if not prompt or not isinstance(prompt, (str, list)):
        raise InvalidField("prompt" if prompt is not None else "", Text("the row has no prompt"))
    return complete_call(
        model=asked.model,
        prompt=prompt,
        sampling=asked.group(Sampling),
        completing=asked.group(Completing),
        stream=False,
        options=asked.defaults.options,
    )


def _respond(asked: RowFields) -> Call:
    earlier = asked.messages()
    attached = asked.attachments()
    given: Any = asked.take("input")
    if given is None or isinstance(given, str):
        text = given or asked.text("prompt")
        if text is None and not earlier and not attached:
            raise InvalidField("", Text("the row has no input, prompt or messages"))
        given, _ = build_items(text, earlier=earlier, attachments=attached)
    own = asked.text("instructions", "system")
    return respond_call(
        asked.model,
        given,
        asked.group(Responding),
        _text_request(asked),
        instructions=asked.defaults.system if own is None else own,
    )


def _text_request(asked: RowFields, sources: tuple[Source, ...] = ()) -> TextRequest:
    functions = asked.functions()
    return TextRequest(
        tools=asked.group(Tools),
        functions=functions,
        tool_choice=asked.tool_choice(functions),
        schema=asked.schema(),
        json_mode=asked.json_mode(),
        stream=False,
        options=asked.defaults.options,
        families=asked.defaults.families,
        sources=sources,
    )


def _embed(asked: RowFields) -> Call:
    given = asked.take("input", "text", "prompt")
    texts = given if isinstance(given, list) else [given]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise InvalidField(
            "input" if given is not None else "", Text("the row has no input, a text or texts")
        )
    return embed_call(
        model=asked.model,
        inputs=texts,
        embedding=asked.group(Embedding),
        options=asked.defaults.options,
    )


def _read_chat(call: Call, reply: Reply) -> Iterator[Any]:
    from apiyi_cli.decode.chat import events

    return _spoken(events, call, reply, _count(call, "n"))


def _read_complete(call: Call, reply: Reply) -> Iterator[Any]:
    from apiyi_cli.decode.complete import events

    prompts = call.json.get("prompt")
    several = isinstance(prompts, list) and all(isinstance(one, (str, list)) for one in prompts)
    count = len(prompts) if several else 1
    return _spoken(events, call, reply, count * _count(call, "n"))


def _read_respond(call: Call, reply: Reply) -> Iterator[Any]:
    from apiyi_cli.decode.respond import events

    return _spoken(events, call, reply, 1)


def _count(call: Call, name: str) -> int:
    value = call.json.get(name)
    return value if isinstance(value, int) and value > 0 else 1


def _spoken(events: Any, call: Call, reply: Reply, choices: int) -> Iterator[Any]:
    """Read an answer in text to its proved end; an empty list tells that something came."""
    chunks: list[bytes] = []
    texts: list[str] = []
    usage: Usage | None = None
    whole = refused = is_empty = False
    finish = ""
    calls: list[str] = []
    for burst in events(reply, choices=choices, verbatim=True, cost=call.cost):
        for event in burst:
            if isinstance(event, Chunk):
                chunks.append(event.data)
                whole = event.whole
            elif isinstance(event, Delta) and event.index == 0:
                texts.append(event.text)
            elif isinstance(event, Usage):
                usage = event
            elif isinstance(event, Finish):
                # Of several answers the one that is cut is what has to be told of.
                finish = finish if finish in ("length", "content_filter") else event.reason
            elif isinstance(event, Refusal):
                refused = True
            elif isinstance(event, ToolCall):
                calls.append(_call_line(event))
            elif isinstance(event, Empty):
                is_empty = True
            elif isinstance(event, Restart):
                chunks.clear()
                texts.clear()
                calls.clear()
                refused = False
        yield []
    if len(chunks) == 1 and whole:
        body = chunks[0]
    else:
        from apiyi_cli.decode.merge import assembled

        body = write(assembled(chunks))
    text = "".join(texts)
    if calls:
        text = "\n".join([text, *calls] if text else calls)
    yield RowAnswer(body, text, usage, finish, bool(calls), refused, is_empty)


def _call_line(call: ToolCall) -> str:
    """Return a function call as `chat` prints it."""
    try:
        arguments = read_strict(call.arguments)
    except InvalidJSON:
        arguments = call.arguments
    return write({"id": call.id, "name": call.name, "arguments": arguments}).decode()


def _read_embed(call: Call, reply: Reply) -> Iterator[Any]:
    from apiyi_cli.core.jsontext import one_line
    from apiyi_cli.decode.embed import vectors

    given = call.json.get("input")
    several = isinstance(given, list) and all(isinstance(one, (str, list)) for one in given)
    wanted = len(given) if several else 1
    got = vectors(reply, wanted, call.json.get("dimensions"), keep_body=True)
    text = bytes(got.texts[0]).decode("ascii") if len(got.texts) == 1 else ""
    yield RowAnswer(one_line(got.raw), text, got.usage)


_TALK = frozenset(
    (
        "messages",
        "system",
        "attach",
        "schema",
        "json_mode",
        "tools",
        "tool",
        "tool_choice",
        "metadata",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "safety_identifier",
        "prompt_cache_key",
        "top_k",
        *FILE_FIELDS,
    )
)

ENDPOINTS: Mapping[str, RowEndpoint] = {
    one.name: one
    for one in (
        RowEndpoint(
            endpoints.CHAT,
            "prompt",
            (ChatSampling, Tools),
            _chat,
            _read_chat,
            known=_TALK
            | frozenset(
                (
                    "audio",
                    "enable_thinking",
                    "extra_body",
                    "function_call",
                    "functions",
                    "max_completion_tokens",
                    "modalities",
                    "prediction",
                    "response_format",
                    "thinking",
                    "web_search_options",
                )
            ),
        ),
        RowEndpoint(
            endpoints.COMPLETE,
            "prompt",
            (Sampling, Completing),
            _complete,
            _read_complete,
            known=frozenset(("stream", "stream_options")),
        ),
        RowEndpoint(
            endpoints.RESPOND,
            "input",
            (Responding, Tools),
            _respond,
            _read_respond,
            known=_TALK
            | frozenset(
                (
                    "background",
                    "include",
                    "max_tool_calls",
                    "previous_response_id",
                    "prompt",
                    "reasoning",
                    "text",
                    "truncation",
                )
            ),
        ),
        RowEndpoint(
            endpoints.EMBED,
            "input",
            (Embedding,),
            _embed,
            _read_embed,
            known=frozenset(("encoding_format", "prompt", "text")),
        ),
        RowEndpoint(
            endpoints.IMAGE,
            "prompt",
            (Imaging,),
            build_image,
            read_pictures,
            known=frozenset(
                (
                    "image",
                    "images",
                    "image_url",
                    "picture",
                    "mask",
                    "vary",
                    "user",
                    "moderation",
                    "response_format",
                )
            ),
        ),
        RowEndpoint(
            endpoints.TRANSCRIBE,
            "file",
            (Transcribing,),
            build_transcript,
            read_transcript,
            known=frozenset(
                ("audio", "path", "input", "response_format", "chunking_strategy", "include")
            ),
        ),
        RowEndpoint(
            endpoints.SPEAK,
            "input",
            (Speaking,),
            build_speech,
            read_speech,
            known=frozenset(("text", "prompt", "response_format", "stream_format")),
        ),
    )
}
"""By the word of the command that asks the same endpoint."""


def find_by_url(url: str) -> RowEndpoint | None:
    """Return the endpoint of an OpenAI batch row's `url`, with or without the `/v1`."""
    asked = endpoints.find_endpoint("POST", url)
    return next((one for one in ENDPOINTS.values() if one.at is asked), None)
