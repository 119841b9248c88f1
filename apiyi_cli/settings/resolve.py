"""`Settings`: every value of one run with its origin: flag, environment, profile, default.

The key is not a setting; see `settings.secrets`.
"""

from __future__ import annotations

from functools import cached_property

from apiyi_cli.core.families import Overrides
from apiyi_cli.core.hosts import NODES
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.settings.defaults import (
    BASE_URLS,
    LIMITS,
    LONGEST_STORE_WAIT_S,
    STORES,
    TIMEOUTS,
    Limits,
    RetryPolicy,
    Timeouts,
    node_urls,
)
from apiyi_cli.settings.lookup import NOT_SET, OptionLookup, Resolved
from apiyi_cli.text import Text

STORE_VARIABLE = "APIYI_LIMITS_STORE"
STORE_WAIT_VARIABLE = "APIYI_LIMITS_STORE_WAIT"


class Settings(OptionLookup):
    """The options of one run, and the values derived from several of them.

    See `OptionLookup` for the order in which they are found.
    """

    @property
    def typed_program(self) -> str:
        """Return how a line to paste begins: with the profile, where that was typed."""
        if not self.origin("profile").startswith("flag"):
            return "apiyi"
        return f"apiyi --profile {self.profile}"

    @property
    def base_urls(self) -> tuple[str, ...]:
        """Return the base URLs: the primary one, then the backups in order.

        `--base-url` and `APIYI_BASE_URL` replace them all and have no backups. Empty for the
        sandbox, whose address is known once it runs.
        """
        return self._resolved_urls.value  # type: ignore[no-any-return]

    @cached_property
    def configured_base_urls(self) -> tuple[str, ...]:
        """Return the profile's own URLs, ignoring flags and environment."""
        return () if self.sandbox else self.in_profile.base_urls or BASE_URLS

    @property
    def completed_base_url(self) -> str | None:
        """Return the base URL to which `/v1` was added, else None."""
        option = Connection.flags["base_url"]
        for resolved in (self._flag(option), self._variable(option)):
            if resolved is not None:
                bare = resolved.value.strip().partition("://")[2].rstrip("/")
                return self.base_urls[0] if "/" not in bare and self.base_urls else None
        return None

    @property
    def is_at_node(self) -> bool:
        """Return True if a gateway node is set, and no base URL overrides it."""
        return self.base_urls in map(node_urls, NODES)

    @cached_property
    def limits(self) -> Limits:
        """Return the rate limits in force; the option `limits` says if they are enforced."""
        values = {**self.in_profile.limits}
        for name in ("rpm", "tpm"):
            if name in self._flags:
                values[name] = self._flags[name][1]
        if store := self.environ.get(STORE_VARIABLE):
            if not store.startswith(STORES):
                raise SetupError(
                    Text("environment {name}", name=STORE_VARIABLE),
                    Text("expected the address of a Redis server, redis://HOST:PORT/DB"),
                )
            values["store"] = store
        if wait := self.environ.get(STORE_WAIT_VARIABLE):
            values["store_wait_s"] = _read_wait(wait)
        return LIMITS._replace(**values)

    @cached_property
    def timeouts(self) -> Timeouts:
        """Return the timeouts; `--timeout` sets those after connecting."""
        silence = self.value("timeout")
        if silence is None:
            return TIMEOUTS
        return Timeouts(min(TIMEOUTS.connect_s, silence), silence, silence, silence)

    def retry_policy(self, base: RetryPolicy) -> RetryPolicy:
        """Return the retry policy: the base's values, replaced by those that the user gave.

        A value that equals the default is still a given one: then the failures with their own
        schedule keep to it.
        """
        options = self.fill(Connection(), defaults=False)
        time_s, max_time_s = options.max_retry_time, options.max_time
        if time_s is None:
            time_s = base.max_retry_time_s
        if max_time_s is not None:
            # A wait that outlasts the whole run is not begun.
            time_s = min(time_s, max_time_s)
        return base._replace(
            attempts=base.attempts if options.retries is None else options.retries + 1,
            possibly_billed_retries=options.retry_ambiguous,
            max_retry_time_s=time_s,
            fixed=options.retries is not None,
            time_fixed=options.max_retry_time is not None or max_time_s is not None,
        )

    @property
    def families(self) -> Overrides:
        """Return the user's own table of model families, in the order of the file."""
        return self.config.families

    @property
    def usage_ledger(self) -> bool:
        """Return True if usage is recorded for `apiyi usage`."""
        return self.config.usage_ledger is not False

    def origin(self, name: str) -> str:
        """Return the origin of a value, including `base_urls` and `limits.rpm`."""
        if name == "base_urls":
            return self._resolved_urls.origin
        table, _, limit = name.partition(".")
        return self._limit_origin(limit) if table == "limits" else super().origin(name)

    @cached_property
    def _resolved_urls(self) -> Resolved:
        option = Connection.flags["base_url"]
        flag, variable = self._flag(option), self._variable(option)
        if self.sandbox:
            if flag is not None:
                raise UsageError("--base-url", Text("the sandbox profile has its own address"))
            return Resolved((), Text("built in"))
        typed_node = self._flag(Connection.flags["node"])
        if flag is not None and typed_node is not None:
            raise UsageError(
                Text("cannot use --node with --base-url"), Text("both say where requests go")
            )
        if typed_node is not None:
            return Resolved(node_urls(typed_node.value), typed_node.origin)
        for resolved, source in ((flag, "--base-url"), (variable, "APIYI_BASE_URL")):
            if resolved is not None:
                from apiyi_cli.settings.base_url import normalize_base_url

                return Resolved((normalize_base_url(resolved.value, source),), resolved.origin)
        node = self._find(Connection.flags["node"])
        if node is not NOT_SET:
            return Resolved(node_urls(node.value), node.origin)
        profile = self.in_profile
        origin = self._profile_text(self.profile) if profile.base_urls else "default"
        return Resolved(self.configured_base_urls, origin)

    def _limit_origin(self, name: str) -> str:
        if name in ("rpm", "tpm") and name in self._flags:
            return Text("flag --{name}", name=name)
        variable = {"store": STORE_VARIABLE, "store_wait_s": STORE_WAIT_VARIABLE}.get(name)
        if variable is not None and self.environ.get(variable):
            return Text("environment {name}", name=variable)
        profile = self.in_profile
        return self._profile_text(self.profile) if name in profile.limits else "default"


def _read_wait(text: str) -> float:
    try:
        wait_s = float(text)
    except ValueError:
        wait_s = -1.0
    if not 0 <= wait_s <= LONGEST_STORE_WAIT_S:
        raise SetupError(
            Text("environment {name}", name=STORE_WAIT_VARIABLE),
            Text(
                "expected seconds from {least} to 86400, found {limit}", least=0, limit=repr(text)
            ),
        )
    return wait_s
