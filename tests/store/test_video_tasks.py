"""The records of video tasks: on disk before anything depends on them."""

from __future__ import annotations

from pathlib import Path

from apiyi_cli.store.video_tasks import RETENTION_S, VideoRecord, VideoTasks

CLAIM = VideoRecord("a1", "claimed", "wan2.7-t2v", "wan", "h", "default", 100.0, "a cat", "o.mp4")


def test_the_newest_state_of_each_task_is_read_in_the_order_they_began(tmp_path: Path) -> None:
    tasks = VideoTasks(tmp_path / "video")
    assert tasks.read() == []
    later = CLAIM._replace(claim="b2", began=200.0)
    tasks.write(later)
    tasks.write(CLAIM)
    tasks.write(known := CLAIM._replace(stage="submitted", task="t1"))
    assert tasks.read() == [known, later]
    assert tasks.find("t1") == known
    assert tasks.find("b2") == later
    assert tasks.find("x") is None
    tasks.remove(later)
    assert tasks.read() == [known]


def test_names_and_deadlines() -> None:
    assert (CLAIM.name, CLAIM.dies) == ("a1", None)
    done = CLAIM._replace(task="t1", finished=50.0)
    assert (done.name, done.dies) == ("t1", 50.0 + RETENTION_S)


def test_files_that_are_no_records_are_passed_over(tmp_path: Path) -> None:
    tasks = VideoTasks(tmp_path)
    tasks.write(CLAIM)
    for number, text in enumerate(("", "[]", "{", '{"claim": "../x"}', '{"claim": 1}')):
        (tmp_path / f"{number}.json").write_text(text)
    newer = '{"claim":"n","stage":"done","model":"m","form":"wan","host":"h","profile":"p",'
    (tmp_path / "n.json").write_text(f'{newer}"began":1,"from_the_future":true}}')
    assert [record.claim for record in tasks.read()] == ["n", "a1"]


def test_records_are_private(tmp_path: Path) -> None:
    tasks = VideoTasks(tmp_path / "video")
    tasks.write(CLAIM)
    assert (tmp_path / "video").stat().st_mode & 0o077 == 0
    assert (tmp_path / "video" / "a1.json").stat().st_mode & 0o077 == 0
