"""Options: answers in text: sampling, form, tools, kept conversations."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class Sampling(Group, panel="Sampling"):
    """Sampling parameters. Only those that the user set are sent."""

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
    max_tokens = flag(
        int,
        "--max-tokens",
        help="Most tokens to answer with.",
        metavar="N",
        low=1,
        wire="max_tokens",
    )
    n = flag(int, "--n", help="Answers to give.", metavar="N", low=1, high=128, wire="n")
    stop = flag(
        list[str],
        "--stop",
        help="Text that ends the answer (repeatable).",
        metavar="TEXT",
        wire="stop",
    )
    seed = flag(
        int,
        "--seed",
        help="Seed for repeatable sampling.",
        metavar="N",
        low=-(2**63),
        high=2**63 - 1,
        wire="seed",
    )
    presence_penalty = flag(
        float,
        "--presence-penalty",
        help="Penalty for words that occurred.",
        metavar="X",
        low=-2,
        high=2,
        wire="presence_penalty",
    )
    frequency_penalty = flag(
        float,
        "--frequency-penalty",
        help="Penalty by how often words occurred.",
        metavar="X",
        low=-2,
        high=2,
        wire="frequency_penalty",
    )
    logit_bias = flag(
        list[str],
        "--logit-bias",
        help="Bias of one token id, -100 to 100 (repeatable).",
        metavar="TOKEN=BIAS",
        wire="logit_bias",
    )
    user = flag(str, "--user", help="End user's id, for abuse reports.", metavar="ID", wire="user")


class ChatSampling(Sampling, panel="Sampling"):
    """Sampling parameters of chat completions only."""

    logprobs = flag(
        bool,
        "--logprobs/--no-logprobs",
        help="Ask for log probabilities (see them with --json).",
        wire="logprobs",
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
    reasoning_effort = flag(
        str,
        "--reasoning-effort",
        "--effort",
        help="How long to think: none, minimal, low, medium, high, xhigh, max.",
        metavar="LEVEL",
        suggestions=("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        wire="reasoning_effort",
    )
    verbosity = flag(
        str,
        "--verbosity",
        help="How much to say: low, medium, high.",
        metavar="LEVEL",
        suggestions=("low", "medium", "high"),
        wire="verbosity",
    )


class ProtocolOptions(Group, panel="Request"):
    """The API whose form the request has."""

    protocol = flag(
        str,
        "--protocol",
        help="Form of the request: auto, openai, anthropic (claude-*), google (gemini-*).",
        metavar="NAME",
        choices=("auto", "openai", "anthropic", "google"),
    )
    cache_prompt = flag(
        bool,
        "--cache-prompt/--no-cache-prompt",
        help="Have the gateway cache the system text and the -f files (claude-*).",
    )


class AnswerForm(Group, panel="Answer"):
    """The form of a text answer."""

    schema = flag(
        str,
        "--schema",
        help="Answer as JSON that fits: FILE, @FILE, JSON Schema, or 'name, age int'.",
        metavar="SCHEMA",
        complete="file",
        config=False,
    )
    json_mode = flag(bool, "--json-mode", help="Ask for an answer that is a JSON object.")
    stream = flag(bool, "--stream/--no-stream", help="Print the answer as it is made.")
    extract = flag(
        bool, "-x", "--extract", help="Print the first fenced code block only (else all)."
    )
    save = flag(
        str,
        "--save",
        help="Save pictures, sound and files of the answer, as 'out/{n}.{ext}' or DIR/.",
        metavar="TEMPLATE",
        complete="file",
    )
    hide_reasoning = flag(bool, "-R", "--hide-reasoning", help="Do not show reasoning on stderr.")
    markdown = flag(
        bool,
        "--markdown/--no-markdown",
        help="Render Markdown on a terminal, with --color always in a pipe as well.",
    )
    newline = flag(bool, "--newline/--no-newline", help="End the answer with a newline.")
    strict_finish = flag(
        bool, "--strict-finish", help="Exit 8 when the answer is cut by length or filter."
    )


class Tools(Group, panel="Tools"):
    """Functions that the model may call."""

    tool = flag(
        list[str],
        "--tool",
        help="Function schema: FILE, @FILE or JSON (repeatable).",
        metavar="SCHEMA",
        complete="file",
        config=False,
    )
    tool_choice = flag(
        str, "--tool-choice", help="auto, none, required or the NAME of a tool.", metavar="CHOICE"
    )
    parallel_tools = flag(
        bool,
        "--parallel-tools/--no-parallel-tools",
        help="Let the model call several tools at once.",
        wire="parallel_tool_calls",
    )


class ToolRunOptions(Group, panel="Tools"):
    """Local commands that answer the model's function calls."""

    run = flag(
        list[str],
        "--run",
        help="Run COMMAND for the tool NAME: arguments on its stdin, result from its stdout.",
        metavar="NAME=COMMAND",
        config=False,
    )
    mcp = flag(
        list[str],
        "--mcp",
        help="Offer the tools of an MCP server: a command, or a URL (extra: apiyi-cli[mcp]).",
        metavar="COMMAND|URL",
        config=False,
    )
    mcp_header = flag(
        list[str],
        "--mcp-header",
        help="Header for the URL of --mcp, of several after its host: 'HOST Name: value'; the last"
        " word may be @FILE or '$NAME' (repeatable).",
        metavar="[SERVER] HEADER",
        config=False,
    )
    yes = flag(bool, "--yes", help="Run them without asking on the terminal.", config=False)
    max_steps = flag(
        int,
        "--max-steps",
        help="Requests to make at most before the calls must have ended.",
        metavar="N",
        low=1,
        high=1000,
    )


class SessionOptions(Group, panel="Prompt"):
    """Conversations that are kept from one run to the next."""

    session = flag(
        str,
        "--session",
        help="Keep the conversation under this name, and go on with it.",
        metavar="NAME",
        config=False,
    )
    last = flag(
        bool,
        "--last",
        help="Print the last answer of this terminal again; sends nothing.",
        config=False,
    )
    continue_ = flag(
        bool,
        "-c",
        "--continue",
        help="Go on with the last exchange on this terminal, or a session used later.",
        config=False,
    )
    no_keep = flag(bool, "--no-keep", help="Keep neither messages nor the prompt history.")


class InteractiveOptions(Group, panel="Conversation"):
    """A conversation on the terminal."""

    interactive = flag(
        bool,
        "-i",
        "--interactive",
        help="Talk on the terminal, turn by turn (also without a prompt); /help lists commands.",
        config=False,
    )
    strict = flag(
        bool,
        "--strict",
        help="End the conversation with the exit code of its last turn.",
        config=False,
    )
