"""`apiyi embed -o x.npy`: a matrix with a row for each line of `x.jsonl`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy
import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

LINE = "embed --lines --dimensions 4 --batch-size 2 -o x.npy"


@pytest.fixture
def apiyi(apiyi: Program) -> Program:
    apiyi.environ["APIYI_MODEL"] = "text-embedding-3-small"
    return apiyi


def matrix(apiyi: Program) -> Any:
    return numpy.load(apiyi.work / "x.npy")


def texts(apiyi: Program) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (apiyi.work / "x.jsonl").read_bytes().splitlines()]


def test_a_matrix_has_a_row_for_each_line(apiyi: Program) -> None:
    stdin = b"a\nb\nc\n"
    ran = apiyi(LINE, stdin=stdin)
    assert (ran.code, ran.out) == (0, b""), ran.err
    rows = [json.loads(line) for line in apiyi(LINE[:-9], stdin=stdin).out.splitlines()]
    found = matrix(apiyi)
    assert found.dtype == numpy.float32 and found.flags["C_CONTIGUOUS"]
    assert numpy.array_equal(found, numpy.array([row["embedding"] for row in rows], "f4"))
    assert texts(apiyi) == [{"index": k, "text": text} for k, text in enumerate("abc")]


def test_objects_are_beside_their_rows(apiyi: Program) -> None:
    stdin = b'{"t":"x","embedding":[1]}\n{"t": "y", "n": 1.10}\n'
    assert apiyi("embed --jsonl t -o x.npy", stdin=stdin).code == 0
    assert (apiyi.work / "x.jsonl").read_bytes() == b'{"t":"x"}\n{"t": "y", "n": 1.10}\n'
    assert matrix(apiyi).shape == (2, 1536)


def test_a_later_run_goes_on(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi(LINE, stdin=b"a\nb\n").code == 0
    before = matrix(apiyi)
    ran = apiyi(LINE, stdin=b"a\nb\nc\n")
    assert ran.code == 0 and len(gateway.ledger) == 2
    assert numpy.array_equal(matrix(apiyi)[:2], before) and len(matrix(apiyi)) == 3


def test_a_line_without_a_vector_has_a_row_of_nan(apiyi: Program) -> None:
    ran = apiyi(LINE, stdin=b"\n\na\n\nb\n")
    assert ran.code == 3
    assert numpy.isnan(matrix(apiyi)).all(axis=1).tolist() == [True, True, False, True, False]
    assert ["error" in line for line in texts(apiyi)] == [True, True, False, True, False]


def test_lines_without_any_vector_leave_an_empty_matrix(apiyi: Program, gateway: Gateway) -> None:
    stdin = b'{"u":1}\n{"u":2}\n'
    for _ in range(2):
        assert apiyi("embed --jsonl t -o x.npy", stdin=stdin).code == 3
    assert apiyi("embed --jsonl t -o x.npy", stdin=stdin + b'{"t":"a"}\n').code == 3
    assert matrix(apiyi).shape == (3, 1536) and len(gateway.ledger) == 1


def test_numbers_too_large_for_a_float_are_infinite(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.json({"data": [{"index": 0, "embedding": [1e300, 1]}]}))
    assert apiyi("embed a -o x.npy").code == 0
    assert matrix(apiyi).tolist() == [[float("inf"), 1.0]]


@pytest.mark.parametrize("more", ["--json", "--jq ."])
def test_what_is_not_a_matrix_is_refused(apiyi: Program, gateway: Gateway, more: str) -> None:
    ran = apiyi(f"embed a -o x.npy {more}")
    assert ran.code == 2 and gateway.ledger == [] and not (apiyi.work / "x.npy").exists()


def test_a_matrix_of_somebody_else_is_not_overwritten(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "x.npy").write_bytes(b"mine")
    assert apiyi("embed a -o x.npy").code == 11 and gateway.ledger == []
    assert (apiyi.work / "x.npy").read_bytes() == b"mine"
    assert apiyi("embed a -o x.npy --force").code == 0 and len(matrix(apiyi)) == 1


def test_a_matrix_that_lost_rows_is_refused(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi(LINE, stdin=b"a\nb\n").code == 0
    (apiyi.work / "x.npy").write_bytes((apiyi.work / "x.npy").read_bytes()[:140])
    ran = apiyi(LINE, stdin=b"a\nb\nc\n")
    assert ran.code == 10 and "lacks rows" in ran.err and len(gateway.ledger) == 1
    assert apiyi(f"{LINE} --force", stdin=b"a\n").code == 0 and len(matrix(apiyi)) == 1


def test_the_lines_alone_are_not_gone_on_with(apiyi: Program) -> None:
    assert apiyi("embed a -o x.npy").code == 0
    ran = apiyi("embed a -o x.jsonl")
    assert ran.code == 10 and "made with -o x.npy" in ran.err


def test_a_model_that_refuses_dimensions_is_warned_about_once(apiyi: Program) -> None:
    line = "embed --lines --batch-size 1 -m bge-m3 --dimensions 4"
    assert apiyi(line, stdin=b"a\nb\n").err.count("known to refuse dimensions; sent as asked") == 1
    assert "refuse dimensions" in apiyi("embed a -m bge-m3 --dimensions 4 --dry-run").err
    assert apiyi("embed a -m bge-m3 --dry-run").err == ""
