"""A short form of a conversation, and the answer that repeats it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apiyi_cli.core.jsontext import write_text

MARK = "[sandbox]"
REPEATED_MAX = 8000
DELTAS_MAX = 200
_ATTACHMENT_TOKENS = 85

_WORD = re.compile(r"\s*\S+\s*")


@dataclass(slots=True)
class RequestSummary:
    """A conversation in the terms that chat completions and responses share.

    `attachments` are kinds (image, audio, file) in their order; `results` are the answers of
    tools that end the conversation, by the name of the tool or the id of the call.
    """

    prompt: str = ""
    system: str = ""
    attachments: list[str] = field(default_factory=list)
    earlier: int = 0
    results: list[tuple[str, str]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    prompt_tokens: int = 0


def read_content(
    content: Any, texts: Collection[str], attachments: Mapping[str, str]
) -> tuple[str, list[str]]:
    """Return the text of a message and the kinds of its attachments.

    `texts` are the types of parts with a text, `attachments` the kinds by the parts' types.
    """
    if not isinstance(content, list):
        return content or "", []
    found = [part.get("text", "") for part in content if part.get("type") in texts]
    kinds = [attachments[part["type"]] for part in content if part.get("type") in attachments]
    return "\n".join(found), kinds


def count_prompt(texts: Iterable[str], turns: int, attachments: list[str]) -> int:
    """Return the tokens of a prompt: its texts, what frames each turn, the attachments."""
    return sum(map(tokens, texts)) + 4 * turns + _ATTACHMENT_TOKENS * len(attachments)


def describe(summary: RequestSummary) -> str:
    """Return the sandbox's answer: the prompt, and one line for each attachment."""
    if summary.results:
        return "\n".join(
            f"{MARK} The tool {name} answered: {text}" for name, text in summary.results
        )
    prompt = summary.prompt
    if len(prompt) > REPEATED_MAX:
        prompt = f"{prompt[:REPEATED_MAX]}… ({len(summary.prompt)} characters in all)"
    lines = [f"{MARK} You said: {prompt}" if prompt else f"{MARK} You said nothing."]
    if summary.system:
        lines.append(f"System: {summary.system}")
    if summary.attachments:
        kinds = Counter(summary.attachments)
        lines.append(f"Attachments: {', '.join(f'{n} {kind}' for kind, n in kinds.items())}")
    if summary.earlier:
        lines.append(f"Earlier messages: {summary.earlier}")
    if summary.options:
        options = (f"{k}={write_text(v)}" for k, v in sorted(summary.options.items()))
        lines.append(f"Options: {', '.join(options)}")
    return "\n".join(lines)


def structured_answer(wanted: dict[str, Any] | None, summary: RequestSummary) -> str | None:
    """Return the JSON that a request's format asks for, None for plain text."""
    kind = (wanted or {}).get("type")
    if wanted and kind == "json_schema":
        from apiyi_cli.sandbox.example_value import example_json

        schema = wanted.get("json_schema", wanted).get("schema")
        return example_json(schema or {}, summary.prompt)
    if kind == "json_object":
        return write_text({"sandbox": True, "answer": describe(summary)})
    return None


def count_usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """Return the token counts of an answer as chat completions have them."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def reasoning_text(summary: RequestSummary) -> str:
    """Return the reasoning that a reasoning model shows before its answer."""
    return f"{MARK} The user wrote {len(summary.prompt.split())} words. I will repeat them."


def cut_short(text: str, finish: str) -> str:
    """Return the part of an answer that this finish_reason leaves."""
    if finish == "length":
        return text[: max(1, len(text) // 2)]
    return "" if finish == "content_filter" else text


def deltas(text: str) -> list[str]:
    """Return a text in words, or in a reasonable number of equal pieces."""
    words: list[str] = _WORD.findall(text) or ([text] if text else [])
    step = -(-len(words) // DELTAS_MAX)
    if step <= 1:
        return words
    return ["".join(words[at : at + step]) for at in range(0, len(words), step)]


def tokens(text: str) -> int:
    """Return a plausible token count: a quarter of the bytes, at least 1."""
    return (len(text.encode("utf-8", "surrogatepass")) + 3) // 4
