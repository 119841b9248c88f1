"""The mean length of each model's answers, in the counters of `rates`."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from apiyi_cli.build.tokens import FIRST_ANSWER
from apiyi_cli.core.digest import sha256
from apiyi_cli.wire.limits.rates import MEAN_COUNT, MEANS
from apiyi_cli.wire.limits.windows import Counters

FIRST_MEAN: Final = FIRST_ANSWER
HIGHEST_MEAN: Final = 1e7
_LONGEST_MEMORY: Final = 50


def mean_tokens(counters: Counters, model: str) -> float:
    """Return the mean length of a model's answers in tokens, 256 if unknown."""
    at = _mean_index(counters, _fingerprint(model))
    if counters[at] != _fingerprint(model) or not 0 <= counters[at + 2] <= HIGHEST_MEAN:
        return FIRST_MEAN
    return counters[at + 2]


def learn(counters: Counters, model: str, tokens: int) -> None:
    """Count an answer of the model; the mean follows about the last fifty."""
    tokens = max(0, min(tokens, int(HIGHEST_MEAN)))
    name = _fingerprint(model)
    at = _mean_index(counters, name)
    is_sound = 0 <= counters[at + 1] <= _LONGEST_MEMORY and 0 <= counters[at + 2] <= HIGHEST_MEAN
    if counters[at] != name or not is_sound:
        counters[at], counters[at + 1], counters[at + 2] = name, 0.0, 0.0
    counters[at + 1] = min(counters[at + 1] + 1, _LONGEST_MEMORY)
    counters[at + 2] += (tokens - counters[at + 2]) / counters[at + 1]


@lru_cache(maxsize=64)
def _fingerprint(model: str) -> float:
    # 48 bits are exact in a double; 0 marks a free entry.
    return float(int.from_bytes(sha256(model.encode()).digest()[:6], "big") | 1)


def _mean_index(counters: Counters, name: float) -> int:
    """Return the index of the model's mean, else a free one, else one to overwrite."""
    home = int(name) >> 1
    indices = [MEANS + 3 * ((home + step) % MEAN_COUNT) for step in range(8)]
    for at in indices:
        if counters[at] in (name, 0.0):
            return at
    return indices[0]
