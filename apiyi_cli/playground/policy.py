"""What the page may use: commands, and which options its forms show.

An option that is in neither list is refused, and a test fails until somebody has decided.
`NAME` is an option of every command, `COMMAND.NAME` of one, which counts before.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from apiyi_cli.core.options import Flag

Subject = Literal["prompt", "texts", "query", "recordings", "words", "path"]
"""The kind of argument after the options: prompt, texts, query, files, words, path."""
Shape = Literal["stream", "vectors", "scores", "files", "text", "json"]
"""The form in which the answer is shown."""


class PageCommand(NamedTuple):
    """A command of the page: its heading, its argument, its answer.

    `machine` are the options that the server adds for an output that it can read. `stdin`
    says that the page has a field for standard input.
    """

    heading: str
    subject: Subject
    shape: Shape
    machine: tuple[str, ...] = ()
    stdin: bool = False


PAGE_COMMANDS: Final[dict[str, PageCommand]] = {
    "chat": PageCommand("text", "prompt", "stream", ("--ndjson",)),
    "respond": PageCommand("text", "prompt", "stream", ("--ndjson",)),
    "complete": PageCommand("text", "prompt", "stream", ("--ndjson",)),
    "embed": PageCommand("data", "texts", "vectors", ("--ndjson",), stdin=True),
    "rank": PageCommand("data", "query", "scores", ("--ndjson",), stdin=True),
    "image": PageCommand("media", "prompt", "files"),
    "video": PageCommand("media", "prompt", "files"),
    "transcribe": PageCommand("media", "recordings", "text"),
    "speak": PageCommand("media", "prompt", "files"),
    "api": PageCommand("more", "path", "json"),
    "models": PageCommand("more", "words", "json", ("--json",)),
}

# fmt: off
FORM: Final = frozenset(
    (
        "model", "force_model", "profile", "node", "timeout", "max_time", "retries",
        "retry_ambiguous", "max_retry_time", "failover", "rpm", "tpm", "limits", "header", "jobs",
        "option", "cache", "no_cache", "max_cost", "tag", "encoding", "file", "system", "attach",
        "messages", "session", "temperature", "top_p", "max_tokens", "n", "stop", "seed",
        "presence_penalty", "frequency_penalty", "logit_bias", "user", "logprobs", "top_logprobs",
        "reasoning_effort", "verbosity", "protocol", "cache_prompt", "schema", "json_mode",
        "stream", "strict_finish", "tool", "tool_choice", "parallel_tools", "suffix", "echo",
        "best_of", "batch_size", "instructions", "web_search", "max_output_tokens",
        "reasoning_summary", "text", "dimensions", "base64", "embed.lines", "embed.jsonl",
        "rank.lines", "rank.jsonl", "vectors", "top", "threshold", "input", "mask", "vary",
        "size", "quality", "style", "background", "output_format", "output_compression",
        "aspect_ratio", "first", "last", "reference", "duration", "resolution", "ratio", "audio",
        "poll", "format", "language", "prompt", "timestamps", "diarize", "translate", "split",
        "voice", "speed", "field", "typed_field", "update_prices",
    )
)
# fmt: on
"""The options that the page's forms have."""

DENIED: Final[dict[str, str]] = {
    "run": "runs local commands",
    "yes": "runs local commands without asking",
    "mcp": "runs local servers",
    "mcp_header": "belongs to --mcp",
    "max_steps": "only --run makes steps",
    "output": "writes files; the page keeps what is made",
    "save": "writes files; the page shows what is made",
    "force": "overwrites files",
    "skip_existing": "looks at files",
    "key_file": "reads a key from a file",
    "base_url": "would send the key elsewhere",
    "proxy": "would show requests to another host",
    "cacert": "reads a file, and decides who is trusted",
    "allow_private": "would fetch from the user's own network",
    "no_stdin": "the server decides what standard input is",
    **dict.fromkeys(("lines", "jsonl"), "many requests are a matter of files: apiyi batch"),
    "continue_": "a page is not a terminal; --session keeps a conversation",
    "extract": "the page shows the whole answer, each block with a copy button",
    "hide_reasoning": "the page folds it",
    "markdown": "the page renders Markdown itself",
    "newline": "the page reads the output",
    "preview": "the page shows pictures itself",
    **dict.fromkeys(("dry_run", "code"), "the page has a tab for it"),
    **dict.fromkeys(("json", "ndjson", "jq", "color"), "the server decides the form of the output"),
    "quiet": "the log shows everything",
    "verbose": "the server adds it",
    "usage": "the page shows usage",
    "template": "reads a file of the configuration",
    "param": "belongs to --template",
    "edit": "opens an editor",
    "interactive": "needs a terminal",
    **dict.fromkeys(("strict", "no_keep"), "is about conversations on a terminal"),
    "models.grep": "the field for words does it",
    "api.input": "a body from a file: use -F fields",
}
"""The options that no request may name, each with the reason."""

TEXT_OR_FILE: Final = frozenset(("schema", "tool"))
"""Options whose value is a text or a file's name."""


def is_allowed(command: str, name: str) -> bool:
    """Return True if a request of the page may use this option of this command."""
    own = f"{command}.{name}"
    if own in DENIED:
        return False
    return own in FORM or (name in FORM and name not in DENIED)


def takes_upload(option: Flag) -> bool:
    """Return True if the option names a file, which the page has to upload."""
    return option.complete in ("file", "dir")


def takes_url(option: Flag) -> bool:
    """Return True if the option accepts a link instead of a file."""
    return takes_upload(option) and "URL" in (option.metavar or "")
