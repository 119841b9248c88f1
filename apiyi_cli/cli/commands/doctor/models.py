"""The profile's models for each command, checked by family and the gateway's list."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from apiyi_cli.cli.commands.doctor.finding import Finding
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.models import propose_model
from apiyi_cli.cli.settings import no_model
from apiyi_cli.core.families import OTHER_COMMANDS, PROPOSED, refusal
from apiyi_cli.settings.defaults import default_of
from apiyi_cli.text import Text, join_texts


def list_models(ctx: Context) -> Iterator[Finding]:
    """Yield the text commands' model, those of all others, and what is wrong."""
    chosen = find_models(ctx)
    settings = ctx.settings
    if "chat" in chosen:
        told = Text("{model} ({origin})", model=chosen["chat"], origin=settings.origin("model"))
        yield Finding("model", "ok", told)
    else:
        advice = no_model("chat", settings).hint or ""
        yield Finding("model", "warning", Text("no default model"), advice)
    listed = ", ".join(f"{word} {chosen[word]}" for word in OTHER_COMMANDS if word in chosen)
    missing = [word for word in OTHER_COMMANDS if word not in chosen]
    parts: list[str] = [listed] if listed else []
    if missing:
        parts.append(Text("none for {commands}", commands=", ".join(missing)))
    advice = _name_another(ctx, missing[0], PROPOSED[missing[0]]) if missing else ""
    yield Finding("model", "ok", join_texts(parts, "; "), advice)
    for command, model in chosen.items():
        if why := refusal(model, command, settings.families):
            told = Text("{command}: {model}: {why}", command=command, model=model, why=why)
            yield Finding("model", "warning", told, _name_another(ctx, command, PROPOSED[command]))


def list_unknown(ctx: Context, names: Collection[str]) -> Iterator[Finding]:
    """Yield a warning for each chosen model that the gateway's list lacks."""
    for command, model in find_models(ctx).items():
        if model not in names and model != default_of("model", command):
            told = Text(
                "{command}: the gateway does not list {model}", command=command, model=model
            )
            proposed = propose_model(command, list(names))
            advice = _name_another(ctx, command, proposed) if proposed else "apiyi models"
            yield Finding("model", "warning", told, advice)


def find_models(ctx: Context) -> dict[str, str]:
    """Return the model of each command that has one; `chat` means all text commands."""
    settings = ctx.settings
    text = settings.value("model")
    chosen = {} if text is None else {"chat": text}
    for command in OTHER_COMMANDS:
        own = settings.in_profile.commands.get(command, {}).get("model")
        if own := own or default_of("model", command):
            chosen[command] = own
    return {command: settings.config.find_models(str(model)) for command, model in chosen.items()}


def _name_another(ctx: Context, command: str, model: str) -> str:
    key = "model" if command == "chat" else f"{command}.model"
    return f"{ctx.settings.typed_program} config set {key} {model}"
