"""The lease of a run on its output, where machines share a limits' store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apiyi_cli.batch.state.store_lock import StoreLock
    from apiyi_cli.wire.send import Plan


def make_store_lock(plan: Plan, note: Callable[[str], None]) -> StoreLock | None:
    """Return the lease on an output in the shared store, None without a store."""
    if plan.limiter is None or plan.limiter.limits.store is None:
        return None
    from apiyi_cli.batch.state.store_lock import StoreLock
    from apiyi_cli.wire.limits.redis_limiter import RedisLimiter

    assert isinstance(plan.limiter, RedisLimiter)
    return StoreLock(plan.limiter, plan.clock, note, plan.timeouts.total_at)
