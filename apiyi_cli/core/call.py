"""The request (`Call`) and the answer to it (`Reply`) as plain values.

A `Call` knows nothing of hosts, keys or time. Transport, cache, `--dry-run`, code export,
batch and tests all hang on it. A `Reply` is what the wire hands to the decoders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from apiyi_cli.plain_value import PlainValue

Cost = Literal["free", "light", "text", "heavy"]
"""What one more attempt may cost: nothing (a list), little (embeddings), a text answer,
or an image, a recording, a film."""


Root = Literal["base", "gateway", "host"]
"""What a path is relative to: the base URL, the same without its last `/v1`, or the host."""
Auth = Literal["bearer", "x-api-key", "x-goog-api-key", "bare"]
"""How a request carries the key: `Authorization: Bearer KEY`, the header of that name, or
`Authorization: KEY` (the account's own token)."""


class Part(PlainValue):
    """One part of a multipart body: a `value`, or a file by `path` or `content`."""

    name: str
    value: str | None = None
    path: str | None = None
    content: bytes | None = None
    filename: str | None = None
    type: str | None = None


class Source(PlainValue):
    """The file from which a part of a long string in `Call.json` was read.

    The string at `place` (keys and indices joined by dots: `messages.0.content.1.image_url.url`)
    goes `prefix`, then `length` characters that are the file's base64, or its UTF-8 text when
    `text`; None is "all the rest". Several sources of one place follow one another in order,
    and what the last one leaves is ordinary text. The place "" is the whole of `Call.raw`.
    """

    place: str
    path: str
    prefix: str = ""
    text: bool = False
    length: int | None = None


def find_strings(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield each string of a JSON value after its place (see `Source`)."""
    if isinstance(value, str):
        yield place, value
        return
    items = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else items:
        yield from find_strings(item, f"{place}.{key}" if place else str(key))


class Call(PlainValue):
    """One request to the gateway.

    `path` is relative to `root`: `/chat/completions` to the base URL, `/v1beta/…` to the
    gateway. A body is `json` (a value), `parts` (multipart) or `raw` bytes with
    `content_type`; at most one of them. `stream` is True if the answer is requested as
    events. `notes` are warnings for stderr that building the request gave rise to.
    `sources` say which long strings of `json` came from which files, `repeat` which of several
    equal requests this is, so that the cache does not answer them all with one reply; they
    change nothing in what is sent. `protocol` is that of the endpoint. `answer_tool`
    names the function whose arguments are the answer's text, where a schema is asked for by a
    function; `answer_schema` is the JSON Schema of the answer where the body has it in another
    dialect. `assembled` tells that a stream is asked for though the whole object is wanted, which
    is put together from it.
    """

    method: str
    path: str
    json: Any = None
    parts: tuple[Part, ...] = ()
    raw: bytes | None = None
    content_type: str | None = None
    stream: bool = False
    cost: Cost = "text"
    headers: tuple[tuple[str, str], ...] = ()
    root: Root = "base"
    auth: Auth = "bearer"
    model: str | None = None
    notes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    protocol: str = "openai"
    answer_tool: str | None = None
    answer_schema: Any = None
    repeat: int = 0
    assembled: bool = False


def root_url(base_url: str, root: Root) -> str:
    """Return the URL below which paths of a call are, without a final slash."""
    base = base_url.rstrip("/")
    if root == "gateway":
        return base.removesuffix("/v1")
    if root == "host":
        scheme, _, rest = base.partition("://")
        return f"{scheme}://{rest.split('/', 1)[0]}"
    return base


def request_id_in(headers: Mapping[str, str]) -> str | None:
    """Return the gateway's own id of a request, which may differ from `x-request-id`.

    The gateway family writes its id as `x-oneapi-request-id`, the one in its log, and may pass
    on the upstream's headers beside it.
    """
    names = ("x-oneapi-request-id", "x-request-id", "request-id")
    return next(filter(None, map(headers.get, names)), None)


def _nothing() -> None:
    """Do nothing: there is nothing to close."""


class Reply(PlainValue):
    """One HTTP answer whose body has not been read yet.

    `headers` have lower-case names; a header that came several times is joined by ", ".
    `chunks` gives the body as it arrives, content-encoding already undone, and raises an
    `ApiyiError` where the transport breaks. `close` drops the connection; it may be called
    at any time and more than once. A decoder calls `tick` when an event of a stream has come,
    also one that shows nothing (a piece of a function call): it ends the silence.
    """

    status: int
    headers: Mapping[str, str]
    chunks: Iterable[bytes]
    url: str = ""
    host: str = ""
    reason: str = ""
    from_cache: bool = False
    close: Callable[[], None] = _nothing
    tick: Callable[[], None] = _nothing

    @property
    def request_id(self) -> str | None:
        """Return the id under which the gateway logged the request."""
        return request_id_in(self.headers) or self.headers.get("cf-ray")
