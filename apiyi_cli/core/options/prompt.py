"""Options: where the text of a request comes from, and what surrounds it."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class TextInput(Group, panel="Prompt"):
    """How the texts of files and stdin are read."""

    encoding = flag(
        str,
        "--encoding",
        help="Encoding of text that is not UTF-8: GB18030, Big5, UTF-16, Shift_JIS ...",
        metavar="NAME",
    )


class Prompt(TextInput, panel="Prompt"):
    """Where the text of the request comes from."""

    file = flag(
        list[str],
        "-f",
        "--file",
        help="Add a text file before the prompt (repeatable, - for stdin).",
        metavar="PATH",
        complete="file",
        config=False,
    )
    no_stdin = flag(bool, "-n", "--no-stdin", help="Never read stdin.")


class DraftOptions(Group, panel="Prompt"):
    """How a prompt's text is made: from a template, in an editor."""

    template = flag(
        str,
        "-t",
        "--template",
        help="Template of the prompt: templates/NAME.md in the configuration folder.",
        metavar="NAME",
        complete="template",
        config=False,
    )
    param = flag(
        list[str],
        "-p",
        "--param",
        help="Value for a {name} of the template (repeatable).",
        metavar="NAME=VALUE",
        config=False,
    )
    edit = flag(
        bool, "-e", "--edit", help="Write or change the prompt in $EDITOR first.", config=False
    )


class Conversation(Group, panel="Prompt"):
    """The context of the prompt: system text, attachments, earlier messages."""

    system = flag(str, "-s", "--system", help="System prompt (@FILE reads a file).", metavar="TEXT")
    attach = flag(
        list[str],
        "-a",
        "--attach",
        help="Attach an image, audio or PDF, by path or URL (repeatable).",
        metavar="PATH|URL",
        complete="file",
        config=False,
    )
    messages = flag(
        str,
        "--messages",
        help="Conversation to send: JSON array or NDJSON of messages (- for stdin).",
        metavar="FILE",
        complete="file",
        config=False,
    )
