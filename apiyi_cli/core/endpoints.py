"""The endpoints of the gateway: one row each, the only table of them.

A new endpoint or protocol is a new row.
"""

from __future__ import annotations

from typing import Any, Literal

from apiyi_cli.core.call import Auth, Call, Cost, Root
from apiyi_cli.plain_value import PlainValue

Protocol = Literal["openai", "anthropic", "google", "gateway"]
"""Whose form the bodies have; "gateway" is the gateway's own, such as prices."""

Content = Literal[
    "text", "vectors", "images", "transcript", "audio", "scores", "task", "video", "json"
]
"""The content of a successful answer; "json" is an object without a reader."""


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
"""The methods of a raw call."""


class Endpoint(PlainValue):
    """One endpoint of the gateway.

    `command` is the word that a user types for it. `path`, `root` and `auth` are as in `Call`;
    `{model}` or `{task}` in a path is a name. `is_form` marks bodies that are multipart.
    """

    command: str
    method: str
    path: str
    cost: Cost
    answer: Content
    protocol: Protocol = "openai"
    root: Root = "base"
    auth: Auth = "bearer"
    is_form: bool = False

    @property
    def host_path(self) -> str:
        """Return the path below the host: `/v1/chat/completions`."""
        return f"/v1{self.path}" if self.root == "base" else self.path

    def call(self, **fields: Any) -> Call:
        """Return a request to this endpoint; `fields` are those of `Call`."""
        return Call(
            self.method,
            self.path,
            cost=self.cost,
            root=self.root,
            auth=self.auth,
            protocol=self.protocol,
            **fields,
        )

    def is_at(self, method: str, host_path: str) -> bool:
        """Return True if a request to this path below the host uses this endpoint."""
        if method.upper() != self.method:
            return False
        start, brace, rest = self.host_path.partition("{")
        if not brace:
            return host_path == start
        place, _, end = rest.partition("}")
        if not host_path.startswith(start) or not host_path.endswith(end):
            return False
        name = host_path[len(start) : len(host_path) - len(end)]
        # The name of a model may have a provider's before it.
        return bool(name) and (place == "model" or "/" not in name)


CHAT = Endpoint("chat", "POST", "/chat/completions", "text", "text")
COMPLETE = Endpoint("complete", "POST", "/completions", "text", "text")
RESPOND = Endpoint("respond", "POST", "/responses", "text", "text")
MESSAGES = Endpoint("chat", "POST", "/messages", "text", "text", "anthropic", auth="x-api-key")
_GENERATE = "/v1beta/models/{model}:generateContent"
_GENERATE_STREAM = "/v1beta/models/{model}:streamGenerateContent"
GENERATE = Endpoint("chat", "POST", _GENERATE, "text", "text", "google", "gateway")
GENERATE_STREAM = Endpoint("chat", "POST", _GENERATE_STREAM, "text", "text", "google", "gateway")
EMBED = Endpoint("embed", "POST", "/embeddings", "light", "vectors")
RERANK = Endpoint("rank", "POST", "/rerank", "light", "scores")
MODERATE = Endpoint("moderate", "POST", "/moderations", "light", "json")
IMAGE = Endpoint("image", "POST", "/images/generations", "heavy", "images")
IMAGE_EDIT = Endpoint("image", "POST", "/images/edits", "heavy", "images", is_form=True)
IMAGE_VARIATION = Endpoint("image", "POST", "/images/variations", "heavy", "images", is_form=True)
TRANSCRIBE = Endpoint(
    "transcribe", "POST", "/audio/transcriptions", "heavy", "transcript", is_form=True
)
TRANSLATE = Endpoint(
    "transcribe", "POST", "/audio/translations", "heavy", "transcript", is_form=True
)
SPEAK = Endpoint("speak", "POST", "/audio/speech", "heavy", "audio")
_SEEDANCE = "/seedance/api/v3/contents/generations/tasks"
_WAN = "/wan/api/v1/services/aigc/video-generation/video-synthesis"
SEEDANCE_SUBMIT = Endpoint("video", "POST", _SEEDANCE, "heavy", "task", "gateway", "gateway")
SEEDANCE_TASK = Endpoint(
    "video", "GET", f"{_SEEDANCE}/{{task}}", "free", "task", "gateway", "gateway"
)
WAN_SUBMIT = Endpoint("video", "POST", _WAN, "heavy", "task", "gateway", "gateway")
WAN_TASK = Endpoint("video", "GET", "/tasks/{task}", "free", "task", "gateway")
VIDEO_SUBMIT = Endpoint("video", "POST", "/videos", "heavy", "task")
VIDEO_TASK = Endpoint("video", "GET", "/videos/{task}", "free", "task")
VIDEO_CONTENT = Endpoint("video", "GET", "/videos/{task}/content", "free", "video")
MODELS = Endpoint("models", "GET", "/models", "free", "json")
MODEL = Endpoint("models", "GET", "/models/{model}", "free", "json")
PRICING = Endpoint("models", "GET", "/api/pricing", "free", "json", "gateway", "gateway")
CREDIT = Endpoint("balance", "GET", "/dashboard/billing/subscription", "free", "json")
"""The quota that the key, or its account, was given in all."""
CREDIT_USED = Endpoint("balance", "GET", "/dashboard/billing/usage", "free", "json")
"""The used part of it."""
ACCOUNT = Endpoint("balance", "GET", "/api/user/self", "free", "json", "gateway", "gateway", "bare")
"""The account of a system token; its answer holds other secrets of the account."""
ACCOUNT_LOG = Endpoint(
    "usage", "GET", "/api/log/self", "free", "json", "gateway", "gateway", "bare"
)
"""The charges of the account, by page."""
KEY_LOG = Endpoint("usage", "GET", "/api/log/token", "free", "json", "gateway", "gateway")
"""The last charges of the key; not every gateway of the family answers."""

ENDPOINTS = tuple(row for row in list(vars().values()) if isinstance(row, Endpoint))


def find_endpoint(method: str, path: str) -> Endpoint | None:
    """Return the endpoint at a path without query, below base URL or host."""
    path = "/" + path.strip("/")
    return find_at_host(method, path) or find_at_host(method, f"/v1{path}")


def find_at_host(method: str, host_path: str) -> Endpoint | None:
    """Return the endpoint at exactly this path below the host."""
    return next((row for row in ENDPOINTS if row.is_at(method, host_path)), None)


def is_endpoint_folder(segment: str) -> bool:
    """Return True if the path of an endpoint begins with this segment below `/v1`."""
    starts = (row.path.split("/")[1] for row in ENDPOINTS if row.root == "base")
    return segment == "files" or segment in starts


def generate_path(model: str, *, stream: bool) -> str:
    """Return the path of a model's endpoint; a stream needs `alt=sse` to come as events."""
    from urllib.parse import quote

    endpoint = GENERATE_STREAM if stream else GENERATE
    path = endpoint.path.format(model=quote(model, safe=""))
    return f"{path}?alt=sse" if stream else path
