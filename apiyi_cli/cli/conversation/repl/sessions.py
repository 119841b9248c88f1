"""`/session`: keeps a conversation under a name, continues another, copies it."""

from __future__ import annotations

from apiyi_cli.cli.conversation.history import format_sessions
from apiyi_cli.cli.conversation.repl.dialogue import Dialogue
from apiyi_cli.cli.conversation.repl.log import ConversationLog, new_log
from apiyi_cli.errors import UsageError
from apiyi_cli.store.sessions import SessionStore
from apiyi_cli.text import Text


def change_session(dialogue: Dialogue, rest: str) -> None:
    """Run `/session` with its argument: nothing, a name, list, new or fork."""
    word, _, name = rest.partition(" ")
    name = name.strip()
    store = SessionStore.open(dialogue.process.environ)
    if not word:
        _describe(dialogue)
    elif word == "list":
        _list(dialogue, store)
    elif word == "new":
        _begin(dialogue, store, name)
    elif word == "fork":
        _fork(dialogue, store, name or _find_free_name(dialogue, store))
    else:
        _go_on(dialogue, store, rest)


def _describe(dialogue: Dialogue) -> None:
    log = dialogue.log
    count = len(log.everything)
    if log.is_named:
        text = Text("session {name}: {count} messages", name=log.name, count=count)
    else:
        text = Text("no name yet: {count} messages; /session NAME keeps them", count=count)
    dialogue.messages.print(text)


def _list(dialogue: Dialogue, store: SessionStore) -> None:
    sessions = store.all()
    if not sessions:
        dialogue.messages.print(Text("no session is kept yet"))
        return
    output = dialogue.make_context().output
    output.write([format_sessions(output, sessions)], content="styled", to_stdout=True)


def _begin(dialogue: Dialogue, store: SessionStore, name: str) -> None:
    """Begin an empty conversation, named if a name is given."""
    if not name:
        dialogue.set_log(new_log(dialogue.context))
        dialogue.messages.note(Text("a new conversation"))
        return
    _require_free(store, name)
    dialogue.set_log(ConversationLog(store, name, is_named=True, messages=()))
    dialogue.messages.note(Text("a new conversation, kept as {name}", name=name))


def _fork(dialogue: Dialogue, store: SessionStore, name: str) -> None:
    """Copy the conversation to a new name and continue the copy."""
    _require_free(store, name)
    _keep_as(dialogue, store, name)
    dialogue.messages.note(Text("a copy of the conversation, kept as {name}", name=name))


def _go_on(dialogue: Dialogue, store: SessionStore, name: str) -> None:
    """Continue a session; a new name keeps an unnamed conversation, or begins another."""
    if store.path(name).exists():
        dialogue.set_log(ConversationLog(store, name, is_named=True))
        count = len(dialogue.log.everything)
        dialogue.messages.note(
            Text("going on with the session {name}: {count} messages", name=name, count=count)
        )
    elif dialogue.log.is_named or not dialogue.log.everything:
        _begin(dialogue, store, name)
    else:
        _keep_as(dialogue, store, name)
        dialogue.messages.note(Text("the conversation is kept as {name}", name=name))


def _keep_as(dialogue: Dialogue, store: SessionStore, name: str) -> None:
    log = ConversationLog(store, name, is_named=True, messages=dialogue.log.everything)
    log.replace(log.everything)
    dialogue.set_log(log)


def _require_free(store: SessionStore, name: str) -> None:
    if store.path(name).exists():
        raise UsageError(
            Text("there is a session {name} already", name=repr(name)),
            Text("nothing was changed"),
            hint=Text("/session {name} goes on with it", name=name),
        )


def _find_free_name(dialogue: Dialogue, store: SessionStore) -> str:
    base = dialogue.log.name if dialogue.log.is_named else "chat"
    number = 2
    while store.path(f"{base}-{number}").exists():
        number += 1
    return f"{base}-{number}"
