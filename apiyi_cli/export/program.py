"""A request as the source code of a program, in one of several languages."""

from __future__ import annotations

from importlib import import_module

from apiyi_cli.core.call import Call
from apiyi_cli.errors import UsageError
from apiyi_cli.export.frame import Language, Program, Templates
from apiyi_cli.export.plan import plan_program
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
"""The values of `--code`: folders of templates, and the modules that fill them."""


def program(language: str, call: Call, base_url: str) -> Program:
    """Return a program in `language` that sends `call` to the gateway at `base_url`.

    Raises UsageError for a language that is not in `LANGUAGES`, or that cannot send the call.
    """
    if language not in LANGUAGES:
        raise UsageError(
            Text("cannot write a program in {language}", language=repr(language)),
            Text("unknown language"),
            hint=Text("--code takes one of {languages}", languages=", ".join(LANGUAGES)),
        )
    module = import_module(f"apiyi_cli.export.{LANGUAGES[language]}")
    writer: Language = module.LANGUAGE
    return writer.write(plan_program(call, base_url), Templates(language))
