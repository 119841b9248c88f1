"""`apiyi video`: what is sent, what is saved and printed, and what becomes of tasks."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.endpoints.videos import make_movie
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from apiyi_cli.store.prices import encode_price_list
from tests.test_readme import picture

if TYPE_CHECKING:
    from tests.conftest import Program

PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
SEEDANCE = "-m doubao-seedance-2-5-260628"
GROK = "-m grok-imagine-video"
WAN_LINE = {"model": "wan2.7-t2v", "input": {"prompt": "cat"}}


def submissions(gateway: Gateway) -> list[ReceivedRequest]:
    return [received for received in gateway.ledger if received.method == "POST"]


def body(gateway: Gateway) -> Any:
    (received,) = submissions(gateway)
    return received.json


def records(apiyi: Program) -> list[dict[str, Any]]:
    folder = apiyi.home / "state" / "apiyi" / "video"
    return [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]


def list_videos(apiyi: Program) -> list[dict[str, Any]]:
    ran = apiyi("video list")
    assert ran.code == 0
    return [json.loads(line) for line in ran.out.splitlines()]


@pytest.mark.parametrize("model", ["-m wan2.7-t2v", "-m happyhorse-1.0", SEEDANCE, GROK])
def test_a_video_of_each_family_is_saved_and_its_path_printed(
    apiyi: Program, gateway: Gateway, model: str
) -> None:
    ran = apiyi(f"video 'a cat surfs' {model} -o cat.mp4")
    assert (ran.code, ran.text, ran.err) == (0, "cat.mp4\n", "")
    assert (apiyi.work / "cat.mp4").read_bytes() == make_movie("a cat surfs")
    assert len(submissions(gateway)) == 1
    assert [row["state"] for row in list_videos(apiyi)] == ["saved"]


def test_the_link_of_wan_is_fetched_without_the_key_and_groks_file_with_it(
    apiyi: Program, gateway: Gateway
) -> None:
    assert apiyi("video cat -o a.mp4").code == 0
    assert "authorization" not in gateway.ledger[-1].headers
    assert apiyi(f"video cat {GROK} -o b.mp4").code == 0
    assert gateway.ledger[-1].path.endswith("/content")
    assert "authorization" in gateway.ledger[-1].headers


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("--duration 8", {**WAN_LINE, "parameters": {"duration": 8}}),
        ("--resolution 1080p", {**WAN_LINE, "parameters": {"resolution": "1080P"}}),
        ("--ratio 9:16", {**WAN_LINE, "parameters": {"ratio": "9:16"}}),
        ("--seed 3", {**WAN_LINE, "parameters": {"seed": 3}}),
        ("--no-audio", {**WAN_LINE, "parameters": {"audio": False}}),
        ("--audio", {**WAN_LINE, "parameters": {"audio": True}}),
        ("-O parameters.watermark=true", {**WAN_LINE, "parameters": {"watermark": True}}),
    ],
)
def test_each_option_has_its_place_in_the_request(
    apiyi: Program, gateway: Gateway, line: str, sent: dict[str, Any]
) -> None:
    assert apiyi(f"video cat {line}").code == 0
    assert body(gateway) == sent
    assert submissions(gateway)[0].headers["x-dashscope-async"] == "enable"


def test_pictures_clips_and_frames_go_into_the_request(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "a.png").write_bytes(picture())
    line = f"video cat {SEEDANCE} -i a.png --last https://x.example/b.jpg"
    ran = apiyi(f"{line} --reference https://x.example/c.mp4")
    assert ran.code == 0, ran.err
    first, last, clip = body(gateway)["content"][2:] and [
        body(gateway)["content"][place] for place in (2, 1, 3)
    ]
    assert last["role"] == "last_frame" and clip["role"] == "reference_video"
    assert first["role"] == "first_frame"
    assert first["image_url"]["url"].startswith("data:image/png;base64,")


def test_several_pictures_and_models_of_references_are_guided_by_them(
    apiyi: Program, gateway: Gateway
) -> None:
    line = "-m wan2.7-r2v -i https://x.example/a.png"
    assert apiyi(f"video cat {line}").code == 0
    assert body(gateway)["input"]["media"][0]["type"] == "reference_image"
    gateway.ledger.clear()
    line = "-m wan2.7-i2v -i https://x.example/a.png -i https://x.example/b.png"
    assert apiyi(f"video cat {line} -o b.mp4").code == 0
    kinds = [item["type"] for item in body(gateway)["input"]["media"]]
    assert kinds == ["reference_image", "reference_image"]


def test_a_picture_needs_no_prompt(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("video -m wan2.7-i2v -i https://x.example/sea.png")
    assert (ran.code, ran.text) == (0, "sea.mp4\n")


@pytest.mark.parametrize(
    ("line", "code", "word"),
    [
        ("video cat --duration 0", 2, "--duration 0"),
        ("video cat --duration x", 2, "--duration"),
        ("video cat --poll 0.01", 2, "--poll"),
        ("video cat -o - --json", 2, "not both"),
        ("video --lines -o -", 2, "one video"),
        ("video cat -o - --skip-existing", 2, "-o -"),
        ("video cat --lines", 2, "--lines"),
        ("video cat -i missing.png", 2, "missing.png"),
        ("video cat -i notes.txt", 2, "no picture"),
        ("video cat --first https://x.example/a.mp4", 2, "--reference"),
        ("video cat --first https://x.example/a.png -i https://x.example/b.png", 2, "--first"),
        ("video cat -m gpt-4o", 2, "gpt-4o"),
        ("video cat -m some-video-x", 2, "families"),
        ("video cat -m unheard-of", 2, "unheard-of"),
        ("video cat -m sora-2", 2, "retired"),
        ("video cat -m veo-3.1", 2, "wan2.7-t2v"),
        ("video cat -o no/such/cat.mp4", 11, "mkdir"),
        ("video cat -o taken.mp4", 11, "--force"),
        ("video cat -o '{word}.mp4'", 2, "word"),
        ("video cat --skip-existing --force", 2, "--force"),
        (f"video cat {GROK} --last https://x.example/a.png", 2, "one picture"),
        ("video", 2, "nothing to send"),
        ("video list of animals", 2, "'list of animals'"),
        ("video resume the dance", 2, "'resume the dance'"),
        ("video cancel culture", 2, "'cancel culture'"),
        ("video cancel", 2, "name the task"),
        ("video forget", 2, "name the task"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(
    apiyi: Program, gateway: Gateway, line: str, code: int, word: str
) -> None:
    (apiyi.work / "notes.txt").write_text("notes")
    (apiyi.work / "taken.mp4").write_bytes(make_movie("mine"))
    ran = apiyi(line)
    assert (ran.code, ran.out) == (code, b""), ran.err
    assert word in ran.err
    assert submissions(gateway) == [] and records(apiyi) == []


def test_json_is_the_last_object_verbatim_and_ndjson_a_record(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi(f"video cat {SEEDANCE} --json -o a.mp4")
    assert ran.json["status"] == "succeeded" and (apiyi.work / "a.mp4").exists()
    record = apiyi(f"video cat {SEEDANCE} --ndjson -o b.mp4").json
    assert record["path"] == "b.mp4" and record["task"].startswith("cgt-")
    assert (record["index"], record["tokens"]) == (0, 108900)
    assert record["bytes"] == len(make_movie("cat"))
    assert apiyi(f"video cat {SEEDANCE} --jq .status -o c.mp4").text == "succeeded\n"


def test_lines_make_a_video_each_in_order(apiyi: Program, gateway: Gateway) -> None:
    line = "video --lines -j 3 -o '{index:02}-{slug}.{ext}'"
    ran = apiyi(line, stdin=b"one cat\ntwo cats\n\nthree\n")
    assert ran.code == 0, ran.err
    assert ran.text.split() == ["00-one-cat.mp4", "01-two-cats.mp4", "02-three.mp4"]
    again = apiyi(f"{line} --skip-existing", stdin=b"one cat\ntwo cats\n\nthree\nfour\n")
    assert again.text.split() == ["03-four.mp4"] and "skipped 3" in again.err
    assert len(submissions(gateway)) == 4


def test_a_line_that_fails_does_not_stop_the_others(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(
        ScriptedReply.error(400, "no", code="content_policy_violation"), path="synthesis"
    )
    ran = apiyi("video --lines -j 1", stdin=b"bad\ngood\n")
    assert (ran.code, ran.text) == (3, "good.mp4\n")
    assert "input 0" in ran.err and "1 of 2 failed" in ran.err
    assert [record["stage"] for record in records(apiyi)] == ["saved"]


@pytest.mark.parametrize("form", ["--dry-run", "--code curl"])
def test_a_submission_can_be_shown(apiyi: Program, gateway: Gateway, form: str) -> None:
    ran = apiyi(f"video cat {form}", env={"APIYI_API_KEY": None})
    assert ran.code == 0 and "video-synthesis" in ran.text and "X-DashScope-Async" in ran.text
    assert gateway.ledger == [] and records(apiyi) == []


def test_a_program_reads_a_large_picture_from_its_file(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "big.png").write_bytes(picture() + bytes(20_000))
    ran = apiyi(f"video cat {SEEDANCE} -i big.png --code python")
    assert ran.code == 0 and "big.png" in ran.text and len(ran.out) < 10_000


@pytest.mark.parametrize(
    ("model", "billing"),
    [
        ("fault:failed/wan2.7-t2v", "it was not billed"),
        ("fault:failed/happyhorse-1.0", "it was not billed"),
        ("fault:failed/doubao-seedance-2-5-260628", "it was not billed"),
        ("fault:failed/grok-imagine-video", "it may have been billed"),
    ],
)
def test_a_task_that_failed_tells_the_gateways_words(
    apiyi: Program, gateway: Gateway, model: str, billing: str
) -> None:
    ran = apiyi(f"video cat -m {model}")
    assert (ran.code, ran.out) == (6, b"")
    assert "[sandbox] the video was refused" in ran.err and billing in ran.err
    assert [row["state"] for row in list_videos(apiyi)] == ["failed"]


def test_an_expired_task_is_said_to_be_gone(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("video cat -m fault:expired/wan2.7-t2v")
    assert ran.code == 8
    assert "gone" in ran.err and "it may have been billed" in ran.err
    assert [row["state"] for row in list_videos(apiyi)] == ["expired"]


def test_a_download_that_fails_is_repeated_by_resume_and_never_made_again(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply(status=410), path=".mp4")
    ran = apiyi("video cat -o cat.mp4")
    (row,) = list_videos(apiyi)
    assert (ran.code, ran.out, row["state"]) == (8, b"", "done")
    assert f"apiyi video resume {row['id']}" in ran.err and row["url"] in ran.err
    assert row["dies"] == pytest.approx(row["finished"] + 86400)
    ran = apiyi("video resume")
    assert (ran.code, ran.text) == (0, f"{apiyi.work / 'cat.mp4'}\n")
    assert len(submissions(gateway)) == 1
    assert "every video is saved" in apiyi("video resume").err


@pytest.mark.parametrize("content", [b"<html>not a video</html>", b""])
def test_what_is_not_a_video_is_not_saved(apiyi: Program, gateway: Gateway, content: bytes) -> None:
    gateway.script(*[ScriptedReply(body=content, content_type="text/html")] * 3, path=".mp4")
    ran = apiyi("video cat -o cat.mp4")
    assert ran.code == 8 and "no video" in ran.err
    assert not list(apiyi.work.iterdir())


def test_a_video_that_is_cut_is_not_saved(apiyi: Program, gateway: Gateway) -> None:
    cut = ScriptedReply(body=make_movie("cat")[:-3], content_type="video/mp4", transfer="close")
    gateway.script(*[cut] * 3, path=".mp4")
    ran = apiyi("video cat -o cat.mp4")
    assert ran.code == 8 and "cut after" in ran.err
    assert not list(apiyi.work.iterdir())
    assert apiyi("video resume").code == 0


def test_usage_is_told(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(f"video cat {SEEDANCE} -u")
    assert (ran.code == 0 and "108,900" in ran.err) or "108900" in ran.err


def test_a_large_video_is_not_held_in_memory(apiyi: Program, gateway: Gateway) -> None:
    def peak_kb(name: str, size: int) -> int:
        movie = make_movie("cat") + struct.pack(">I4s", size + 8, b"mdat") + bytes(size)
        gateway.script(ScriptedReply(body=movie, content_type="video/mp4"), path=".mp4")
        measured = subprocess.run(
            [sys.executable, "-c", PEAK, apiyi.path, "video", "cat", "-o", name],
            cwd=apiyi.work,
            env=apiyi.environ,
            capture_output=True,
            check=True,
            timeout=30,
        )
        code, peak = measured.stdout.split()
        assert code == b"0" and (apiyi.work / name).stat().st_size == len(movie)
        return int(peak)

    small, large = peak_kb("a.mp4", 1000), peak_kb("b.mp4", 32 << 20)
    assert large - small < 16 << 10, (small, large)


def test_a_gateway_that_forgot_the_task_still_serves_its_link(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply(status=410), path=".mp4")
    apiyi("video cat -o cat.mp4")
    gateway.script(
        ScriptedReply.error(404, "gone", code="task_not_exist"), path=list_videos(apiyi)[0]["id"]
    )
    assert apiyi("video resume").code == 0
    assert (apiyi.work / "cat.mp4").exists()


def test_a_task_that_the_gateway_does_not_know_may_be_billed(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(
        ScriptedReply.json({"id": "resp_1", "object": "response"}), path="/video-synthesis"
    )
    ran = apiyi("video cat --poll 0.1 -o cat.mp4")
    assert ran.code == 8
    assert "cannot ask for the task resp_1" in ran.err and "task_not_exist" in ran.err
    assert "try: apiyi video resume resp_1" in ran.err
    assert [row["id"] for row in list_videos(apiyi)] == ["resp_1"]


def test_an_expired_result_says_when_it_was_deleted(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(*[ScriptedReply(status=410)] * 2, path=".mp4")
    apiyi("video cat -o cat.mp4")
    (path,) = (apiyi.home / "state" / "apiyi" / "video").glob("*.json")
    record = json.loads(path.read_bytes())
    path.write_text(json.dumps({**record, "finished": 1.7e9}))
    gateway.script(ScriptedReply.error(404, "gone", code="task_not_exist"), path=record["task"])
    ran = apiyi("video resume")
    assert ran.code == 8 and "was deleted on 2023-11-1" in ran.err and "billed" in ran.err
    assert [row["state"] for row in list_videos(apiyi)] == ["expired"]


def test_the_bytes_decide_the_extension(apiyi: Program, gateway: Gateway) -> None:
    movie = struct.pack(">I", 20) + b"ftypqt  " + bytes(8)
    gateway.script(ScriptedReply(body=movie, content_type="video/mp4"), path=".mp4")
    assert apiyi("video cat").text == "cat.mov\n"


def test_max_time_leaves_the_task_running(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("video cat -m fault:running/wan2.7-t2v --max-time 2")
    (row,) = list_videos(apiyi)
    assert (ran.code, row["state"]) == (8, "running")
    assert f"apiyi video resume {row['id']}" in ran.err and "goes on" in ran.err


def test_some_failed_looks_do_not_end_the_waiting(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.error(502, "busy"), path="/tasks/x")
    refused = [ScriptedReply(status=502, headers=(("retry-after", "0"),))] * 3
    apiyi("video cat -m wan2.7-t2v -o a.mp4")
    task = list_videos(apiyi)[0]["id"]
    assert task
    gateway.script(*refused, path=task)
    assert apiyi("video cat -o b.mp4").code == 0


def test_a_task_that_cannot_be_asked_for_is_kept(apiyi: Program, gateway: Gateway) -> None:
    class Down(Gateway):
        def _reply_to(self, request: ReceivedRequest) -> ScriptedReply:
            if "/tasks/" in request.path:
                return ScriptedReply.error(401, "no", code="invalid_api_key")
            return super()._reply_to(request)

    with Down() as down:
        ran = apiyi("video cat", env={"APIYI_BASE_URL": down.base_url})
    (record,) = records(apiyi)
    assert record["stage"] == "submitted"
    assert ran.code == 4 and f"apiyi video resume {record['task']}" in ran.err


def test_a_submission_that_a_limit_stopped_leaves_no_claim(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi("video cat --max-cost 1")
    assert ran.code == 9, ran.err
    assert gateway.posts == []
    assert records(apiyi) == []


@pytest.mark.parametrize(
    ("reply", "code", "stage"),
    [
        (ScriptedReply.error(400, "bad", code="invalid_request"), 6, None),
        (ScriptedReply.error(429, "slow down", headers=(("retry-after", "0"),)), 0, "saved"),
        (ScriptedReply.error(401, "无效的令牌", code="invalid_api_key"), 4, None),
        (ScriptedReply.error(402, "no money", code="insufficient_quota"), 7, None),
        (ScriptedReply.json({"hello": "world"}), 8, "claimed"),
        (ScriptedReply.text("{", content_type="application/json"), 8, "claimed"),
        (ScriptedReply().cut(), 8, "claimed"),
    ],
)
def test_a_claim_stays_only_where_a_task_may_have_begun(
    apiyi: Program, gateway: Gateway, reply: ScriptedReply, code: int, stage: str | None
) -> None:
    gateway.script(reply, path="synthesis")
    ran = apiyi("video cat")
    assert ran.code == code, ran.err
    assert [record["stage"] for record in records(apiyi)] == ([stage] if stage else [])
    if stage != "claimed":
        return
    (row,) = list_videos(apiyi)
    assert row["state"] == "unknown" and row["id"] in ran.err
    assert "--reconcile" in ran.err, "whether it was billed"
    rescued = apiyi.home / "state" / "apiyi" / "rescue"
    assert all(str(path) in ran.err for path in rescued.glob("*"))
    count = len(gateway.ledger)
    assert apiyi("video resume").code == 0
    assert apiyi(f"video resume {row['id']}").code == 2
    assert len(gateway.ledger) == count, "nothing submits it again"
    assert apiyi(f"video forget {row['id']}").code == 0 and list_videos(apiyi) == []


def test_the_cache_never_gives_the_task_of_an_earlier_video(
    apiyi: Program, gateway: Gateway
) -> None:
    for name in ("a", "b"):
        assert apiyi(f"video cat --cache -o {name}.mp4").code == 0
    assert len(submissions(gateway)) == 2


def test_no_family_cancels_and_nothing_is_forgotten(apiyi: Program, gateway: Gateway) -> None:
    apiyi("video cat -m fault:running/wan2.7-t2v --max-time 2")
    (row,) = list_videos(apiyi)
    ran = apiyi(f"video cancel {row['id']}")
    assert ran.code == 6 and "no cancelling" in ran.err
    assert list_videos(apiyi) == [row]
    ran = apiyi(f"video forget {row['id']}")
    assert ran.code == 0 and "not cancelled" in ran.err and list_videos(apiyi) == []


def test_resume_names_the_file_and_never_overwrites_unasked(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(ScriptedReply(status=410), path=".mp4")
    apiyi("video cat -o cat.mp4")
    (apiyi.work / "cat.mp4").write_bytes(b"mine")
    task = list_videos(apiyi)[0]["id"]
    ran = apiyi(f"video resume {task}")
    assert ran.code == 11 and "-o OTHER" in ran.err
    assert (apiyi.work / "cat.mp4").read_bytes() == b"mine"
    ran = apiyi(f"video resume {task} -o other.mp4")
    assert ran.code == 0, ran.err
    assert (apiyi.work / "other.mp4").read_bytes() == make_movie("cat")
    ran = apiyi(f"video resume {task}")
    assert ran.code == 2 and "other.mp4" in ran.err


def test_a_task_of_another_address_is_not_asked_for_here(apiyi: Program, gateway: Gateway) -> None:
    apiyi("video cat -m fault:running/wan2.7-t2v --max-time 2")
    (row,) = list_videos(apiyi)
    with Gateway() as other:
        env = {"APIYI_BASE_URL": other.base_url}
        ran = apiyi("video resume", env=env)
        assert ran.code == 0 and "another profile" in ran.err
        ran = apiyi(f"video resume {row['id']}", env=env)
        assert ran.code == 2 and gateway.origin in ran.err
        assert other.ledger == []


def test_the_list_is_a_table_on_a_terminal(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("video cat -o cat.mp4").code == 0
    screen = apiyi.terminal("apiyi video list".removeprefix("apiyi "), columns=140)
    assert screen.code == 0
    assert "state" in screen.lines[0] and "saved" in screen.lines[1]


def test_progress_is_one_line_that_is_erased(apiyi: Program, gateway: Gateway) -> None:
    screen = apiyi.terminal("video cat -o cat.mp4")
    assert b"running 30 %" in screen.raw and b"Ctrl-C" in screen.raw
    assert [line for line in screen.lines if line] == ["cat.mp4"]


def test_a_quiet_terminal_has_no_progress(apiyi: Program, gateway: Gateway) -> None:
    assert b"running" not in apiyi.terminal("video cat -o cat.mp4 -q").raw


def test_the_profile_names_the_model_and_its_own_family(apiyi: Program, gateway: Gateway) -> None:
    config = Path(apiyi.environ["XDG_CONFIG_HOME"]) / "apiyi" / "config.toml"
    config.write_text(
        '[profile.default.video]\nmodel = "my-films"\npoll = 0.1\n'
        '[families."my-films"]\nkind = "video"\nvideo = "wan"\n'
    )
    assert apiyi("video cat --dry-run").json["body"]["model"] == "my-films"


def test_the_built_in_sandbox_leaves_no_tasks(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("--profile sandbox video cat --poll 0.1")
    assert (ran.code, ran.text) == (0, "cat.mp4\n")
    assert records(apiyi) == []


def test_a_video_goes_to_a_pipe_and_leaves_no_file(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("video 'a cat surfs' -o -")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == make_movie("a cat surfs")
    (row,) = list_videos(apiyi)
    assert (row["state"], row["path"]) == ("saved", "-")
    folder = apiyi.home / "state" / "apiyi" / "video"
    assert [path.suffix for path in folder.iterdir()] == [".json"]
    assert list(apiyi.work.iterdir()) == []
    shown = apiyi.terminal("video 'a cat surfs' -o -")
    assert shown.code == 2
    assert "a terminal cannot show a video" in shown.raw.decode()


def test_a_video_that_stdout_does_not_take_stays_on_disk(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi.shell("apiyi video 'a cat surfs' -o - > /dev/full")
    assert ran.code == 11, ran.err
    (row,) = list_videos(apiyi)
    assert row["state"] == "saved" and row["path"] in ran.err
    assert Path(row["path"]).read_bytes() == make_movie("a cat surfs")
    assert len(submissions(gateway)) == 1


def test_a_task_that_was_left_running_goes_to_a_pipe(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("video 'a cat surfs' -o cat.mp4 --max-time 0.5 --poll 5").code == 8
    (row,) = list_videos(apiyi)
    ran = apiyi(f"video resume {row['id']} -o -")
    assert (ran.code, ran.out) == (0, make_movie("a cat surfs")), ran.err
    assert len(submissions(gateway)) == 1
    assert not (apiyi.work / "cat.mp4").exists()


@pytest.mark.parametrize(
    ("price", "code", "word"),
    [
        ({"quota_type": 1, "model_price": 0.4}, 0, ""),
        ({"quota_type": 1, "model_price": 0.6}, 9, "would cost"),
        ({"quota_type": 0, "model_ratio": 1.0, "completion_ratio": 1.0}, 9, "wan2.7-t2v"),
    ],
)
def test_what_a_video_costs_is_estimated_by_its_price_for_each(
    apiyi: Program, gateway: Gateway, price: dict[str, Any], code: int, word: str
) -> None:
    cache = apiyi.home / "cache" / "apiyi"
    cache.mkdir(parents=True, exist_ok=True)
    rows = [{"model_name": "wan2.7-t2v", **price}]
    (cache / "prices.json").write_bytes(encode_price_list({"data": rows}, 1.0))
    ran = apiyi("video cat -m wan2.7-t2v --max-cost 0.5 -o cat.mp4")
    assert ran.code == code, ran.err
    assert word in ran.err
    assert len(submissions(gateway)) == (code == 0)
    assert list_videos(apiyi) == [] or code == 0


def test_no_line_of_progress_is_drawn_behind_the_last_path(apiyi: Program) -> None:
    (apiyi.work / "l").write_text("a\nb\nc\n")
    shown = apiyi.terminal("video --lines -j 1 --poll 0.1", redirect="<l")
    text = shown.raw.decode()
    assert shown.code == 0, text
    assert "queued" in text
    assert not text.rpartition("c.mp4")[2].strip("\r\n\x1b[K")
