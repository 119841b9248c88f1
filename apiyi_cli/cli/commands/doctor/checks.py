"""The checks of `apiyi doctor`, each a generator of findings."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import Any
from urllib.parse import urlsplit

from apiyi_cli.cli.commands.doctor.finding import Finding, State, make_failure
from apiyi_cli.cli.commands.doctor.installed import (
    SHELLS,
    find_completion,
    find_manual,
    list_programs,
)
from apiyi_cli.cli.commands.doctor.models import list_unknown
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.account import fetch_balance
from apiyi_cli.cli.gateway.plan import ask, make_probe
from apiyi_cli.core.call import Reply
from apiyi_cli.core.endpoints import MODELS
from apiyi_cli.core.hosts import NODES
from apiyi_cli.core.shells import find_shell
from apiyi_cli.decode.frames.fields import read_object, read_objects
from apiyi_cli.decode.frames.reply_body import read_json
from apiyi_cli.errors import ApiyiError, AuthError, SetupError, TemporaryError
from apiyi_cli.settings.key_store import list_places
from apiyi_cli.settings.paths import runtime_dir
from apiyi_cli.settings.vendor_files import is_for_gateway
from apiyi_cli.text import Text, join_texts
from apiyi_cli.wire.send import Sender

SKEW_S = 30.0
SLOW_S = 3.0
ADVICE = Text("check the network, the proxy and the address")


def config(ctx: Context) -> Iterator[Finding]:
    """Yield whether the configuration can be read, and which profile is in use."""
    settings = ctx.settings
    profile = settings.in_profile
    path = settings.config_path
    where = str(path) if path.exists() else Text("no file ({path})", path=path)
    yield Finding(
        "config", "ok", Text("{where}, profile {profile}", where=where, profile=profile.name)
    )


def key(ctx: Context) -> Iterator[Finding]:
    """Yield where the key comes from, never the key."""
    if ctx.settings.sandbox:
        yield Finding("key", "ok", Text("the sandbox needs none"))
        return
    secret = ctx.settings.secret
    yield Finding("key", "ok", Text("{tail} from {source}", tail=secret.tail, source=secret.source))


def keyring(ctx: Context) -> Iterator[Finding]:
    """Yield whether the keyring answers; a machine without one is normal."""
    for place in list_places(ctx.settings):
        if "keyring" in place.name:
            if place.present is None:
                # Where the key comes from another place, the machine needs none.
                needs_none = ctx.settings.sandbox or ctx.settings.key_source
                state: State = "ok" if needs_none else "warning"
                yield Finding("keyring", state, place.note or Text("it does not answer"))
            else:
                message = Text("answers, no key in it")
                if place.present:
                    message = Text("holds a key for this profile")
                yield Finding("keyring", "ok", message)


def proxy(ctx: Context) -> Iterator[Finding]:
    """Yield the proxy that each host is reached through."""
    from apiyi_cli.wire.http.proxies import proxy_for

    explicit = ctx.settings.connection.proxy
    for base_url in ctx.settings.base_urls:
        parts = urlsplit(base_url)
        server = proxy_for(parts.scheme, parts.hostname or "", explicit, ctx.process.environ)
        via = Text("direct")
        if server:
            via = Text("through {shown} ({source})", shown=server.address, source=server.source)
        yield Finding("proxy", "ok", Text("{host}: {via}", host=parts.hostname, via=via))


def tls(ctx: Context) -> Iterator[Finding]:
    """Yield which certificates are trusted."""
    import ssl

    from apiyi_cli.wire.http.tls import tls_context

    cacert = ctx.settings.connection.cacert
    tls_context(cacert, ctx.process.environ)
    named = cacert or ctx.process.environ.get("SSL_CERT_FILE") or Text("the system's certificates")
    yield Finding("tls", "ok", join_texts([ssl.OPENSSL_VERSION, named]))


def hosts(ctx: Context) -> Iterator[Finding]:
    """Ask every host for its models, and compare its clock with ours."""
    plan = ctx.gateway.make_plan(keyless=not _has_key(ctx))
    names: set[str] = set()
    for base_url in plan.base_urls:
        sender = make_probe(plan, base_url)
        try:
            listed = yield from _measure_host(ctx, sender, base_url)
            names = names or listed
        except AuthError as failure:
            yield _make_host_refusal(ctx, sender, base_url, failure)
        except ApiyiError as failure:
            yield _make_host_failure(base_url, failure)
        finally:
            sender.close()
    if names:
        yield from list_unknown(ctx, names)


def _make_host_failure(base_url: str, failure: ApiyiError) -> Finding:
    advice = ADVICE if isinstance(failure, TemporaryError) else failure.hint or ""
    message = Text("{url}: {failure}", url=base_url, failure=failure.summary())
    return Finding("host", "failure", message, advice, failure.exit_code)


def _has_key(ctx: Context) -> bool:
    try:
        return ctx.settings.sandbox or bool(ctx.settings.secret.value)
    except ApiyiError:
        return False


def _make_host_refusal(ctx: Context, sender: Sender, base_url: str, failure: AuthError) -> Finding:
    """Return the finding for a host that answered but refused this key."""
    if _has_key(ctx):
        return _make_host_failure(base_url, failure)
    message = Text(
        "{base_url}: connected in {connected_s} ms, it wants a key",
        base_url=base_url,
        connected_s=f"{sender.connected_s * 1000:.0f}",
    )
    return Finding("host", "ok", message)


def _measure_host(
    ctx: Context, sender: Sender, base_url: str
) -> Generator[Finding, None, set[str]]:
    """Yield how fast a host answers and whether the clocks agree; return its models."""
    clock = ctx.process.clock
    began_s = clock.monotonic()

    def read(reply: Reply) -> tuple[Reply, float, Any]:
        first_byte_s = clock.monotonic()
        return reply, first_byte_s, read_json(reply, cost="free")[0]

    reply, first_byte_s, models = ask(sender, MODELS.call(), read)
    items = read_objects(read_object(models).get("data"))
    names = {str(item["id"]) for item in items if item.get("id")}
    took_s = first_byte_s - began_s
    state: Any = "warning" if took_s > SLOW_S or not names else "ok"
    advice = Text("try the other host, or --proxy") if took_s > SLOW_S else ""
    message = Text(
        "{base_url}: connected in {connect_s} ms, first byte after {took_s} ms, {count} models",
        base_url=base_url,
        connect_s=f"{sender.connected_s * 1000:.0f}",
        took_s=f"{took_s * 1000:.0f}",
        count=len(names),
    )
    yield Finding("host", state, message, advice)
    yield from _compare_clock(ctx, reply)
    return names


def _compare_clock(ctx: Context, reply: Reply) -> Iterator[Finding]:
    from email.utils import parsedate_to_datetime

    date = reply.headers.get("date")
    if not date:
        return
    try:
        skew_s = ctx.process.clock.wall() - parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return
    if abs(skew_s) > SKEW_S:
        skew = f"{skew_s:+.0f}"
        message = Text("this machine's clock is {skew_s} s off the server's", skew_s=skew)
        advice = Text("set the clock: certificates and reports depend on it")
        yield Finding("clock", "warning", message, advice)
    else:
        message = Text("within {skew_s} s of the server's", skew_s=f"{abs(skew_s):.0f}")
        yield Finding("clock", "ok", message)


def balance(ctx: Context) -> Iterator[Finding]:
    """Tell what the account has left, where a system token is kept."""
    try:
        ctx.settings.system_token  # noqa: B018
    except ApiyiError:
        return
    try:
        left = fetch_balance(ctx.gateway, ctx.settings)
    except ApiyiError as failure:
        yield Finding("balance", "warning", failure.summary(), failure.hint or "")
    else:
        yield Finding("balance", "ok", Text("${usd} left", usd=f"{left.usd:.2f}"))


def terminal(ctx: Context) -> Iterator[Finding]:
    """Yield the capabilities of the terminal."""
    console, environ = ctx.process.console, ctx.process.environ
    if not console.stdout_is_terminal:
        yield Finding("terminal", "ok", Text("stdout is no terminal: plain output"))
        return
    kind = environ.get("TERM") or "unknown"
    message = Text("{kind}, {width} columns, colour off", kind=kind, width=console.width)
    if ctx.output.color:
        message = Text("{kind}, {width} columns, colour on", kind=kind, width=console.width)
    yield Finding("terminal", "ok", message)


def path(ctx: Context) -> Iterator[Finding]:
    """Yield whether another `apiyi` is before or behind this one on PATH."""
    programs = list_programs(ctx.process.environ)
    ours = [program for program, is_ours in programs if is_ours]
    others = [str(program) for program, is_ours in programs if not is_ours]
    if not others:
        return
    if programs[0][1]:
        message = Text(
            "another program called apiyi is behind this one: {other}", other=", ".join(others)
        )
        yield Finding("path", "ok", message)
        return
    message = Text(
        "another program called apiyi runs instead of this one: {other}", other=others[0]
    )
    advice: str = Text("python3 -m apiyi_cli runs this one")
    if ours:
        advice = Text(
            "put {folder} first in PATH; npx apiyi still runs the other", folder=ours[0].parent
        )
    yield Finding("path", "warning", message, advice)


def installation(ctx: Context) -> Iterator[Finding]:
    """Ask `man` and the shell whether they find the manual and the completion."""
    environ = ctx.process.environ
    kind = find_shell(environ)
    if kind == "posix":
        if page := find_manual(environ):
            yield Finding("manual", "ok", Text("man apiyi shows {page}", page=page))
        else:
            message = Text("man finds no page of apiyi")
            yield Finding("manual", "warning", message, "apiyi help")
    elif kind == "cmd":
        # It completes the names of files alone.
        return
    program = kind if kind == "powershell" else environ.get("SHELL") or "bash"
    shell = os.path.basename(program)
    if shell in SHELLS and (found := find_completion(shell, program, environ)):
        message = Text("installed for {shell}: {found}", shell=shell, found=found)
        yield Finding("completion", "ok", message)
    else:
        named = shell if shell in SHELLS else "bash"
        advice = f"apiyi completion {named} --install"
        yield Finding("completion", "warning", Text("none found for {shell}", shell=shell), advice)


def limits(ctx: Context) -> Iterator[Finding]:
    """Yield the limits in force, and whether all processes share them."""
    limits = ctx.settings.limits
    message: str = Text(
        "{rpm} requests and {tpm} tokens in {window_s} s, ",
        rpm=limits.rpm,
        tpm=limits.tpm,
        window_s=f"{limits.window_s:g}",
    )
    message += Text("{concurrency} at once", concurrency=limits.concurrency)
    has_limiter = _has_key(ctx) and not ctx.settings.sandbox
    if has_limiter and limits.store is not None:
        yield _shared_limits(ctx, limits.store, message)
        return
    trouble: list[str] = []
    if has_limiter:
        from apiyi_cli.wire.limits.limiter import Limiter

        folder, key = runtime_dir(ctx.process.environ), ctx.settings.secret.value
        Limiter(folder, key, limits, tell=trouble.append)
    if trouble:
        yield Finding("limits", "warning", join_texts((message, trouble[0]), "; "))
    else:
        yield Finding("limits", "ok", Text("{message}, shared by all processes", message=message))


def _shared_limits(ctx: Context, store: str, message: str) -> Finding:
    """Return whether the server for limits shared by several hosts works."""
    from apiyi_cli.wire.limits.redis_limiter import RedisLimiter
    from apiyi_cli.wire.limits.redis_store import without_credentials

    began_s = ctx.process.clock.monotonic()
    limits = ctx.settings.limits._replace(store_wait_s=0.0)
    try:
        RedisLimiter(store, ctx.settings.secret.value, limits)
    except SetupError as failure:
        return make_failure("limits", failure)
    took_ms = (ctx.process.clock.monotonic() - began_s) * 1000
    return Finding(
        "limits",
        "ok",
        Text(
            "{message}, shared through {store} ({took_ms} ms)",
            message=message,
            store=without_credentials(store),
            took_ms=f"{took_ms:.0f}",
        ),
    )


def nodes(ctx: Context) -> Iterator[Finding]:
    """Yield whether each other node answers. They get no key, and one that fails is a warning."""
    used = ctx.settings.base_urls
    if is_for_gateway(used):
        for name, base_url in NODES.items():
            if base_url not in used:
                yield _probe_node(ctx, name, base_url)


def _probe_node(ctx: Context, name: str, base_url: str) -> Finding:
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
