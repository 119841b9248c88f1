"""Options: many requests from a file."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class BatchOptions(Group, panel="Rows"):
    """The rows of a batch, which of them run, and when to stop."""

    endpoint = flag(
        str,
        "--endpoint",
        help="Command that the rows are for (chat, or what their url says).",
        metavar="NAME",
        choices=("chat", "complete", "respond", "embed", "rank", "image", "transcribe", "speak"),
        config=False,
    )
    format = flag(
        str,
        "--format",
        help="jsonl, csv, tsv or lines. Else by the extension, else jsonl.",
        metavar="FORMAT",
        choices=("jsonl", "csv", "tsv", "lines"),
        config=False,
    )
    lines = flag(bool, "--lines", help="Each line of FILE is an input.", config=False)
    template = flag(
        str,
        "--template",
        help="Input made of columns or fields: 'Translate: {text}'.",
        metavar="TEXT",
        config=False,
    )
    params = flag(
        str,
        "--params",
        help="Columns or fields that are request fields, the rest being data: temperature,stop.",
        metavar="NAMES",
        config=False,
    )
    delimiter = flag(
        str,
        "--delimiter",
        help="What stands between the columns of a table. Else found on its header.",
        metavar="CHAR",
        config=False,
    )
    quote = flag(
        bool,
        "--quote/--no-quote",
        help="Quotes hold a column together, in tables with tabs, too.",
        config=False,
    )
    stream = flag(
        bool,
        "--stream/--no-stream",
        help="Let answers in text stream underneath where the model is known to, so that no "
        "silence ends long ones (default).",
    )
    shard = flag(
        str,
        "--shard",
        help="Only the rows whose id belongs to part K of N (K from 0 or from 1).",
        metavar="K/N",
        config=False,
    )
    rows = flag(
        str,
        "--rows",
        help="For batch verify: the input; each of its rows must have exactly one answer.",
        metavar="FILE",
        complete="file",
        config=False,
    )
    limit = flag(
        int, "--limit", help="Send at most N rows this time.", metavar="N", low=1, config=False
    )
    strict = flag(
        bool,
        "--strict",
        help="Send nothing unless every row is good; refuse unknown fields.",
        config=False,
    )
    check = flag(
        bool,
        "--check",
        help="Check all rows, estimate tokens and time, send nothing.",
        config=False,
    )
    retry_failed = flag(
        bool,
        "--retry-failed",
        help="Run rows again that failed for good.",
        panel="Resume",
        config=False,
    )
    on_unknown = flag(
        str,
        "--on-unknown",
        help="Rows in flight when a run died: retry (pictures: skip), skip or fail.",
        panel="Resume",
        metavar="WHAT",
        choices=("retry", "skip", "fail"),
    )
    resume = flag(
        bool,
        "--resume",
        help="Go on with an output that has no journal, or another input's.",
        panel="Resume",
        config=False,
    )
    repair = flag(
        bool,
        "--repair",
        help="Put broken lines of output and journal aside.",
        panel="Resume",
        config=False,
    )
    fsync = flag(
        str,
        "--fsync",
        help="When records reach the disk: group (each second), always or never.",
        panel="Resume",
        metavar="WHEN",
        choices=("group", "always", "never"),
    )
    max_errors = flag(
        str,
        "--max-errors",
        help="Stop after N failed rows, or N% of 20 and more.",
        panel="Stop",
        metavar="N|N%",
    )
    fail_fast = flag(
        bool, "--fail-fast", help="Stop at the first failed row.", panel="Stop", config=False
    )
    extract = flag(
        bool,
        "-x",
        "--extract",
        help="Judge and write the first fenced code block only (else all).",
        panel="Output",
        config=False,
    )
    strict_finish = flag(
        bool,
        "--strict-finish",
        help="Answers that are cut, filtered, refused or empty are failures.",
        panel="Output",
        config=False,
    )
    retry_misfit = flag(
        int,
        "--retry-misfit",
        help="Ask again, at most N times, for an answer that does not fit --schema (paid).",
        panel="Output",
        metavar="N",
        low=0,
        high=10,
        config=False,
    )
    join = flag(
        bool,
        "--join",
        help="Put the input row into its record, as `row`.",
        panel="Output",
        config=False,
    )
    ordered = flag(
        bool, "--ordered", help="Records in the order of the rows.", panel="Output", config=False
    )
    text = flag(
        bool, "--text", help="The answers' texts instead of records.", panel="Output", config=False
    )
    answer = flag(
        str,
        "--answer",
        help="Column of the answers in -o FILE.csv or .tsv (default: answer).",
        panel="Output",
        metavar="NAME",
        config=False,
    )
    errors = flag(
        str,
        "--errors",
        help="Write the records of failed rows to this file.",
        panel="Output",
        metavar="FILE",
        config=False,
    )
    summary = flag(
        str,
        "--summary",
        help="Write the summary as JSON to this file (-: stdout).",
        panel="Output",
        metavar="FILE",
        config=False,
    )
    save = flag(
        str,
        "--save",
        help="Where pictures of rows go; default {id}.{ext} beside the output.",
        panel="Output",
        metavar="TEMPLATE",
        config=False,
    )
