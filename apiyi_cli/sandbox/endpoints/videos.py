"""The sandbox's video tasks in the forms of Seedance, Wan with HappyHorse, and Grok.

A task runs at the first look and is done at the second. Model names choose what can happen to it:
`fault:failed/wan2.7-t2v` fails, `fault:expired/…` is deleted when it is asked for, `fault:lost/…`
is done but its file is gone, `fault:running/…` never ends.
"""

from __future__ import annotations

import itertools
import struct
import threading
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from apiyi_cli.sandbox.endpoints.catalogue import model_of, no_channel
from apiyi_cli.sandbox.faults.faults import MODEL_PREFIX
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import Refused, ScriptedReply, invalid

Form = Literal["seedance", "wan", "grok"]

RESULT_LIFE_S = 24 * 3600.0
MOST_TASKS = 4096
VIDEO_FORMS: dict[str, Form] = {
    "doubao-seedance": "seedance",
    "wan": "wan",
    "happyhorse": "wan",
    "sandbox-video": "wan",
    "grok": "grok",
}
_FIELD_NAMES = {"720P", "1080P"}
_RESOLUTIONS = ("480p", "720p", "1080p")


@dataclass
class _Task:
    """One task: its request, how often its state was requested, when it was done."""

    form: Form
    model: str
    prompt: str
    looks: int = 0
    done_at: float | None = None

    @property
    def fate(self) -> str:
        """Return the fault's word in the model's name, "" without one."""
        word, slash, _ = self.model.removeprefix(MODEL_PREFIX).partition("/")
        return word if slash and self.model.startswith(MODEL_PREFIX) else ""


_TASKS: dict[str, _Task] = {}
"""The newest tasks by id."""
_LOCK = threading.Lock()
_NUMBERS = itertools.count(1)


def _add_task(task: _Task, prefix: str) -> str:
    digest = sha256(f"{next(_NUMBERS)} {task.model} {task.prompt}".encode()).hexdigest()
    name = prefix + digest[:16]
    with _LOCK:
        _TASKS[name] = task
        if len(_TASKS) > MOST_TASKS:
            del _TASKS[next(iter(_TASKS))]
    return name


def _find_task(name: str, form: Form) -> _Task:
    task = _TASKS.get(name)
    if task is None or task.form != form:
        raise Refused(ScriptedReply.error(404, f"task {name} not found", code="task_not_exist"))
    return task


def submit_seedance(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer POST /seedance/api/v3/contents/generations/tasks."""
    fields = request.fields
    model = _model(fields, "seedance")
    content = fields.get("content")
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise invalid("content must be an array of parts", "content")
    texts = [part.get("text") for part in content if part.get("type") == "text"]
    if fields.get("resolution", "720p") not in _RESOLUTIONS:
        raise invalid("resolution must be 480p, 720p or 1080p", "resolution", "InvalidParameter")
    if not content:
        raise invalid("content must not be empty", "content", "MissingParameter")
    name = _add_task(_Task("seedance", model, " ".join(map(str, texts))), "cgt-")
    return _seedance_reply(request, {"id": name})


def seedance_task(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer GET /seedance/api/v3/contents/generations/tasks/{id}."""
    name, task = _look(request, "seedance")
    answer: dict[str, Any] = {"id": name, "model": task.model}
    match _state(task, request.at):
        case "done":
            url = f"{request.origin}/videos/{name}.mp4"
            usage = {"completion_tokens": 108900, "total_tokens": 108900}
            answer |= {"status": "succeeded", "content": {"video_url": url}, "usage": usage}
        case "failed":
            error = {"code": "OutputVideoSensitive", "message": "[sandbox] the video was refused"}
            answer |= {"status": "failed", "error": error}
        case state:
            answer["status"] = state
    return _seedance_reply(request, answer)


def submit_wan(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer POST /wan/api/v1/services/aigc/video-generation/video-synthesis."""
    fields = request.fields
    if request.headers.get("x-dashscope-async") != "enable":
        message = "current user api does not support synchronous calls."
        raise Refused(ScriptedReply.error(403, message, code="AccessDenied"))
    model = _model(fields, "wan")
    inputs, parameters = fields.get("input"), fields.get("parameters") or {}
    if not isinstance(inputs, dict) or not (inputs.get("prompt") or inputs.get("media")):
        raise invalid("input must have a prompt or media", "input", "InvalidParameter")
    if "-t2v" in model and inputs.get("media"):
        raise invalid(f"{model} takes no media", "input.media", "InvalidParameter")
    if parameters.get("resolution", "720P") not in _FIELD_NAMES:
        raise invalid("resolution must be 720P or 1080P", "resolution", "InvalidParameter")
    duration = parameters.get("duration", 5)
    if type(duration) is not int or not 2 <= duration <= 15:
        raise invalid("duration must be 2 to 15", "duration", "InvalidParameter")
    name = _add_task(_Task("wan", model, str(inputs.get("prompt"))), "wan-")
    output = {"task_id": name, "task_status": "PENDING"}
    return ScriptedReply.json({"request_id": f"[sandbox] {name}", "output": output})


def wan_task(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer GET /v1/tasks/{id}."""
    name, task = _look(request, "wan")
    answer: dict[str, Any] = {"task_id": name, "model": task.model}
    match _state(task, request.at):
        case "done":
            url = f"{request.origin}/videos/{name}.mp4"
            answer |= {"status": "completed", "progress": "100%", "result_url": url}
        case "failed":
            answer |= {"status": "failed", "fail_reason": "[sandbox] the video was refused"}
        case "running":
            answer |= {"status": "in_progress", "progress": "30%"}
        case state:
            answer["status"] = state
    return ScriptedReply.json(answer)


def submit_grok(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer POST /v1/videos."""
    fields = request.fields
    model = _model(fields, "grok")
    if not isinstance(fields.get("prompt"), str) and not fields.get("image"):
        raise invalid("prompt is required", "prompt", "missing_required_parameter")
    name = _add_task(_Task("grok", model, str(fields.get("prompt"))), "video_")
    return ScriptedReply.json({"id": name, "object": "video", "model": model, "status": "queued"})


def grok_task(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer GET /v1/videos/{id}."""
    name, task = _look(request, "grok")
    state = _state(task, request.at)
    answer: dict[str, Any] = {"id": name, "object": "video", "model": task.model, "status": state}
    if state == "done":
        answer |= {"status": "completed", "progress": 100}
    if state == "failed":
        answer["error"] = {"code": "content_policy", "message": "[sandbox] the video was refused"}
    return ScriptedReply.json(answer)


def content(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer GET /v1/videos/{id}/content."""
    name = request.path.removeprefix("/v1/videos/").removesuffix("/content")
    return _movie(_find_task(name, "grok"), request.at)


def file(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer the link of a result; Wan's is signed, and refuses any other credential."""
    name = request.path.removeprefix("/videos/").removesuffix(".mp4")
    form: Form = "wan" if name.startswith("wan-") else "seedance"
    task = _find_task(name, form)
    if form == "wan" and "authorization" in request.headers:
        text = "<Error><Code>InvalidArgument</Code><Message>[sandbox] two credentials</Message>"
        return ScriptedReply.text(f"{text}</Error>", "application/xml", status=403)
    return _movie(task, request.at)


def _model(fields: dict[str, Any], form: Form) -> str:
    """Return the requested model. Raises Refused if another path serves it."""
    model = model_of(fields, "video")
    name = model.removeprefix(MODEL_PREFIX).rpartition("/")[2]
    if model.startswith(MODEL_PREFIX) and "/" not in model:
        return model
    if next((own for start, own in VIDEO_FORMS.items() if name.startswith(start)), None) != form:
        raise no_channel(model)
    return model


def _look(request: ReceivedRequest, form: Form) -> tuple[str, _Task]:
    name = request.path.rpartition("/")[2]
    task = _find_task(name, form)
    task.looks += 1
    return name, task


def _state(task: _Task, now: float) -> str:
    """Return a task's state at this request: running, done, failed or expired."""
    if task.looks < 2 or task.fate == "running":
        return "running" if task.form != "grok" else "in_progress"
    if task.fate in ("failed", "expired"):
        return task.fate
    if task.done_at is None:
        task.done_at = now
    return "done"


def _movie(task: _Task, now: float) -> ScriptedReply:
    if task.done_at is None:
        return ScriptedReply.error(400, "Task is not completed yet", code="invalid_request")
    if task.fate == "lost" or now > task.done_at + RESULT_LIFE_S:
        return ScriptedReply.error(410, "[sandbox] the video was deleted", code="expired")
    return ScriptedReply(content_type="video/mp4", body=make_movie(task.prompt), billed=False)


def make_movie(prompt: str) -> bytes:
    """Return an MP4 file that players show; its last box has the prompt.

    It has two seconds of colours, 160 x 96, H.264, made with ffmpeg.
    """
    words = f"[sandbox] {prompt}".encode()
    free_box = struct.pack(">I", len(words) + 8) + b"free" + words
    return Path(__file__).with_name("film.mp4").read_bytes() + free_box


def _seedance_reply(request: ReceivedRequest, answer: dict[str, Any]) -> ScriptedReply:
    """Return the answer, cut if the client accepts compression, as the real one is."""
    reply = ScriptedReply.json(answer)
    if request.headers.get("accept-encoding") == "identity":
        return reply
    return reply.replace(body=bytes(reply.body)[:-2])  # type: ignore[arg-type]
