"""Options: embeddings."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class EmbedOptions(Group, panel="Request"):
    """The texts to embed, and the form of the vectors."""

    lines = flag(
        bool, "--lines", help="Each line of stdin is one input.", panel="Prompt", config=False
    )
    jsonl = flag(
        str,
        "--jsonl",
        help="Each line of stdin is an object: embed its FIELD, print it with `embedding`.",
        panel="Prompt",
        metavar="FIELD",
        config=False,
    )
    text = flag(bool, "--text/--no-text", help="Repeat the text in the output.", panel="Output")
    dimensions = flag(
        int,
        "--dimensions",
        help="Length of the vectors (text-embedding-3 models).",
        metavar="N",
        low=1,
        wire="dimensions",
    )
    base64 = flag(bool, "--base64", help="Base64 on the wire (smaller); the output is the same.")
    batch_size = flag(
        int, "--batch-size", help="Inputs in one request.", metavar="N", low=1, high=2048
    )
    user = flag(str, "--user", help="End user's id, for abuse reports.", metavar="ID", wire="user")
