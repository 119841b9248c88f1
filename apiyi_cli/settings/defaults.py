"""Every default, timeout and retry number, and the profiles: built-in ones and fields.

`settings.config_file` reads and checks `config.toml`, `settings.edit` changes it; which value wins
over which is `settings.resolve`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from apiyi_cli.core.families import OTHER_COMMANDS, PROPOSED
from apiyi_cli.core.hosts import NODES
from apiyi_cli.errors import SetupError
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.text import Text

_EMPTY: Mapping[str, Any] = MappingProxyType({})


class Limits(PlainValue):
    """The rate limits of a key, for all its processes together.

    `store` is a Redis address or None; a store that is away is waited for `store_wait_s`.
    """

    rpm: int = 3000
    tpm: int = 1_000_000
    concurrency: int = 100
    window_s: float = 60.0
    store: str | None = None
    store_wait_s: float = 300.0


class Timeouts(PlainValue):
    """The timeouts of one request, in seconds.

    To connect; from sending to the headers; between two reads of a body; between two events of
    a stream, where keep-alive comments do not count. `total_at` is the moment on the monotonic
    clock at which the run ends, None for no limit. `tail_s` is how long the end of a body is
    awaited that is a whole JSON text already.
    """

    connect_s: float = 10.0
    headers_s: float = 600.0
    bytes_s: float = 120.0
    events_s: float = 300.0
    total_at: float | None = None
    tail_s: float = 5.0


class RetryPolicy(PlainValue):
    """How many attempts a request gets, and how long they may take.

    `attempts` counts the first one. `possibly_billed_retries` is how many may follow attempts
    that may have been billed: None leaves that to the cost class of the request (light: no
    limit; text: 1; heavy: 1, only after a dead idle connection). A number from the user holds
    for every class, and 0 never pays twice. `max_retry_time_s` bounds all attempts and waits
    together; it is checked before each wait. A `Retry-After` above `retry_after_cap_s` is not
    waited for. In a `batch` it holds up all requests instead, and a throttled row is retried
    for as long as the time allows. Full upstream channels get the retries of `SATURATED_S`, in
    a batch as many as the time allows. Both hold unless the user gave a number of attempts
    (`fixed`) or a time (`time_fixed`).
    """

    attempts: int = 3
    possibly_billed_retries: int | None = None
    max_retry_time_s: float = 90.0
    retry_after_cap_s: float = 120.0
    batch: bool = False
    fixed: bool = False
    time_fixed: bool = False


LIMITS: Final = Limits()
TIMEOUTS: Final = Timeouts()
PROBE_TIMEOUTS: Final = Timeouts(connect_s=3.0, headers_s=5.0, bytes_s=5.0, events_s=5.0)
"""Timeouts of a free request beside the run, which must not delay the user."""
INTERACTIVE: Final = RetryPolicy()
BATCH: Final = RetryPolicy(attempts=6, max_retry_time_s=600.0, retry_after_cap_s=600.0, batch=True)

FIRST_DELAY_S: Final = 0.5
LONGEST_DELAY_S: Final = 30.0
DEAD_SOCKET_S: Final = 1.0
"""An answer that fails sooner after sending, on a connection that had been idle, means that the
server had closed it before the request arrived."""
BARE_429_S: Final = 2.0
"""The first wait after a 429 with an empty body, which the gateway's own limiter sends."""
SATURATED_S: Final = (5.0, 15.0, 45.0)
"""The waits that the gateway's pages request if a model's upstream channels are full."""
SATURATED_TIME_S: Final = 180.0
"""Seconds for all of them, and for refusals that come slowly."""
SATURATED_PICTURE_S: Final = 900.0
"""The same for pictures, films and sound: channels that are full refuse after up to 190 s."""
URL_DOWN_S: Final = 60.0
"""Seconds for which a failed base URL is not used."""

BASE_URLS: Final = ("https://api.apiyi.com/v1", "https://vip.apiyi.com/v1")
STORES: Final = ("redis://", "rediss://", "unix://")
"""The beginnings of URLs of a store for limits."""
LONGEST_STORE_WAIT_S: Final = 86_400
DEFAULTS: Mapping[str, Any] = {
    "profile": "default",
    "retries": INTERACTIVE.attempts - 1,
    "max_retry_time": INTERACTIVE.max_retry_time_s,
    "failover": True,
    "rpm": LIMITS.rpm,
    "tpm": LIMITS.tpm,
    "limits": True,
    "color": "auto",
    "newline": True,
}
"""Defaults of options. None of them goes into a request body, because only what the user set is
sent. `stream` is missing because its default depends on the output."""

OWN_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "batch": {"jobs": 32, "retries": BATCH.attempts - 1, "max_retry_time": BATCH.max_retry_time_s},
    "embed": {"jobs": 4},
    "rank": {"jobs": 4, "model": PROPOSED["rank"]},
    "image": {"jobs": 4},
    "transcribe": {"jobs": 4},
    "video": {"jobs": 4},
}
"""Defaults of single commands that differ, or that only they have."""


def default_of(name: str, command: str | None = None) -> Any:
    """Return the default of an option, None where it has none."""
    own = OWN_DEFAULTS.get(command or "", {})
    return own[name] if name in own else DEFAULTS.get(name)


class Profile(PlainValue):
    """One `[profile.NAME]`: only what the file sets.

    `options` has the values of the option table by name; `limits` the table of that name;
    `commands` the like of `options` for single commands, which count before. `group` is the
    key's group at the gateway, whose prices its estimates are made with.
    """

    name: str
    base_urls: tuple[str, ...] = ()
    key_command: tuple[str, ...] = ()
    options: Mapping[str, Any] = _EMPTY
    limits: Mapping[str, Any] = _EMPTY
    commands: Mapping[str, Mapping[str, Any]] = _EMPTY
    group: str | None = None


class Config(PlainValue):
    """The whole file; a missing file equals an empty one.

    `aliases` are the user's own names of models.
    """

    path: Path
    profiles: Mapping[str, Profile] = _EMPTY
    families: Mapping[str, Mapping[str, Any]] = {}
    language: str | None = None
    usage_ledger: bool | None = None
    registry_url: str | None = None
    aliases: Mapping[str, str] = {}

    def find_models(self, names: Any) -> Any:
        """Return the models of an alias, or of each name in a list."""
        if isinstance(names, str):
            return self.aliases.get(names, names)
        return [self.aliases.get(name, name) for name in names]


BUILT_IN: Mapping[str, Profile] = {
    "default": Profile("default"),
    "sandbox": Profile(
        "sandbox",
        options={"model": "sandbox-1"},
        commands={word: {"model": f"sandbox-{word}-1"} for word in OTHER_COMMANDS},
    ),
}
"""The built-in profiles."""


def is_profile_name(name: str) -> bool:
    """Return True if a profile may have this name."""
    rest = name.replace("-", "").replace(".", "").replace("_", "")
    return rest.isalnum() and len(name) <= 64 and name[0] not in "-."


def unknown_profile(name: str, known: tuple[str, ...]) -> SetupError:
    """Return the error for a profile that does not exist, with the nearest name."""
    from apiyi_cli.core.nearest import find_nearest

    why = Text("known are {known}", known=", ".join(known))
    if close := find_nearest(name, known):
        why = Text("did you mean {close}?", close=close)
    return SetupError(
        Text("there is no profile {name}", name=repr(name)),
        why,
        hint=Text("apiyi config list, or --profile NAME"),
    )


def node_urls(name: str) -> tuple[str, ...]:
    """Return a node's address, then the others that may replace it.

    cf never replaces another: it cuts pictures and long answers.
    """
    first = NODES[name]
    return (first, *(url for node, url in NODES.items() if node != "cf" and url != first))
