"""Options: what is printed, and where."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class Output(Group, panel="Output"):
    """What is printed, where, and with how many messages."""

    json = flag(bool, "The server's object, verbatim, on one line.")
    ndjson = flag(bool, "One JSON object per line, as each arrives.")
    jq = flag(
        str,
        "Filter the JSON with a jq expression (extra: apiyi-cli[jq]).",
        metavar="EXPR",
        config=False,
    )
    output = flag(
        str,
        "Write to this file instead of stdout.",
        "-o",
        metavar="PATH",
        complete="file",
        config=False,
    )
    force = flag(bool, "Overwrite what exists.", config=False)
    quiet = flag(bool, "No notices on stderr, errors only.", "-q")
    verbose = flag(bool, "Tell on stderr what is sent and received.", "-v")
    usage = flag(bool, "Token counts on stderr.", "-u")
    color = flag(str, "Colour and styles.", metavar="WHEN", choices=("auto", "always", "never"))


class RecordOutput(Output, panel="Output"):
    """The output of a batch; its records are always JSON lines."""

    json = flag(bool, "Errors, and what --check finds, as JSON.")
    ndjson = flag(bool, "The same as --json: records are JSON lines anyway.")
    usage = flag(bool, "The summary with its token counts, even with -q.", "-u")
