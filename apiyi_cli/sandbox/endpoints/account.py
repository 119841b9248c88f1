"""Free endpoints about a key and its account: balance and charges.

`/v1/dashboard/…` and the log of a key answer the key alone, the account its system token. A
gateway whose fault refuses the key, or refuses for money, without an end says the same when it
is asked for free; once, because one sandbox may serve many experiments.
"""

from __future__ import annotations

import threading
import time
from typing import Any
from urllib.parse import parse_qs

from apiyi_cli.core.endpoints import CREDIT_USED, MODELS
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import Refused, ScriptedReply

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


LARGEST_PAGE = 10
"""The largest page of the log, whatever size is asked for."""
CHARGED_QUOTA = 2500


def user(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer GET /api/user/self, with secrets that no client may show."""
    _require_system_token(request)
    charged = sum(received.billed for received in request.earlier)
    return ScriptedReply.json(
        {
            "success": True,
            "message": None,
            "data": {
                "id": 4711,
                "username": "sandbox",
                "email": "CANARY-email@example.com",
                "access_token": "CANARY-access-token",
                "aff_code": "CANARY-aff-code",
                "quota": 6_172_500 - charged * CHARGED_QUOTA,
                "used_quota": 1_000_000 + charged * CHARGED_QUOTA,
                "request_count": 42 + charged,
                "group": "default",
            },
        }
    )


def log(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer GET /api/log/self: a page of at most ten charges, the newest first."""
    _require_system_token(request)
    query = {name: values[-1] for name, values in parse_qs(request.query).items()}
    try:
        page = max(0, int(query.get("p", "0")))
        begin_s = int(query.get("start_timestamp", "0"))
        end_s = int(query.get("end_timestamp", "0")) or 1 << 40
    except ValueError:
        return ScriptedReply.json({"success": False, "message": "invalid parameter"})
    first = page * LARGEST_PAGE
    rows = [row for row in _charges(request) if begin_s <= row["created_at"] <= end_s]
    return ScriptedReply.json(
        {"success": True, "message": "", "data": rows[first : first + LARGEST_PAGE]}
    )


def key_log(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer GET /api/log/token, which asks for the key as other paths of the API do."""
    if not request.headers.get("authorization", "").startswith("Bearer "):
        return ScriptedReply.json({"success": False, "message": "未提供令牌"}, 401)
    return ScriptedReply.json({"success": True, "message": "", "data": _charges(request)[:1000]})


def _charges(request: ReceivedRequest) -> list[dict[str, Any]]:
    offset_s = time.time() - time.monotonic()
    return [
        {
            "request_id": received.request_id,
            "created_at": int(received.at + offset_s),
            "type": 2,
            "model_name": received.model,
            "token_name": "sandbox",
            "token_group": "default",
            "quota": CHARGED_QUOTA,
            "prompt_tokens": 8,
            "completion_tokens": 4,
            "is_stream": False,
            "other": "{}",
        }
        for received in reversed(request.earlier)
        if received.billed
    ]


def _require_system_token(request: ReceivedRequest) -> None:
    """Raise Refused unless the request carries a bare token that is not an API key."""
    given = request.headers.get("authorization", "")
    if not given or " " in given or given.startswith("sk-"):
        message = "无权进行此操作，access token 无效"
        raise Refused(ScriptedReply.json({"success": False, "message": message}, 401))


class LastRefusal:
    """Remembers the fault that refused a key until its account is asked for."""

    def __init__(self) -> None:
        self._name = ""
        self._lock = threading.Lock()

    def note(self, name: str) -> None:
        """Remember a permanent fault; "" forgets it, because a request was answered."""
        with self._lock:
            self._name = name if name in _KEY | _MONEY else ""

    def answer(self, request: ReceivedRequest) -> ScriptedReply | None:
        """Return the answer to a free request that fits the refusal, None without one."""
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
