"""Options: legacy completions."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class CompleteOptions(Group, panel="Sampling"):
    """Parameters of legacy completions besides sampling."""

    suffix = flag(
        str, "Text that comes after the completion (insertion).", metavar="TEXT", wire=True
    )
    echo = flag(bool, "Print the prompt before the completion.", wire=True)
    best_of = flag(
        int,
        "Make N on the server and give the best (turns streaming off).",
        low=1,
        high=20,
        wire=True,
    )
    logprobs = flag(
        int,
        "Log probabilities of the N likeliest tokens (see them with --json).",
        low=0,
        high=5,
        wire=True,
    )
    lines = flag(bool, "Each line of stdin is a prompt; NDJSON out.", panel="Prompt", config=False)
    batch_size = flag(
        int, "Prompts in one request, with --lines.", panel="Request", low=1, high=2048
    )
