"""Every command with its help line: the source of help, manual and completions."""

from __future__ import annotations

from apiyi_cli.plain_value import PlainValue


class CommandEntry(PlainValue):
    """One command: its help line, the heading it is listed under, its subcommands."""

    help: str
    panel: str
    commands: tuple[str, ...] = ()


class RootOption(PlainValue):
    """An option before the command, as Typer declares it."""

    name: str
    opts: tuple[str, ...]
    help: str
    metavar: str | None = None
    is_flag: bool = True
    param_type_name: str = "option"
    secondary_opts: tuple[str, ...] = ()
    multiple: bool = False
    default: object = False
    type: object = None
    rich_help_panel: str | None = None


class Root(PlainValue):
    """The program itself, in the shape of a Typer command, for its help."""

    help: str
    params: tuple[RootOption, ...]
    callback: object = None


ROOT = Root(
    "Talk to the API易 gateway, or to any OpenAI-compatible server, in shell pipes.",
    (
        RootOption(
            "profile",
            ("--profile",),
            "Profile of the configuration to use.",
            metavar="NAME",
            is_flag=False,
        ),
        RootOption("quiet", ("-q", "--quiet"), "No notices, errors only."),
        RootOption("verbose", ("-v", "--verbose"), "Tell what is sent."),
        RootOption("version", ("-V", "--version"), "Print the version."),
    ),
)

COMMANDS: dict[str, CommandEntry] = {
    "chat": CommandEntry("Send a chat completion and print the answer as it comes.", "Ask"),
    "complete": CommandEntry("Send a legacy completion.", "Ask"),
    "respond": CommandEntry("Ask the Responses endpoint.", "Ask"),
    "embed": CommandEntry("Embed texts: one JSON line with a vector for each.", "Ask"),
    "rank": CommandEntry("Put texts in the order of how well they answer a query.", "Ask"),
    "image": CommandEntry("Draw, edit or vary pictures and save them.", "Ask"),
    "video": CommandEntry("Make videos from prompts, pictures and clips, and save them.", "Ask"),
    "transcribe": CommandEntry("Write down what recordings say.", "Ask"),
    "speak": CommandEntry("Read a text aloud, to a file or a player.", "Ask"),
    "playground": CommandEntry("Serve a web page for every endpoint on this machine.", "Ask"),
    "api": CommandEntry("Call any path of the gateway, raw.", "Ask"),
    "batch": CommandEntry("Send thousands of requests from a file, resumable.", "Ask"),
    "models": CommandEntry("List or search the gateway's models.", "Look"),
    "balance": CommandEntry("Show what is left in the account, in US dollars.", "Look"),
    "session": CommandEntry("Show and remove kept conversations.", "Look", ("list", "show", "rm")),
    "usage": CommandEntry("Show what was used: requests, tokens, estimated cost.", "Look"),
    "cache": CommandEntry(
        "Look at and clear the response cache.", "Look", ("path", "stats", "clear")
    ),
    "auth": CommandEntry(
        "Keep keys in the OS keyring.", "Set up", ("login", "status", "logout", "token")
    ),
    "config": CommandEntry(
        "Read and write config.toml.", "Set up", ("list", "get", "set", "unset", "path", "edit")
    ),
    "doctor": CommandEntry("Check what works and what does not.", "Set up"),
    "sandbox": CommandEntry("Run the offline gateway in the foreground.", "Set up"),
    "completion": CommandEntry("Print the completion script of a shell.", "Set up"),
    "mcp": CommandEntry("Serve the commands to agents as tools over MCP.", "Agents"),
    "skill": CommandEntry("Print a skill file for coding agents.", "Agents"),
    "describe": CommandEntry("Print the whole command line as a JSON Schema.", "Agents"),
    "help": CommandEntry("Print the help of a command, or a topic.", "Look"),
}
