"""What a command can add to an error because it knows more than the place that raised it."""

from __future__ import annotations

import difflib
from shlex import quote
from typing import TYPE_CHECKING, Any

from apiyi_cli.core.call import Call
from apiyi_cli.core.families import refusal
from apiyi_cli.errors import ApiyiError, AuthError, UnknownModelError
from apiyi_cli.text import Text, map_text

if TYPE_CHECKING:
    from apiyi_cli.cli.session import Session
    from apiyi_cli.wire.send import Plan


def advised(failure: ApiyiError, session: Session, call: Call) -> ApiyiError:
    """Return the error with a better hint where there is one, and without keys in its words.

    What is said on stderr is redacted there; an error may also stand in a record on stdout.
    """
    redact = session.console.redact
    failure.what = map_text(failure.what, redact)
    failure.why = map_text(failure.why, redact)
    facts = failure.facts
    texts = {"code": facts.code, "request_id": facts.request_id}
    told: dict[str, Any] = {name: redact(text) for name, text in texts.items() if text}
    failure.facts = facts._replace(**told)
    if isinstance(failure, UnknownModelError) and call.model:
        known = known_models(session)
        fit = [name for name in known if not refusal(name, session.command)]
        near = [quote(name) for name in nearest(call.model, fit) if name != call.model]
        if call.model in known:
            failure.hint = Text(
                "the list has it, but no channel of the key's group serves it now: another model, "
                "or another group for the key in the console"
            )
        elif near:
            failure.hint = (
                Text("-m {near} (or {near2})", near=near[0], near2=", ".join(near[1:]))
                if near[1:]
                else Text("-m {near}", near=near[0])
            )
    elif facts.cause == "throttled" and session.sends_many:
        failure.hint = Text("send less at once: a smaller -j, or --rpm")
    elif isinstance(failure, AuthError) and failure.facts.cause == "key":
        source = getattr(session.__dict__.get("secret"), "source", "")
        if source:
            failure.hint = Text("apiyi auth login (the key came from {source})", source=source)
    return failure


def nearest(model: str, known: list[str]) -> list[str]:
    """Return up to three model names that look like the one that is unknown."""
    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(model.lower(), lower, 3, 0.6)
    starting = [name for name in lower if name.startswith(model.lower())][:3]
    return [lower[name] for name in dict.fromkeys([*close, *starting])][:3]


def known_models(session: Session) -> list[str]:
    """Return the gateway's model names: from the last list that was fetched, else fetched now.

    An error on the way, or a slow answer, is no second error: the list is then empty.
    """
    from apiyi_cli.cli.gateway.models import cached_models

    return cached_models(session) or listed_models(session, session.sender.plan)


def listed_models(session: Session, plan: Plan) -> list[str]:
    """Return the model names that the gateway lists now, [] when it does not answer."""
    from apiyi_cli.cli.gateway.models import fetched_models
    from apiyi_cli.cli.gateway.plan import brief

    sender = brief(plan)
    try:
        return [one["id"] for one in fetched_models(session, sender)[0]]
    except ApiyiError:
        return []
    finally:
        sender.close()
