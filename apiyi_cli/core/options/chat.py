"""Options: answers in text: sampling, form, tools, kept conversations."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class Sampling(Group, panel="Sampling"):
    """Sampling parameters. Only those that the user set are sent."""

    temperature = flag(float, "Sampling temperature.", low=0, high=2, wire=True)
    top_p = flag(float, "Nucleus: probability mass to sample from.", low=0, high=1, wire=True)
    max_tokens = flag(int, "Most tokens to answer with.", low=1, wire=True)
    n = flag(int, "Answers to give.", low=1, high=128, wire=True)
    stop = flag(list[str], "Text that ends the answer (repeatable).", metavar="TEXT", wire=True)
    seed = flag(int, "Seed for repeatable sampling.", low=-(2**63), high=2**63 - 1, wire=True)
    presence_penalty = flag(float, "Penalty for words that occurred.", low=-2, high=2, wire=True)
    frequency_penalty = flag(
        float, "Penalty by how often words occurred.", low=-2, high=2, wire=True
    )
    logit_bias = flag(
        list[str],
        "Bias of one token id, -100 to 100 (repeatable).",
        metavar="TOKEN=BIAS",
        wire=True,
    )
    user = flag(str, "End user's id, for abuse reports.", metavar="ID", wire=True)


class ChatSampling(Sampling, panel="Sampling"):
    """Sampling parameters of chat completions only."""

    logprobs = flag(
        bool, "Ask for log probabilities (see them with --json).", negatable=True, wire=True
    )
    top_logprobs = flag(int, "Likeliest tokens to report at each place.", low=0, high=20, wire=True)
    reasoning_effort = flag(
        str,
        "How long to think: none, minimal, low, medium, high, xhigh, max.",
        "--reasoning-effort",
        "--effort",
        metavar="LEVEL",
        suggestions=("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        wire=True,
    )
    verbosity = flag(
        str,
        "How much to say: low, medium, high.",
        metavar="LEVEL",
        suggestions=("low", "medium", "high"),
        wire=True,
    )


class ProtocolOptions(Group, panel="Request"):
    """The API whose form the request has."""

    protocol = flag(
        str,
        "Form of the request: auto, openai, anthropic (claude-*), google (gemini-*).",
        metavar="NAME",
        choices=("auto", "openai", "anthropic", "google"),
    )
    cache_prompt = flag(
        bool, "Have the gateway cache the system text and the -f files (claude-*).", negatable=True
    )


class AnswerForm(Group, panel="Answer"):
    """The form of a text answer."""

    schema = flag(
        str,
        "Answer as JSON that fits: FILE, @FILE, JSON Schema, or 'name, age int'.",
        metavar="SCHEMA",
        complete="file",
        config=False,
    )
    json_mode = flag(bool, "Ask for an answer that is a JSON object.")
    stream = flag(bool, "Print the answer as it is made.", negatable=True)
    extract = flag(bool, "Print the first fenced code block only (else all).", "-x")
    save = flag(
        str,
        "Save pictures, sound and files of the answer, as 'out/{n}.{ext}' or DIR/.",
        metavar="TEMPLATE",
        complete="file",
    )
    hide_reasoning = flag(bool, "Do not show reasoning on stderr.", "-R")
    markdown = flag(
        bool,
        "Render Markdown on a terminal, with --color always in a pipe as well.",
        negatable=True,
    )
    newline = flag(bool, "End the answer with a newline.", negatable=True)
    strict_finish = flag(bool, "Exit 8 when the answer is cut by length or filter.")


class Tools(Group, panel="Tools"):
    """Functions that the model may call."""

    tool = flag(
        list[str],
        "Function schema: FILE, @FILE or JSON (repeatable).",
        metavar="SCHEMA",
        complete="file",
        config=False,
    )
    tool_choice = flag(str, "auto, none, required or the NAME of a tool.", metavar="CHOICE")
    parallel_tools = flag(
        bool,
        "Let the model call several tools at once.",
        negatable=True,
        wire="parallel_tool_calls",
    )


class ToolRunOptions(Group, panel="Tools", config=False):
    """Local commands that answer the model's function calls."""

    run = flag(
        list[str],
        "Run COMMAND for the tool NAME: arguments on its stdin, result from its stdout.",
        metavar="NAME=COMMAND",
    )
    mcp = flag(
        list[str],
        "Offer the tools of an MCP server: a command, or a URL (extra: apiyi-cli[mcp]).",
        metavar="COMMAND|URL",
    )
    mcp_header = flag(
        list[str],
        "Header for the URL of --mcp, of several after its host: 'HOST Name: value'; the last"
        " word may be @FILE or '$NAME' (repeatable).",
        metavar="[SERVER] HEADER",
    )
    yes = flag(bool, "Run them without asking on the terminal.")
    max_steps = flag(
        int,
        "Requests to make at most before the calls must have ended.",
        low=1,
        high=1000,
        config=True,
    )


class SessionOptions(Group, panel="Prompt", config=False):
    """Conversations that are kept from one run to the next."""

    session = flag(str, "Keep the conversation under this name, and go on with it.", metavar="NAME")
    last = flag(bool, "Print the last answer of this terminal again; sends nothing.")
    continue_ = flag(
        bool, "Go on with the last exchange on this terminal, or a session used later.", "-c"
    )
    no_keep = flag(bool, "Keep neither messages nor the prompt history.", config=True)


class InteractiveOptions(Group, panel="Conversation", config=False):
    """A conversation on the terminal."""

    interactive = flag(
        bool,
        "Talk on the terminal, turn by turn (also without a prompt); /help lists commands.",
        "-i",
    )
    strict = flag(bool, "End the conversation with the exit code of its last turn.")
