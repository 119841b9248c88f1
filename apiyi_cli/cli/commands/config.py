"""`apiyi config`: the values in force, and changes to `config.toml`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from apiyi_cli.cli.app import several
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.disk import read_regular
from apiyi_cli.core.jsontext import write_text
from apiyi_cli.core.nearest import find_nearest
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.secret import mask_header, mask_url
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import SetupError, UsageError
from apiyi_cli.settings.config_file import decode_text, format_dotted, parse
from apiyi_cli.settings.edit import find_written, locate_key, parse_words, remove, write
from apiyi_cli.settings.listing import list_settings
from apiyi_cli.settings.paths import private_write
from apiyi_cli.settings.values import configurable_names
from apiyi_cli.text import Text, system_reason

Key = Annotated[str, typer.Argument(help=Text("Such as model, limits.rpm or profile.work.model."))]
Values = Annotated[list[str], typer.Argument(help=Text("The value; a list takes several."))]

NEW_FILE = """\
# Configuration of apiyi; `apiyi help config` tells what may stand here.

[profile.default]
# model = "gpt-4o"
"""


def list_(
    ctx: Context,
    *,
    origin: Annotated[
        bool, typer.Option("--origin", help=Text("Tell where each value comes from."))
    ] = False,
    connection: Connection,
    output: Output,
) -> None:
    """List every value in force: flags, environment, profile and defaults."""
    # How the list itself is printed is not a setting worth listing.
    rows = [
        (row.name, _mask(row.name, row.value), row.origin)
        for row in list_settings(ctx.settings)
        if row.origin not in ("flag --json", "flag --ndjson")
    ]
    if ctx.output.form == "text":
        ctx.output.write([_format_list(rows, with_origin=origin)])
    elif ctx.output.form == "ndjson":
        ctx.output.write_records(
            {"name": name, "value": value, **({"origin": source} if origin else {})}
            for name, value, source in rows
        )
    else:
        record = {
            name: {"value": value, "origin": source} if origin else value
            for name, value, source in rows
        }
        ctx.output.write_records([record])


def get(ctx: Context, key: Key, *, connection: Connection) -> None:
    """Print one value: the one in force, or, with profile.NAME before it, the file's."""
    settings = ctx.settings
    value = _find_value(ctx, key)
    if value is None:
        keys = locate_key(key, settings.profile)
        raise UsageError(
            Text("{key} is not set", key=key),
            hint=f"apiyi config set {quote_word(format_dotted(keys))} VALUE",
        )
    items = value if isinstance(value, (list, tuple)) else [value]
    texts = (item if isinstance(item, str) else _format_toml(item) for item in items)
    ctx.process.console.write("".join(f"{text}\n" for text in texts).encode())


def set_(ctx: Context, key: Key, value: Values, *, connection: Connection) -> None:
    """Set one value in the file, for the profile in use unless KEY names another."""
    settings = ctx.settings
    keys = locate_key(key, settings.profile)
    write(settings.config_path, keys, parse_words(keys, value))
    if keys[0] == "alias":
        from apiyi_cli.cli.gateway.models import keep_model_names, read_cached_models

        # Completion reads the names of models from a file.
        known = [name for name in read_cached_models(settings) if name != keys[-1]]
        keep_model_names(settings, [keys[-1], *known], ctx.messages.debug)


def unset(ctx: Context, key: Key, *, connection: Connection) -> None:
    """Take one value, or a whole profile, out of the file."""
    settings = ctx.settings
    keys = locate_key(key, settings.profile)
    if not remove(settings.config_path, keys):
        name, path = format_dotted(keys), settings.config_path
        ctx.messages.note(Text("{keys} was not in {config_path}", keys=name, config_path=path))


def path(ctx: Context, *, connection: Connection) -> None:
    """Print where the file is, whether or not it exists."""
    ctx.process.console.write(f"{ctx.settings.config_path}\n".encode("utf-8", "surrogateescape"))


def edit(ctx: Context, *, connection: Connection) -> None:
    """Open the file in $VISUAL or $EDITOR; what is saved is checked before it counts."""
    from apiyi_cli.cli.inputs.editor import edit_file

    target = ctx.settings.config_path
    try:
        old = read_regular(target)
    except FileNotFoundError:
        old = NEW_FILE.encode()
    except OSError as failure:
        raise SetupError(
            Text("cannot read {target}", target=target), system_reason(failure)
        ) from None
    copy = target.with_name(f"{target.stem}.edited.toml")
    if copy.exists():
        ctx.messages.note(Text("going on with {copy}, which was not taken over before", copy=copy))
    else:
        private_write(copy, old)
    try:
        edit_file(ctx.process, copy, Text("nothing is changed"))
    except SetupError:
        copy.unlink()
        raise
    new = read_regular(copy)
    # A mistake raises here, naming the line in the copy, which stays to be mended.
    parse(decode_text(copy, new), copy)
    note = Text("{target} is unchanged", target=target)
    if new != old:
        private_write(target, new)
        note = Text("{target} is changed", target=target)
    copy.unlink()
    ctx.messages.note(note)


def _find_value(ctx: Context, key: str) -> Any:
    """Return the value that a run with this profile would use, None if unset."""
    settings = ctx.settings
    keys = locate_key(key, settings.profile)
    if keys[:2] != ("profile", settings.profile) or key.startswith("profile."):
        value = find_written(settings.config_path, keys)
        return settings.usage_ledger if value is None and keys == ("usage_ledger",) else value
    rows = {row.name: row.value for row in list_settings(settings)}
    name = ".".join(keys[2:])
    known = (*rows, *configurable_names(), "key_command", "group", "limits.store")
    if name not in known:
        near = find_nearest(name, known)
        raise UsageError(
            Text("unknown setting {key}", key=key),
            Text("did you mean {near}?", near=near) if near else "",
        )
    return rows.get(name)


def _format_list(rows: list[tuple[str, Any, str]], *, with_origin: bool) -> bytes:
    lines = [f"{name} = {_format_toml(value)}" for name, value, _ in rows]
    if with_origin:
        width = min(48, max(map(len, lines)))
        lines = [f"{line:<{width}}  # {row[2]}" for line, row in zip(lines, rows, strict=True)]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _mask(name: str, value: Any) -> Any:
    """Return the value without passwords, because listings are pasted into reports."""
    if isinstance(value, str):
        return mask_url(value)
    if name == "header":
        fields = [text.partition(":") for text in value]
        return [f"{field}: {mask_header(field, rest.strip())}" for field, _, rest in fields]
    return value


def _format_toml(value: Any) -> str:
    if isinstance(value, dict):
        items = (f"{name} = {_format_toml(item)}" for name, item in value.items())
        return f"{{ {', '.join(items)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_format_toml, value))}]"
    return write_text(value)


app = several(
    list=spread(list_),
    get=spread(get),
    set=spread(set_),
    unset=spread(unset),
    path=spread(path),
    edit=spread(edit),
)
