"""Options: embeddings."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class EmbedOptions(Group, panel="Request"):
    """The texts to embed, and the form of the vectors."""

    lines = flag(bool, "Each line of stdin is one input.", panel="Prompt", config=False)
    jsonl = flag(
        str,
        "Each line of stdin is an object: embed its FIELD, print it with `embedding`.",
        panel="Prompt",
        metavar="FIELD",
        config=False,
    )
    text = flag(bool, "Repeat the text in the output.", negatable=True, panel="Output")
    dimensions = flag(int, "Length of the vectors (text-embedding-3 models).", low=1, wire=True)
    base64 = flag(bool, "Base64 on the wire (smaller); the output is the same.")
    batch_size = flag(int, "Inputs in one request.", low=1, high=2048)
    user = flag(str, "End user's id, for abuse reports.", metavar="ID", wire=True)
