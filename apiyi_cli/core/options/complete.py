"""Options: legacy completions."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class CompleteOptions(Group, panel="Sampling"):
    """Parameters of legacy completions besides sampling."""

    suffix = flag(
        str,
        "--suffix",
        help="Text that comes after the completion (insertion).",
        metavar="TEXT",
        wire="suffix",
    )
    echo = flag(bool, "--echo", help="Print the prompt before the completion.", wire="echo")
    best_of = flag(
        int,
        "--best-of",
        help="Make N on the server and give the best (turns streaming off).",
        metavar="N",
        low=1,
        high=20,
        wire="best_of",
    )
    logprobs = flag(
        int,
        "--logprobs",
        help="Log probabilities of the N likeliest tokens (see them with --json).",
        metavar="N",
        low=0,
        high=5,
        wire="logprobs",
    )
    lines = flag(
        bool,
        "--lines",
        help="Each line of stdin is a prompt; NDJSON out.",
        panel="Prompt",
        config=False,
    )
    batch_size = flag(
        int,
        "--batch-size",
        help="Prompts in one request, with --lines.",
        panel="Request",
        metavar="N",
        low=1,
        high=2048,
    )
