"""`apiyi rank`: every document gets its own score, and the best come first."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program, Ran

DOCS = b"apple pie\nreset your password\n\npasswords are reset here\n"


def scored(
    *pairs: tuple[Any, Any], name: str = "results", score: str = "relevance_score"
) -> ScriptedReply:
    """Return an answer with these indices and scores."""
    rows = [{"index": index, score: value} for index, value in pairs]
    return ScriptedReply.json({name: rows, "usage": {"prompt_tokens": 3, "total_tokens": 3}})


def records(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines()]


RANK = ["rank", "q", "--ndjson", "--lines", "--no-limits", "-n", "9"]
PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def lines(count: int) -> bytes:
    return b"".join(b"text %d\n" % number for number in range(count))


def test_lines_come_out_best_first_and_blank_ones_are_none(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi(["rank", "reset password", "--lines"], stdin=DOCS)
    assert (ran.code, ran.err) == (0, "")
    assert ran.text == "reset your password\npasswords are reset here\napple pie\n"
    assert gateway.ledger[0].json == {
        "model": "bge-reranker-v2-m3",
        "query": "reset password",
        "documents": ["apple pie", "reset your password", "passwords are reset here"],
    }


def test_lines_are_the_default_of_a_pipe(apiyi: Program) -> None:
    assert apiyi("rank apple", stdin=DOCS).out.splitlines()[0] == b"apple pie"


def test_objects_come_out_as_they_came(apiyi: Program) -> None:
    rows = b'{"a": 1.10, "t":"banana"}\n{ "t" : "apple tree"}\n'
    ran = apiyi("rank apple --jsonl t", stdin=rows)
    assert ran.out == b'{ "t" : "apple tree"}\n{"a": 1.10, "t":"banana"}\n'


def test_files_come_out_by_their_names(apiyi: Program, gateway: Gateway) -> None:
    for name, text in (("a.txt", "cooking"), ("b.txt", "an apple"), ("c d.txt", "apple apple")):
        (apiyi.work / name).write_text(text)
    ran = apiyi.shell("apiyi rank apple -f *.txt")
    assert (ran.code, ran.text) == (0, "c d.txt\nb.txt\na.txt\n")
    assert gateway.ledger[0].json["documents"] == ["cooking", "an apple", "apple apple"]
    first = records(apiyi("rank apple -f a.txt -f b.txt --ndjson"))[0]
    assert first == {"index": 1, "score": first["score"], "file": "b.txt"}


def test_ndjson_names_the_line_the_score_and_the_text(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(scored((1, 0.25), (0, 1e-05), (2, 3)))
    ran = apiyi("rank q --ndjson", stdin=DOCS)
    assert records(ran) == [
        {"index": 3, "score": 3.0, "text": "passwords are reset here"},
        {"index": 1, "score": 0.25, "text": "reset your password"},
        {"index": 0, "score": 1e-05, "text": "apple pie"},
    ]


def test_ndjson_of_objects_has_the_field_as_text(apiyi: Program) -> None:
    ran = apiyi("rank q --jsonl t --ndjson", stdin=b'{"t":"x","u":1}\n')
    assert records(ran)[0]["text"] == "x" and "u" not in records(ran)[0]


def test_json_is_the_servers_object_verbatim(apiyi: Program, gateway: Gateway) -> None:
    body = b'{"results": [{"index":0,"relevance_score":0.10}], "x":1.50}'
    gateway.script(ScriptedReply(body=body))
    assert apiyi("rank q --json", stdin=b"a\n").out == body + b"\n"


def test_json_of_several_pieces_is_one_object(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(["rank", "text 107", "--json", "-n", "2"], stdin=lines(250))
    (whole,) = records(ran)
    assert whole["results"][0]["index"] == 107 and len(whole["results"]) == 2
    assert whole["usage"]["total_tokens"] > 250 and whole["model"] == "bge-reranker-v2-m3"
    assert sorted(len(one.json["documents"]) for one in gateway.posts) == [50, 100, 100]


def test_jq_filters_the_object(apiyi: Program) -> None:
    ran = apiyi(["rank", "apple", "--jq", ".results[0].index"], stdin=DOCS)
    assert ran.out == b"0\n"


def test_equal_scores_keep_the_order_of_the_input(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(scored((2, 0.5), (1, 0.5), (0, 0.5)))
    assert apiyi("rank q", stdin=b"a\nb\nc\n").text == "a\nb\nc\n"


def test_top_and_threshold_shorten_the_answer_alone(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(scored((0, 0.1), (1, 0.9), (2, 0.5)))
    assert apiyi("rank q -n 1", stdin=b"a\nb\nc\n").text == "b\n"
    gateway.script(scored((0, 0.1), (1, 0.9), (2, 0.5)))
    assert apiyi("rank q --threshold 0.5", stdin=b"a\nb\nc\n").text == "b\nc\n"
    assert all("top_n" not in one.json for one in gateway.ledger)


@pytest.mark.parametrize(("name", "score"), [("results", "score"), ("data", "relevance_score")])
def test_other_names_of_relays_are_read(
    apiyi: Program, gateway: Gateway, name: str, score: str
) -> None:
    gateway.script(scored((0, 0.1), (1, 0.9), name=name, score=score))
    assert apiyi("rank q", stdin=b"a\nb\n").text == "b\na\n"


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        (((0, 0.1),), "1 scores came for 2 documents"),
        (((0, 0.1), (0, 0.2)), "document 0 has two scores"),
        (((0, 0.1), (2, 0.2)), "the index 2 is none of a document"),
        (((0, 0.1), (-1, 0.2)), "the index -1 is none of a document"),
        (((0, 0.1), (True, 0.2)), "the index true is none of a document"),
        (((0, 0.1), (1, None)), "the score of document 1 is not a number"),
        (((0, 0.1), (1, "0.2")), "the score of document 1 is not a number"),
        (((0, 0.1), (1, 10**400)), "the score of document 1 is not a number"),
    ],
)
def test_an_unfit_answer_exits_8_and_nothing_of_it_is_printed(
    apiyi: Program, gateway: Gateway, pairs: Any, why: str
) -> None:
    gateway.script(scored(*pairs))
    ran = apiyi("rank q", stdin=b"a\nb\n")
    assert (ran.code, ran.out) == (8, b"")
    assert why in ran.err and "it was billed" in ran.err
    assert ran.err.count("not what was asked for") == 1


def test_a_score_that_is_nan_exits_8(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply(body=b'{"results":[{"index":0,"relevance_score":NaN}]}'))
    assert apiyi("rank q", stdin=b"a\n").code == 8


@pytest.mark.parametrize("fault", ["misfit", "missing-rows", "cut", "empty", "nothing"])
def test_faults_of_an_answer_exit_8(apiyi: Program, fault: str) -> None:
    ran = apiyi(["rank", "q", "-m", f"fault:{fault}"], stdin=b"a\nb\n")
    assert (ran.code, ran.out) == (8, b""), ran.err


def test_a_document_that_is_refused_is_found_and_the_others_are_ranked(
    apiyi: Program, gateway: Gateway
) -> None:
    long = b"word " * 9000
    ran = apiyi("rank word", stdin=lines(120) + long + b"\nlast\n")
    assert ran.code == 3
    assert "stdin:121: the gateway refused" in ran.err and "1 documents have no score" in ran.err
    assert len(ran.out.splitlines()) == 121


def test_a_single_document_that_is_refused_ends_the_run(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("rank word", stdin=b"word " * 9000)
    assert (ran.code, ran.out) == (6, b"") and len(gateway.ledger) == 1


def test_what_is_refused_for_any_document_is_not_asked_for_each(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi(["rank", "q", "-m", "fault:400"], stdin=lines(100))
    assert (ran.code, ran.out) == (6, b"") and len(gateway.ledger) == 2


def test_a_piece_that_fails_is_named_and_what_was_paid_for_is_printed(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(
        scored(*((k, k / 100) for k in range(100))), ScriptedReply(body=b'{"results":[]}')
    )
    ran = apiyi("rank q -j 1", stdin=lines(150))
    assert ran.code == 3 and ran.out.splitlines()[0] == b"text 99"
    assert "stdin:101 to stdin:150: the answer is not" in ran.err
    assert "50 documents have no score" in ran.err


def test_what_ends_the_run_comes_after_what_was_paid_for(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(
        scored(*((k, k / 100) for k in range(100))), ScriptedReply.error(404, "no such path")
    )
    ran = apiyi("rank q -j 1 -n 2", stdin=lines(350))
    assert (ran.code, ran.text) == (6, "text 99\ntext 98\n")
    assert "the 100 documents that were ranked until then follow" in ran.err
    assert len(gateway.ledger) == 2


@pytest.mark.parametrize(
    ("line", "stdin", "why"),
    [
        ("rank", b"a\n", "no query was given"),
        ("rank ''", b"a\n", "is empty"),
        ("rank a b", b"a\n", "the query is one argument"),
        ("rank q", b"", "stdin has no lines"),
        ("rank q", b"\n \n", "stdin has no lines"),
        ("rank q --lines --jsonl t", b"{}", "a line is a text or an object"),
        ("rank q --lines -f a", b"x", "cannot use --lines with -f"),
        ("rank q --jsonl t -f a", b"x", "cannot use --jsonl with -f"),
        ("rank q -f missing", b"", "cannot read missing"),
        ("rank q -f empty", b"", "empty is empty"),
        ("rank -f empty q", b"", "empty is empty"),
        ("rank q -n 0", b"a\n", "--top: 0 is less than 1"),
        ("rank q --threshold nan", b"a\n", "--threshold"),
        ("rank q -m gpt-4o", b"a\n", "it is a text model"),
        ("rank q -m text-embedding-3-small", b"a\n", "it is an embedding model"),
        ("rank q --jsonl t", b"[1]\n", "not a JSON object"),
        ("rank q --jsonl t", b'{"t":1}\n', "its field 't' is no text"),
        ("rank q", b"a\xffb\n", "not UTF-8"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_sent(
    apiyi: Program, gateway: Gateway, line: str, stdin: bytes, why: str
) -> None:
    (apiyi.work / "empty").write_text("\n")
    ran = apiyi(line, stdin=stdin)
    assert (ran.code, ran.out) == (2, b""), ran.err
    assert why in ran.err
    assert gateway.ledger == []


def test_a_bad_line_is_named_and_the_others_are_ranked(apiyi: Program) -> None:
    ran = apiyi("rank apple --jsonl t", stdin=b'{"t":"apple"}\n{"u":1}\n{"t":"x"}\n')
    assert ran.code == 3 and len(ran.out.splitlines()) == 2
    assert "cannot use stdin:2" in ran.err


def test_the_model_is_that_of_the_profile(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi("config set rank.model sandbox-rank-1").code == 0
    assert apiyi("rank q", stdin=b"a\n").code == 0
    assert gateway.ledger[0].json["model"] == "sandbox-rank-1"


def test_dry_run_prints_the_requests_and_sends_nothing(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("rank q --dry-run -O top_n=3", stdin=lines(101))
    assert [len(one["body"]["documents"]) for one in records(ran)] == [100, 1]
    assert records(ran)[0]["body"]["top_n"] == 3 and gateway.ledger == []


def test_a_top_n_of_the_users_own_is_no_missing_row(apiyi: Program) -> None:
    ran = apiyi("rank apple -O top_n=1", stdin=DOCS)
    assert (ran.code, ran.text) == (0, "apple pie\n")


def test_usage_is_the_sum_of_the_requests(apiyi: Program) -> None:
    assert "tokens" in apiyi("rank q -u", stdin=lines(150)).err


def test_output_goes_to_a_file(apiyi: Program) -> None:
    assert apiyi("rank apple -o best.txt -n 1", stdin=DOCS).code == 0
    assert (apiyi.work / "best.txt").read_bytes() == b"apple pie\n"


def test_other_encodings_are_read(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("rank 你好 --encoding gb18030", stdin="苹果\n你好\n".encode("gb18030"))
    assert ran.text == "你好\n苹果\n"


def test_no_more_than_four_requests_are_under_way(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi(["rank", "text 7", "-n", "1"], stdin=lines(3000))
    assert (ran.code, ran.text) == (0, "text 7\n")
    assert len(gateway.posts) == 30 and gateway.max_in_flight <= 4


def test_rows_of_a_batch_can_be_ranked(apiyi: Program, gateway: Gateway) -> None:
    row = {"id": "a", "query": "apple", "documents": ["pear", "an apple"]}
    (apiyi.work / "rows").write_text(json.dumps(row) + '\n{"id":"b","query":"x"}\n')
    ran = apiyi("batch rows --endpoint rank -m bge-reranker-v2-m3 --ordered")
    first, second = records(ran)
    assert [one["index"] for one in first["response"]["body"]["results"]] == [1, 0]
    assert ran.code == 3 and "no documents" in second["error"]["message"]
    assert apiyi("batch rows --endpoint rank -m sandbox-rank-1 --text --limit 1").text == "1\n0\n"


def make_vectors(apiyi: Program, name: str, count: int = 40, more: str = "") -> None:
    ran = apiyi(f"embed --lines -o {name} --dimensions 16 {more}", stdin=lines(count))
    assert ran.code == 0, ran.err


def write_rows(apiyi: Program, *vectors: Any) -> None:
    rows = [{"index": k, "text": f"t{k}", "embedding": v} for k, v in enumerate(vectors)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (apiyi.work / "v").write_text(text)


def answer_with(*numbers: float) -> ScriptedReply:
    return ScriptedReply.json({"data": [{"index": 0, "embedding": list(numbers)}]})


@pytest.mark.parametrize("name", ["v.ndjson", "v.npy"])
def test_vectors_are_searched_by_the_embedding_of_the_query_alone(
    apiyi: Program, gateway: Gateway, name: str
) -> None:
    make_vectors(apiyi, name)
    ran = apiyi(["rank", "text 17", "--vectors", name, "-m", "text-embedding-3-small"])
    assert ran.code == 0, ran.err
    assert len(ran.out.splitlines()) == 10 and ran.out.startswith(b"text 17\n")
    assert gateway.ledger[-1].path == "/v1/embeddings"
    assert gateway.ledger[-1].json["input"] == "text 17"
    assert gateway.ledger[-1].json["dimensions"] == 16


def test_without_numpy_the_same_comes_out(started: Program) -> None:
    apiyi = started
    (apiyi.work / "shadow").mkdir()
    (apiyi.work / "shadow" / "numpy.py").write_text("raise ImportError\n")
    make_vectors(apiyi, "v.npy", 300)
    make_vectors(apiyi, "v.ndjson", 300)
    for name in ("v.npy", "v.ndjson"):
        line = f"apiyi rank 'text 17' --vectors {name} -n 7 --ndjson -m text-embedding-3-small"
        with_it = apiyi.shell(line)
        apiyi.environ["PYTHONPATH"] = str(apiyi.work / "shadow")
        without = apiyi.shell(line)
        refused = apiyi("embed a -o w.npy")
        del apiyi.environ["PYTHONPATH"]
        assert without.code == 0 and with_it.out == without.out, without.err
        assert len(records(with_it)) == 7
        assert refused.code == 10 and "pip install 'apiyi-cli[vectors]'" in refused.err


def test_the_model_of_a_search_is_that_of_embed(apiyi: Program, gateway: Gateway) -> None:
    make_vectors(apiyi, "v")
    assert apiyi("rank q --vectors v").code == 0
    assert gateway.ledger[-1].json["model"] == "text-embedding-3-small"
    ran = apiyi("rank q --vectors v -m bge-reranker-v2-m3")
    assert ran.code == 2 and "a rerank model" in ran.err


def test_a_vector_that_cannot_be_compared_is_named(apiyi: Program, gateway: Gateway) -> None:
    write_rows(apiyi, [1, 0], [1, 2, 3], [0, 0], [float("nan"), 1], "x", [1, 1])
    gateway.script(answer_with(1, 0))
    ran = apiyi("rank q --vectors v -m sandbox-embed-1 --ndjson")
    assert ran.code == 3
    assert [(row["index"], row["text"]) for row in records(ran)] == [(0, "t0"), (5, "t5")]
    for number in (2, 3, 4, 5):
        assert f"v:{number}" in ran.err
    assert "4 lines have no score" in ran.err and "3 numbers, not 2" in ran.err


def test_equal_vectors_keep_their_order_and_the_threshold_cuts(
    apiyi: Program, gateway: Gateway
) -> None:
    write_rows(apiyi, [0, 1], [2, 0], [1, 0], [-1, 0])
    gateway.script(answer_with(3, 0))
    ran = apiyi("rank q --vectors v -m sandbox-embed-1 --threshold 0.5 --ndjson")
    assert [(row["index"], row["score"]) for row in records(ran)] == [(1, 1.0), (2, 1.0)]
    gateway.script(answer_with(3, 0))
    assert apiyi("rank q --vectors v -m sandbox-embed-1 -n 1").text == "t1\n"


def test_objects_without_a_text_come_out_without_their_vector(
    apiyi: Program, gateway: Gateway
) -> None:
    (apiyi.work / "v").write_text('{"id":7,"embedding":[1,0]}\n')
    for line, out in (
        ("", '{"id":7}\n'),
        ("--ndjson", '{"index":0,"score":1.0,"object":{"id":7}}\n'),
        ("--json", '{"model":"sandbox-embed-1","results":[{"index":0,"score":1.0,"id":7}]}\n'),
    ):
        gateway.script(answer_with(1, 0))
        ran = apiyi(f"rank q --vectors v -m sandbox-embed-1 {line}")
        assert ran.text == out, ran.err


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no line of it has a vector"),
        (b'{"text":"x"}\n', "no line of it has a vector"),
        (b"\x93NUMPY", "no line of it has a vector"),
    ],
)
def test_a_file_without_vectors_is_refused_before_anything_is_sent(
    apiyi: Program, gateway: Gateway, content: bytes, why: str
) -> None:
    (apiyi.work / "v").write_bytes(content)
    ran = apiyi("rank q --vectors v -m bge-m3")
    assert (ran.code, ran.out) == (2, b"") and why in ran.err
    assert gateway.ledger == []


def test_a_matrix_that_does_not_fit_its_lines_is_refused(apiyi: Program, gateway: Gateway) -> None:
    make_vectors(apiyi, "v.npy", 4)
    sent = len(gateway.ledger)
    whole = (apiyi.work / "v.npy").read_bytes()
    for content, why in ((whole[:200], "it was cut"), (b"x" * 300, "not a matrix of floats")):
        (apiyi.work / "v.npy").write_bytes(content)
        ran = apiyi("rank q --vectors v.npy -m text-embedding-3-small")
        assert ran.code == 2 and why in ran.err
    (apiyi.work / "v.npy").write_bytes(whole)
    (apiyi.work / "v.jsonl").write_bytes(b'{"text":"a"}\n')
    ran = apiyi("rank q --vectors v.npy -m text-embedding-3-small")
    assert ran.code == 2 and "it has 4 rows and v.jsonl has 1 lines" in ran.err
    (apiyi.work / "v.jsonl").unlink()
    assert "cannot read v.jsonl" in apiyi("rank q --vectors v.npy -m bge-m3").err
    assert len(gateway.ledger) == sent


def test_vectors_of_another_model_are_refused_before_anything_is_sent(
    apiyi: Program, gateway: Gateway
) -> None:
    write_rows(apiyi, [1, 0])
    ran = apiyi("rank q --vectors v -m bge-m3")
    assert ran.code == 2 and "its vectors have 2 numbers, those of the model 1024" in ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize("more", ["--lines", "--jsonl t", "-f v"])
def test_documents_beside_vectors_are_refused(apiyi: Program, gateway: Gateway, more: str) -> None:
    write_rows(apiyi, [1, 0])
    ran = apiyi(f"rank q --vectors v -m bge-m3 {more}")
    assert ran.code == 2 and "with --vectors" in ran.err and gateway.ledger == []


def test_dry_run_of_a_search_prints_the_request(apiyi: Program, gateway: Gateway) -> None:
    write_rows(apiyi, [1, 0])
    ran = apiyi("rank q --vectors v -m text-embedding-3-small --dry-run")
    assert records(ran)[0]["body"]["input"] == "q" and gateway.ledger == []


def score_by_number(request: ReceivedRequest) -> ScriptedReply:
    """Score each document by the number at its start, whatever its length."""
    documents = request.json["documents"]
    return scored(*((at, int(text.split()[1])) for at, text in enumerate(documents)))


def test_thousands_of_documents_are_ranked_in_bounded_memory(started: Program) -> None:
    class Scoring(Gateway):
        def _reply_to(self, request: ReceivedRequest) -> ScriptedReply:
            return score_by_number(request)

    def peak_kb(count: int) -> int:
        filling = b"word " * 2000
        documents = b"".join(b"text %d %s\n" % (n, filling) for n in range(count))
        measured = subprocess.run(
            [sys.executable, "-c", PEAK, started.path, *RANK],
            cwd=started.work,
            env={**started.environ, "APIYI_BASE_URL": gateway.base_url},
            input=documents,
            capture_output=True,
            check=True,
            timeout=60,
        )
        code, peak = measured.stdout.split()
        assert code == b"0", measured.stderr[-500:]
        indexes = [json.loads(line)["index"] for line in measured.stderr.splitlines()]
        assert indexes == list(range(count))[:-10:-1]
        return int(peak)

    with Scoring() as gateway:
        few, many = peak_kb(1600), peak_kb(3200)
    assert many - few < 12 << 10, (few, many)
