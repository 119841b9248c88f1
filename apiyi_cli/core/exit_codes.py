"""The table of exit codes, from which the manual and the tests are generated."""

from __future__ import annotations

from apiyi_cli.plain_value import PlainValue


class ExitCode(PlainValue):
    """A number, its name, its meaning, and the cost of running again."""

    code: int
    name: str
    when: str
    again: str


EXIT_CODES = (
    ExitCode(
        0, "ok", "all that was asked for was received, proved complete, written and flushed", "-"
    ),
    ExitCode(
        1,
        "bug",
        "an unexpected exception: one line and a redacted crash file, no traceback",
        "report it",
    ),
    ExitCode(2, "usage", "options, arguments, unreadable or undecodable input", "fix"),
    ExitCode(
        3,
        "partial",
        "several requests were asked for and some of them failed",
        "only what failed (batch: --retry-failed)",
    ),
    ExitCode(4, "auth", "no key, keyring locked or silent, 401, 403 without a quota code", "fix"),
    ExitCode(
        5,
        "temporary",
        "408, 409, 425, 429, 500, 502, 503, 520-523, 529; connect, DNS or timeout before the "
        "request was sent; retries used up: nothing billed as far as can be known",
        "free",
    ),
    ExitCode(
        6,
        "rejected",
        "400, 404, 405, 413, 415, 422, 451, 501, content policy, unknown model, redirect, "
        "a 200 that is not the API",
        "fix",
    ),
    ExitCode(7, "no-funds", "402; a quota or billing code at any status", "top up"),
    ExitCode(
        8,
        "incomplete",
        "stream cut after it began; sent but no answer (silence, 504, 524, reset; 408 for "
        "image, speech and transcription); an answer that is not what was asked for",
        "may pay twice",
    ),
    ExitCode(
        9,
        "limit",
        "--max-errors, --fail-fast, --max-cost or --max-time reached",
        "raise the limit, resume",
    ),
    ExitCode(10, "setup", "config, proxy, certificate, CA, permissions, lock held", "fix"),
    ExitCode(11, "output", "cannot write: disk full, I/O error, closed stdout, file exists", "fix"),
)
