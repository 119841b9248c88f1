"""Options: the Responses endpoint."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag, place
from apiyi_cli.core.options.chat import ChatSampling


class RespondOptions(Group, panel="Sampling"):
    """Sampling and tools of the Responses endpoint."""

    instructions = flag(str, "System text (@FILE reads a file).", panel="Prompt", metavar="TEXT")
    web_search = flag(bool, "Let the model search the web.", panel="Tools")
    max_output_tokens = flag(
        int,
        "Most tokens to answer with, reasoning included.",
        "--max-output-tokens",
        "--max-tokens",
        low=16,
        wire=True,
    )
    temperature = ChatSampling.temperature
    top_p = ChatSampling.top_p
    top_logprobs = ChatSampling.top_logprobs
    user = ChatSampling.user
    reasoning_effort = place(ChatSampling.reasoning_effort, "reasoning.effort")
    reasoning_summary = flag(
        str,
        "Show the reasoning's summary: auto, concise, detailed.",
        metavar="KIND",
        suggestions=("auto", "concise", "detailed"),
        wire="reasoning.summary",
    )
    verbosity = place(ChatSampling.verbosity, "text.verbosity")
