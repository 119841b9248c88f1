"""Options: where the text of a request comes from, and what surrounds it."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class TextInput(Group, panel="Prompt"):
    """How the texts of files and stdin are read."""

    encoding = flag(
        str,
        "Encoding of text that is not UTF-8: GB18030, Big5, UTF-16, Shift_JIS ...",
        metavar="NAME",
    )


class Prompt(TextInput, panel="Prompt"):
    """Where the text of the request comes from."""

    file = flag(
        list[str],
        "Add a text file before the prompt (repeatable, - for stdin).",
        "-f",
        metavar="PATH",
        complete="file",
        config=False,
    )
    no_stdin = flag(bool, "Never read stdin.", "-n")


class DraftOptions(Group, panel="Prompt", config=False):
    """How a prompt's text is made: from a template, in an editor."""

    template = flag(
        str,
        "Template of the prompt: templates/NAME.md in the configuration folder.",
        "-t",
        complete="template",
    )
    param = flag(
        list[str], "Value for a {name} of the template (repeatable).", "-p", metavar="NAME=VALUE"
    )
    edit = flag(bool, "Write or change the prompt in $EDITOR first.", "-e")


class Conversation(Group, panel="Prompt", config=False):
    """The context of the prompt: system text, attachments, earlier messages."""

    system = flag(str, "System prompt (@FILE reads a file).", "-s", metavar="TEXT", config=True)
    attach = flag(
        list[str],
        "Attach an image, audio or PDF, by path or URL (repeatable).",
        "-a",
        metavar="PATH|URL",
        complete="file",
    )
    messages = flag(
        str,
        "Conversation to send: JSON array or NDJSON of messages (- for stdin).",
        complete="file",
    )
