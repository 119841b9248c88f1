"""A batch that is looked at and not sent: `--check`, `--dry-run` and `--strict`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiyi_cli.batch.rows import Row, Rows
from apiyi_cli.core.groups import Connection
from apiyi_cli.core.jsontext import write
from apiyi_cli.errors import PartialError, UsageError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.session import Session

BAD_ROWS_TOLD = 20
BLOCK_BYTES = 1 << 16


def check(session: Session, rows: Rows) -> None:
    """Print how many rows there are, and what they will need at the key's limits.

    Raises UsageError when a row is bad, after naming the first of them.
    """
    from apiyi_cli.build.tokens import estimate_tokens
    from apiyi_cli.render.progress import span

    bad = _Bad(session)
    count = tokens = 0
    for row in rows:
        if row.call is None:
            bad.add(row)
            continue
        count += 1
        tokens += estimate_tokens(row.call)
    limits = session.settings.limits
    seconds = limits.window_s * max(count / limits.rpm, tokens / limits.tpm)
    found = {
        "rows": count + bad.count,
        "bad": bad.count,
        "requests": count,
        "tokens_estimate": tokens,
        "seconds_at_limits": round(seconds, 1),
    }
    if session.form == "text":
        shown = (
            f"{count + bad.count:,} rows, {bad.count:,} bad, {count:,} requests, "
            f"≈ {tokens:,} tokens, {span(seconds)} at {limits.rpm:,} requests and "
            f"{limits.tpm:,} tokens in {limits.window_s:g} s\n"
        )
        session.console.write(shown.encode())
    else:
        session.console.write(b"".join(session.filtered([write(found) + b"\n"])), "json")
    bad.refuse()


def show(session: Session, rows: Rows) -> None:
    """Print the requests, one JSON object each; bad rows are named on stderr."""
    from apiyi_cli.cli.preview import described

    if session.request.code:
        raise UsageError(Text("cannot use --code"), Text("it shows one request"), hint="--dry-run")
    urls = session.settings.base_urls
    base_url = urls[0] if urls else "http://127.0.0.1:1/v1"
    extra = session.fill(Connection()).header
    bad = _Bad(session)
    block: list[bytes] = []
    size = 0
    for row in rows:
        if row.call is None:
            bad.add(row)
            continue
        block.append(described(row.call, base_url, extra, session.run.secrets))
        size += len(block[-1])
        if size > BLOCK_BYTES:
            session.console.write(b"".join(session.filtered(block)), "json")
            block, size = [], 0
    session.console.write(b"".join(session.filtered(block)), "json")
    if bad.count:
        raise PartialError(
            Text("not all rows can be sent"), Text("{count} are bad", count=f"{bad.count:,}")
        )


def refuse_bad(session: Session, rows: Rows) -> None:
    """Raise UsageError, after naming the first bad rows, unless all rows are good."""
    bad = _Bad(session)
    for row in rows:
        if row.call is None:
            bad.add(row)
    bad.refuse()


class _Bad:
    """Names the bad rows on stderr, the first of them one by one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.count = 0

    def add(self, row: Row) -> None:
        self.count += 1
        if self.count <= BAD_ROWS_TOLD and row.error is not None:
            self._session.run.say_error(row.error)

    def refuse(self) -> None:
        if self.count:
            raise UsageError(
                Text("nothing was sent"), Text("bad rows: {count}", count=f"{self.count:,}")
            )
