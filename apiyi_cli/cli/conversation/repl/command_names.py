"""The commands of a conversation: name, argument, description."""

from __future__ import annotations

from apiyi_cli.text import Text

COMMAND_HELP = (
    ("model", "[NAME]", Text("ask another model; alone: say which one is asked")),
    ("set", "OPTION VALUE", Text("set any option of chat; alone: say what is set")),
    ("unset", "OPTION", Text("take an option back to what the profile says")),
    ("system", "TEXT|@FILE", Text("set the system prompt; alone: show it")),
    ("file", "PATH", Text("add a text file before the next prompt")),
    ("attach", "PATH|URL", Text("attach an image, audio or PDF to the next prompt")),
    ("template", "NAME [NAME=VALUE…]", Text("make the next prompt from a template; alone: list")),
    ("retry", "[-m MODEL]", Text("ask the last prompt again, in place of its answer")),
    ("edit", "", Text("change the last prompt in the editor and ask it again")),
    ("undo", "", Text("take the last exchange out of the conversation")),
    ("compare", "MODEL MODEL…", Text("ask the last prompt of other models; nothing changes")),
    ("copy", "[code]", Text("copy the last answer, or its code, to the clipboard")),
    ("save", "FILE", Text("write the last answer to a new file; *.ndjson: all messages")),
    ("session", "[NAME|list|new|fork]", Text("keep, change, list, begin or copy a conversation")),
    ("usage", "", Text("show what this conversation used and cost")),
    ("show", "request|raw|code LANG", Text("show the last request, its raw answer, or a program")),
    ("think", "", Text("show what the model thought before its last answer")),
    ("help", "", Text("show this help")),
)
COMMAND_NAMES = tuple(name for name, _, _ in COMMAND_HELP)

KEY_HELP = (
    ("Enter", Text("send; inside an open ``` block: a new line")),
    ("Alt-Enter, Ctrl-J", Text("a new line")),
    ("Up, Ctrl-R", Text("earlier prompts, search them")),
    ("Ctrl-O", Text("the draft in $EDITOR")),
    ("Tab", Text("complete commands, options, models, files after @")),
    ("Ctrl-C", Text("clear the draft, stop an answer; twice: end")),
    ("Ctrl-D", Text("end")),
    ("Ctrl-L", Text("clear the screen")),
    ("//", Text("begin a prompt with a slash")),
)
PLAIN_KEYS = ("Enter", "Tab", "Ctrl-C", "Ctrl-D", "//")
"""Keys that work without prompt_toolkit, besides those of the line editor."""
