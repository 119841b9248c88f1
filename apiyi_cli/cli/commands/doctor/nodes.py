"""The gateway's nodes that the profile does not use: whether they can be reached."""

from __future__ import annotations

from collections.abc import Iterator

from apiyi_cli.cli.commands.doctor.finding import Finding
from apiyi_cli.cli.context import Context
from apiyi_cli.core.hosts import NODES
from apiyi_cli.errors import ApiyiError, AuthError
from apiyi_cli.text import Text


def nodes(ctx: Context) -> Iterator[Finding]:
    """Yield whether each other node answers. They get no key, and one that fails is a warning."""
    from apiyi_cli.settings.vendor_files import is_for_gateway

    used = ctx.settings.base_urls
    if is_for_gateway(used):
        for name, base_url in NODES.items():
            if base_url not in used:
                yield _probe_node(ctx, name, base_url)


def _probe_node(ctx: Context, name: str, base_url: str) -> Finding:
    from apiyi_cli.cli.gateway.plan import ask, make_probe
    from apiyi_cli.core.endpoints import MODELS

    sender = make_probe(ctx.gateway.make_plan(keyless=True), base_url)
    try:
        ask(sender, MODELS.call(), lambda reply: reply.status)
    except AuthError:
        # It wants a key: it is there.
        pass
    except ApiyiError as failure:
        message = Text("{url}: {failure}", url=base_url, failure=failure.summary())
        return Finding("host", "warning", message)
    finally:
        sender.close()
    message = Text(
        "{base_url}: connected in {connected_ms} ms, used with --node {name}",
        base_url=base_url,
        connected_ms=f"{sender.connected_s * 1000:.0f}",
        name=name,
    )
    return Finding("host", "ok", message)
