"""The option groups: a table. Which groups a command takes is its signature.

Every default is None, "not given"; what holds then is decided in `settings.resolve` alone,
and only what the user set is sent to the gateway. Ranges are those of the API reference.
"""

from __future__ import annotations

from apiyi_cli.core.opt import Group, flag

SHORTEST_S = 0.001


class Model(Group):
    """Which model answers."""

    model: str | None = flag(
        "-m",
        "--model",
        help="Model to ask. Else APIYI_MODEL (for text), else the profile's.",
        panel="Model",
        metavar="NAME",
        envvar="APIYI_MODEL",
        complete="model",
        wire="model",
    )
    force_model: bool | None = flag(
        "--force-model",
        help="Send the model even if its family is known not to do this.",
        panel="Model",
    )


class Models(Group):
    """Which models answer, one or several."""

    model: list[str] | None = flag(
        "-m",
        "--model",
        help="Model to ask (repeatable: compare). Else APIYI_MODEL, else the profile's.",
        panel="Model",
        metavar="NAME",
        envvar="APIYI_MODEL",
        complete="model",
    )
    force_model: bool | None = flag(
        "--force-model",
        help="Send the model even if its family is known not to do this.",
        panel="Model",
    )


class Connection(Group):
    """How the gateway is reached and how long it is waited for."""

    profile: str | None = flag(
        "--profile",
        help="Profile of the configuration to use.",
        panel="Connection",
        metavar="NAME",
        envvar="APIYI_PROFILE",
        complete="profile",
        config=False,
    )
    base_url: str | None = flag(
        "--base-url",
        help="Address of the API, with its /v1.",
        panel="Connection",
        metavar="URL",
        envvar="APIYI_BASE_URL",
        config=False,
    )
    key_file: str | None = flag(
        "--key-file",
        help="File that holds the key (0600).",
        panel="Connection",
        metavar="PATH",
        complete="file",
    )
    timeout: float | None = flag(
        "--timeout",
        help="Silence to bear: seconds without headers, then without an event.",
        panel="Connection",
        metavar="S",
        low=SHORTEST_S,
        high=86400,
    )
    max_time: float | None = flag(
        "--max-time",
        help="Seconds for the whole run, everything included.",
        panel="Connection",
        metavar="S",
        low=SHORTEST_S,
        high=31536000,
    )
    retries: int | None = flag(
        "--retries",
        help="Attempts after the first one.",
        panel="Connection",
        metavar="N",
        low=0,
        high=100,
    )
    retry_ambiguous: int | None = flag(
        "--retry-ambiguous",
        help="Attempts after one that may have been billed (0: never pay twice).",
        panel="Connection",
        metavar="N",
        low=0,
        high=100,
    )
    max_retry_time: float | None = flag(
        "--max-retry-time",
        help="Seconds that all attempts and waits may take together.",
        panel="Connection",
        metavar="S",
        low=0,
        high=86400,
    )
    failover: bool | None = flag(
        "--failover/--no-failover",
        help="Try the profile's backup addresses.",
        panel="Connection",
    )
    rpm: int | None = flag(
        "--rpm",
        help="Requests a minute, shared by all processes of the key.",
        panel="Connection",
        metavar="N",
        low=1,
        high=10_000_000,
        config=False,
    )
    tpm: int | None = flag(
        "--tpm",
        help="Tokens a minute, shared by all processes of the key.",
        panel="Connection",
        metavar="N",
        low=1,
        high=10_000_000_000,
        config=False,
    )
    limits: bool | None = flag(
        "--limits/--no-limits",
        help="Keep to the key's rate limits.",
        panel="Connection",
        config=False,
    )
    proxy: str | None = flag(
        "--proxy",
        help="Proxy to go through (http, https, socks5, socks5h).",
        panel="Connection",
        metavar="URL",
    )
    cacert: str | None = flag(
        "--cacert",
        help="File of CA certificates to trust.",
        panel="Connection",
        metavar="FILE",
        complete="file",
    )
    header: list[str] | None = flag(
        "-H",
        "--header",
        help="Extra request header, 'Name: value' (repeatable).",
        panel="Connection",
        metavar="HEADER",
    )


class Output(Group):
    """What is printed, where, and how much is told on the side."""

    json: bool | None = flag(
        "--json", help="The server's object, verbatim, on one line.", panel="Output"
    )
    ndjson: bool | None = flag(
        "--ndjson", help="One JSON object per line, as each arrives.", panel="Output"
    )
    jq: str | None = flag(
        "--jq",
        help="Filter the JSON with a jq expression (extra: apiyi-cli[jq]).",
        panel="Output",
        metavar="EXPR",
        config=False,
    )
    output: str | None = flag(
        "-o",
        "--output",
        help="Write to this file instead of stdout.",
        panel="Output",
        metavar="PATH",
        complete="file",
        config=False,
    )
    force: bool | None = flag(
        "--force", help="Overwrite what exists.", panel="Output", config=False
    )
    quiet: bool | None = flag(
        "-q", "--quiet", help="No notices on stderr, errors only.", panel="Output"
    )
    verbose: bool | None = flag(
        "-v", "--verbose", help="Tell on stderr what is sent and received.", panel="Output"
    )
    usage: bool | None = flag("-u", "--usage", help="Token counts on stderr.", panel="Output")
    color: str | None = flag(
        "--color",
        help="Colour and styles.",
        panel="Output",
        metavar="WHEN",
        choices=("auto", "always", "never"),
    )


class RecordOutput(Output):
    """What a batch prints: its records are JSON lines in any case."""

    json: bool | None = flag(
        "--json", help="Errors, and what --check finds, as JSON.", panel="Output"
    )
    ndjson: bool | None = flag(
        "--ndjson", help="The same as --json: records are JSON lines anyway.", panel="Output"
    )
    usage: bool | None = flag(
        "-u", "--usage", help="The summary with its token counts, even with -q.", panel="Output"
    )


class Request(Group):
    """The request itself: extra fields, showing it instead of sending it, caching it."""

    option: list[str] | None = flag(
        "-O",
        "--option",
        help="Any body field: KEY=VALUE, VALUE as JSON if it is, dots nest, @FILE reads.",
        panel="Request",
        metavar="KEY=VALUE",
        config=False,
    )
    dry_run: bool | None = flag(
        "--dry-run",
        help="Print the request as JSON and send nothing.",
        panel="Request",
        config=False,
    )
    code: str | None = flag(
        "--code",
        help="Print the request as a program in this language.",
        panel="Request",
        metavar="LANG",
        choices=(
            "curl",
            "python",
            "requests",
            "node",
            "java",
            "csharp",
            "go",
            "php",
            "ruby",
        ),
        config=False,
    )
    cache: str | None = flag(
        "--cache",
        help="Answer an identical request from the cache, if younger than TTL (30d).",
        panel="Request",
        metavar="TTL",
    )
    no_cache: bool | None = flag(
        "--no-cache", help="Do not use the cache.", panel="Request", config=False
    )


class TextInput(Group):
    """How the texts of files and of stdin are read."""

    encoding: str | None = flag(
        "--encoding",
        help="Encoding of text that is not UTF-8: GB18030, Big5, UTF-16, Shift_JIS ...",
        panel="Prompt",
        metavar="NAME",
    )


class Prompt(TextInput):
    """Where the text of the request comes from."""

    file: list[str] | None = flag(
        "-f",
        "--file",
        help="Add a text file before the prompt (repeatable, - for stdin).",
        panel="Prompt",
        metavar="PATH",
        complete="file",
        config=False,
    )
    no_stdin: bool | None = flag("-n", "--no-stdin", help="Never read stdin.", panel="Prompt")


class Conversation(Group):
    """What surrounds the prompt: the system text, attachments, earlier messages."""

    system: str | None = flag(
        "-s",
        "--system",
        help="System prompt (@FILE reads a file).",
        panel="Prompt",
        metavar="TEXT",
    )
    attach: list[str] | None = flag(
        "-a",
        "--attach",
        help="Attach an image, audio or PDF, by path or URL (repeatable).",
        panel="Prompt",
        metavar="PATH|URL",
        complete="file",
        config=False,
    )
    messages: str | None = flag(
        "--messages",
        help="Conversation to send: JSON array or NDJSON of messages (- for stdin).",
        panel="Prompt",
        metavar="FILE",
        complete="file",
        config=False,
    )


class Sampling(Group):
    """How the model chooses its words. Sent only where the user set it."""

    temperature: float | None = flag(
        "--temperature",
        help="Sampling temperature.",
        panel="Sampling",
        metavar="X",
        low=0,
        high=2,
        wire="temperature",
    )
    top_p: float | None = flag(
        "--top-p",
        help="Nucleus: probability mass to sample from.",
        panel="Sampling",
        metavar="X",
        low=0,
        high=1,
        wire="top_p",
    )
    max_tokens: int | None = flag(
        "--max-tokens",
        help="Most tokens to answer with.",
        panel="Sampling",
        metavar="N",
        low=1,
        wire="max_tokens",
    )
    n: int | None = flag(
        "--n", help="Answers to give.", panel="Sampling", metavar="N", low=1, high=128, wire="n"
    )
    stop: list[str] | None = flag(
        "--stop",
        help="Text that ends the answer (repeatable).",
        panel="Sampling",
        metavar="TEXT",
        wire="stop",
    )
    seed: int | None = flag(
        "--seed",
        help="Seed for repeatable sampling.",
        panel="Sampling",
        metavar="N",
        low=-(2**63),
        high=2**63 - 1,
        wire="seed",
    )
    presence_penalty: float | None = flag(
        "--presence-penalty",
        help="Penalty for words that occurred.",
        panel="Sampling",
        metavar="X",
        low=-2,
        high=2,
        wire="presence_penalty",
    )
    frequency_penalty: float | None = flag(
        "--frequency-penalty",
        help="Penalty by how often words occurred.",
        panel="Sampling",
        metavar="X",
        low=-2,
        high=2,
        wire="frequency_penalty",
    )
    logit_bias: list[str] | None = flag(
        "--logit-bias",
        help="Bias of one token id, -100 to 100 (repeatable).",
        panel="Sampling",
        metavar="TOKEN=BIAS",
        wire="logit_bias",
    )
    user: str | None = flag(
        "--user",
        help="End user's id, for abuse reports.",
        panel="Sampling",
        metavar="ID",
        wire="user",
    )


class ChatSampling(Sampling):
    """Sampling that only chat completions know."""

    logprobs: bool | None = flag(
        "--logprobs/--no-logprobs",
        help="Ask for log probabilities (see them with --json).",
        panel="Sampling",
        wire="logprobs",
    )
    top_logprobs: int | None = flag(
        "--top-logprobs",
        help="Likeliest tokens to report at each place.",
        panel="Sampling",
        metavar="N",
        low=0,
        high=20,
        wire="top_logprobs",
    )
    reasoning_effort: str | None = flag(
        "--reasoning-effort",
        help="How long to think: none, minimal, low, medium, high, xhigh, max.",
        panel="Sampling",
        metavar="LEVEL",
        choices=("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        wire="reasoning_effort",
    )
    verbosity: str | None = flag(
        "--verbosity",
        help="How much to say: low, medium, high.",
        panel="Sampling",
        metavar="LEVEL",
        choices=("low", "medium", "high"),
        wire="verbosity",
    )


class Answer(Group):
    """The form of a text answer."""

    schema: str | None = flag(
        "--schema",
        help="Answer as JSON that fits: FILE, @FILE, JSON Schema, or 'name, age int'.",
        panel="Answer",
        metavar="SCHEMA",
        complete="file",
        config=False,
    )
    json_mode: bool | None = flag(
        "--json-mode", help="Ask for an answer that is a JSON object.", panel="Answer"
    )
    stream: bool | None = flag(
        "--stream/--no-stream", help="Print the answer as it is made.", panel="Answer"
    )
    extract: bool | None = flag(
        "-x",
        "--extract",
        help="Print the first fenced code block only (else all).",
        panel="Answer",
    )
    hide_reasoning: bool | None = flag(
        "-R", "--hide-reasoning", help="Do not show reasoning on stderr.", panel="Answer"
    )
    markdown: bool | None = flag(
        "--markdown/--no-markdown", help="Render Markdown on a terminal.", panel="Answer"
    )
    newline: bool | None = flag(
        "--newline/--no-newline", help="End the answer with a newline.", panel="Answer"
    )
    strict_finish: bool | None = flag(
        "--strict-finish", help="Exit 8 when the answer is cut by length or filter.", panel="Answer"
    )


class Tools(Group):
    """Functions that the model may call."""

    tool: list[str] | None = flag(
        "--tool",
        help="Function schema: FILE, @FILE or JSON (repeatable).",
        panel="Tools",
        metavar="SCHEMA",
        complete="file",
        config=False,
    )
    tool_choice: str | None = flag(
        "--tool-choice",
        help="auto, none, required or the NAME of a tool.",
        panel="Tools",
        metavar="CHOICE",
    )
    parallel_tools: bool | None = flag(
        "--parallel-tools/--no-parallel-tools",
        help="Let the model call several tools at once.",
        panel="Tools",
        wire="parallel_tool_calls",
    )


class Running(Group):
    """Local commands that answer the model's function calls."""

    run: list[str] | None = flag(
        "--run",
        help="Run COMMAND for the tool NAME: arguments on its stdin, result from its stdout.",
        panel="Tools",
        metavar="NAME=COMMAND",
        config=False,
    )
    yes: bool | None = flag(
        "--yes", help="Run them without asking on the terminal.", panel="Tools", config=False
    )
    max_steps: int | None = flag(
        "--max-steps",
        help="Requests to make at most before the calls must have ended.",
        panel="Tools",
        metavar="N",
        low=1,
        high=1000,
    )


class Kept(Group):
    """Conversations that are kept from one run to the next."""

    session: str | None = flag(
        "--session",
        help="Keep the conversation under this name, and go on with it.",
        panel="Prompt",
        metavar="NAME",
        config=False,
    )
    continue_: bool | None = flag(
        "-c",
        "--continue",
        help="Go on with the last exchange on this terminal, or a session used later.",
        panel="Prompt",
        config=False,
    )


class Completing(Group):
    """What legacy completions know besides sampling."""

    suffix: str | None = flag(
        "--suffix",
        help="Text that comes after the completion (insertion).",
        panel="Sampling",
        metavar="TEXT",
        wire="suffix",
    )
    echo: bool | None = flag(
        "--echo", help="Print the prompt before the completion.", panel="Sampling", wire="echo"
    )
    best_of: int | None = flag(
        "--best-of",
        help="Make N on the server and give the best (turns streaming off).",
        panel="Sampling",
        metavar="N",
        low=1,
        high=20,
        wire="best_of",
    )
    logprobs: int | None = flag(
        "--logprobs",
        help="Log probabilities of the N likeliest tokens (see them with --json).",
        panel="Sampling",
        metavar="N",
        low=0,
        high=5,
        wire="logprobs",
    )
    lines: bool | None = flag(
        "--lines", help="Each line of stdin is a prompt; NDJSON out.", panel="Prompt", config=False
    )
    batch_size: int | None = flag(
        "--batch-size",
        help="Prompts in one request, with --lines.",
        panel="Request",
        metavar="N",
        low=1,
        high=2048,
    )


class Responding(Group):
    """Sampling and tools of the Responses endpoint."""

    instructions: str | None = flag(
        "--instructions",
        help="System text (@FILE reads a file).",
        panel="Prompt",
        metavar="TEXT",
    )
    web_search: bool | None = flag(
        "--web-search", help="Let the model search the web.", panel="Tools"
    )
    max_output_tokens: int | None = flag(
        "--max-output-tokens",
        "--max-tokens",
        help="Most tokens to answer with, reasoning included.",
        panel="Sampling",
        metavar="N",
        low=16,
        wire="max_output_tokens",
    )
    temperature: float | None = flag(
        "--temperature",
        help="Sampling temperature.",
        panel="Sampling",
        metavar="X",
        low=0,
        high=2,
        wire="temperature",
    )
    top_p: float | None = flag(
        "--top-p",
        help="Nucleus: probability mass to sample from.",
        panel="Sampling",
        metavar="X",
        low=0,
        high=1,
        wire="top_p",
    )
    top_logprobs: int | None = flag(
        "--top-logprobs",
        help="Likeliest tokens to report at each place.",
        panel="Sampling",
        metavar="N",
        low=0,
        high=20,
        wire="top_logprobs",
    )
    user: str | None = flag(
        "--user",
        help="End user's id, for abuse reports.",
        panel="Sampling",
        metavar="ID",
        wire="user",
    )
    reasoning_effort: str | None = flag(
        "--reasoning-effort",
        help="How long to think: none, minimal, low, medium, high, xhigh, max.",
        panel="Sampling",
        metavar="LEVEL",
        choices=("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        wire="reasoning.effort",
    )
    reasoning_summary: str | None = flag(
        "--reasoning-summary",
        help="Show the reasoning's summary: auto, concise, detailed.",
        panel="Sampling",
        metavar="KIND",
        choices=("auto", "concise", "detailed"),
        wire="reasoning.summary",
    )
    verbosity: str | None = flag(
        "--verbosity",
        help="How much to say: low, medium, high.",
        panel="Sampling",
        metavar="LEVEL",
        choices=("low", "medium", "high"),
        wire="text.verbosity",
    )


class Embedding(Group):
    """What is embedded, and how."""

    lines: bool | None = flag(
        "--lines", help="Each line of stdin is one input.", panel="Prompt", config=False
    )
    jsonl: str | None = flag(
        "--jsonl",
        help="Each line of stdin is an object: embed its FIELD, print it with `embedding`.",
        panel="Prompt",
        metavar="FIELD",
        config=False,
    )
    text: bool | None = flag(
        "--text/--no-text", help="Repeat the text in the output.", panel="Output"
    )
    dimensions: int | None = flag(
        "--dimensions",
        help="Length of the vectors (text-embedding-3 models).",
        panel="Request",
        metavar="N",
        low=1,
        wire="dimensions",
    )
    base64: bool | None = flag(
        "--base64", help="Base64 on the wire (smaller); the output is the same.", panel="Request"
    )
    batch_size: int | None = flag(
        "--batch-size",
        help="Inputs in one request.",
        panel="Request",
        metavar="N",
        low=1,
        high=2048,
    )
    user: str | None = flag(
        "--user",
        help="End user's id, for abuse reports.",
        panel="Request",
        metavar="ID",
        wire="user",
    )


class Jobs(Group):
    """How many requests at once."""

    jobs: int | None = flag(
        "-j",
        "--jobs",
        help="Requests at once.",
        panel="Connection",
        metavar="N",
        low=1,
        high=1000,
    )


class Imaging(Group):
    """What is drawn, from what, and how its files are treated."""

    input: list[str] | None = flag(
        "-i",
        "--input",
        help="Edit this picture (repeatable, - for stdin; FLUX takes URLs, too).",
        panel="Prompt",
        metavar="FILE",
        complete="file",
        config=False,
    )
    mask: str | None = flag(
        "--mask",
        help="PNG whose transparent parts are repainted, as large as the first -i.",
        panel="Prompt",
        metavar="FILE",
        complete="file",
        config=False,
    )
    vary: bool | None = flag(
        "--vary",
        help="Make variations of the one -i, without a prompt.",
        panel="Prompt",
        config=False,
    )
    lines: bool | None = flag(
        "--lines", help="Each line of stdin is a prompt.", panel="Prompt", config=False
    )
    n: int | None = flag(
        "--n",
        help="Pictures for each prompt.",
        panel="Picture",
        metavar="N",
        low=1,
        high=10,
        wire="n",
    )
    size: str | None = flag(
        "--size",
        help="Pixels as WIDTHxHEIGHT, or auto.",
        panel="Picture",
        metavar="WxH",
        wire="size",
    )
    quality: str | None = flag(
        "--quality",
        help="low, medium, high, auto (gpt-image); standard, hd (dall-e).",
        panel="Picture",
        metavar="LEVEL",
        choices=("low", "medium", "high", "auto", "standard", "hd"),
        wire="quality",
    )
    style: str | None = flag(
        "--style",
        help="vivid or natural (dall-e-3).",
        panel="Picture",
        metavar="STYLE",
        choices=("vivid", "natural"),
        wire="style",
    )
    background: str | None = flag(
        "--background",
        help="transparent (png or webp), opaque or auto.",
        panel="Picture",
        metavar="KIND",
        choices=("transparent", "opaque", "auto"),
        wire="background",
    )
    output_format: str | None = flag(
        "--output-format",
        help="png, jpeg or webp, where the model offers a choice.",
        panel="Picture",
        metavar="FORMAT",
        choices=("png", "jpeg", "webp"),
        wire="output_format",
    )
    output_compression: int | None = flag(
        "--output-compression",
        help="Quality of jpeg and webp in percent.",
        panel="Picture",
        metavar="N",
        low=0,
        high=100,
        wire="output_compression",
    )
    aspect_ratio: str | None = flag(
        "--aspect-ratio",
        help="WIDTH:HEIGHT, such as 16:9 (FLUX, grok-imagine).",
        panel="Picture",
        metavar="W:H",
        wire="aspect_ratio",
    )
    seed: int | None = flag(
        "--seed",
        help="Try for the same picture each time (FLUX).",
        panel="Picture",
        metavar="N",
        wire="seed",
    )
    skip_existing: bool | None = flag(
        "--skip-existing",
        help="Make only the pictures whose files are not there yet.",
        panel="Output",
        config=False,
    )
    preview: bool | None = flag(
        "--preview/--no-preview",
        help="Show the pictures on the terminal (kitty, iTerm2, else chafa).",
        panel="Output",
    )
    allow_private: bool | None = flag(
        "--allow-private",
        help="Fetch pictures from private addresses and over http, too.",
        panel="Connection",
        config=False,
    )


class Transcribing(Group):
    """In which form a recording's words come, and what helps to hear them."""

    format: str | None = flag(
        "--format",
        help="text, json, srt, vtt or verbose_json.",
        panel="Answer",
        metavar="FORMAT",
        choices=("text", "json", "srt", "vtt", "verbose_json"),
        config=False,
    )
    language: str | None = flag(
        "--language",
        help="Language of the recording (ISO 639-1: en, zh).",
        panel="Request",
        metavar="CODE",
        wire="language",
    )
    prompt: str | None = flag(
        "--prompt",
        help="Names and terms to expect, or the text before (@FILE reads a file).",
        panel="Request",
        metavar="TEXT",
        config=False,
        wire="prompt",
    )
    temperature: float | None = flag(
        "--temperature",
        help="Sampling temperature.",
        panel="Request",
        metavar="X",
        low=0,
        high=1,
        config=False,
        wire="temperature",
    )
    timestamps: str | None = flag(
        "--timestamps",
        help="Times of each word, segment or both (word,segment), as verbose_json.",
        panel="Answer",
        metavar="LIST",
        choices=("word", "segment", "word,segment", "segment,word"),
        config=False,
    )
    diarize: bool | None = flag(
        "--diarize",
        help="Tell the speakers apart (gpt-4o-transcribe-diarize).",
        panel="Answer",
        config=False,
    )
    translate: bool | None = flag(
        "--translate", help="Translate into English (whisper-1).", panel="Answer", config=False
    )
    stream: bool | None = flag(
        "--stream/--no-stream",
        help="Print the text as it is heard (not whisper-1).",
        panel="Answer",
        config=False,
    )
    split: bool | None = flag(
        "--split",
        help="Cut files over 25 MB at silences (needs ffmpeg) and join the texts.",
        panel="Request",
    )
    skip_existing: bool | None = flag(
        "--skip-existing",
        help="Send only the recordings whose -o files are not there yet.",
        panel="Output",
        config=False,
    )


class Speaking(Group):
    """How a text is read aloud."""

    voice: str | None = flag(
        "--voice",
        help="Who reads: alloy (the default), ash, ballad, coral, echo, sage, shimmer, verse...",
        panel="Speech",
        metavar="NAME",
        wire="voice",
    )
    format: str | None = flag(
        "--format",
        help="mp3, opus, aac, flac, wav or pcm. Else by the extension of -o, else mp3.",
        panel="Speech",
        metavar="FORMAT",
        choices=("mp3", "opus", "aac", "flac", "wav", "pcm"),
        config=False,
        wire="response_format",
    )
    speed: float | None = flag(
        "--speed",
        help="How fast, 1 being usual.",
        panel="Speech",
        metavar="X",
        low=0.25,
        high=4,
        wire="speed",
    )
    instructions: str | None = flag(
        "--instructions",
        help="How to read it: tone, accent, pace (@FILE reads a file; not tts-1).",
        panel="Speech",
        metavar="TEXT",
        config=False,
        wire="instructions",
    )
    skip_existing: bool | None = flag(
        "--skip-existing",
        help="Send nothing if the -o file is there already.",
        panel="Output",
        config=False,
    )


class Batching(Group):
    """What the rows of a batch are, which of them run, and when to stop."""

    endpoint: str | None = flag(
        "--endpoint",
        help="Command that the rows are for (chat, or what their url says).",
        panel="Rows",
        metavar="NAME",
        choices=("chat", "complete", "respond", "embed", "image", "transcribe", "speak"),
        config=False,
    )
    format: str | None = flag(
        "--format",
        help="jsonl, csv, tsv or lines. Else by the extension, else jsonl.",
        panel="Rows",
        metavar="FORMAT",
        choices=("jsonl", "csv", "tsv", "lines"),
        config=False,
    )
    lines: bool | None = flag(
        "--lines", help="Each line of FILE is an input.", panel="Rows", config=False
    )
    template: str | None = flag(
        "--template",
        help="Input made of columns or fields: 'Translate: {text}'.",
        panel="Rows",
        metavar="TEXT",
        config=False,
    )
    params: str | None = flag(
        "--params",
        help="Columns or fields that are request fields, the rest being data: temperature,stop.",
        panel="Rows",
        metavar="NAMES",
        config=False,
    )
    delimiter: str | None = flag(
        "--delimiter",
        help="What stands between the columns of a table. Else found on its header.",
        panel="Rows",
        metavar="CHAR",
        config=False,
    )
    quote: bool | None = flag(
        "--quote/--no-quote",
        help="Quotes hold a column together, in tables with tabs, too.",
        panel="Rows",
        config=False,
    )
    shard: str | None = flag(
        "--shard",
        help="Only the rows whose id belongs to part K of N (K from 0 or from 1).",
        panel="Rows",
        metavar="K/N",
        config=False,
    )
    rows: str | None = flag(
        "--rows",
        help="For batch verify: the input; each of its rows must have exactly one answer.",
        panel="Rows",
        metavar="FILE",
        complete="file",
        config=False,
    )
    limit: int | None = flag(
        "--limit",
        help="Send at most N rows this time.",
        panel="Rows",
        metavar="N",
        low=1,
        config=False,
    )
    strict: bool | None = flag(
        "--strict",
        help="Send nothing unless every row is good; refuse unknown fields.",
        panel="Rows",
        config=False,
    )
    check: bool | None = flag(
        "--check",
        help="Check all rows, estimate tokens and time, send nothing.",
        panel="Rows",
        config=False,
    )
    retry_failed: bool | None = flag(
        "--retry-failed",
        help="Run rows again that failed for good.",
        panel="Resume",
        config=False,
    )
    on_unknown: str | None = flag(
        "--on-unknown",
        help="Rows in flight when a run died: retry (pictures: skip), skip or fail.",
        panel="Resume",
        metavar="WHAT",
        choices=("retry", "skip", "fail"),
    )
    resume: bool | None = flag(
        "--resume",
        help="Go on with an output that has no journal, or another input's.",
        panel="Resume",
        config=False,
    )
    repair: bool | None = flag(
        "--repair",
        help="Put broken lines of output and journal aside.",
        panel="Resume",
        config=False,
    )
    fsync: str | None = flag(
        "--fsync",
        help="When records reach the disk: group (each second), always or never.",
        panel="Resume",
        metavar="WHEN",
        choices=("group", "always", "never"),
    )
    max_errors: str | None = flag(
        "--max-errors",
        help="Stop after N failed rows, or N% of 20 and more.",
        panel="Stop",
        metavar="N|N%",
    )
    fail_fast: bool | None = flag(
        "--fail-fast", help="Stop at the first failed row.", panel="Stop", config=False
    )
    max_cost: float | None = flag(
        "--max-cost",
        help="Stop when the estimate reaches so many US dollars.",
        panel="Stop",
        metavar="USD",
        low=0,
    )
    extract: bool | None = flag(
        "-x",
        "--extract",
        help="Judge and write the first fenced code block only (else all).",
        panel="Output",
        config=False,
    )
    strict_finish: bool | None = flag(
        "--strict-finish",
        help="Answers that are cut, filtered, refused or empty are failures.",
        panel="Output",
        config=False,
    )
    retry_misfit: int | None = flag(
        "--retry-misfit",
        help="Ask again, at most N times, for an answer that does not fit --schema (paid).",
        panel="Output",
        metavar="N",
        low=0,
        high=10,
        config=False,
    )
    join: bool | None = flag(
        "--join",
        help="Put the input row into its record, as `row`.",
        panel="Output",
        config=False,
    )
    ordered: bool | None = flag(
        "--ordered", help="Records in the order of the rows.", panel="Output", config=False
    )
    text: bool | None = flag(
        "--text", help="The answers' texts instead of records.", panel="Output", config=False
    )
    answer: str | None = flag(
        "--answer",
        help="Column of the answers in -o FILE.csv or .tsv (default: answer).",
        panel="Output",
        metavar="NAME",
        config=False,
    )
    errors: str | None = flag(
        "--errors",
        help="Write the records of failed rows to this file.",
        panel="Output",
        metavar="FILE",
        config=False,
    )
    summary: str | None = flag(
        "--summary",
        help="Write the summary as JSON to this file (-: stdout).",
        panel="Output",
        metavar="FILE",
        config=False,
    )
    save: str | None = flag(
        "--save",
        help="Where pictures of rows go; default {id}.{ext} beside the output.",
        panel="Output",
        metavar="TEMPLATE",
        config=False,
    )
