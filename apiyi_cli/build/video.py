"""Requests for videos: submitting and asking for a task, in each family's form.

All are asynchronous: the submission answers with a task's id, which is asked for until it is
done. Source: the gateway's pages on Seedance, Wan, HappyHorse and Grok Imagine Video.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from apiyi_cli.build.body import apply_options
from apiyi_cli.core.call import Call, Source, find_strings
from apiyi_cli.core.endpoints import (
    SEEDANCE_SUBMIT,
    SEEDANCE_TASK,
    VIDEO_CONTENT,
    VIDEO_SUBMIT,
    VIDEO_TASK,
    WAN_SUBMIT,
    WAN_TASK,
    Endpoint,
)
from apiyi_cli.errors import Billed, UsageError
from apiyi_cli.text import Text

Form = Literal["seedance", "wan", "grok"]
Role = Literal["first", "last", "reference"]

TASK_POLL_S: dict[Form, float] = {"seedance": 20.0, "wan": 8.0, "grok": 8.0}
"""Seconds between two requests for a task's state, from the gateway's pages."""
BILLED_FAILURE: dict[Form, Billed] = {"seedance": "no", "wan": "no", "grok": "maybe"}
"""What the gateway's pages say about the cost of a failed task."""

DEFAULT_DURATION_S = 5
_IDENTITY = (("Accept-Encoding", "identity"),)
"""Not compressed, because Seedance's compressed JSON arrives cut."""
_ASYNC = (("X-DashScope-Async", "enable"),)


class MediaInput(NamedTuple):
    """An input picture, clip or sound: its role, and its URL.

    A `data:` URL that was made of a file has the file's `path`.
    """

    role: Role
    kind: Literal["image", "video", "audio"]
    url: str
    path: str | None = None

    @property
    def place(self) -> str:
        """Return its name in a request: first_frame, last_frame, reference_video …"""
        return f"reference_{self.kind}" if self.role == "reference" else f"{self.role}_frame"


class VideoRequest(NamedTuple):
    """The requested video; None means not given."""

    model: str
    prompt: str | None = None
    media: tuple[MediaInput, ...] = ()
    duration: int | None = None
    resolution: str | None = None
    ratio: str | None = None
    seed: int | None = None
    audio: bool | None = None
    options: Sequence[str] = ()


def video_form(model: str, form: str | None) -> Form:
    """Return the form of request of a family; raise for one that makes no videos."""
    if form in ("seedance", "wan", "grok"):
        return form  # type: ignore[return-value]
    if form == "retired":
        raise UsageError(
            Text("{model} cannot make videos", model=model),
            Text("it was retired"),
            hint="-m wan2.7-t2v",
        )
    raise UsageError(
        Text("cannot make a video with {model}", model=model),
        Text("the form of its requests is not known"),
        hint=Text(
            '-m wan2.7-t2v, or name its form in config.toml: [families.{model}] video = "wan"',
            model=quote(model, safe="-_"),
        ),
    )


def submit_call(request: VideoRequest, form: Form) -> Call:
    """Return the request that submits a task."""
    match form:
        case "seedance":
            return _submit(SEEDANCE_SUBMIT, request, _seedance_body(request), _IDENTITY)
        case "wan":
            return _submit(WAN_SUBMIT, request, _wan_body(request), _ASYNC)
        case "grok":
            return _submit(VIDEO_SUBMIT, request, _grok_body(request))


def task_call(form: Form, task: str) -> Call:
    """Return the free request for a task's state."""
    endpoint = {"seedance": SEEDANCE_TASK, "wan": WAN_TASK, "grok": VIDEO_TASK}[form]
    headers = _IDENTITY if form == "seedance" else ()
    return _at_task(endpoint, task, headers)


def content_call(task: str) -> Call:
    """Return the request for the file of a finished task, for families without links."""
    return _at_task(VIDEO_CONTENT, task)


def _at_task(endpoint: Endpoint, task: str, headers: tuple[tuple[str, str], ...] = ()) -> Call:
    call = endpoint.call(headers=headers)
    return call._replace(path=endpoint.path.format(task=quote(task, safe="-_")))


def _submit(
    endpoint: Endpoint,
    request: VideoRequest,
    body: dict[str, Any],
    headers: tuple[tuple[str, str], ...] = (),
) -> Call:
    apply_options(body, request.options)
    paths = {item.url: item.path for item in request.media if item.path is not None}
    sources = (
        Source(place, paths[text], prefix=text[: text.index(",") + 1])
        for place, text in find_strings(body)
        if text in paths
    )
    return endpoint.call(json=body, model=body["model"], headers=headers, sources=tuple(sources))


def _seedance_body(request: VideoRequest) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if request.prompt:
        content.append({"type": "text", "text": request.prompt})
    for item in request.media:
        kind = f"{item.kind}_url"
        content.append({"type": kind, kind: {"url": item.url}, "role": item.place})
    body: dict[str, Any] = {"model": request.model, "content": content}
    # Without it the newest model chooses, and with it the price.
    body["duration"] = DEFAULT_DURATION_S if request.duration is None else request.duration
    body |= _keep_given(resolution=request.resolution, ratio=request.ratio, seed=request.seed)
    return body | _keep_given(generate_audio=request.audio)


def _wan_body(request: VideoRequest) -> dict[str, Any]:
    media = [{"type": item.place, "url": item.url} for item in request.media]
    parameters = _keep_given(
        # 720P and 1080P are written with a capital there.
        resolution=request.resolution.upper() if request.resolution else None,
        ratio=request.ratio,
        duration=request.duration,
        seed=request.seed,
        audio=request.audio,
    )
    inputs = _keep_given(prompt=request.prompt or None, media=media or None)
    body: dict[str, Any] = {"model": request.model, "input": inputs}
    return {**body, "parameters": parameters} if parameters else body


def _grok_body(request: VideoRequest) -> dict[str, Any]:
    if len(request.media) > 1 or any(item.role != "first" for item in request.media):
        raise UsageError(
            Text("cannot use these inputs"),
            Text("{model} begins from one picture", model=request.model),
        )
    fields = _keep_given(
        prompt=request.prompt,
        duration=request.duration,
        resolution=request.resolution,
        aspect_ratio=request.ratio,
        seed=request.seed,
        image={"url": request.media[0].url} if request.media else None,
    )
    return {"model": request.model, **fields}


def _keep_given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
