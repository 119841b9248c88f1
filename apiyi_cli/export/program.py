"""A request as the source code of a program: the languages, and what a program comes with."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from apiyi_cli.core.call import Call
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

LANGUAGES: dict[str, str] = {
    "curl": "curl",
    "python": "python_sdk",
    "requests": "python_requests",
    "node": "node",
    "java": "java",
    "csharp": "csharp",
    "go": "go",
    "php": "php",
    "ruby": "ruby",
}
"""What `--code` takes, and the module of this package that writes it."""


@dataclass(frozen=True, slots=True)
class Program:
    """The text of a program, and `notes` for stderr: what of the request it does not say."""

    text: str
    notes: tuple[str, ...] = ()


def program(language: str, call: Call, base_url: str) -> Program:
    """Write `call` to the gateway at `base_url` as a program in `language`.

    Raises UsageError for a language that is not in `LANGUAGES`.
    """
    if language not in LANGUAGES:
        raise UsageError(
            Text("cannot write a program in {language}", language=repr(language)),
            Text("unknown language"),
            hint=Text("--code takes one of {languages}", languages=", ".join(LANGUAGES)),
        )
    module = import_module(f"apiyi_cli.export.{LANGUAGES[language]}")
    written: Program = module.program(call, base_url)
    return written
