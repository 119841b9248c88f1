"""The endpoints that rows may name: how a row becomes a request, and a reply an answer.

A row's fields are checked against the option table of the command of that name; the rest of
them are fields of the API and go into the body as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from apiyi_cli.build.chat import chat_call, conversation
from apiyi_cli.build.complete import complete_call
from apiyi_cli.build.content import Attachment
from apiyi_cli.build.embed import embed_call
from apiyi_cli.build.respond import items, respond_call
from apiyi_cli.build.schema import checked, schema
from apiyi_cli.build.tools import choice, tools
from apiyi_cli.core.call import Call, Cost
from apiyi_cli.core.groups import ChatSampling, Completing, Embedding, Responding, Sampling, Tools
from apiyi_cli.core.opt import Declared, Group, declared
from apiyi_cli.errors import UsageError
from apiyi_cli.settings.values import Unfit, expected, fitted, parsed


@dataclass(frozen=True)
class Defaults:
    """What the command line says of every short row: values of options by name, and the rest.

    `typed` are the names that were given as flags; one that an endpoint does not have is a
    mistake then. `functions`, `schema` and `options` (`-O`) are read and checked already.
    """

    model: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    typed: frozenset[str] = frozenset()
    system: str | None = None
    schema: dict[str, Any] | None = None
    json_mode: bool = False
    functions: Sequence[dict[str, Any]] = ()
    tool_choice: str | dict[str, Any] | None = None
    options: Sequence[str] = ()
    families: Mapping[str, Mapping[str, Any]] | None = None


class Misfit(ValueError):
    """A field of a row that cannot be used: its name, and why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, why)
        self.name = name
        self.why = why


class Asked:
    """The fields of one short row while a request is made of them.

    What `take` has taken is done with; what is left when the request is built goes into the
    body as it is. Texts of a table (`as_text`) are read the way an environment variable is.
    """

    def __init__(
        self, endpoint: Endpoint, fields: dict[str, Any], defaults: Defaults, as_text: bool
    ) -> None:
        self.endpoint = endpoint
        self.fields = fields
        self.defaults = defaults
        self._options = endpoint.defaults(defaults)
        table = endpoint.options
        for name in [name for name in fields if name in table]:
            one = table[name]
            value = fields.pop(name)
            if value is None or (as_text and value == ""):
                continue
            try:
                self._options[one.name] = parsed(one, value) if as_text else fitted(one, value)
            except Unfit:
                if one.many and isinstance(value, dict):
                    # The API's own form of logit_bias.
                    fields[name] = value
                    self._options.pop(one.name, None)
                    continue
                raise Misfit(name, f"expected {expected(one)}") from None

    def group(self, kind: type[Group]) -> Any:
        """Return an option group with what the row and the defaults say."""
        names = [one.name for one in declared(kind)]
        return kind(**{name: self._options[name] for name in names if name in self._options})

    def take(self, *names: str) -> Any:
        """Take the first of these fields that the row has, None without any."""
        for name in names:
            if self.fields.get(name) is not None:
                return self.fields.pop(name)
            self.fields.pop(name, None)
        return None

    def text(self, *names: str) -> str | None:
        """Take a field that must be a text with something in it."""
        value = self.take(*names)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise Misfit(names[0], "expected a text that is not empty")
        return value

    def prompt(self, *names: str) -> str:
        """Take the row's own input; raise where there is none."""
        value = self.text(*names)
        if value is None:
            raise Misfit("", f"the row has no {' or '.join(names)}")
        return value

    @property
    def model(self) -> str:
        """Return the model: the row's own, else the command's."""
        value = self.text("model") or self.defaults.model
        if value is None:
            raise NoModel()
        return value

    def functions(self) -> Sequence[dict[str, Any]]:
        """Return the functions on offer, in the form that the builders take."""
        own = self.take("tools", "tool")
        if own is None:
            return self.defaults.functions
        given = own if isinstance(own, list) else [own]
        texts = [one if isinstance(one, str) else orjson.dumps(one).decode() for one in given]
        return tools(texts)

    def tool_choice(self, functions: Sequence[dict[str, Any]]) -> str | dict[str, Any] | None:
        """Return which of the functions is to be called."""
        own = self.take("tool_choice")
        if isinstance(own, str):
            return choice(own, functions)
        return self.defaults.tool_choice if own is None else own  # type: ignore[no-any-return]

    def schema(self) -> dict[str, Any] | None:
        """Return the schema that the answer is asked to fit."""
        own = self.take("schema")
        if own is None:
            return self.defaults.schema
        return schema(own if isinstance(own, str) else orjson.dumps(checked(own, "schema")).decode())

    def json_mode(self) -> bool:
        """Tell whether the answer is asked for as some JSON object."""
        own = self.take("json_mode")
        return self.defaults.json_mode if own is None else bool(own)

    def messages(self) -> list[dict[str, Any]]:
        """Take the earlier messages of the row."""
        own = self.take("messages") or []
        if isinstance(own, str):
            own = orjson.loads(own)
        if not isinstance(own, list) or not all(
            isinstance(one, dict) and isinstance(one.get("role"), str) for one in own
        ):
            raise Misfit("messages", "expected a list of messages, each with a role")
        return own

    def attachments(self) -> list[Attachment]:
        """Read the files that the row names."""
        own = self.take("attach") or []
        names = own if isinstance(own, list) else [own]
        if not all(isinstance(name, str) for name in names):
            raise Misfit("attach", "expected paths or URLs")
        return [Attachment(name, _content(name)) for name in names]


class NoModel(Exception):
    """A row has no model, and none is set for all of them."""


class Answer(NamedTuple):
    """What came back for a row: the server's object, the text in it, its usage."""

    body: bytes
    text: str
    usage: Any


@dataclass(frozen=True)
class Endpoint:
    """One endpoint: its name, its path, the field that is the input, how to ask and to read."""

    name: str
    path: str
    input: str
    groups: tuple[type[Group], ...]
    build: Callable[[Asked], Call]
    read: Callable[[Call, Any], Iterator[Any]]
    cost: Cost = "text"
    known: frozenset[str] = frozenset()

    @property
    def options(self) -> Mapping[str, Declared]:
        """Return the options of the table by their names and by how they are spelled."""
        return _options(self.groups)

    def call(self, fields: dict[str, Any], defaults: Defaults, *, as_text: bool = False) -> Call:
        """Return the request of a short row; `fields` is used up.

        Raises Misfit, NoModel, and the UsageError of what builds the request.
        """
        asked = Asked(self, fields, defaults, as_text)
        call = self.build(asked)
        if asked.fields and call.json is not None and not as_text:
            call.json.update(asked.fields)
            if call.json.get("stream") is True:
                return replace(call, stream=True)
        return call

    def defaults(self, defaults: Defaults) -> dict[str, Any]:
        """Return the command line's values by this endpoint's names for them.

        Raises UsageError for a flag that the endpoint does not know.
        """
        return dict(_own(self, id(defaults), defaults))

    def unknown(self, fields: Mapping[str, Any]) -> str | None:
        """Return the first field that neither the table nor the API has."""
        own = {"id", "custom_id", "model", self.input, *self.known}
        return next((name for name in fields if name not in own and name not in self.options), None)


_OWN: dict[tuple[str, int], tuple[Defaults, dict[str, Any]]] = {}


def _own(endpoint: Endpoint, key: int, defaults: Defaults) -> dict[str, Any]:
    kept = _OWN.get((endpoint.name, key))
    if kept is not None and kept[0] is defaults:
        return kept[1]
    found = {}
    for name, value in defaults.values.items():
        one = endpoint.options.get(name)
        if one is not None:
            found[one.name] = fitted(one, value)
        elif name in defaults.typed:
            raise UsageError(
                f"cannot use --{name.replace('_', '-')}", f"apiyi {endpoint.name} has no such option"
            )
    _OWN[endpoint.name, key] = (defaults, found)
    return found


@cache
def _options(groups: tuple[type[Group], ...]) -> dict[str, Declared]:
    found: dict[str, Declared] = {}
    for group in groups:
        for one in declared(group):
            if one.opt.wire is not None or one.name in _UNWIRED:
                found[one.name] = one
                for spelling in one.opt.names:
                    plain = spelling.split("/")[0].lstrip("-").replace("-", "_")
                    if len(plain) > 1:
                        found.setdefault(plain, one)
    return found


_UNWIRED = frozenset(("web_search", "instructions", "base64"))


def _content(name: str) -> bytes | None:
    if name.startswith(("https://", "http://", "data:")):
        return None
    try:
        return Path(name).read_bytes()
    except OSError as failure:
        raise Misfit("attach", f"cannot read {name}: {failure.strerror or failure}") from None


def _chat(asked: Asked) -> Call:
    earlier = asked.messages()
    attached = asked.attachments()
    text = asked.text("prompt") if earlier or attached else asked.prompt("prompt", "messages")
    own = asked.text("system")
    messages, sources = conversation(
        text,
        system=asked.defaults.system if own is None else own,
        earlier=earlier,
        attachments=attached,
    )
    functions = asked.functions()
    return chat_call(
        model=asked.model,
        messages=messages,
        sampling=asked.group(ChatSampling),
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


def _complete(asked: Asked) -> Call:
    prompt = asked.take("prompt")
    if not prompt or not isinstance(prompt, (str, list)):
        raise Misfit("prompt" if prompt is not None else "", "the row has no prompt")
    return complete_call(
        model=asked.model,
        prompt=prompt,
        sampling=asked.group(Sampling),
        completing=asked.group(Completing),
        stream=False,
        options=asked.defaults.options,
    )


def _respond(asked: Asked) -> Call:
    earlier = asked.messages()
    attached = asked.attachments()
    given: Any = asked.take("input")
    if given is None or isinstance(given, str):
        text = given or asked.text("prompt")
        if text is None and not earlier and not attached:
            raise Misfit("", "the row has no input, prompt or messages")
        given, _ = items(text, earlier=earlier, attachments=attached)
    own = asked.text("instructions", "system")
    functions = asked.functions()
    return respond_call(
        model=asked.model,
        given=given,
        responding=asked.group(Responding),
        instructions=asked.defaults.system if own is None else own,
        tools=asked.group(Tools),
        functions=functions,
        tool_choice=asked.tool_choice(functions),
        schema=asked.schema(),
        json_mode=asked.json_mode(),
        stream=False,
        options=asked.defaults.options,
        families=asked.defaults.families,
    )


def _embed(asked: Asked) -> Call:
    given = asked.take("input", "text", "prompt")
    texts = given if isinstance(given, list) else [given]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise Misfit("input" if given is not None else "", "the row has no input, a text or texts")
    return embed_call(
        model=asked.model,
        inputs=texts,
        embedding=asked.group(Embedding),
        options=asked.defaults.options,
    )


def _read_chat(call: Call, reply: Any) -> Iterator[Any]:
    from apiyi_cli.decode.chat import events

    return _spoken(events, call, reply, _count(call, "n"))


def _read_complete(call: Call, reply: Any) -> Iterator[Any]:
    from apiyi_cli.decode.complete import events

    prompts = call.json.get("prompt")
    several = isinstance(prompts, list) and all(isinstance(one, (str, list)) for one in prompts)
    count = len(prompts) if several else 1
    return _spoken(events, call, reply, count * _count(call, "n"))


def _read_respond(call: Call, reply: Any) -> Iterator[Any]:
    from apiyi_cli.decode.respond import events

    return _spoken(events, call, reply, 1)


def _count(call: Call, name: str) -> int:
    value = call.json.get(name)
    return value if isinstance(value, int) and value > 0 else 1


def _spoken(events: Any, call: Call, reply: Any, choices: int) -> Iterator[Any]:
    """Read an answer in text to its proved end; an empty list tells that something came."""
    from apiyi_cli.core.events import Chunk, Delta, Usage

    chunks: list[bytes] = []
    texts: list[str] = []
    usage = None
    for burst in events(reply, choices=choices, verbatim=True, cost=call.cost):
        for event in burst:
            kind = type(event)
            if kind is Chunk:
                chunks.append(event.data)
                whole = event.whole
            elif kind is Delta and event.index == 0:
                texts.append(event.text)
            elif kind is Usage:
                usage = event
        yield []
    if len(chunks) == 1 and whole:
        body = chunks[0]
    else:
        from apiyi_cli.decode.merge import assembled

        body = orjson.dumps(assembled(chunks))
    yield Answer(body, "".join(texts), usage)


def _read_embed(call: Call, reply: Any) -> Iterator[Any]:
    from apiyi_cli.decode.embed import vectors
    from apiyi_cli.decode.whole import one_line

    given = call.json.get("input")
    several = isinstance(given, list) and all(isinstance(one, (str, list)) for one in given)
    got = vectors(reply, len(given) if several else 1, call.json.get("dimensions"))
    text = got.texts[0].decode("ascii") if len(got.texts) == 1 else ""
    yield Answer(one_line(got.raw), text, got.usage)


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
    )
)

ENDPOINTS: Mapping[str, Endpoint] = {
    one.name: one
    for one in (
        Endpoint(
            "chat",
            "/chat/completions",
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
        Endpoint(
            "complete",
            "/completions",
            "prompt",
            (Sampling, Completing),
            _complete,
            _read_complete,
            known=frozenset(("stream", "stream_options")),
        ),
        Endpoint(
            "respond",
            "/responses",
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
        Endpoint(
            "embed",
            "/embeddings",
            "input",
            (Embedding,),
            _embed,
            _read_embed,
            "light",
            known=frozenset(("encoding_format", "prompt", "text")),
        ),
    )
}
"""By the word of the command that asks the same endpoint."""


def by_url(url: str) -> Endpoint | None:
    """Return the endpoint of an OpenAI batch row's `url`, with or without the `/v1`."""
    path = url.removeprefix("/v1")
    return next((one for one in ENDPOINTS.values() if one.path == path), None)
