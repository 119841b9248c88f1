"""Options: the Responses endpoint."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class Responding(Group, panel="Sampling"):
    """Sampling and tools of the Responses endpoint."""

    instructions = flag(
        str,
        "--instructions",
        help="System text (@FILE reads a file).",
        panel="Prompt",
        metavar="TEXT",
    )
    web_search = flag(bool, "--web-search", help="Let the model search the web.", panel="Tools")
    max_output_tokens = flag(
        int,
        "--max-output-tokens",
        "--max-tokens",
        help="Most tokens to answer with, reasoning included.",
        metavar="N",
        low=16,
        wire="max_output_tokens",
    )
    temperature = flag(
        float,
        "--temperature",
        help="Sampling temperature.",
        metavar="X",
        low=0,
        high=2,
        wire="temperature",
    )
    top_p = flag(
        float,
        "--top-p",
        help="Nucleus: probability mass to sample from.",
        metavar="X",
        low=0,
        high=1,
        wire="top_p",
    )
    top_logprobs = flag(
        int,
        "--top-logprobs",
        help="Likeliest tokens to report at each place.",
        metavar="N",
        low=0,
        high=20,
        wire="top_logprobs",
    )
    user = flag(str, "--user", help="End user's id, for abuse reports.", metavar="ID", wire="user")
    reasoning_effort = flag(
        str,
        "--reasoning-effort",
        "--effort",
        help="How long to think: none, minimal, low, medium, high, xhigh, max.",
        metavar="LEVEL",
        suggestions=("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        wire="reasoning.effort",
    )
    reasoning_summary = flag(
        str,
        "--reasoning-summary",
        help="Show the reasoning's summary: auto, concise, detailed.",
        metavar="KIND",
        suggestions=("auto", "concise", "detailed"),
        wire="reasoning.summary",
    )
    verbosity = flag(
        str,
        "--verbosity",
        help="How much to say: low, medium, high.",
        metavar="LEVEL",
        suggestions=("low", "medium", "high"),
        wire="text.verbosity",
    )
