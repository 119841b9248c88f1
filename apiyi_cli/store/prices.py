"""What requests cost, estimated from the gateway's public price list.

The list is fetched when the user asks for it and kept with its date. A model that is not
on it has no price, which is not a price of 0.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from apiyi_cli.core.jsontext import read_event, write

USD_PER_MILLION = 2.0
"""What a model ratio of 1 means: US dollars for a million input tokens."""
_DATED = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")


class Price(NamedTuple):
    """US dollars: for a million input and output tokens, or for each request."""

    input: float | None
    output: float | None
    request: float | None


class Prices:
    """The price list in a file: `{"fetched": seconds since 1970, "models": {name: [..]}}`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fetched = 0.0
        self._models: dict[str, list[float | None]] = {}
        try:
            value = read_event(path.read_bytes())
            self.fetched, self._models = float(value["fetched"]), dict(value["models"])
        except (OSError, ValueError, KeyError, TypeError):
            return

    def __len__(self) -> int:
        return len(self._models)

    def of(self, model: str) -> Price | None:
        """Return the price of a model: by its name, else by its name without a date."""
        found = self._models.get(model) or self._models.get(_DATED.sub("", model))
        return Price(*found) if found else None

    def cost(
        self, model: str, prompt_tokens: int | None, completion_tokens: int | None
    ) -> float | None:
        """Estimate one request in US dollars, None when the price or the tokens are unknown."""
        price = self.of(model)
        if price is None:
            return None
        if price.request is not None:
            return price.request
        if price.input is None or price.output is None:
            return None
        if prompt_tokens is None or completion_tokens is None:
            return None
        return (price.input * prompt_tokens + price.output * completion_tokens) / 1e6


def listed(value: Any, now: float) -> bytes:
    """Return the file's content for the gateway's list (`GET /api/pricing`).

    A token price is 2 USD x model_ratio a million, output times completion_ratio; a request
    price is model_price; both times the ratio of the group `default`. Raises ValueError for
    what is not such a list.
    """
    rows = value.get("data") if isinstance(value, dict) else None
    if not isinstance(rows, list):
        raise ValueError("it has no list of models")
    ratios = value.get("group_ratio")
    group = _number(ratios.get("default")) if isinstance(ratios, dict) else None
    factor = 1.0 if group is None else group
    models = {}
    for row in rows:
        name = row.get("model_name") if isinstance(row, dict) else None
        if not isinstance(name, str) or not name:
            continue
        per_request, ratio = _number(row.get("model_price")), _number(row.get("model_ratio"))
        if row.get("quota_type") in (1, "1"):
            models[name] = [None, None, None if per_request is None else per_request * factor]
        elif ratio is not None:
            completion = _number(row.get("completion_ratio"))
            price = ratio * USD_PER_MILLION * factor
            models[name] = [price, price * (1.0 if completion is None else completion), None]
    if not models:
        raise ValueError("it has no prices")
    return write({"fetched": now, "models": models})


def shown(cost: float | None) -> str:
    """Return an estimate for people: `≈ $0.0123`, `unknown` where there is none.

    What is not nothing never looks like it.
    """
    if cost is None:
        return "unknown"
    if 0 < cost < 0.000001:
        return "< $0.000001"
    digits = 2 if cost >= 1 else 4 if cost >= 0.001 else 6
    return f"≈ ${cost:.{digits}f}"


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < 1e9 else None
