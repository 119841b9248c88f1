"""The free questions about a key: what it may use, and whether it still counts.

Both answer a key alone, in the shape of OpenAI's old dashboard. A gateway whose fault refuses
the key, or refuses for money, without an end says the same when it is asked for free; once,
because one sandbox may serve many experiments.
"""

from __future__ import annotations

import threading

from apiyi_cli.core.endpoints import CREDIT_USED, MODELS
from apiyi_cli.sandbox.received import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import ScriptedReply

GIVEN_USD = 100.0
_KEY = frozenset(("401",))
_MONEY = frozenset(("402", "quota", "quota429"))


def subscription(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer GET /v1/dashboard/billing/subscription."""
    return ScriptedReply.json(
        {
            "object": "billing_subscription",
            "has_payment_method": True,
            "soft_limit_usd": GIVEN_USD,
            "hard_limit_usd": GIVEN_USD,
            "system_hard_limit_usd": GIVEN_USD,
            "access_until": 0,
        }
    )


def usage(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer GET /v1/dashboard/billing/usage; it counts cents."""
    return ScriptedReply.json({"object": "list", "total_usage": 0.0})


class LastRefusal:
    """Remembers the fault that refused a key, until it is asked about."""

    def __init__(self) -> None:
        self._name = ""
        self._lock = threading.Lock()

    def note(self, name: str) -> None:
        """Remember a fault without an end; "" forgets, because a request was answered."""
        with self._lock:
            self._name = name if name in _KEY | _MONEY else ""

    def answer(self, request: ReceivedRequest) -> ScriptedReply | None:
        """Return the answer to a free question that fits the refusal, None without one."""
        if request.method != "GET":
            return None
        with self._lock:
            if request.path == MODELS.host_path and self._name in _KEY:
                self._name = ""
                return ScriptedReply.error(401, "无效的令牌", code="invalid_api_key")
            if request.path == CREDIT_USED.host_path and self._name in _MONEY:
                self._name = ""
                return ScriptedReply.json({"object": "list", "total_usage": GIVEN_USD * 100})
        return None
