"""What requests cost, estimated from the gateway's public price list.

The list is fetched when the user asks for it and kept with its date. A model that is not
on it has an unknown price, not a price of 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from apiyi_cli.core.disk import read_regular
from apiyi_cli.core.jsontext import read_event, write
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.text import Text

TOKENS_IN_MINUTE = 1000
PRICED_MOST_TOKENS = 1 << 53
USD_PER_MILLION = 2.0
"""What a model ratio of 1 means: US dollars for a million input tokens."""
_TIER_BOUNDS = (
    ("above_tokens", "min_input_tokens", "min_tokens", "from_tokens", "above"),
    ("up_to_tokens", "max_input_tokens", "max_tokens", "to_tokens", "up_to"),
)
"""What registries call the least and the most tokens of a prompt that a price holds for."""
_DATED = r"-(\d{8}|\d{4}-\d{2}-\d{2})$"


class Price(PlainValue):
    """US dollars: for a million input and output tokens, or for each request."""

    input: float | None
    output: float | None
    request: float | None


class BilledUnits(PlainValue):
    """The usage of a request; None is unknown.

    `cached` are those of the prompt's tokens that the gateway had cached, `items` the things
    that it made (pictures), `seconds` those of sound.
    """

    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None
    items: int = 1
    seconds: float | None = None


class Tier(PlainValue):
    """The prices of a request whose prompt has more than `above` tokens."""

    above: float
    input: float
    output: float
    cached: float | None


class Prices:
    """The price list in a file, for the keys of the group that `find_group` returns.

    It is called only where a list has ratios for groups.

    The file is `{"fetched": seconds since 1970, "models": {name: [input, output, request]},
    "cached": {name: price}, "tiers": {name: [[above, input, output, cached], …]},
    "groups": {name: ratio}, "factor": ratio in the prices}`; of version 0.1 it has the first two.
    What cannot be read in it has no price.
    """

    def __init__(self, path: Path, find_group: Callable[[], str | None] = lambda: None) -> None:
        self._path = path
        self.fetched = 0.0
        self._models: dict[str, list[float | None]] = {}
        self._cached: dict[str, float] = {}
        self._tiers: dict[str, list[Tier]] = {}
        self._ratio = 1.0
        try:
            value = read_event(read_regular(path))
            self.fetched, models = float(value["fetched"]), value["models"]
            self._models = {name: row for name, row in models.items() if _is_price(row)}
            self._cached = _numbers(value.get("cached"))
            tiers = value.get("tiers") or {}
            self._tiers = {name: [Tier(*row) for row in rows] for name, rows in tiers.items()}
            groups, factor = _numbers(value.get("groups")), _number(value.get("factor"))
            ratio = _find_ratio(groups, find_group()) if groups and factor else None
            if ratio is not None and factor:
                self._ratio = ratio / factor
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return

    def __len__(self) -> int:
        return len(self._models)

    def of(self, model: str) -> Price | None:
        """Return a model's price: by its name, else by its name without a date."""
        row = self._models.get(model) or self._models.get(re.sub(_DATED, "", model))
        if not row:
            return None
        return Price(*(None if price is None else price * self._ratio for price in row))

    def find_cached(self, model: str) -> float | None:
        """Return the price of a million cached input tokens, None if unknown."""
        reduced = self._cached.get(model, self._cached.get(re.sub(_DATED, "", model)))
        return None if reduced is None else reduced * self._ratio

    def of_tier(self, model: str, prompt_tokens: int) -> Tier | None:
        """Return the prices for so many tokens, None for a model without tiers."""
        tiers = self._tiers.get(model) or self._tiers.get(re.sub(_DATED, "", model)) or ()
        fitting = [tier for tier in tiers if prompt_tokens > tier.above]
        if not fitting:
            return None
        tier, ratio = max(fitting, key=lambda tier: tier.above), self._ratio
        cached = None if tier.cached is None else tier.cached * ratio
        return Tier(tier.above, tier.input * ratio, tier.output * ratio, cached)

    def estimate(self, model: str, units: BilledUnits) -> float | None:
        """Estimate a request in US dollars, None if price or usage is unknown.

        A price for each request counts once for each thing made. Sound without tokens counts
        1,000 tokens a minute, as the gateway's software does.
        """
        price = self.of(model)
        if price is None:
            return None
        if price.request is not None:
            return price.request * max(1, units.items)
        prompt, completion = units.prompt, units.completion
        if prompt is None and completion is None and units.seconds is not None:
            prompt, completion = round(units.seconds * TOKENS_IN_MINUTE / 60), 0
        if price.input is None or price.output is None or prompt is None or completion is None:
            return None
        prompt, completion = min(prompt, PRICED_MOST_TOKENS), min(completion, PRICED_MOST_TOKENS)
        cached = min(max(0, units.cached or 0), prompt)
        into, out, reduced = price.input, price.output, self.find_cached(model)
        if (tier := self.of_tier(model, prompt)) is not None:
            into, out, reduced = tier.input, tier.output, tier.cached
        saved = 0.0 if reduced is None else cached * (into - reduced)
        return (into * prompt + out * completion - saved) / 1e6


def has_price_list(value: Any) -> bool:
    """Return True if the gateway's answer contains a list of models."""
    return isinstance(value, dict) and isinstance(value.get("data"), list)


def encode_price_list(value: Any, now: float, registry: Any = None) -> bytes:
    """Return the file's content for the gateway's list (`GET /api/pricing`).

    A token price is 2 USD x model_ratio a million, output times completion_ratio, cached input
    times cache_ratio; a request price is model_price; all times the ratio of the group
    `default`. Values missing in the list, prices of models, of cached input, ratios of groups,
    comes from the vendor's registry. Raises ValueError where neither has a price; rows that
    cannot be read are left out.
    """
    rows = value.get("data") if isinstance(value, dict) else None
    if not isinstance(rows, list) and registry is None:
        raise ValueError(Text("it has no list of models"))
    own_ratios = value.get("group_ratio") if isinstance(value, dict) else None
    groups = {**_read_group_ratios(registry), **_numbers(own_ratios)}
    factor = _find_ratio(groups, "default") or 1.0
    models, cached = _read_ratios(rows, factor)
    tiers: dict[str, list[list[float | None]]] = {}
    for name, billing in _find_billings(registry):
        listed = _read_billing(billing)
        if listed is None:
            continue
        price, reduced = listed
        models.setdefault(name, [usd and usd * factor for usd in price])
        if reduced is not None:
            cached.setdefault(name, reduced * factor)
        if models[name][2] is None and (listed_tiers := _read_tiers(billing)):
            tiers[name] = [
                [above, *(usd and usd * factor for usd in (into, out, cached_usd))]
                for above, into, out, cached_usd in listed_tiers
            ]
    if not models:
        raise ValueError(Text("it has no prices"))
    fields = {"models": models, "cached": cached, "tiers": tiers, "groups": groups}
    return write({"fetched": now, **fields, "factor": factor})


def _read_ratios(
    rows: Any, factor: float
) -> tuple[dict[str, list[float | None]], dict[str, float]]:
    models: dict[str, list[float | None]] = {}
    cached: dict[str, float] = {}
    for row in rows if isinstance(rows, list) else ():
        name = row.get("model_name") if isinstance(row, dict) else None
        if not isinstance(name, str) or not name.strip():
            continue
        per_request, ratio = _number(row.get("model_price")), _number(row.get("model_ratio"))
        kind = row.get("quota_type")
        if not isinstance(kind, bool) and kind in (1, "1"):
            models[name] = [None, None, None if per_request is None else per_request * factor]
        elif ratio is not None:
            completion = _number(row.get("completion_ratio"))
            price = ratio * USD_PER_MILLION * factor
            models[name] = [price, price * (1.0 if completion is None else completion), None]
            if (reduced := _number(row.get("cache_ratio"))) is not None:
                cached[name] = price * reduced
    return models, cached


def _find_billings(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the models of the vendor's registry, each with what it says of their prices."""
    rows = value.get("models") if isinstance(value, dict) else None
    for row in rows if isinstance(rows, list) else ():
        name = row.get("id") if isinstance(row, dict) else None
        billing = row.get("billing") if isinstance(row, dict) else None
        if isinstance(name, str) and name.strip() and isinstance(billing, dict):
            yield name, billing


def _read_billing(billing: Mapping[str, Any]) -> tuple[list[float | None], float | None] | None:
    """Return the list price of a model, and that of cached input; None without one."""
    per_call = _number(billing.get("per_call_usd"))
    if billing.get("type") == "per_call" and per_call is not None:
        return [None, None, per_call], None
    into, out, reduced = _read_token_prices(billing)
    # What only reads, such as an embedding model, has no price of an output.
    return None if into is None else ([into, 0.0 if out is None else out, None], reduced)


def _read_token_prices(fields: Mapping[str, Any]) -> list[float | None]:
    sides = ("input", "output", "cache_read")
    return [_number(fields.get(f"{side}_usd_per_m")) for side in sides]


def _read_tiers(billing: Mapping[str, Any]) -> list[tuple[float, float, float, float | None]]:
    """Return the rows of `Tier` for long prompts, [] where the registry lists none.

    How it writes them is not documented: a list, with prices as those of the model and either
    the least or the most tokens of each tier.
    """
    given = billing.get("tiered")
    rows = given if isinstance(given, list) else billing.get("tiers")
    tiers: list[tuple[float, float, float, float | None]] = []
    above = 0.0
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict):
            return []
        least, most = (
            next((number for name in names if (number := _number(row.get(name))) is not None), None)
            for names in _TIER_BOUNDS
        )
        into, out, reduced = _read_token_prices(row)
        if into is None or out is None:
            return []
        tiers.append((above if least is None else least, into, out, reduced))
        above = most or above
    return tiers


def _read_group_ratios(registry: Any) -> dict[str, float]:
    groups = registry.get("groups") if isinstance(registry, dict) else None
    rows = groups.items() if isinstance(groups, dict) else ()
    return _numbers({name: row.get("ratio") for name, row in rows if isinstance(row, dict)})


def _find_ratio(groups: Mapping[str, float], group: str | None) -> float | None:
    """Return a group's ratio; the case of group names is ignored."""
    if group is None or group in groups:
        return groups.get(group or "")
    return next((ratio for name, ratio in groups.items() if is_same_group(name, group)), None)


def is_same_group(name: str, group: str) -> bool:
    """Return True if two names are one group of the gateway's."""
    return name.casefold() == group.casefold()


def format_cost(cost: float | None) -> str:
    """Return an estimate for people: `≈ $0.0123`, or `unknown`.

    A cost above 0 never looks like 0.
    """
    if cost is None:
        return "unknown"
    if 0 < cost < 0.000001:
        return "< $0.000001"
    digits = 2 if cost >= 1 else 4 if cost >= 0.001 else 6
    return f"≈ ${cost:.{digits}f}"


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number < 1e9 else None


def _numbers(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        return {}
    numbers = {str(name): _number(item) for name, item in value.items()}
    return {name: number for name, number in numbers.items() if number is not None}


def _is_price(row: Any) -> bool:
    """Return True for [input, output, request], each a number or null."""
    if not isinstance(row, list) or len(row) != len(Price._fields):
        return False
    return all(price is None or _number(price) is not None for price in row)
