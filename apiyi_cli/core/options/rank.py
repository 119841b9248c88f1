"""Options: ranking documents by how well they answer a query."""

from __future__ import annotations

from apiyi_cli.core.options import flag
from apiyi_cli.core.options.prompt import TextInput


class RankOptions(TextInput, config=False):
    """The documents to rank, and how much of the result is printed."""

    lines = flag(bool, "Each line of stdin is a document (the default).", panel="Prompt")
    jsonl = flag(
        str,
        "Each line of stdin is an object: rank by its FIELD, print the object.",
        panel="Prompt",
        metavar="FIELD",
    )
    file = flag(
        list[str],
        "Each file is a document, print the names; words after QUERY are files, too.",
        "-f",
        panel="Prompt",
        metavar="PATH",
        complete="file",
    )
    vectors = flag(
        str,
        "Search the vectors that embed wrote (NDJSON, or .npy with its .jsonl).",
        panel="Prompt",
        complete="file",
    )
    top = flag(
        int, "Print the best N alone (--vectors: 10).", "-n", panel="Output", low=1, config=True
    )
    threshold = flag(
        float, "Print what has at least this score.", panel="Output", metavar="S", config=True
    )
