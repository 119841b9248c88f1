"""The tree of errors, each with the exit code that tells scripts about it.

    ApiyiError
    ├── UsageError        2   options, arguments, unreadable or undecodable input
    ├── PartialError      3   the end was reached, some of many records failed
    ├── AuthError         4   no key, a key that was refused, a keyring that stays silent
    ├── TemporaryError    5   nothing was billed as far as can be known: run again for free
    ├── RejectedError     6   the gateway refused the request, or what answered is not the API
    │   └── UnknownModelError
    ├── FundsError        7   quota or balance used up
    ├── IncompleteError   8   cut, unproved or unfit answer: running again may pay twice
    ├── LimitError        9   a limit that the user set was reached
    ├── SetupError       10   configuration, proxy, certificate, permissions, lock
    └── OutputError      11   the answer could not be written

Nothing below `main` prints or exits: it raises one of these. Signals are not errors;
see `Interrupted`.
"""

from __future__ import annotations

from copy import copy
from typing import Any, ClassVar, Literal, Self

from apiyi_cli.plain_value import PlainValue
from apiyi_cli.text import Text, join_texts

Billed = Literal["no", "maybe", "pending", "yes"]
"""Whether the gateway charged for a request, as far as can be known; "pending" is one that it
may still be working on."""

_BILLING = {
    "no": (Text("it was not billed"), Text("they were not billed")),
    "maybe": (Text("it may have been billed"), Text("they may have been billed")),
    "pending": (Text("it may be billed"), Text("they may be billed")),
    "yes": (Text("it was billed"), Text("they were billed")),
}


def describe_billing(billed: Billed, *advice: str, many: bool = False) -> str:
    """Return the sentence on whether a request (or `many`) was billed, with the advice.

    No other place words this.
    """
    return join_texts((_BILLING[billed][many], *advice), "; ")


Phase = Literal["connect", "sent", "status", "opened", "content"]
"""How far a request got: not fully sent; sent and no status line; a status that is not 2xx;
2xx and nothing of the answer yet; part of the answer seen."""


REDIRECT, PAGE = "redirect", "page"
"""Causes of refusals that are about the address: it redirects, or a web page answers."""
BOMB = "bomb"
"""The cause of the refusal of a body that unfolds too far, of which nothing is worth keeping."""


class Facts(PlainValue):
    """The facts about a failure besides its message, for messages and retry decisions.

    `kind` is how the transport failed: dns, refused, timeout, reset, tls, certificate,
    proxy, protocol, cut; "misfit" is a whole answer that is not what was asked for. `reused`
    is True if the connection had served a request before; `after_s` is the time from the end
    of sending to the failure. `retry_after_s` is how long the gateway asked to wait,
    `should_retry` its `x-should-retry`; None is "not told".
    `cause` is the matching row of `decode.errors.error_table`, `billed` what that says about the
    charge. `ends_run` is the result of a free request about key or account: whether further items
    of the run would fail as well; None if it was not sent. `param` is the field of the body that
    a refusal names.
    """

    status: int | None = None
    code: str | None = None
    request_id: str | None = None
    host: str | None = None
    phase: Phase | None = None
    kind: str | None = None
    reused: bool = False
    after_s: float | None = None
    retry_after_s: float | None = None
    should_retry: bool | None = None
    cause: str | None = None
    billed: Billed | None = None
    ends_run: bool | None = None
    param: str | None = None


class ApiyiError(Exception):
    """What failed, why, and what the user can do.

    `what` and `why` make the first line, `hint` the second one: a command to type, or a
    short imperative. `received` is what came and could not be used, to be kept.
    """

    exit_code: ClassVar[int] = 1
    default_hint: ClassVar[str | None] = None

    def __init__(
        self,
        what: str,
        why: str = "",
        *,
        hint: str | None = None,
        facts: Facts = Facts(),
        received: bytes = b"",
    ) -> None:
        super().__init__(what, why)
        self.what = what
        self.why = why
        self.hint = hint if hint is not None else self.default_hint
        self.facts = facts
        self.received = received

    def add_facts(self, **facts: Any) -> Self:
        """Return the error with facts that a lower level could not know.

        Those that it has already stay.
        """
        new = {name: value for name, value in facts.items() if not getattr(self.facts, name)}
        return self.replace_facts(**new)

    def replace_facts(self, **facts: Any) -> Self:
        """Return the error with other facts."""
        return self._replace(facts=self.facts._replace(**facts))

    def with_hint(self, hint: str | None) -> Self:
        """Return the error with another hint."""
        return self._replace(hint=hint)

    def with_received(self, received: bytes) -> Self:
        """Return the error with what came and could not be used."""
        return self._replace(received=received)

    def for_item(self, name: str) -> Self:
        """Return the error with the name of its item in front."""
        return self._replace(what=Text("{name}: {what}", name=name, what=self.what))

    def _replace(self, **fields: Any) -> Self:
        error = copy(self)
        vars(error).update(fields)
        return error

    def __str__(self) -> str:
        return str(self.sentence())

    def summary(self) -> str:
        """Return what failed and why as a message, without the facts."""
        return Text("{what}: {why}", what=self.what, why=self.why) if self.why else self.what

    def sentence(self) -> str:
        """Return what failed, why, and the known facts as a message of one line."""
        facts = self.facts
        known: list[str] = []
        if facts.status is not None:
            known.append(Text("HTTP {status}", status=facts.status))
        if facts.code:
            known.append(Text("code {code}", code=facts.code))
        if facts.request_id:
            known.append(Text("request id {id}", id=facts.request_id))
        if facts.host:
            known.append(Text("host {host}", host=facts.host))
        if not known:
            return self.summary()
        return Text("{line} ({facts})", line=self.summary(), facts=join_texts(known))

    def as_json(self) -> dict[str, object]:
        """Return the error as the object that `--json` and `--ndjson` print on stderr."""
        fields: dict[str, object] = {
            "message": self.summary(),
            "type": type(self).__name__,
            "exit_code": self.exit_code,
            "status": self.facts.status,
            "code": self.facts.code,
            "request_id": self.facts.request_id,
            "host": self.facts.host,
            "hint": self.hint,
        }
        return {"error": {name: value for name, value in fields.items() if value is not None}}


class UsageError(ApiyiError):
    """The command line or its input cannot be used; nothing was sent."""

    exit_code = 2


class PartialError(ApiyiError):
    """Several requests were made to the end, and some failed."""

    exit_code = 3


class AuthError(ApiyiError):
    """No key was found, or the gateway refused it."""

    exit_code = 4
    default_hint = "apiyi auth login"


class TemporaryError(ApiyiError):
    """It may work later, and nothing was billed as far as can be known."""

    exit_code = 5


class RejectedError(ApiyiError):
    """The gateway refused the request itself, or what answered is not the API."""

    exit_code = 6


class UnknownModelError(RejectedError):
    """The gateway has no channel for this model name."""

    default_hint = "apiyi models"


class FundsError(ApiyiError):
    """The quota of the key or the balance of the account is used up."""

    exit_code = 7
    default_hint = "top up at https://api.apiyi.com, or raise the key's quota there"


class IncompleteError(ApiyiError):
    """The answer was cut, never came, or is not what was asked for. It may have been billed."""

    exit_code = 8


class LimitError(ApiyiError):
    """A limit that the user set ended the run."""

    exit_code = 9


class SetupError(ApiyiError):
    """The configuration or the machine's set-up prevents the run."""

    exit_code = 10


class OutputError(ApiyiError):
    """What was received cannot be written."""

    exit_code = 11


def fails_every_item(error: ApiyiError, *, waits_for_network: bool = False) -> bool:
    """Return True if every further item of a run would fail with this error.

    A run that `waits_for_network` (a batch, whose rows are tried again later) goes on where the
    gateway cannot be reached; others end there.
    """
    if error.facts.ends_run is not None:
        return error.facts.ends_run
    if isinstance(error, (AuthError, FundsError, LimitError, SetupError, OutputError)):
        return True
    if error.facts.phase != "connect":
        return False
    return isinstance(error, UsageError) or not waits_for_network


_ABOUT_THE_ENDPOINT = frozenset((401, 402, 403, 404, 405, 501))


def is_about_item(refusal: RejectedError) -> bool:
    """Return True if another item may be accepted although this one was refused."""
    facts = refusal.facts
    if isinstance(refusal, UnknownModelError) or facts.phase not in (None, "status"):
        return False
    status = facts.status
    return status is not None and status >= 400 and status not in _ABOUT_THE_ENDPOINT


class Interrupted(BaseException):
    """A signal asked the process to stop: `main` cleans up and dies by `signum`.

    Not an `Exception`, so that no handler mistakes it for a failure. `note` is what
    the user has to know all the same, such as where an answer was kept.
    """

    def __init__(self, signum: int, note: str = "") -> None:
        super().__init__(signum)
        self.signum = signum
        self.note = note
