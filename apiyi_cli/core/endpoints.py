"""The endpoints of the gateway: one row each, the only table of them.

A new endpoint or protocol is a new row.
"""

from __future__ import annotations

from typing import Any, Literal

from apiyi_cli.core.call import Auth, Call, Cost, Root

Protocol = Literal["openai", "anthropic", "google", "gateway"]
"""Whose form the bodies have; "gateway" is the gateway's own, such as prices."""

Content = Literal[
    "text", "vectors", "images", "transcript", "audio", "scores", "task", "video", "json"
]
"""The content of a successful answer; "json" is an object without a reader."""


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
"""The methods of a raw call."""


class Endpoint:
    """One endpoint of the gateway; compared by identity.

    `command` is the word that a user types for it. `path`, `root` and `auth` are as in `Call`;
    `{model}` or `{task}` in a path is a name. `is_form` marks bodies that are multipart.
    """

    # No NamedTuple: making such a class takes 0.2 ms of each start, this one 0.01 ms.
    __slots__ = (
        "answer",
        "auth",
        "command",
        "cost",
        "is_form",
        "method",
        "path",
        "protocol",
        "root",
    )

    def __init__(
        self,
        command: str,
        method: str,
        path: str,
        cost: Cost,
        answer: Content,
        *,
        protocol: Protocol = "openai",
        is_form: bool = False,
        root: Root = "base",
        auth: Auth = "bearer",
    ) -> None:
        self.command = command
        self.method = method
        self.path = path
        self.cost: Cost = cost
        self.answer: Content = answer
        self.protocol: Protocol = protocol
        self.is_form = is_form
        self.root: Root = root
        self.auth: Auth = auth

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
MESSAGES = Endpoint(
    "chat", "POST", "/messages", "text", "text", protocol="anthropic", auth="x-api-key"
)
GENERATE = Endpoint(
    "chat",
    "POST",
    "/v1beta/models/{model}:generateContent",
    "text",
    "text",
    protocol="google",
    root="gateway",
)
GENERATE_STREAM = Endpoint(
    "chat",
    "POST",
    "/v1beta/models/{model}:streamGenerateContent",
    "text",
    "text",
    protocol="google",
    root="gateway",
)
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
SEEDANCE_SUBMIT = Endpoint(
    "video",
    "POST",
    "/seedance/api/v3/contents/generations/tasks",
    "heavy",
    "task",
    protocol="gateway",
    root="gateway",
)
SEEDANCE_TASK = Endpoint(
    "video",
    "GET",
    "/seedance/api/v3/contents/generations/tasks/{task}",
    "free",
    "task",
    protocol="gateway",
    root="gateway",
)
WAN_SUBMIT = Endpoint(
    "video",
    "POST",
    "/wan/api/v1/services/aigc/video-generation/video-synthesis",
    "heavy",
    "task",
    protocol="gateway",
    root="gateway",
)
WAN_TASK = Endpoint("video", "GET", "/tasks/{task}", "free", "task", protocol="gateway")
VIDEO_SUBMIT = Endpoint("video", "POST", "/videos", "heavy", "task")
VIDEO_TASK = Endpoint("video", "GET", "/videos/{task}", "free", "task")
VIDEO_CONTENT = Endpoint("video", "GET", "/videos/{task}/content", "free", "video")
MODELS = Endpoint("models", "GET", "/models", "free", "json")
MODEL = Endpoint("models", "GET", "/models/{model}", "free", "json")
PRICING = Endpoint(
    "models", "GET", "/api/pricing", "free", "json", protocol="gateway", root="gateway"
)
CREDIT = Endpoint("balance", "GET", "/dashboard/billing/subscription", "free", "json")
"""The quota that the key, or its account, was given in all."""
CREDIT_USED = Endpoint("balance", "GET", "/dashboard/billing/usage", "free", "json")
"""The used part of it."""

ACCOUNT = Endpoint(
    "balance",
    "GET",
    "/api/user/self",
    "free",
    "json",
    protocol="gateway",
    root="gateway",
    auth="bare",
)
"""The account of a system token; its answer holds other secrets of the account."""
ACCOUNT_LOG = Endpoint(
    "usage",
    "GET",
    "/api/log/self",
    "free",
    "json",
    protocol="gateway",
    root="gateway",
    auth="bare",
)
"""The charges of the account, by page."""
KEY_LOG = Endpoint(
    "usage", "GET", "/api/log/token", "free", "json", protocol="gateway", root="gateway"
)
"""The last charges of the key; not every gateway of the family answers."""

ENDPOINTS = (
    CHAT,
    COMPLETE,
    RESPOND,
    MESSAGES,
    GENERATE,
    GENERATE_STREAM,
    EMBED,
    RERANK,
    MODERATE,
    IMAGE,
    IMAGE_EDIT,
    IMAGE_VARIATION,
    TRANSCRIBE,
    TRANSLATE,
    SPEAK,
    SEEDANCE_SUBMIT,
    SEEDANCE_TASK,
    WAN_SUBMIT,
    WAN_TASK,
    VIDEO_SUBMIT,
    VIDEO_TASK,
    VIDEO_CONTENT,
    MODELS,
    MODEL,
    PRICING,
    CREDIT,
    CREDIT_USED,
    ACCOUNT,
    ACCOUNT_LOG,
    KEY_LOG,
)


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
