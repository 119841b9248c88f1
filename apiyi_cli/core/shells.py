"""Quotes words of hints for the user's shell: POSIX shells, PowerShell, cmd.exe."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Literal

Shell = Literal["posix", "powershell", "cmd"]


def find_shell(environ: Mapping[str, str], *, windows: bool = os.name == "nt") -> Shell:
    """Return the shell from which the program was probably started.

    A POSIX shell on Windows (Git, MSYS) sets SHELL. PowerShell adds the user's own folder to
    PSModulePath, which cmd.exe has from the system without it.
    """
    if not windows or environ.get("SHELL"):
        return "posix"
    modules = environ.get("PSModulePath", "").lower()
    own = environ.get("USERPROFILE", "").lower()
    return "powershell" if own and own in modules else "cmd"


def quote_word(word: str, shell: Shell | None = None) -> str:
    """Return a word quoted for the shell."""
    shell = shell or find_shell(os.environ)
    if shell == "posix":
        import shlex

        return shlex.quote(word)
    # A comma makes an array in PowerShell.
    plain = r"[\w@+=:./\\-]+" if shell == "powershell" else r"[\w@+=:,./\\-]+"
    if re.fullmatch(plain, word, re.ASCII) and not word.startswith(("@", "-")):
        return word
    if shell == "powershell":
        return quote_powershell(word)
    # Backslashes before a quote are read as escapes by the C library that splits the line.
    quoted = re.sub(r'(\\*)"', r'\1\1\\"', word)
    quoted = re.sub(r"(\\+)$", r"\1\1", quoted)
    return f'"{quoted}"'


def quote_powershell(text: str) -> str:
    """Return a text as a string of PowerShell, for which typographic quotes are quotes."""
    return "'" + re.sub("['\u2018\u2019\u201a\u201b]", r"\g<0>\g<0>", text) + "'"


def quote_words(words: Iterable[str]) -> str:
    """Return a command line quoted for the shell."""
    return " ".join(map(quote_word, words))
