"""Video requests, byte by byte as each family's pages show them."""

from __future__ import annotations

from typing import Any

import pytest

from apiyi_cli.build.video import (
    MediaInput,
    VideoRequest,
    content_call,
    submit_call,
    task_call,
    video_form,
)
from apiyi_cli.core.call import root_url
from apiyi_cli.core.families import find_family
from apiyi_cli.errors import UsageError

FIRST = MediaInput("first", "image", "https://a/b.png")
LAST = MediaInput("last", "image", "data:image/png;base64,QQ==")
CLIP = MediaInput("reference", "video", "https://a/c.mp4")
BASE = "https://api.apiyi.com/v1"


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (
            VideoRequest("doubao-seedance-2-5-260628", "a cat"),
            {
                "model": "doubao-seedance-2-5-260628",
                "content": [{"type": "text", "text": "a cat"}],
                "duration": 5,
            },
        ),
        (
            VideoRequest(
                "doubao-seedance-2-0-260128",
                "a cat",
                (FIRST, LAST, CLIP),
                duration=8,
                resolution="720p",
                ratio="16:9",
                seed=3,
                audio=False,
                options=("watermark=true",),
            ),
            {
                "model": "doubao-seedance-2-0-260128",
                "content": [
                    {"type": "text", "text": "a cat"},
                    {
                        "type": "image_url",
                        "image_url": {"url": "https://a/b.png"},
                        "role": "first_frame",
                    },
                    {
                        "type": "image_url",
                        "image_url": {"url": "data:image/png;base64,QQ=="},
                        "role": "last_frame",
                    },
                    {
                        "type": "video_url",
                        "video_url": {"url": "https://a/c.mp4"},
                        "role": "reference_video",
                    },
                ],
                "duration": 8,
                "resolution": "720p",
                "ratio": "16:9",
                "seed": 3,
                "generate_audio": False,
                "watermark": True,
            },
        ),
    ],
)
def test_seedance(request_: VideoRequest, body: dict[str, Any]) -> None:
    call = submit_call(request_, "seedance")
    assert call.json == body
    assert call.path == "/seedance/api/v3/contents/generations/tasks"
    assert root_url(BASE, call.root) == "https://api.apiyi.com"
    assert call.headers == (("Accept-Encoding", "identity"),)
    assert call.cost == "heavy"
    asked = task_call("seedance", "cgt-1")
    assert (asked.method, asked.path) == ("GET", f"{call.path}/cgt-1")
    assert asked.headers == (("Accept-Encoding", "identity"),)
    assert asked.cost == "free"


def test_wan() -> None:
    request = VideoRequest("wan2.7-i2v", "go", (FIRST,), duration=5, resolution="720p", seed=1)
    call = submit_call(request, "wan")
    assert call.json == {
        "model": "wan2.7-i2v",
        "input": {"prompt": "go", "media": [{"type": "first_frame", "url": "https://a/b.png"}]},
        "parameters": {"resolution": "720P", "duration": 5, "seed": 1},
    }
    assert call.path == "/wan/api/v1/services/aigc/video-generation/video-synthesis"
    assert call.headers == (("X-DashScope-Async", "enable"),)
    assert submit_call(VideoRequest("wan2.7-t2v", "go"), "wan").json == {
        "model": "wan2.7-t2v",
        "input": {"prompt": "go"},
    }
    asked = task_call("wan", "a/../b")
    assert (asked.path, asked.root) == ("/tasks/a%2F..%2Fb", "base")


def test_grok() -> None:
    call = submit_call(VideoRequest("grok-imagine-video", "go", (FIRST,), duration=6), "grok")
    assert call.json == {
        "model": "grok-imagine-video",
        "prompt": "go",
        "duration": 6,
        "image": {"url": "https://a/b.png"},
    }
    assert (call.path, call.root) == ("/videos", "base")
    assert task_call("grok", "v1").path == "/videos/v1"
    assert content_call("v1").path == "/videos/v1/content"
    with pytest.raises(UsageError):
        submit_call(VideoRequest("grok-imagine-video", "go", (FIRST, LAST)), "grok")


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("doubao-seedance-2-0-fast-260128", "seedance"),
        ("wan2.7-t2v", "wan"),
        ("wan3.0-video", "wan"),
        ("happyhorse-1", "wan"),
        ("grok-imagine-video-1.5", "grok"),
    ],
)
def test_a_model_has_the_form_of_its_family(model: str, form: str) -> None:
    assert video_form(model, find_family(model).video) == form


def test_retired_and_unknown_models_are_named() -> None:
    with pytest.raises(UsageError, match="retired"):
        video_form("sora-2", find_family("sora-2").video)
    with pytest.raises(UsageError, match="not known"):
        video_form("new-video", find_family("new-video").video)
    own = {"new-video": {"video": "wan"}}
    assert video_form("new-video", find_family("new-video", own).video) == "wan"
