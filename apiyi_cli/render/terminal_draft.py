"""Rows of an unfinished text on a terminal, replaced at its end.

Rows are broken here and not by the terminal, so that their number is known: what replaces them
moves the cursor up over exactly these rows. Each character is written as it comes; only a
word that passes the edge is taken back and put on the next row.
"""

from __future__ import annotations

from itertools import pairwise

from apiyi_cli.render.wrap import cuts, has_certain_width, most_cells, takes_column

_TAB = 4


class Draft:
    """The shown rows of the open text, and the cursor at its end.

    `rows` are the rows above the cursor's; None is a row whose content is not known.
    """

    def __init__(self) -> None:
        self.width = 0
        self.height = 0
        self.reset()

    def reset(self) -> None:
        """Begin again at the start of an empty row."""
        self.rows: list[str | None] = []
        self._row: str | None = ""
        self._line = ""
        self._column = 0

    @property
    def is_empty(self) -> bool:
        """Return True if nothing is shown."""
        return not self.rows and self._row == ""

    @property
    def in_line(self) -> bool:
        """Return True if the cursor is not at the start of its row."""
        return self._row != ""

    def fits(self, text: str) -> bool:
        """Return True if writing the text scrolls no row of the draft away."""
        lines = text.split("\n")
        used = len(self.rows) + 1 + len(lines) - 1
        first = self._column
        for line in lines:
            # A word that moves to the next row leaves a gap; twice the width is safe.
            used += 2 * ((first + most_cells(line)) // self.width)
            first = 0
        return used <= self.height

    def fits_row(self, text: str) -> bool:
        """Return True if a text without line ends fits in the cursor's row."""
        return self._column + most_cells(text.replace("\t", " " * _TAB)) < self.width

    def list_rows(self) -> list[str]:
        """Return the rows that are known."""
        return [row for row in (*self.rows, self._row) if row]

    def write(self, text: str) -> str:
        """Return the terminal output for the next piece; see `fits`."""
        first, *others = text.replace("\t", " " * _TAB).split("\n")
        out = [self._extend(first)]
        for line in others:
            out += ["\n", self._break(), self._extend(line)]
        return "".join(out)

    def replace(self, target: list[str]) -> str:
        """Return output that replaces the draft by other rows; the cursor ends in the last.

        Rows that are the same are left alone.
        """
        current = [*self.rows, self._row if self._row is None else self._row.rstrip()]
        same = 0
        for before, after in zip(current, target, strict=False):
            if before != after:
                break
            same += 1
        if same == len(current):
            return "".join("\n" + row for row in target[same:])
        if same == len(current) - 1 < len(target) and current[-1] == "":
            return "\n".join(target[same:])
        same = min(same, len(target) - 1)
        up = len(current) - 1 - same
        home = f"\x1b[{up}F" if up else "\x1b[G"
        # Row by row: tmux moves a screen that is erased as a whole into the scrollback.
        erase = "\x1b[K" + "\n\x1b[K" * up + (home if up else "")
        return home + erase + "\n".join(target[same:])

    def take(self, rows: list[str], last: str) -> None:
        """Continue after rows on the screen; `last` is the text of the cursor's row."""
        self.rows = [*rows[:-1]]
        self._row, self._line, self._column = rows[-1], last, most_cells(last)

    def resize(self, width: int, height: int, reflows: bool) -> bool:
        """Set the new size of the terminal; return True if the rows must be redrawn.

        A terminal that reflows has broken rows that are too wide now; any other has cut them.
        """
        widths = [self.width if row is None else most_cells(row) for row in (*self.rows, self._row)]
        is_broken = width < max(widths)
        if is_broken:
            count = sum(max(1, -(-cells // width)) for cells in widths) if reflows else len(widths)
            self.rows, self._row = [None] * (count - 1), None
        self.width, self.height = width, height
        return is_broken

    def trim(self) -> list[str]:
        """Remove and return the rows that a lower terminal no longer shows."""
        gone = max(0, len(self.rows) + 1 - self.height)
        rows, self.rows = self.rows[:gone], self.rows[gone:]
        return [row for row in rows if row]

    def _extend(self, piece: str) -> str:
        cells = most_cells(piece)
        if self._column + cells <= self.width:
            self._line += piece
            self._row = (self._row or "") + piece
            self._column += cells
            return piece
        if not has_certain_width(self._line + piece):
            return self._extend_blindly(piece)
        return self._wrap(self._line + piece)

    def _wrap(self, line: str) -> str:
        """Return output for the rest of a line that is too wide for its row."""
        edges = [0, *cuts(line, self.width), len(line)]
        out = []
        current = self._line[: _count_fitting(self._line, self._column)]
        for number, (start, end) in enumerate(pairwise(edges)):
            row = line[start:end]
            visible = row.rstrip() if end < len(line) else row[: _count_fitting(row, self.width)]
            if number:
                self.rows.append(self._row)
                out.append("\n" + visible)
            elif visible.startswith(current):
                out.append(visible[len(current) :])
            elif visible != current.rstrip():
                # The row holds the beginning of a word that moves to the next one.
                out.append(f"\x1b[{most_cells(visible) + 1}G\x1b[K")
            self._line, self._row, self._column = row, visible, most_cells(visible)
        return "".join(out)

    def _extend_blindly(self, piece: str) -> str:
        """Return the piece with a line break at the edge, if the cursor is uncertain."""
        out = []
        for character in piece:
            cells = most_cells(character)
            # A selector may come later, and make the last character wider. It takes no column
            # itself, but a skin tone does in terminals that do not join it.
            if self._column + cells >= self.width and takes_column(character):
                out += ["\n", self._break()]
            self._line += character
            self._row = (self._row or "") + character
            self._column += cells
            out.append(character)
        return "".join(out)

    def _break(self) -> str:
        self.rows.append(None if self._row is None else self._row.rstrip())
        self._row, self._line, self._column = "", "", 0
        return ""


def _count_fitting(row: str, width: int) -> int:
    """Return how many characters fit into a row; trailing spaces may exceed it."""
    column = 0
    for at, character in enumerate(row):
        column += most_cells(character)
        if column > width:
            return at
    return len(row)
