"""Options: many requests from a file."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class BatchOptions(Group, panel="Rows", config=False):
    """The rows of a batch, which of them run, and when to stop."""

    endpoint = flag(
        str,
        "Command that the rows are for (chat, or what their url says).",
        metavar="NAME",
        choices=("chat", "complete", "respond", "embed", "rank", "image", "transcribe", "speak"),
    )
    format = flag(
        str,
        "jsonl, csv, tsv or lines. Else by the extension, else jsonl.",
        metavar="FORMAT",
        choices=("jsonl", "csv", "tsv", "lines"),
    )
    lines = flag(bool, "Each line of FILE is an input.")
    template = flag(str, "Input made of columns or fields: 'Translate: {text}'.", metavar="TEXT")
    params = flag(
        str,
        "Columns or fields that are request fields, the rest being data: temperature,stop.",
        metavar="NAMES",
    )
    delimiter = flag(
        str, "What stands between the columns of a table. Else found on its header.", metavar="CHAR"
    )
    quote = flag(bool, "Quotes hold a column together, in tables with tabs, too.", negatable=True)
    stream = flag(
        bool,
        "Let answers in text stream underneath where the model is known to, so that no "
        "silence ends long ones (default).",
        negatable=True,
        config=True,
    )
    shard = flag(
        str, "Only the rows whose id belongs to part K of N (K from 0 or from 1).", metavar="K/N"
    )
    rows = flag(
        str,
        "For batch verify: the input; each of its rows must have exactly one answer.",
        complete="file",
    )
    limit = flag(int, "Send at most N rows this time.", low=1)
    strict = flag(bool, "Send nothing unless every row is good; refuse unknown fields.")
    check = flag(bool, "Check all rows, estimate tokens and time, send nothing.")
    retry_failed = flag(bool, "Run rows again that failed for good.", panel="Resume")
    on_unknown = flag(
        str,
        "Rows in flight when a run died: retry (pictures: skip), skip or fail.",
        panel="Resume",
        metavar="WHAT",
        choices=("retry", "skip", "fail"),
        config=True,
    )
    resume = flag(
        bool, "Go on with an output that has no journal, or another input's.", panel="Resume"
    )
    repair = flag(bool, "Put broken lines of output and journal aside.", panel="Resume")
    fsync = flag(
        str,
        "When records reach the disk: group (each second), always or never.",
        panel="Resume",
        metavar="WHEN",
        choices=("group", "always", "never"),
        config=True,
    )
    max_errors = flag(
        str,
        "Stop after N failed rows, or N% of 20 and more.",
        panel="Stop",
        metavar="N|N%",
        config=True,
    )
    fail_fast = flag(bool, "Stop at the first failed row.", panel="Stop")
    extract = flag(
        bool, "Judge and write the first fenced code block only (else all).", "-x", panel="Output"
    )
    strict_finish = flag(
        bool, "Answers that are cut, filtered, refused or empty are failures.", panel="Output"
    )
    retry_misfit = flag(
        int,
        "Ask again, at most N times, for an answer that does not fit --schema (paid).",
        panel="Output",
        low=0,
        high=10,
    )
    join = flag(bool, "Put the input row into its record, as `row`.", panel="Output")
    ordered = flag(bool, "Records in the order of the rows.", panel="Output")
    text = flag(bool, "The answers' texts instead of records.", panel="Output")
    answer = flag(
        str,
        "Column of the answers in -o FILE.csv or .tsv (default: answer).",
        panel="Output",
        metavar="NAME",
    )
    errors = flag(
        str, "Write the records of failed rows to this file.", panel="Output", metavar="FILE"
    )
    summary = flag(
        str, "Write the summary as JSON to this file (-: stdout).", panel="Output", metavar="FILE"
    )
    save = flag(
        str,
        "Where pictures of rows go; default {id}.{ext} beside the output.",
        panel="Output",
        metavar="TEMPLATE",
    )
