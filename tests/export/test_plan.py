"""What programs have to do is read from the call alone."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from apiyi_cli.core.call import Call, Part, Source
from apiyi_cli.export.pieces import FilePiece, SplitString
from apiyi_cli.export.plan import plan_program

BASE = "https://api.apiyi.com/v1"
BIG = "A" * 12_000


def chat(**body: Any) -> Call:
    return Call("POST", "/chat/completions", json={"model": "gpt-4o", **body})


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (chat(), "chat"),
        (Call("POST", "/completions", json={}), "complete"),
        (Call("POST", "/responses", json={}), "respond"),
        (Call("POST", "/v1/embeddings", json={}, root="host"), "embed"),
        (Call("POST", "/images/edits", parts=(Part("prompt", "x"),)), "image"),
        (Call("POST", "/audio/translations", parts=(Part("model", "x"),)), "transcribe"),
        (Call("POST", "/audio/speech", json={}), "speak"),
        (Call("GET", "/models?x=1"), "models"),
        (Call("GET", "/models/gpt-4o"), "other"),
        (Call("GET", "/chat/completions"), "other"),
        (Call("POST", "/v1beta/chat/completions", json={}, root="host"), "other"),
    ],
)
def test_the_kind_goes_by_method_and_path(call: Call, kind: str) -> None:
    assert plan_program(call, BASE).kind == kind


def test_the_address_joins_the_base_or_the_host_with_exactly_one_slash() -> None:
    assert plan_program(Call("GET", "models"), f"{BASE}/").url == f"{BASE}/models"
    pricing = Call("GET", "/api/pricing", root="host")
    assert plan_program(pricing, f"{BASE}/").url == "https://api.apiyi.com/api/pricing"


def test_an_address_is_percent_encoded_once() -> None:
    url = plan_program(Call("GET", "/models/模 型?a=[1]&b=%20"), BASE).url
    assert url == f"{BASE}/models/%E6%A8%A1%20%E5%9E%8B?a=%5B1%5D&b=%20"


@pytest.mark.parametrize(
    ("call", "whole_s", "silence_s"),
    [
        (chat(), 120, 120),
        (chat(stream=True)._replace(stream=True), 600, 120),
        (chat(reasoning_effort="high"), 600, 600),
        (Call("POST", "/responses", json={"model": "gpt-5.4-mini"}), 600, 600),
        (Call("POST", "/chat/completions", json={"model": "o3"}), 600, 600),
        (Call("POST", "/chat/completions", json={"model": "o3x"}), 120, 120),
        (Call("POST", "/images/generations", json={}), 360, 360),
        (Call("GET", "/models"), 30, 30),
    ],
)
def test_patience_is_what_the_gateway_advises(call: Call, whole_s: int, silence_s: int) -> None:
    plan = plan_program(call, BASE)
    assert (plan.timeout_s, plan.silence_s) == (whole_s, silence_s)


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "COOKIE"])
def test_a_header_that_carries_a_secret_is_left_out_and_said(name: str) -> None:
    plan = plan_program(chat()._replace(headers=((name, "sk-canary"), ("X-A", "1"))), BASE)
    assert plan.headers == (("Content-Type", "application/json"), ("X-A", "1"))
    assert any(name in note and "left out" in note for note in plan.notes)
    assert "sk-canary" not in repr(plan)


@pytest.mark.parametrize("header", [("Host", "x"), ("X-Name", "声")])
def test_a_header_that_no_program_can_send_is_left_out_and_said(header: tuple[str, str]) -> None:
    plan = plan_program(Call("GET", "/models", headers=(header,)), BASE)
    assert plan.headers == ()
    assert header[0] in plan.notes[0]


def test_a_key_in_the_address_is_left_out_and_said() -> None:
    plan = plan_program(Call("GET", "/v1beta/models?alt=sse&key=sk-canary"), BASE)
    assert plan.url == f"{BASE}/v1beta/models?alt=sse"
    assert "the key in the address is left out" in plan.notes[0]


def test_a_content_type_of_the_user_replaces_ours_but_not_that_of_a_form() -> None:
    header = (("content-type", "application/json; charset=utf-8"),)
    assert plan_program(chat()._replace(headers=header), BASE).headers == header
    form = plan_program(Call("POST", "/x", parts=(Part("a", "b"),), headers=header), BASE)
    assert form.headers == ()
    assert "boundary" in form.notes[0]


def test_a_file_over_8_kb_is_read_from_its_path_and_a_small_one_is_written_out() -> None:
    prefix = "data:image/png;base64,"
    call = chat(messages=[{"a": prefix + BIG, "b": prefix + "QUJD"}])._replace(
        sources=(
            Source("messages.0.a", "big.png", prefix),
            Source("messages.0.b", "small.png", prefix),
        ),
    )
    plan = plan_program(call, BASE)
    message = plan.body["messages"][0]
    assert message == {"a": SplitString((prefix, FilePiece("big.png"))), "b": prefix + "QUJD"}
    assert plan.reads == (FilePiece("big.png"),)
    assert call.json["messages"][0]["a"] == prefix + BIG


def test_several_files_of_one_string_follow_one_another() -> None:
    call = chat(prompt=f"{BIG}\n\nshort\n\n{BIG}\n\nquestion")._replace(
        sources=(
            Source("prompt", "a.txt", "", True, len(BIG)),
            Source("prompt", "b.txt", "\n\n", True, 5),
            Source("prompt", "c.txt", "\n\n", True, len(BIG)),
        ),
    )
    first, second = FilePiece("a.txt", True), FilePiece("c.txt", True)
    body = plan_program(call, BASE).body
    assert body["prompt"] == SplitString((first, "\n\nshort\n\n", second, "\n\nquestion"))


@pytest.mark.parametrize(
    "source",
    [
        Source("nowhere.1", "x.png"),
        Source("messages.5", "x.png"),
        Source("model.0", "x.png"),
        Source("messages.0.a", "x.png", "data:"),
        Source("messages.0", "x.png"),
    ],
)
def test_a_source_that_does_not_fit_changes_nothing(source: Source) -> None:
    call = chat(messages=[{"a": BIG}])._replace(sources=(source,))
    assert plan_program(call, BASE).body == call.json


def test_bytes_that_never_were_a_file_are_written_out_only_when_they_are_few() -> None:
    few = plan_program(Call("POST", "/x", parts=(Part("file", content=b"abc"),)), BASE)
    assert (few.fields[0].path, few.fields[0].content, few.notes) == (None, b"abc", ())
    part = Part("file", content=b"a" * 9000, filename="dir/stdin.wav")
    many = plan_program(Call("POST", "/x", parts=(part,)), BASE)
    assert many.fields[0].path == "stdin.wav"
    assert many.notes == ("the 9000 bytes of file are not in the program: save stdin.wav",)


def test_a_large_raw_body_is_read_from_its_file_or_has_to_be_saved() -> None:
    body = base64.b85encode(b"x" * 9000)
    known = Call("POST", "/x", raw=body, sources=(Source("", "rows.jsonl"),))
    assert plan_program(known, BASE).raw_path == "rows.jsonl"
    unknown = plan_program(Call("POST", "/x", raw=b"\xff" * 9000), BASE)
    assert (unknown.raw, unknown.raw_path) == (None, "body.bin")
    assert "save it as body.bin" in unknown.notes[0]
    small = Call("POST", "/x", raw=b"{}", sources=(Source("", "rows.jsonl"),))
    assert (plan_program(small, BASE).raw, plan_program(small, BASE).raw_path) == (b"{}", None)


@pytest.mark.parametrize(
    ("kind", "body", "suffix"),
    [
        ("/audio/speech", {}, "mp3"),
        ("/audio/speech", {"response_format": "opus"}, "opus"),
        ("/images/generations", {"output_format": "jpeg"}, "jpg"),
        ("/audio/speech", {"response_format": "../../x; rm"}, "xrm"),
    ],
)
def test_the_suffix_of_a_saved_file_is_what_was_asked_for_and_never_a_path(
    kind: str, body: dict[str, Any], suffix: str
) -> None:
    assert plan_program(Call("POST", kind, json=body), BASE).suffix == suffix


def test_several_answers_in_one_stream_are_shown_as_events() -> None:
    plan = plan_program(chat(stream=True, n=2)._replace(stream=True), BASE)
    assert (plan.kind, plan.streamed) == ("other", False)
    assert "mixed" in plan.notes[0]


def test_a_file_without_a_name_or_type_gets_those_that_apiyi_sends() -> None:
    parts = (Part("a", path="x/声.wav"), Part("b", content=b""), Part("c", path="y", type="t/x"))
    fields = plan_program(Call("POST", "/x", parts=parts), BASE).fields
    default = "application/octet-stream"
    told = [(one.filename, one.type) for one in fields]
    assert told == [("声.wav", default), ("b", default), ("y", "t/x")]
