"""What gateways say of video tasks."""

from __future__ import annotations

from typing import Any

import pytest

from apiyi_cli.decode.video import VideoTask, task_id, video_task
from apiyi_cli.errors import IncompleteError

LINK = "https://cdn/x.mp4"


@pytest.mark.parametrize(
    ("answer", "id"),
    [
        ({"id": "cgt-1"}, "cgt-1"),
        ({"output": {"task_id": "t1", "task_status": "PENDING"}, "request_id": "r"}, "t1"),
        ({"id": "v1", "task_id": "v1", "status": "queued"}, "v1"),
        ({"data": {"task_id": "t2"}}, "t2"),
        ({"data": {"task_id": 12345}, "id": "request"}, "12345"),
    ],
)
def test_the_id_of_a_new_task_is_found(answer: Any, id: str) -> None:
    assert task_id(answer) == id


@pytest.mark.parametrize("answer", [{}, {"id": ""}, {"id": 0}, {"id": True}, [], "x", None])
def test_an_answer_without_an_id_is_none(answer: Any) -> None:
    with pytest.raises(IncompleteError):
        task_id(answer)


@pytest.mark.parametrize(
    ("answer", "task"),
    [
        ({"status": "queued"}, VideoTask("queued")),
        ({"status": "in_progress", "progress": 30}, VideoTask("running", 30)),
        ({"status": "IN_PROGRESS", "progress": "30%"}, VideoTask("running", 30)),
        ({"status": "something_new"}, VideoTask("running")),
        (
            {
                "status": "succeeded",
                "content": {"video_url": LINK},
                "usage": {"completion_tokens": 9},
            },
            VideoTask("done", url=LINK, tokens=9),
        ),
        ({"status": "completed", "result_url": LINK}, VideoTask("done", url=LINK)),
        ({"status": "completed", "result_url": [LINK]}, VideoTask("done", url=LINK)),
        ({"status": "done", "content": [{"video_url": LINK}]}, VideoTask("done", url=LINK)),
        ({"status": "done", "data": {"videos": [{"url": LINK}]}}, VideoTask("done", url=LINK)),
        ({"status": "done", "content": ["x", {"video_url": 5}]}, VideoTask("done")),
        ({"status": "completed", "progress": 100}, VideoTask("done", 100)),
        ({"status": "failed", "error": {"message": "no"}}, VideoTask("failed", message="no")),
        ({"data": {"status": "FAILURE", "fail_reason": "no"}}, VideoTask("failed", message="no")),
        ({"status": "failed", "error": "no"}, VideoTask("failed", message="no")),
        ({"status": "expired"}, VideoTask("expired")),
        ({"output": {"task_status": "SUCCEEDED", "video_url": LINK}}, VideoTask("done", url=LINK)),
        ({"status": "completed", "result_url": "file:///etc/passwd"}, VideoTask("done")),
        ({"status": "queued", "progress": -1}, VideoTask("queued")),
        ({"status": "queued", "progress": "nan"}, VideoTask("queued")),
        ({"status": "queued", "progress": "3²"}, VideoTask("queued")),
        ({"status": 7, "progress": True}, VideoTask("running")),
    ],
)
def test_a_state_is_one_of_a_few(answer: Any, task: VideoTask) -> None:
    assert video_task(answer) == task
    assert task.is_over == (task.state in ("done", "failed", "expired"))
