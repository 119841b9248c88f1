"""Where the text of a request comes from: words, files, standard input."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


def prompt(gateway: Gateway) -> str:
    (received,) = gateway.posts
    content: str = received.json["messages"][-1]["content"]
    return content


def test_words_are_joined_by_one_space(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("chat why  is 'the  sky' blue").code == 0
    assert prompt(gateway) == "why is the  sky blue"


def test_argument_dash_pipe_and_file_send_the_same_request(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "p.txt").write_text("why is the sky blue?")
    script = """
        apiyi chat 'why is the sky blue?' </dev/null && apiyi chat - <p.txt &&
        apiyi chat <p.txt && cat p.txt | apiyi chat && apiyi chat -f p.txt </dev/null &&
        cat p.txt | apiyi chat -f -
    """
    assert apiyi.shell(script).code == 0
    assert len(gateway.posts) == 6
    assert len({received.body for received in gateway.posts}) == 1


@pytest.mark.parametrize(
    ("files", "stdin", "words", "sent"),
    [
        (["one"], b"two", ["three"], "one\n\ntwo\n\nthree"),
        (["one\n"], b"two\n\n\n", ["three"], "one\n\ntwo\n\nthree"),
        (["one\n\n\n"], b"\n\ntwo", [], "one\n\ntwo"),
        (["a\r\n", "b\r\n"], b"", ["q"], "a\n\nb\n\nq"),
        (["  indented\n", "  more"], b"", [], "  indented\n\n  more"),
        ([], b"text\n", ["question"], "text\n\nquestion"),
        ([], b"", ["question"], "question"),
    ],
)
def test_files_stdin_and_words_stand_in_this_order_a_blank_line_between(
    apiyi: Program,
    gateway: Gateway,
    files: list[str],
    stdin: bytes,
    words: list[str],
    sent: str,
) -> None:
    names: list[str] = []
    for number, content in enumerate(files):
        (apiyi.work / f"{number}.txt").write_bytes(content.encode())
        names += ["-f", f"{number}.txt"]
    assert apiyi(["chat", *words, *names], stdin=stdin).code == 0
    assert prompt(gateway) == sent


def test_the_place_of_a_dash_among_files_is_kept(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "a").write_text("a")
    (apiyi.work / "b").write_text("b")
    assert apiyi("chat -f a -f - -f b end", stdin=b"middle").code == 0
    assert prompt(gateway) == "a\n\nmiddle\n\nb\n\nend"


def test_no_stdin_leaves_a_pipe_unread(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi.shell("echo more | (apiyi chat -n hi && cat)").text.endswith("hi\nmore\n")
    assert prompt(gateway) == "hi"


def test_a_word_with_the_null_device_on_stdin_is_a_prompt(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("chat hi").code == 0
    assert apiyi.shell("apiyi chat hi <&-").code == 0
    assert [r.json["messages"][-1]["content"] for r in gateway.posts] == ["hi", "hi"]


def test_a_loop_that_reads_a_file_is_not_eaten_by_the_first_turn(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "lines").write_text("one\ntwo\nthree\n")
    ran = apiyi.shell('while read -r p; do apiyi chat "$p" || exit; done <lines')
    assert ran.code == 2
    assert "part-way through" in ran.err
    assert "try: -n" in ran.err
    assert gateway.ledger == []


def test_a_loop_with_no_stdin_sends_every_line(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "lines").write_text("one\ntwo\nthree\n")
    ran = apiyi.shell('while read -r p; do apiyi chat -n "$p" || exit; done <lines')
    assert ran.code == 0
    sent = [received.json["messages"][0]["content"] for received in gateway.posts]
    assert sent == ["one", "two", "three"]


def test_a_file_that_is_part_read_can_be_read_on_when_it_is_asked_for(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "lines").write_text("one\ntwo\n")
    assert apiyi.shell("(read -r first; apiyi chat - question) <lines").code == 0
    assert prompt(gateway) == "two\n\nquestion"


def test_a_part_read_file_without_a_prompt_is_the_prompt(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "lines").write_text("one\ntwo\n")
    assert apiyi.shell("(read -r first; apiyi chat) <lines").code == 0
    assert prompt(gateway) == "two\n"


def test_a_file_at_its_start_is_read_beside_a_prompt(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "p").write_text("text")
    assert apiyi.shell("apiyi chat question <p").code == 0
    assert prompt(gateway) == "text\n\nquestion"


def test_a_pipe_that_stays_silent_is_told_of(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    process = apiyi.start("chat hi", stdin=subprocess.PIPE)
    stopped.append(process)
    assert process.stderr and process.stdin
    line = process.stderr.readline()
    assert b"waiting for stdin" in line and b"-n" in line
    assert gateway.ledger == []
    process.stdin.write(b"at last")
    _, rest = process.communicate()
    assert (process.returncode, rest) == (0, b"")
    assert prompt(gateway) == "at last\n\nhi"


NASTY = {
    "crlf": b"a\r\nb\r\n",
    "cr": b"a\rb",
    "line separators": "a\u2028b\u2029c\u0085d\x0b\x0ce".encode(),
    "no final newline": b"end",
    "many newlines": b"\n\n\nx\n\n\n",
    "spaces": b"  \t x \t  ",
    "controls": bytes(range(1, 32)) + b"\x7f",
    "nul": b"a\0b",
    "beyond the first plane": "🤖 𐍈 \U0010ffff".encode(),
    "combining": "e\u0301 \u200d \u202e \ufffe".encode(),
    "inner mark": "a\ufeffb".encode(),
    "json and shell": b'"\\u0041" \\n $HOME `id` {"a": 1} \x1b[31m',
}


@pytest.mark.parametrize("content", NASTY.values(), ids=NASTY)
def test_what_is_sent_is_byte_for_byte_what_came_in(
    apiyi: Program, gateway: Gateway, content: bytes
) -> None:
    assert apiyi("chat", stdin=content).code == 0
    sent = prompt(gateway).encode()
    assert hashlib.sha256(sent).digest() == hashlib.sha256(content).digest()


def test_a_byte_order_mark_alone_is_dropped(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("chat", stdin=b"\xef\xbb\xbfhi\n").code == 0
    assert prompt(gateway) == "hi\n"


def test_a_prompt_of_five_megabytes_arrives_whole(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.chat("ok"))
    content = ("0123456789abcde中" * 280_000).encode()
    assert apiyi("chat", stdin=content).out == b"ok\n"
    assert prompt(gateway).encode() == content


@pytest.mark.parametrize(
    ("line", "stdin", "named"),
    [
        ("chat -", b"a\xff", "stdin: not UTF-8 at byte 1"),
        ("chat -f p.txt", b"", "p.txt: not UTF-8 at byte 6"),
        ("chat hi -s @p.txt", b"", "p.txt: not UTF-8 at byte 6"),
        ("chat --messages p.txt", b"", "p.txt: not UTF-8 at byte 6"),
    ],
)
def test_input_that_is_not_utf8_is_refused_with_its_place(
    apiyi: Program, gateway: Gateway, line: str, stdin: bytes, named: str
) -> None:
    (apiyi.work / "p.txt").write_bytes("中文".encode() + b"\xb0\xa1")
    ran = apiyi(line, stdin=stdin)
    assert (ran.code, ran.out) == (2, b"")
    assert named in ran.err
    assert "iconv" in ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize(
    ("line", "stdin"),
    [
        ("chat", b""),
        ("chat -", b""),
        ("chat ''", b""),
        ("chat", b" \n\t\n"),
        ("chat -f empty", b""),
        ("chat -n", b"text"),
        ("chat --messages empty", b""),
        ("chat --messages list", b""),
    ],
)
def test_empty_input_is_refused_before_anything_is_sent(
    apiyi: Program, gateway: Gateway, line: str, stdin: bytes
) -> None:
    (apiyi.work / "empty").touch()
    (apiyi.work / "list").write_text("[]")
    ran = apiyi(line, stdin=stdin)
    assert (ran.code, ran.out) == (2, b"")
    assert ran.err.startswith("apiyi: ")
    assert gateway.ledger == []


def test_the_null_device_alone_is_empty_input(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("chat").code == 2
    assert gateway.ledger == []


@pytest.mark.parametrize("command", ["respond", "complete"])
def test_a_terminal_without_a_prompt_gets_usage_and_no_hang(
    apiyi: Program, gateway: Gateway, command: str
) -> None:
    screen = apiyi.terminal(command)
    assert screen.code == 2
    assert f"apiyi {command} --help" in " ".join(" ".join(screen.lines).split())
    assert gateway.ledger == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("chat -f nowhere", "cannot read nowhere: No such file or directory"),
        ("chat -f .", "cannot read .: Is a directory"),
        ("chat hi -s @nowhere", "cannot read nowhere"),
        ("chat - -f -", "has read it already"),
        ("chat --messages - -", "--messages has read it already"),
        ("chat -n -", "-n/--no-stdin forbids it"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    apiyi: Program, gateway: Gateway, line: str, why: str
) -> None:
    ran = apiyi.shell(f"apiyi {line}", stdin=b'{"role": "user", "content": "x"}')
    assert ran.code == 2
    assert why in ran.err
    assert gateway.ledger == []


def test_the_system_text_comes_first_and_an_escaped_at_is_text(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "system.txt").write_text("be brief\n")
    assert apiyi("chat hi -s @system.txt").code == 0
    assert apiyi(["chat", "hi", "--system", "\\@home"]).code == 0
    said = [received.json["messages"] for received in gateway.posts]
    user = {"role": "user", "content": "hi"}
    assert said[0] == [{"role": "system", "content": "be brief\n"}, user]
    assert said[1] == [{"role": "system", "content": "@home"}, user]


TURNS = (
    b'{"role":"user","content":"1"}',
    b'{"role":"assistant","content":"2"}',
    b'{"role":"user","content":"3"}',
)


@pytest.mark.parametrize(
    "content",
    [
        b"[" + b",".join(TURNS) + b"]",
        b"\n [\n" + b",\n".join(TURNS) + b"\n]\n",
        b"\n".join(TURNS),
        b"\r\n\n".join(TURNS) + b"\n",
        b"\xef\xbb\xbf" + b"\n".join(TURNS),
    ],
    ids=["array", "array over lines", "ndjson", "ndjson with blank lines", "with a mark"],
)
def test_a_conversation_is_an_array_or_a_message_a_line(
    apiyi: Program, gateway: Gateway, content: bytes
) -> None:
    (apiyi.work / "talk").write_bytes(content)
    assert apiyi("chat --messages talk").code == 0
    assert apiyi("chat --messages -", stdin=content).code == 0
    for received in gateway.posts:
        assert [message["content"] for message in received.json["messages"]] == ["1", "2", "3"]


def test_a_prompt_follows_the_conversation_and_the_system_text_leads_it(
    apiyi: Program, gateway: Gateway
) -> None:
    assert apiyi("chat --messages - -s S four", stdin=b"\n".join(TURNS)).code == 0
    said = [(m["role"], m["content"]) for m in gateway.posts[0].json["messages"]]
    assert said[0] == ("system", "S")
    assert said[-2:] == [("user", "3"), ("user", "four")]


def test_all_fields_of_a_message_are_sent(apiyi: Program, gateway: Gateway) -> None:
    talk = (
        b'[{"role":"user","content":[{"type":"text","text":"hi"}],"name":"ann"},'
        b'{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",'
        b'"function":{"name":"f","arguments":"{\\"n\\":12345678901234567890123}"}}]},'
        b'{"role":"tool","tool_call_id":"c1","content":"3"}]'
    )
    assert apiyi("chat --messages -", stdin=talk).code == 0
    import json

    assert gateway.posts[0].json["messages"] == json.loads(talk)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"role":"user","content":"1"}\n{"role":"user",}\n', "talk:2:15: not valid JSON"),
        (b'{"role":"user","content":"1"}\n\n{"role":"boss"}', "talk:3: a message is an object"),
        (b'[{"role":"user","content":"1"},[]]', "talk: message 2: a message is an object"),
        (b'[{"role":"user","content":"1"}', "cannot read talk: not valid JSON"),
        (b"plain text", "talk:1:1: not valid JSON"),
        (b'{"role":["user"],"content":"x"}', "talk:1: a message is an object"),
    ],
)
def test_what_is_not_a_conversation_is_refused_by_line(
    apiyi: Program, gateway: Gateway, content: bytes, why: str
) -> None:
    (apiyi.work / "talk").write_bytes(content)
    ran = apiyi("chat --messages talk")
    assert ran.code == 2
    assert why in ran.err
    assert gateway.ledger == []


def test_nothing_is_read_from_the_working_directory(apiyi: Program, gateway: Gateway) -> None:
    evil = '[profile.default]\nbase_urls = ["https://evil.invalid/v1"]\nmodel = "evil"\n'
    for name in ("config.toml", "apiyi.toml", ".apiyi.toml"):
        (apiyi.work / name).write_text(evil)
    (apiyi.work / ".env").write_text("APIYI_BASE_URL=https://evil.invalid/v1\n")
    (apiyi.work / "pyproject.toml").write_text("[tool.apiyi]\nmodel = 'evil'\n")
    assert apiyi("chat hi").code == 0
    assert gateway.posts[0].model == "gpt-4o"


def test_a_prompt_may_come_from_a_named_pipe(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi.shell("apiyi chat -f <(echo from a pipe) -n").code == 0
    assert prompt(gateway) == "from a pipe\n"


def test_a_prompt_file_is_left_as_it_is(apiyi: Program, gateway: Gateway) -> None:
    path = Path(apiyi.work / "p.txt")
    path.write_bytes(b"text\r\n")
    before = path.stat()
    assert apiyi("chat -f p.txt").code == 0
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (b"text\r\n", before.st_mtime_ns)


def test_image_and_speak_work_in_a_loop_that_reads_a_list(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "list").write_text("a cat\na dog\n")
    script = """
        while read -r line; do apiyi speak "$line" -o "$line.mp3" -m tts-1; done < list
        while read -r line; do apiyi image "$line" -o "$line.png" -m gpt-image-1; done < list
    """
    assert apiyi.shell(script).code == 0
    said = [one.json.get("input") or one.json["prompt"] for one in gateway.posts]
    assert said == ["a cat", "a dog", "a cat", "a dog"]


@pytest.mark.parametrize("words", ["'what is this'", "-f doc"])
def test_chat_does_not_swallow_the_list_of_a_loop(
    apiyi: Program, gateway: Gateway, words: str
) -> None:
    (apiyi.work / "list").write_text("a\nb\n")
    (apiyi.work / "doc").write_text("text")
    ran = apiyi.shell(f"{{ read -r x; apiyi chat {words}; }} < list")
    assert ran.code == 2 and "-n" in ran.err and gateway.posts == []
    assert apiyi.shell(f"{{ read -r x; apiyi chat -n {words}; }} < list").code == 0


@pytest.mark.parametrize("command", ["chat", "complete", "respond", "embed", "image", "speak"])
def test_an_empty_file_beside_a_prompt_is_named_and_nothing_is_paid(
    apiyi: Program, gateway: Gateway, command: str
) -> None:
    (apiyi.work / "empty.txt").write_bytes(b"\n")
    ran = apiyi(f"{command} -f empty.txt question -m m --force-model", stdin=b"")
    assert ran.code == 2 and "empty.txt is empty" in ran.err and gateway.posts == []


@pytest.mark.parametrize("command", ["chat", "complete", "respond", "embed", "speak -o s.mp3"])
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_encoding_reads_texts_of_every_command(
    apiyi: Program, gateway: Gateway, command: str, source: str
) -> None:
    content = "质量很好".encode("gbk")
    (apiyi.work / "p.txt").write_bytes(content)
    given = "-f p.txt" if source == "file" else ""
    line = f"{command} -m m {given} --dry-run"
    refused = apiyi(line, stdin=content)
    assert refused.code == 2 and "reads well as GB18030" in refused.err
    ran = apiyi(f"{line} --encoding gbk", stdin=content if source == "stdin" else b"")
    assert ran.code == 0, ran.err
    assert "质量很好" in ran.text


def test_encoding_reads_values_that_name_files(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "s.txt").write_bytes("简短".encode("gbk"))
    (apiyi.work / "m.json").write_bytes('[{"role":"user","content":"你好"}]'.encode("gbk"))
    line = "chat -s @s.txt --messages m.json -O metadata=@s.txt q --dry-run"
    ran = apiyi(f"{line} --encoding GB2312")
    assert ran.code == 0, ran.err
    assert "简短" in ran.text and "你好" in ran.text
    assert apiyi(line).code == 2
    ran = apiyi("chat hi --encoding base64")
    assert ran.code == 2 and "it names no encoding of text" in ran.err


def test_a_file_of_utf_16_is_sent_as_text_and_a_picture_is_not(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "p.txt").write_bytes("\ufeff第一行\n".encode("utf-16-le"))
    assert apiyi("chat -f p.txt q").code == 0
    assert prompt(gateway) == "第一行\n\nq"
    (apiyi.work / "p.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\0\0")
    ran = apiyi("chat -f p.png q")
    assert ran.code == 2 and "try: apiyi chat -a p.png" in ran.err
    assert len(gateway.posts) == 1
