"""Reads balances and charges from the gateway's answers."""

from __future__ import annotations

from typing import Any, NamedTuple

from apiyi_cli.core.jsontext import whole_characters
from apiyi_cli.decode.frames.fields import (
    read_amount,
    read_moment,
    read_number,
    read_object,
    read_objects,
    read_string,
)
from apiyi_cli.errors import IncompleteError
from apiyi_cli.text import Text

QUOTA_PER_USD = 500_000
CONSUMED = 2
"""The `type` of the log's rows that are charges."""
UNLIMITED_USD = 1e7
"""The reported limit of a key without one: its balance is unknown."""


class AccountBalance(NamedTuple):
    """What an account has left and has used, in quota units and US dollars."""

    quota: float
    used_quota: float
    usd: float
    used_usd: float
    requests: int | None
    group: str | None


class Charge(NamedTuple):
    """A row of the gateway's log: a request, its time, and its price.

    `row_id` tells rows apart that are alike in all else, where the log numbers them. With
    `was_consumed` False the row is about money paid in or given back, in a log of everything.
    `group` is that of the key, "" where the log does not name it.
    """

    request_id: str | None
    created_at: float
    model: str
    usd: float
    prompt_tokens: int
    completion_tokens: int
    row_id: str = ""
    was_consumed: bool = True
    group: str = ""


def read_balance(value: Any) -> AccountBalance:
    """Return the balance from the answer of `/api/user/self`.

    Its other fields hold secrets of the account and are left alone. Raises IncompleteError for
    an answer without a quota.
    """
    data = read_object(read_object(value).get("data"))
    quota = read_amount(data.get("quota"))
    if quota is None:
        raise IncompleteError(
            Text("cannot read the balance"), Text("the gateway's answer names no quota")
        )
    used = read_amount(data.get("used_quota")) or 0.0
    requests = read_amount(data.get("request_count"))
    return AccountBalance(
        _as_integer(quota),
        _as_integer(used),
        quota / QUOTA_PER_USD,
        used / QUOTA_PER_USD,
        None if requests is None else int(requests),
        whole_characters(read_string(data.get("group"))) or None,
    )


def read_charges(value: Any) -> list[Charge]:
    """Return the charges of one page of the log, in its order.

    The rows are the value of `data`, or of `items` in it. Raises IncompleteError for an answer
    that is not such a page; a row without a time and a quota is left out.
    """
    data = value.get("data") if isinstance(value, dict) else None
    rows = data.get("items") if isinstance(data, dict) else data
    if not isinstance(rows, list) and not (rows is None and read_object(value).get("success")):
        raise IncompleteError(
            Text("cannot read the gateway's log"), Text("its answer has no list of charges")
        )
    return [charge for charge in map(_charge, read_objects(rows)) if charge is not None]


def _charge(row: dict[str, Any]) -> Charge | None:
    created_at = read_moment(read_amount(row.get("created_at")))
    quota = read_amount(row.get("quota"))
    if not created_at or quota is None:
        return None
    return Charge(
        whole_characters(read_string(row.get("request_id"))) or None,
        created_at,
        whole_characters(read_string(row.get("model_name"))),
        quota / QUOTA_PER_USD,
        int(read_amount(row.get("prompt_tokens")) or 0),
        int(read_amount(row.get("completion_tokens")) or 0),
        str(row.get("id") or ""),
        read_amount(row.get("type", CONSUMED)) == CONSUMED,
        whole_characters(read_string(row.get("token_group")) or read_string(row.get("group"))),
    )


def _as_integer(number: float) -> float:
    return int(number) if number.is_integer() else number


def left_usd(subscription: Any, usage: Any) -> float | None:
    """Return the dollars that are left, None if they are not known.

    `total_usage` counts cents. A key without a limit draws on its account, which these answers
    do not show.
    """
    limit_usd = read_number(read_object(subscription).get("hard_limit_usd"))
    used = read_number(read_object(usage).get("total_usage"))
    if limit_usd is None or used is None or limit_usd >= UNLIMITED_USD:
        return None
    return limit_usd - used / 100
