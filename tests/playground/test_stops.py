"""How runs end before their answer is whole, and how what was paid for is found again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiyi_cli.sandbox.endpoints.videos import make_movie
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import Program
from tests.playground.client import Playground, read_events
from tests.playground.test_runs import children, history, until

STALLED = {"command": "chat", "prompt": "long", "options": {"model": ["fault:stall@5"]}}
VIDEO = {"command": "video", "prompt": "a cat surfs", "options": {"poll": "20"}}


def begin(page: Playground, **request: Any) -> tuple[Any, str]:
    """Begin a run; return its connection and its id."""
    body = json.dumps({"mode": "run", "request": request}).encode()
    own = page.connect()
    own.sendall(page.request("POST", "/api/run", body))
    received = b""
    while b"event: begin" not in received or not received.endswith(b"\n\n"):
        received += own.recv(1 << 16)
    ((_, data), *_) = read_events(received.partition(b"\r\n\r\n")[2])
    return own, str(data["id"])


def rest_of(own: Any) -> list[tuple[str, dict[str, Any]]]:
    received = b""
    while piece := own.recv(1 << 16):
        received += piece
    return list(read_events(received))


@pytest.mark.off_schema
def test_stop_ends_the_child_and_the_stream_says_how(
    playground: Playground, started: Program, gateway: Gateway
) -> None:
    own, id = begin(playground, **STALLED)
    until(lambda: len([row for row in gateway.ledger if row.method == "POST"]) == 1)
    assert playground.get("/api/history").value["running"] == 1
    assert playground.post("/api/stop", {"id": "no such run"}).status == 200
    assert len(children(playground)) == 1
    assert playground.post("/api/stop", {"id": id}).status == 200
    events = rest_of(own)
    own.close()
    end = events[-1][1]
    assert events[-1][0] == "end" and end["stopped"] and end["billed"] == "maybe"
    assert not children(playground) and playground.get("/api/history").value["running"] == 0
    assert [row["id"] for row in history(started)] == [id]


def test_a_video_that_was_stopped_is_resumed_by_its_task(
    playground: Playground, apiyi: Program, gateway: Gateway
) -> None:
    own, id = begin(playground, **VIDEO)
    until(lambda: apiyi("video list --ndjson").out.count(b'"running"') == 1)
    playground.post("/api/stop", {"id": id})
    end = rest_of(own)[-1][1]
    own.close()
    assert end["stopped"] and end["task"] and end["task"] in end["error"]["message"]
    events = playground.run(command="video", task=end["task"])
    assert events[0][1]["line"]["bash"] == f"apiyi video --output=video.mp4 -- resume {end['task']}"
    assert (events[-1][1]["exit"], len(events[-1][1]["files"])) == (0, 1)
    assert len([row for row in gateway.ledger if row.method == "POST"]) == 1
    newest, older = playground.get("/api/history").value["entries"]
    assert (newest["prompt"], older["prompt"]) == (end["task"], "a cat surfs")
    film = playground.get(f"/kept/{newest['id']}/video.mp4")
    assert (film.body, film.header("Content-Type")) == (make_movie("a cat surfs"), "video/mp4")


def test_a_page_that_was_left_finds_the_task_of_its_video(
    playground: Playground, started: Program, apiyi: Program
) -> None:
    own, id = begin(playground, **VIDEO)
    until(lambda: apiyi("video list --ndjson").out.count(b'"running"') == 1)
    own.close()
    until(lambda: history(started))
    entry = playground.get(f"/api/history/entry?id={id}").value["entry"]
    assert entry["stopped"] and entry["task"] and entry["billed"] == "maybe"
    # Not into a folder that ends with the playground: a terminal says where else it can go.
    resumed = apiyi(f"video resume {entry['task']}")
    assert resumed.code == 11 and f"try: apiyi video resume {entry['task']} -o" in resumed.err
    assert apiyi(f"video resume {entry['task']} -o cat.mp4").code == 0
    assert (started.work / "cat.mp4").read_bytes() == make_movie("a cat surfs")


@pytest.mark.parametrize("task", ["--yes", "-x", "a b", "../x", "x" * 201, "a\nb"])
def test_a_task_is_one_plain_word(playground: Playground, task: str) -> None:
    request = {"command": "video", "task": task}
    assert playground.post("/api/run", {"mode": "run", "request": request}).status == 400
    request = {"command": "chat", "task": "wan-1"}
    assert playground.post("/api/run", {"mode": "run", "request": request}).status == 400


def test_a_player_gets_the_part_that_it_asks_for(playground: Playground) -> None:
    end = playground.run(command="image", prompt="a cat")
    path = f"/made/{end[0][1]['id']}/{end[-1][1]['files'][0]}"
    whole = playground.get(path)
    assert (whole.status, whole.header("Accept-Ranges")) == (200, "bytes")
    size = len(whole.body)
    assert int(whole.header("Content-Length")) == size > 100
    for wanted, start, stop in (
        ("bytes=0-", 0, size),
        ("bytes=10-19", 10, 20),
        ("bytes=-7", size - 7, size),
        (f"bytes=5-{size * 9}", 5, size),
    ):
        part = playground.get(path, Range=wanted)
        assert (part.status, part.body) == (206, whole.body[start:stop]), wanted
        assert part.header("Content-Range") == f"bytes {start}-{stop - 1}/{size}"
        assert "sandbox" in part.header("Content-Security-Policy")
    assert playground.get(path, Range=f"bytes={size}-").status == 416
    for unknown in ("bytes=0-1,3-4", "bytes=-", "lines=1-2", "bytes=a-b"):
        assert playground.get(path, Range=unknown).body == whole.body, unknown
