"""Options: ranking documents by how well they answer a query."""

from __future__ import annotations

from apiyi_cli.core.options import flag
from apiyi_cli.core.options.prompt import TextInput


class RankOptions(TextInput):
    """The documents to rank, and how much of the result is printed."""

    lines = flag(
        bool,
        "--lines",
        help="Each line of stdin is a document (the default).",
        panel="Prompt",
        config=False,
    )
    jsonl = flag(
        str,
        "--jsonl",
        help="Each line of stdin is an object: rank by its FIELD, print the object.",
        panel="Prompt",
        metavar="FIELD",
        config=False,
    )
    file = flag(
        list[str],
        "-f",
        "--file",
        help="Each file is a document, print the names; words after QUERY are files, too.",
        panel="Prompt",
        metavar="PATH",
        complete="file",
        config=False,
    )
    vectors = flag(
        str,
        "--vectors",
        help="Search the vectors that embed wrote (NDJSON, or .npy with its .jsonl).",
        panel="Prompt",
        metavar="FILE",
        complete="file",
        config=False,
    )
    top = flag(
        int,
        "-n",
        "--top",
        help="Print the best N alone (--vectors: 10).",
        panel="Output",
        metavar="N",
        low=1,
    )
    threshold = flag(
        float,
        "--threshold",
        help="Print what has at least this score.",
        panel="Output",
        metavar="S",
    )
