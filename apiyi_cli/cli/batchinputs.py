"""What a batch is made of: its rows, and what the options say about them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apiyi_cli.batch.asked import Defaults
from apiyi_cli.batch.endpoints import ENDPOINTS
from apiyi_cli.batch.identity import Identities
from apiyi_cli.batch.options import RowDefaults
from apiyi_cli.batch.past import PREFIX_BYTES, Past, prefix_sha
from apiyi_cli.batch.rows import Filling, Rows, Shard
from apiyi_cli.batch.source import Source, form_of
from apiyi_cli.core.groups import Batching, Model
from apiyi_cli.core.opt import given
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.session import Session

BIG_FILE = 2 << 30


class Inputs:
    """The rows of the run, and all that the options say about them."""

    def __init__(self, session: Session, path: str, options: Batching, rows: RowDefaults) -> None:
        self.options = options
        self.source = Source(path, lambda: _standard_input(session))
        session.run.closing(self.source.close)
        self.source.opened()
        self.form = form_of(path, options.format, bool(options.lines))
        self._template = None if options.template is None else Filling(options.template)
        self.shard = None if options.shard is None else Shard(options.shard)
        self.allow_private = bool(rows.allow_private)  # type: ignore[attr-defined]
        self.defaults = _defaults(session, rows.replace(allow_private=None))

    def rows(self, past: Past) -> Rows:
        """Return the rows from the first on; those that earlier runs had keep their ids."""
        ids = past.ids
        return Rows(
            self.source,
            self.form,
            self.defaults,
            ids,
            endpoint=self.options.endpoint,
            template=self._template,
            shard=self.shard,
            strict=bool(self.options.strict),
            identities=Identities(ids, past.old_ids, past.knows),
            shards_by_index=past.is_old or bool(past.old_ends),
        )

    def header(self) -> dict[str, Any]:
        """Return what the journal says of the input."""
        prefix = self.source.prefix(PREFIX_BYTES)
        return {
            "input": {
                "name": self.source.name,
                "size": len(prefix),
                "sha": prefix_sha(prefix) if prefix else None,
            },
            "endpoint": self.options.endpoint,
            "options": {
                one.name: value
                for one, value in given(self.options)
                if isinstance(value, (str, int, float))
            },
        }

    def is_same(self, past: Past) -> bool:
        """Tell whether the input may be the one that the output was begun with, or more of it.

        A pipe is believed.
        """
        known = past.header.get("input")
        if self.options.resume or not known or not self.source.is_regular:
            return True
        if not past.records:
            return True
        return bool(prefix_sha(self.source.prefix(known["size"])) == known["sha"])

    def has_replaced(self, past: Past) -> bool:
        """Return True if this is the input that the output has, as it is now."""
        known = past.header.get("input") or {}
        return not self.options.resume and known.get("name") == self.source.name

    @property
    def total(self) -> int | None:
        """Return how many rows there are at a glance, None when that would be a guess."""
        if self.shard is not None or self.form in ("csv", "tsv") or not self.source.is_regular:
            return None
        if self.source.path != "-" and Path(self.source.path).stat().st_size > BIG_FILE:
            return None
        return self.source.line_count()


def _defaults(session: Session, rows: RowDefaults) -> Defaults:
    from apiyi_cli.build.schema import read_schema
    from apiyi_cli.build.tools import choice, tools
    from apiyi_cli.cli.talk import body_options, families

    typed = frozenset(one.name for one, _ in given(rows))
    filled = {one.name: value for one, value in given(session.fill(rows))}
    read = session.sources
    system = filled.pop("system", None)
    wanted = filled.pop("schema", None)
    functions = tools([read.text_or_file(one, "--tool") for one in filled.pop("tool", None) or ()])
    chosen = filled.pop("tool_choice", None)
    of_endpoint = {name: session.settings.for_rows(name).fill(Model()).model for name in ENDPOINTS}
    return Defaults(
        models={name: model for name, model in of_endpoint.items() if model is not None},
        force_model=bool(session.fill(Model()).force_model),
        values=filled,
        typed=typed,
        system=None if system is None else read.at(system),
        schema=None if wanted is None else read_schema(read.text_or_file(wanted, "--schema")),
        json_mode=bool(filled.pop("json_mode", None)),
        functions=functions,
        tool_choice=None if chosen is None else choice(chosen, functions),
        options=body_options(session),
        families=families(session),
    )


def _standard_input(session: Session) -> Iterator[bytes]:
    return session.sources.pieces(Text("the rows"))
