"""Each fault inside an answer, in each of the three protocols and every form of output.

One gateway serves all cells. By day a fault meets each protocol in two forms, which change from
row to row; at night in all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest

from apiyi_cli.sandbox.server import Gateway
from tests.conftest import KEY

if TYPE_CHECKING:
    from tests.conftest import Program

PROTOCOLS = ("openai", "anthropic", "google")
PRINTED = {
    "text": "",
    "ndjson": "--ndjson",
    "session": "--session mine",
    "schema": "--schema a",
}
"""Forms whose reader has seen what came before the fault."""
WHOLE = {"json": "--json", "file": "-o answer.txt", "extract": "-x"}
FORMS = {**PRINTED, **WHOLE, "row": ""}
CONFIG = '[families."fault:*"]\nkind = "chat"\nprotocols = ["openai", "anthropic", "google"]\n'
TEXT = "[sandbox] You said: hi there my friend"


class Row(NamedTuple):
    """A fault, its exit codes as text, as a whole and as a row of a batch, and words on stderr."""

    fault: str
    printed: int
    whole: int
    row: int
    words: str = ""
    row_words: str | None = None


EMPTY = "it was billed; running it again may be billed again"
ROWS = (
    Row("200", 0, 0, 0),
    Row("nofinish", 8, 8, 3, "without a sign that it is complete"),
    Row("cut@3", 8, 8, 3, "the answer was cut"),
    Row("torn@3", 8, 8, 3, "a part of the answer is missing"),
    Row("empty", 8, 8, 0, EMPTY, "answers empty: 1"),
    Row("empty@1", 8, 8, 0, EMPTY, "answers empty: 1"),
    Row("empty@2", 8, 8, 0, EMPTY, "answers empty: 1"),
    Row("reasoning-only", 8, 8, 0, "only reasoning came", "answers empty: 1"),
    Row("restart", 8, 0, 0, "began the answer anew", ""),
    Row("length --strict-finish", 8, 8, 3, "token limit"),
    Row("filter --strict-finish", 8, 8, 3, ""),
    Row("huge-usage", 0, 0, 0),
    Row("error-after-role", 8, 8, 3, "broke off"),
    Row("error@4", 8, 8, 3, "已达到请求数限制"),
    Row("blanks --max-time 0.5", 9, 9, 9, "stopped by --max-time"),
)
CELLS = [
    (row, protocol, form)
    for n, row in enumerate(ROWS)
    for m, protocol in enumerate(PROTOCOLS)
    for form in (tuple(FORMS)[(n + m) % 4], tuple(FORMS)[4 + (n + m) % 4])
]
ALL = [(row, protocol, form) for row in ROWS for protocol in PROTOCOLS for form in FORMS]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Gateway]:
    with Gateway(key=KEY) as running:
        yield running


def check(apiyi: Program, sandbox: Gateway, cell: tuple[Row, str, str]) -> None:
    row, protocol, form = cell
    (apiyi.home / "config.toml").write_text(CONFIG)
    env = {"APIYI_BASE_URL": sandbox.base_url, "APIYI_CONFIG": str(apiyi.home / "config.toml")}
    options = f"-m fault:{row.fault} --protocol {protocol} --retries 0"
    if form == "row":
        (apiyi.work / "rows.jsonl").write_text('{"id": "a", "prompt": "hi there my friend"}\n')
        ran = apiyi(f"batch rows.jsonl {options}", env=env)
    else:
        ran = apiyi(f"chat {options} {FORMS[form]} hi there my friend", env=env)
    wanted = row.row if form == "row" else row.printed if form in PRINTED else row.whole
    assert ran.code == wanted, (ran.out, ran.err)
    is_row = form == "row" and row.row_words is not None
    if wanted or is_row:
        assert (row.row_words or "" if is_row else row.words) in ran.err, ran.err
    if row.fault == "restart" and form in ("json", "file", "row"):
        kept = apiyi.work / "answer.txt"
        said = kept.read_text() if form == "file" else ran.text
        assert said.count("[sandbox] You said") == 1 and TEXT in said
    if form in ("json", "row") and ran.out:
        json.loads(ran.out)


def named(cells: list[tuple[Row, str, str]]) -> list[str]:
    return [f"{row.fault}-{protocol}-{form}" for row, protocol, form in cells]


@pytest.mark.parametrize("cell", CELLS, ids=named(CELLS))
def test_a_fault_is_the_same_in_every_protocol(
    apiyi: Program, sandbox: Gateway, cell: tuple[Row, str, str]
) -> None:
    check(apiyi, sandbox, cell)


@pytest.mark.nightly
@pytest.mark.parametrize("cell", ALL, ids=named(ALL))
def test_a_fault_is_the_same_in_every_protocol_and_form(
    apiyi: Program, sandbox: Gateway, cell: tuple[Row, str, str]
) -> None:
    check(apiyi, sandbox, cell)
