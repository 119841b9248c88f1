"""Texts side by side on a terminal, for comparing them."""

from __future__ import annotations

from collections.abc import Sequence

from apiyi_cli.core.terminal_text import neutralize, neutralize_line

NARROWEST = 24


def columns(texts: Sequence[tuple[str, str]], *, width: int, color: bool) -> bytes:
    """Return titled texts beside each other, wrapped; below each other where there is no room.

    The texts are shown as they are but made safe; nothing in them is markup.
    """
    from io import StringIO

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    page = StringIO()
    console = Console(
        file=page,
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
    )
    shown = [
        (Text(neutralize_line(title), style="bold"), Text(neutralize(text)))
        for title, text in texts
    ]
    if width // max(len(shown), 1) < NARROWEST:
        for title, text in shown:
            console.print(title)
            console.print(text, end="\n\n")
        return page.getvalue().encode("utf-8", "replace")
    table = Table(box=None, padding=(0, 2, 0, 0), expand=True, show_edge=False)
    for title, _ in shown:
        table.add_column(title, ratio=1, overflow="fold")
    table.add_row(*(text for _, text in shown))
    console.print(table)
    return page.getvalue().encode("utf-8", "replace")
