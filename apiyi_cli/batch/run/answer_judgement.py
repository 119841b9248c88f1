"""Judges the answers of rows as `chat` would: their form, and how they ended."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final, Literal, NamedTuple

from apiyi_cli.batch.rows.answers import RowAnswer
from apiyi_cli.batch.rows.fields import find_schema
from apiyi_cli.core.call import Call
from apiyi_cli.errors import Facts, IncompleteError
from apiyi_cli.text import Text

Remark = Literal["length", "content_filter", "refusal", "empty", "unknown_end"]
REMARKS: Final[tuple[Remark, ...]] = ("length", "content_filter", "refusal", "empty", "unknown_end")
"""What can be wrong with a complete answer."""


_USUAL_ENDS: Final = ("", "stop", "tool_calls")


class AnswerRules(NamedTuple):
    """The rules for answers: see the options of the same names.

    `prepare` returns the request that is sent for that of a row.
    """

    extract: bool = False
    strict_finish: bool = False
    retry_misfit: int = 0
    prepare: Callable[[Call], Call] = lambda call: call


class Judgement(NamedTuple):
    """The printed text of an answer, its defect, and the error that the defect means.

    `is_misfit` says that asking again may give a better answer.
    """

    text: str
    remark: Remark | None = None
    error: IncompleteError | None = None
    is_misfit: bool = False


def judge_answer(
    call: Call, answer: RowAnswer, rules: AnswerRules, left_s: float = inf
) -> Judgement:
    """Return the judgement of a complete answer, by its requested form and its end.

    The check takes no longer than `left_s`.
    """
    text = answer.text
    if rules.extract:
        from apiyi_cli.render.fence import first_block

        block = first_block(text)
        # The line end before the closing fence is the fence's.
        text = text if block == text else block.removesuffix("\n")
    remark = _remark(answer)
    if not answer.calls and (misfit := _misfit(call, text, left_s)) is not None:
        return Judgement(text, remark, misfit, is_misfit=True)
    error = _strict_error(remark) if remark is not None and rules.strict_finish else None
    return Judgement(text, remark, error)


def _remark(answer: RowAnswer) -> Remark | None:
    if answer.refused:
        return "refusal"
    if answer.finish == "content_filter":
        return "content_filter"
    if answer.finish == "length":
        return "length"
    if answer.is_empty:
        return "empty"
    return None if answer.finish in _USUAL_ENDS else "unknown_end"


def _strict_error(remark: Remark) -> IncompleteError:
    reasons = {
        "length": Text("the answer was cut off by the token limit (raise --max-tokens)"),
        "content_filter": Text("the answer was cut off by a content filter"),
        "refusal": Text("the model refused to answer"),
        "empty": Text("the answer has nothing to print"),
        "unknown_end": Text("the answer ended for an unknown reason"),
    }
    facts = Facts(code=remark, status=200, phase="content")
    return IncompleteError(
        Text("the answer is refused by --strict-finish"), reasons[remark], facts=facts
    )


def _misfit(call: Call, text: str, left_s: float) -> IncompleteError | None:
    wanted = find_schema(call)
    if wanted is None:
        return None
    from apiyi_cli.build.schemas.answer_check import CHECK_S, check_answer

    error = check_answer(wanted, text, limit_s=max(0.0, min(CHECK_S, left_s))).error()
    return None if error is None else error.add_facts(code="misfit", status=200)
