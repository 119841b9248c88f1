"""The range of each rate limit."""

from __future__ import annotations

from typing import Final

from apiyi_cli.errors import SetupError
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.text import Text

_RANGES: Final = {
    "rpm": (1, 10**12),
    "tpm": (1, 10**12),
    "concurrency": (1, 10_000),
    "window_s": (0.01, 86_400),
}


def check_limits(limits: Limits) -> Limits:
    """Return the limits; raise SetupError if one is out of range."""
    for name, (low, high) in _RANGES.items():
        value = getattr(limits, name)
        kinds = (int, float) if name == "window_s" else (int,)
        if type(value) not in kinds or not low <= value <= high:
            kind = Text("a number") if float in kinds else Text("a whole number")
            raise SetupError(
                Text("the rate limits cannot be used"),
                Text(
                    "{name} is {value}, not {message} from {low} to {high}",
                    name=name,
                    value=repr(value),
                    message=kind,
                    low=low,
                    high=high,
                ),
                hint=f"apiyi config unset limits.{name}",
            )
    return limits
