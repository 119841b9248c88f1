"""A legacy completion request."""

from __future__ import annotations

from collections.abc import Sequence

from apiyi_cli.build.body import apply_options, option_fields, post
from apiyi_cli.core.call import Call
from apiyi_cli.core.endpoints import COMPLETE
from apiyi_cli.core.options.chat import Sampling
from apiyi_cli.core.options.complete import CompleteOptions


def complete_call(
    *,
    model: str,
    prompt: str | Sequence[str],
    sampling: Sampling,
    complete_options: CompleteOptions,
    stream: bool,
    options: Sequence[str] | None = None,
) -> Call:
    """Return the request; `prompt` is one text or several, answered in their order."""
    body = {
        "model": model,
        "prompt": prompt if isinstance(prompt, str) else list(prompt),
        **option_fields(sampling, complete_options),
    }
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    apply_options(body, options)
    return post(COMPLETE, body)
