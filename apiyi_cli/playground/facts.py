"""The facts for the page: commands, options, profiles, models, costs; never keys."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from apiyi_cli.core.call import Call
from apiyi_cli.core.endpoints import METHODS, find_at_host
from apiyi_cli.core.families import PROPOSED, refusal
from apiyi_cli.core.language import Translate, as_is, to_chinese
from apiyi_cli.core.options import Flag, Group
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.request import Request
from apiyi_cli.core.secret import mask_url
from apiyi_cli.errors import ApiyiError
from apiyi_cli.playground import policy
from apiyi_cli.playground.argv import READING_METHODS, FormTable
from apiyi_cli.playground.texts import page_words
from apiyi_cli.settings.paths import state_dir
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.store.ledger import Ledger
from apiyi_cli.store.prices import BilledUnits, Prices
from apiyi_cli.store.registry import ModelFacts
from apiyi_cli.text import Text

SHOWN: Final = ("name", "long", "many", "metavar", "choices", "suggestions", "low", "high", "wire")
"""What the page gets of an option as it is in the table."""
UNSHOWN: Final = frozenset(("header",))
"""Options whose configured value may hold a secret."""


class PageProgram(NamedTuple):
    """The facts that the server gets from the program.

    `groups` are the option groups of each command, `helps` their help lines, `environ` the
    environment of the children. `max_cost_usd` is what a day's requests may cost.
    """

    groups: Mapping[str, Sequence[type[Group]]]
    helps: Mapping[str, str]
    environ: Mapping[str, str]
    profile: str
    load_prices: Callable[[Settings], Prices]
    load_models: Callable[[Settings], Mapping[str, ModelFacts]]
    estimate_call: Callable[[Prices, Call], float | None]
    command: str = "chat"
    max_cost_usd: float | None = None
    allows_api: bool = False
    keeps_history: bool = True
    is_chinese: bool = False


def translator_of(language: str) -> Translate:
    """Return the translator into the page's language, "zh" or "en"."""
    return to_chinese() if language == "zh" else as_is


class PageFacts:
    """Answers the page's questions; reads the configuration anew each time."""

    def __init__(self, program: PageProgram, table: FormTable) -> None:
        self.program = program
        self.table = table
        self._server = secrets.token_hex(4)

    def settings(self, profile: str, command: str | None = None) -> Settings:
        """Return the settings of a profile, for one command if it is named."""
        connection = Connection(profile=profile or self.program.profile)
        return Settings(connection, environ=self.program.environ, command=command)

    @property
    def usual_profile(self) -> str:
        """Return the profile of command lines without --profile."""
        return Settings(environ=self.program.environ).profile

    def find_usual_model(self, command: str, profile: str) -> str:
        """Return the model of requests without one, "" if there is none."""
        if "model" not in self.table.flags(command):
            return ""
        option = self.table.flags(command)["model"]
        return _find_value(option, self.settings(profile, command))[0].partition(", ")[0]

    def describe(self, profile: str, language: str) -> dict[str, Any]:
        """Return the page's data: texts, commands with their forms, profiles."""
        say = translator_of(language)
        settings = self.settings(profile)
        profile = settings.in_profile.name
        urls = [mask_url(url) for url in settings.base_urls]
        return {
            "words": {word: say(Text(word)) for word in page_words()},
            "language": language,
            "profile": profile,
            # A page that was loaded again keeps its drafts, and uploads only from this server.
            "server": self._server,
            "start_profile": self.program.profile,
            "profiles": list(settings.profiles),
            "base_url": urls[0] if urls else "",
            "is_sandbox": settings.sandbox,
            "command": self.program.command,
            "max_cost": self.program.max_cost_usd,
            "history": self.program.keeps_history,
            "methods": METHODS if self.program.allows_api else READING_METHODS,
            "commands": [
                self._describe_command(name, profile, say) for name in policy.PAGE_COMMANDS
            ],
            "languages": list(Request.flags["code"].choices),
        }

    def describe_models(self, listed: Any, profile: str) -> list[dict[str, Any]]:
        """Return the listed models with price, kind and the commands that cannot use them."""
        settings = self.settings(profile)
        prices, known = self.program.load_prices(settings), self.program.load_models(settings)
        rows = listed.get("data") if isinstance(listed, dict) else listed
        models = []
        for row in rows if isinstance(rows, list) else ():
            name = row.get("id") if isinstance(row, dict) else None
            if not isinstance(name, str):
                continue
            price = prices.of(name)
            facts = known.get(name, ModelFacts())
            models.append(
                {
                    "id": name,
                    "kind": facts.kind,
                    "context": facts.context,
                    "price": price and [price.input, price.output, price.request],
                    "unfit": [word for word in PROPOSED if refusal(name, word) is not None],
                }
            )
        return models

    def sum_today(self) -> float | None:
        """Return the cost of today's requests by the ledger, None if unknown."""
        midnight = time.mktime((*time.localtime()[:3], 0, 0, 0, 0, 0, -1))
        try:
            totals = Ledger(state_dir(self.program.environ)).totals(midnight, "profile")
        except ApiyiError:
            return None
        return sum(total.cost or 0.0 for total in totals)

    def estimate(
        self, model: str, profile: str, usage: Mapping[str, Any], count: int
    ) -> float | None:
        """Return the cost of an answer, as far as it is known."""
        settings = self.settings(profile)
        if settings.sandbox:
            return None
        units = BilledUnits(
            usage.get("prompt"), usage.get("completion"), usage.get("cached"), max(1, count)
        )
        return self.program.load_prices(settings).estimate(model, units)

    def estimate_request(self, shown: Any, profile: str) -> float | None:
        """Return the estimated cost of a `--dry-run` request, None if unknown."""
        settings = self.settings(profile)
        if settings.sandbox or not isinstance(shown, dict):
            return None
        body = shown.get("body")
        endpoint = find_at_host(str(shown.get("method")), urlsplit(str(shown.get("url"))).path)
        if endpoint is None or not isinstance(body, dict):
            return None
        call = endpoint.call(json=body, model=str(body.get("model") or ""))
        return self.program.estimate_call(self.program.load_prices(settings), call)

    def _describe_command(self, name: str, profile: str, say: Translate) -> dict[str, Any]:
        command = policy.PAGE_COMMANDS[name]
        settings = self.settings(profile, name)
        sections: dict[str, list[dict[str, Any]]] = {}
        for option in self.table.flags(name).values():
            if option.name != "profile":
                described = self._describe_option(option, name, settings, say)
                sections.setdefault(option.panel, []).append(described)
        return {
            "name": name,
            "heading": command.heading,
            "help": say(Text(self.program.helps[name])),
            "subject": command.subject,
            "shape": command.shape,
            "stdin": command.stdin,
            "proposed": PROPOSED.get(name, PROPOSED["chat"]),
            "sections": [
                {"name": panel, "title": say(Text(panel)), "options": options}
                for panel, options in sections.items()
            ],
        }

    def _describe_option(
        self, option: Flag, command: str, settings: Settings, say: Translate
    ) -> dict[str, Any]:
        value, origin = _find_value(option, settings)
        return {
            **{name: getattr(option, name) for name in SHOWN},
            "help": say(Text(option.help)),
            "kind": option.kind.__name__,
            "off": any("/" in name for name in option.names),
            "file": policy.takes_upload(option),
            "url": policy.takes_url(option),
            "text": not policy.takes_upload(option) or option.name in policy.TEXT_OR_FILE,
            "is_model": option.complete == "model",
            "value": value,
            "origin": say(origin),
        }


def _find_value(option: Flag, settings: Settings) -> tuple[str, str]:
    """Return an option's value in force if the page gives none, and its origin."""
    if option.name in UNSHOWN or not option.config:
        return "", ""
    try:
        value, origin = settings.value(option.name), settings.origin(option.name)
    except (KeyError, ApiyiError):
        return "", ""
    if value is None:
        return "", ""
    if isinstance(value, bool):
        return "on" if value else "off", origin
    if isinstance(value, float):
        return f"{value:g}", origin
    return (", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)), origin
