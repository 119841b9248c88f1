"""The endpoints for rows: builds a row's request and reads its reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from apiyi_cli.batch.rows import answers
from apiyi_cli.batch.rows.fields import (
    FILE_FIELDS,
    PICTURE_FIELDS,
    CommandDefaults,
    InvalidField,
    RowFields,
    cannot_read,
    index_options,
)
from apiyi_cli.build.body import TextRequest, post
from apiyi_cli.build.chat import build_messages, chat_call
from apiyi_cli.build.complete import complete_call
from apiyi_cli.build.embed import embed_call
from apiyi_cli.build.image import image_call
from apiyi_cli.build.native.anthropic import HEADERS
from apiyi_cli.build.rank import rank_call
from apiyi_cli.build.respond import build_items, respond_call
from apiyi_cli.build.speak import speak_call
from apiyi_cli.build.transcribe import RECORDING_BYTES, transcribe_call
from apiyi_cli.build.upload import Upload
from apiyi_cli.core import endpoints
from apiyi_cli.core.call import Call, Source
from apiyi_cli.core.disk import read_sample
from apiyi_cli.core.endpoints import generate_path
from apiyi_cli.core.families import find_family
from apiyi_cli.core.filetypes import HEAD_BYTES
from apiyi_cli.core.options import Flag, Group
from apiyi_cli.core.options.chat import ChatSampling, Sampling, Tools
from apiyi_cli.core.options.complete import CompleteOptions
from apiyi_cli.core.options.embed import EmbedOptions
from apiyi_cli.core.options.image import ImageOptions
from apiyi_cli.core.options.respond import RespondOptions
from apiyi_cli.core.options.speak import SpeakOptions
from apiyi_cli.core.options.transcribe import TranscribeOptions
from apiyi_cli.text import Text

_URLS = ("https://", "http://", "data:")


@dataclass(frozen=True)
class RowEndpoint:
    """An endpoint for rows: the field with the input, the builder and the reader.

    `groups` are the options that fields may set, `known` are further fields of the API.
    """

    at: endpoints.Endpoint
    input: str
    groups: tuple[type[Group], ...]
    build: Callable[[RowFields], Call]
    read: answers.Reader
    known: frozenset[str]

    @property
    def name(self) -> str:
        """Return the word of the command that asks the same endpoint."""
        return self.at.command

    @property
    def options(self) -> Mapping[str, Flag]:
        """Return the options that fields may set, by each of their spellings."""
        return index_options(self.groups)

    def call(
        self, fields: dict[str, Any], defaults: CommandDefaults, *, as_text: bool = False
    ) -> Call:
        """Return the request of a short row; `fields` is emptied.

        Raises InvalidField, MissingModel, and the UsageError of what builds the request.
        """
        row = RowFields(self.name, self.options, fields, defaults, as_text)
        call = self.build(row)
        if row.fields and call.json is not None and not as_text:
            call.json.update(row.fields)
            if call.json.get("stream") is True:
                return call._replace(stream=True)
        return call

    def find_unknown(self, fields: Mapping[str, Any]) -> str | None:
        """Return the first field that nobody knows, None if all are known."""
        own = {"id", "custom_id", "model", self.input, *self.known}
        return next((name for name in fields if name not in own and name not in self.options), None)


def _build_chat(row: RowFields) -> Call:
    earlier = row.messages()
    attached = row.attachments()
    text = row.text("prompt") if earlier or attached else row.prompt("prompt", "messages")
    own = row.text("system")
    messages, sources = build_messages(
        text,
        system=row.defaults.system if own is None else own,
        earlier=earlier,
        attachments=attached,
    )
    return chat_call(row.model, messages, row.group(ChatSampling), _text_request(row, sources))


def _build_complete(row: RowFields) -> Call:
    prompt = row.take("prompt")
    if not prompt or not isinstance(prompt, (str, list)):
        raise InvalidField("prompt" if prompt is not None else "", Text("the row has no prompt"))
    return complete_call(
        model=row.model,
        prompt=prompt,
        sampling=row.group(Sampling),
        complete_options=row.group(CompleteOptions),
        stream=False,
        options=row.defaults.options,
    )


def _build_respond(row: RowFields) -> Call:
    earlier = row.messages()
    attached = row.attachments()
    value: Any = row.take("input")
    if value is None or isinstance(value, str):
        text = value or row.text("prompt")
        if text is None and not earlier and not attached:
            raise InvalidField("", Text("the row has no input, prompt or messages"))
        value, _ = build_items(text, earlier=earlier, attachments=attached)
    own = row.text("instructions", "system")
    return respond_call(
        row.model,
        value,
        row.group(RespondOptions),
        _text_request(row),
        instructions=row.defaults.system if own is None else own,
    )


def _text_request(row: RowFields, sources: tuple[Source, ...] = ()) -> TextRequest:
    functions = row.functions()
    return TextRequest(
        tools=row.group(Tools),
        functions=functions,
        tool_choice=row.tool_choice(functions),
        schema=row.schema(),
        json_mode=row.json_mode(),
        stream=False,
        options=row.defaults.options,
        families=row.defaults.families,
        sources=sources,
        protocol=row.defaults.protocol,
        force=row.defaults.force_model,
    )


def _build_embed(row: RowFields) -> Call:
    value = row.take("input", "text", "prompt")
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise InvalidField(
            "input" if value is not None else "", Text("the row has no input, a text or texts")
        )
    return embed_call(
        model=row.model,
        inputs=texts,
        embed_options=row.group(EmbedOptions),
        options=row.defaults.options,
        families=row.defaults.families,
    )


def _build_rank(row: RowFields) -> Call:
    query, documents = row.take("query"), row.take("documents")
    if not isinstance(query, str) or not query.strip():
        raise InvalidField("query" if query is not None else "", Text("the row has no query"))
    is_list = isinstance(documents, list) and all(isinstance(text, str) for text in documents)
    if not documents or not is_list:
        raise InvalidField(
            "documents" if documents is not None else "",
            Text("the row has no documents, a list of texts"),
        )
    return rank_call(
        model=row.model, query=query, documents=documents, options=row.defaults.options
    )


def _build_image(row: RowFields) -> Call:
    vary = bool(row.take("vary"))
    inputs = row.files("input", *PICTURE_FIELDS)
    mask = row.text("mask")
    if mask is not None and not inputs:
        raise InvalidField("mask", Text("it belongs to a picture, and the row has no image"))
    prompt = row.text("prompt")
    if prompt is None and not vary:
        raise InvalidField("", Text("the row has no prompt"))
    image_options = row.group(ImageOptions).replace(vary=vary or None)
    _refuse_count(row, image_options.n)
    return image_call(
        model=row.model,
        prompt=prompt,
        image_options=image_options,
        inputs=[
            name if name.startswith(_URLS) else _read_upload(name, field, whole=True)
            for field, name in inputs
        ],
        mask=None if mask is None else _read_upload(mask, "mask"),
        options=[*row.defaults.options, *row.rest()],
        families=row.defaults.families,
    )


def _refuse_count(row: RowFields, count: int | None) -> None:
    """Raise InvalidField for several pictures if the model draws one: a row is one request."""
    if count is None or count < 2:
        return
    if find_family(row.model, row.defaults.families).picture.one_each:
        why = Text(
            "{model} makes one picture a request: write the row {count} times",
            model=row.model,
            count=count,
        )
        raise InvalidField("n", why)


def _build_transcript(row: RowFields) -> Call:
    fields = ("file", "audio", "path", "input")
    named = next((name for name in fields if row.fields.get(name) is not None), "file")
    recording = _read_upload(row.prompt(*fields), named)
    recording.check_size(RECORDING_BYTES, Text("apiyi transcribe --split cuts it at silences"))
    return transcribe_call(
        recording,
        model=row.model,
        transcribe_options=row.group(TranscribeOptions),
        options=[*row.defaults.options, *row.rest()],
    )


def _build_speech(row: RowFields) -> Call:
    return speak_call(
        model=row.model,
        text=row.prompt("input", "text", "prompt"),
        speak_options=row.group(SpeakOptions),
        options=[*row.defaults.options, *row.rest()],
    )


def _read_upload(name: str, field: str, *, whole: bool = False) -> Upload:
    """Return the file that a row's field names; `whole` with all of its content."""
    try:
        return Upload(name, name, *read_sample(name, HEAD_BYTES, whole=whole))
    except (OSError, ValueError) as failure:
        raise cannot_read(field, name, failure) from None


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CONVERSATION = _names(
    "messages system attach schema json_mode tools tool tool_choice metadata service_tier store "
    "stream stream_options safety_identifier prompt_cache_key top_k"
).union(FILE_FIELDS)
_CHAT = _CONVERSATION | _names(
    "audio enable_thinking extra_body function_call functions max_completion_tokens modalities "
    "prediction response_format thinking web_search_options"
)
_RESPOND = _CONVERSATION | _names(
    "background include max_tool_calls previous_response_id prompt reasoning text truncation"
)
_IMAGE = _names("image images image_url picture mask vary user moderation response_format")
_EMBED = _names("encoding_format prompt text")
_RANK = _names("documents top_n return_documents")
_RECORDING = _names("audio path input response_format chunking_strategy include")
_SPEECH = _names("text prompt response_format stream_format")

_ROWS = (
    RowEndpoint(
        endpoints.CHAT, "prompt", (ChatSampling, Tools), _build_chat, answers.read_chat, _CHAT
    ),
    RowEndpoint(
        endpoints.COMPLETE,
        "prompt",
        (Sampling, CompleteOptions),
        _build_complete,
        answers.read_complete,
        _names("stream stream_options"),
    ),
    RowEndpoint(
        endpoints.RESPOND,
        "input",
        (RespondOptions, Tools),
        _build_respond,
        answers.read_respond,
        _RESPOND,
    ),
    RowEndpoint(
        endpoints.EMBED, "input", (EmbedOptions,), _build_embed, answers.read_embed, _EMBED
    ),
    RowEndpoint(endpoints.RERANK, "query", (), _build_rank, answers.read_scores, _RANK),
    RowEndpoint(
        endpoints.IMAGE, "prompt", (ImageOptions,), _build_image, answers.read_pictures, _IMAGE
    ),
    RowEndpoint(
        endpoints.TRANSCRIBE,
        "file",
        (TranscribeOptions,),
        _build_transcript,
        answers.read_transcript,
        _RECORDING,
    ),
    RowEndpoint(
        endpoints.SPEAK, "input", (SpeakOptions,), _build_speech, answers.read_speech, _SPEECH
    ),
)
ROW_ENDPOINTS: Mapping[str, RowEndpoint] = {row.name: row for row in _ROWS}
"""By the word of the command that asks the same endpoint."""

_NATIVE_ROWS = tuple(
    RowEndpoint(at, "messages", (), _build_chat, answers.read_chat, frozenset())
    for at in (endpoints.MESSAGES, endpoints.GENERATE, endpoints.GENERATE_STREAM)
)
"""The other protocols of chat: rows have their whole body."""


def find_by_url(url: str) -> RowEndpoint | None:
    """Return the endpoint of an OpenAI batch row's `url`, with or without the `/v1`."""
    endpoint = endpoints.find_endpoint("POST", url.partition("?")[0])
    rows = (*ROW_ENDPOINTS.values(), *_NATIVE_ROWS)
    return next((row for row in rows if row.at is endpoint), None)


def build_whole(endpoint: RowEndpoint, url: str, body: dict[str, Any], model: str) -> Call:
    """Return the request of a row that has its whole body."""
    if endpoint.at.protocol == "google":
        stream = endpoint.at is endpoints.GENERATE_STREAM
        call = endpoint.at.call(json=body, model=model, stream=stream)
        return call._replace(path=generate_path(model, stream=stream))
    headers = HEADERS if endpoint.at.protocol == "anthropic" else ()
    return post(endpoint.at, {**body, "model": model}, headers=headers)


def find_model(endpoint: RowEndpoint, url: str, body: dict[str, Any]) -> Any:
    """Return the model that a row with its whole body names, None without one."""
    if endpoint.at.protocol == "google":
        return unquote(url.partition("?")[0].rpartition("/models/")[2].rpartition(":")[0])
    return body.get("model") or None
