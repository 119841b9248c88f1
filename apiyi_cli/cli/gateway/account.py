"""Reads the account at the gateway with the system token: its balance and charges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import count
from typing import Any, TypeVar

from apiyi_cli.cli.gateway.client import GatewayClient
from apiyi_cli.cli.settings import CommandSettings
from apiyi_cli.core.call import Call
from apiyi_cli.core.endpoints import ACCOUNT, ACCOUNT_LOG
from apiyi_cli.core.secret import Secret
from apiyi_cli.decode.account import AccountBalance, Charge, read_balance, read_charges
from apiyi_cli.decode.frames.reply_body import read_json
from apiyi_cli.errors import AuthError
from apiyi_cli.text import Text
from apiyi_cli.wire.send import Sender

T = TypeVar("T")

WINDOW_S = 86400
"""The longest span of one log request; the gateway does not answer longer ones in time."""
PAGE_ROWS = 100
"""The requested page size; the gateway returns 10 rows in any case."""
QUICK_PAGES = 20
PAUSE_S = 0.6
"""The pause between later pages: an account has about 100 requests a minute."""


class AccountClient:
    """Sends the free requests about an account; only they carry its system token."""

    def __init__(self, gateway: GatewayClient, token: Secret) -> None:
        self._gateway = gateway
        self._pages = 0
        plan = gateway.make_plan(keyless=True)
        self._sender = Sender(
            plan._replace(key=token.value, limiter=None, cache=None, on_sent=None, account=None)
        )

    def ask(self, call: Call, read: Callable[[Any], T]) -> T:
        """Send a call and return `read` of its JSON answer.

        Raises AuthError for a token that the gateway refuses, also inside a 200.
        """
        if call.path.partition("?")[0] not in (ACCOUNT.path, ACCOUNT_LOG.path):
            raise ValueError("the system token goes to the account alone")
        try:
            return self._gateway.ask(
                call, lambda reply: read(read_json(reply, cost="free")[0]), sender=self._sender
            )
        except AuthError as failure:
            needs_number = "New-Api-User" in failure.why
            raise failure.with_hint(
                Text("-H 'New-Api-User: N', where N is the number of the account in the console")
                if needs_number
                else Text("apiyi auth login --system-token; an API key is not enough")
            ) from failure.__cause__

    def fetch_charges(self, since_s: float, until_s: float) -> Iterator[Charge]:
        """Yield a span's charges by day and page until one is empty."""
        begin_s = int(since_s)
        while begin_s <= until_s:
            end_s = min(begin_s + WINDOW_S - 1, int(until_s))
            yield from self._fetch_window(begin_s, end_s)
            begin_s = end_s + 1

    def _fetch_window(self, begin_s: int, end_s: int) -> Iterator[Charge]:
        seen: set[tuple[Charge, int]] = set()
        was_known = False
        for page in count():
            path = (
                f"{ACCOUNT_LOG.path}?p={page}&pageSize={PAGE_ROWS}&page_size={PAGE_ROWS}"
                f"&type=2&start_timestamp={begin_s}&end_timestamp={end_s}"
            )
            self._pages += 1
            if self._pages > QUICK_PAGES:
                self._sender.plan.clock.sleep(PAUSE_S)
            charges = self.ask(ACCOUNT_LOG.call()._replace(path=path), read_charges)
            # A charge that came in meanwhile moves the others to the next page; two that are
            # alike on one page are two.
            new = {item: None for item in _number_alike(charges) if item not in seen}
            # Gateways that count pages from 1 answer 0 and 1 alike; others ignore the number.
            if not charges or (not new and was_known):
                return
            was_known = not new
            seen.update(new)
            # Not all keep to the span and the type of row that they were asked for.
            for charge, _ in new:
                if charge.was_consumed and begin_s <= int(charge.created_at) <= end_s:
                    yield charge

    def close(self) -> None:
        """Close the connections."""
        self._sender.close()


def _number_alike(charges: Iterable[Charge]) -> Iterator[tuple[Charge, int]]:
    """Yield a page's charges, each with the count of equal ones before."""
    counts: Counter[Charge] = Counter()
    for charge in charges:
        yield charge, counts[charge]
        counts[charge] += 1


def open_account(gateway: GatewayClient, settings: CommandSettings) -> closing[AccountClient]:
    """Return the client of the profile's account, for a `with`.

    Raises AuthError without a system token.
    """
    return closing(AccountClient(gateway, settings.system_token))


def fetch_balance(gateway: GatewayClient, settings: CommandSettings) -> AccountBalance:
    """Return the balance of the profile's account; raise AuthError without a system token."""
    with open_account(gateway, settings) as account:
        return account.ask(ACCOUNT.call(), read_balance)
