"""Options: what is printed, and where."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class Output(Group, panel="Output"):
    """What is printed, where, and with how many messages."""

    json = flag(bool, "--json", help="The server's object, verbatim, on one line.")
    ndjson = flag(bool, "--ndjson", help="One JSON object per line, as each arrives.")
    jq = flag(
        str,
        "--jq",
        help="Filter the JSON with a jq expression (extra: apiyi-cli[jq]).",
        metavar="EXPR",
        config=False,
    )
    output = flag(
        str,
        "-o",
        "--output",
        help="Write to this file instead of stdout.",
        metavar="PATH",
        complete="file",
        config=False,
    )
    force = flag(bool, "--force", help="Overwrite what exists.", config=False)
    quiet = flag(bool, "-q", "--quiet", help="No notices on stderr, errors only.")
    verbose = flag(bool, "-v", "--verbose", help="Tell on stderr what is sent and received.")
    usage = flag(bool, "-u", "--usage", help="Token counts on stderr.")
    color = flag(
        str,
        "--color",
        help="Colour and styles.",
        metavar="WHEN",
        choices=("auto", "always", "never"),
    )


class RecordOutput(Output, panel="Output"):
    """The output of a batch; its records are always JSON lines."""

    json = flag(bool, "--json", help="Errors, and what --check finds, as JSON.")
    ndjson = flag(bool, "--ndjson", help="The same as --json: records are JSON lines anyway.")
    usage = flag(bool, "-u", "--usage", help="The summary with its token counts, even with -q.")
