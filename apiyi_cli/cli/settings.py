"""`CommandSettings`: the options in force for one command, typed or configured."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from apiyi_cli.core.families import OTHER_COMMANDS, PROPOSED, find_family, refusal
from apiyi_cli.core.options import Flag, Group, list_given
from apiyi_cli.core.options.connection import Connection, Jobs
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.request import Model, Models, Request
from apiyi_cli.core.secret import KEY_VARIABLE, Secret
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import UsageError
from apiyi_cli.settings.defaults import Timeouts
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.store.registry import ModelFacts

G = TypeVar("G", bound=Group)


class CommandSettings(Settings):
    """The settings of one command: typed, then environment, profile, defaults.

    `groups` are the option groups as typed, `root_options` what stood before the command.
    `secrets` gets the key when it is found, so that it is redacted from then on.
    """

    def __init__(
        self,
        *groups: Group,
        environ: Mapping[str, str],
        command: str | None = None,
        root_options: Mapping[str, Any] | None = None,
        secrets: list[Secret] | None = None,
    ) -> None:
        self.command = command or "chat"
        self._secrets = secrets if secrets is not None else []
        self._root_options = {
            name: value for name, value in (root_options or {}).items() if value is not None
        }
        self._groups: dict[type[Group], Group] = {}
        for group in groups:
            self.adopt(group)
        super().__init__(*self._groups.values(), environ=environ, command=command)

    def fill(self, group: G, *, defaults: bool = True) -> G:
        """Return the command's group of this kind with every option that has a value.

        Typed values count, whether `group` is the command's own or a new one.
        Without `defaults` only what the user gave is filled, by flag, environment or profile.
        """
        typed = self._groups.get(type(group))
        if not isinstance(typed, type(group)):
            typed = self._complete(group)
        filled = super().fill(typed, defaults=defaults)
        if (models := getattr(filled, "model", None)) is None or not self.config.aliases:
            return filled
        return filled.replace(model=self.config.find_models(models))

    def use_template(self, values: Mapping[str, Any]) -> None:
        """Apply the values of a template, below typed options."""
        for name, value in values.items():
            self._flags.setdefault(name, (self.flags[name], value))

    def adopt(self, group: Group) -> None:
        """Apply a group as if it were typed: an earlier run's options, for example."""
        completed = self._complete(group)
        for kind in type(group).__mro__[: -len(Group.__mro__)]:
            # A command may have its own form of a group that others ask for.
            self._groups[kind] = completed

    @property
    def flags(self) -> dict[str, Flag]:
        """Return the options that the command has, by name."""
        return {name: flag for group in self._groups.values() for name, flag in group.flags.items()}

    @cached_property
    def output(self) -> Output:
        """Return the output options in force."""
        return self.fill(Output())

    @cached_property
    def request(self) -> Request:
        """Return the request options in force."""
        return self.fill(Request())

    @cached_property
    def connection(self) -> Connection:
        """Return the connection options in force."""
        return self.fill(Connection())

    @cached_property
    def timeouts(self) -> Timeouts:
        """Return the timeouts; a family of picture models has its own for headers."""
        timeouts = super().timeouts
        if self.command != "image" or self.value("timeout") is not None:
            return timeouts
        longest_s = find_family(self.models[0], self.families).picture.timeout_s
        return timeouts if longest_s is None else timeouts._replace(headers_s=longest_s)

    @cached_property
    def jobs(self) -> int:
        """Return the number of concurrent requests."""
        return self.fill(Jobs()).jobs or 1

    @property
    def sends_many(self) -> bool:
        """Return True if the command sends several requests at once (it has `--jobs`)."""
        return Jobs in self._groups

    @property
    def prints_request(self) -> bool:
        """Return True if the request is to be printed, not sent: `--dry-run` or `--code`."""
        return bool(self.request.dry_run or self.request.code)

    @property
    def answer_options(self) -> list[str]:
        """Return the typed options that act on the answer, which programs do not have."""
        return [
            option.long
            for group in self._groups.values()
            for option, _ in list_given(group)
            if option.name in ("output", "jq", "extract", "run")
        ]

    def find_given_fields(self) -> dict[str, str]:
        """Return the body fields that the user set, each with the option that sets it."""
        fields: dict[str, str] = {}
        for group in set(self._groups.values()):
            for option, _ in list_given(self.fill(group, defaults=False)):
                if option.wire is not None and option.name != "model":
                    name = "max_completion_tokens" if option.name == "max_tokens" else option.wire
                    fields |= {option.wire: option.long, name: option.long}
        for item in self.request.option or ():
            name = item.partition("=")[0]
            fields |= {name: f"-O {name}", name.partition(".")[0]: f"-O {name}"}
        return fields

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Return the models, at least one. Raises UsageError if none is set."""
        group: Models | Model = self.fill(Models() if Models in self._groups else Model())
        models = (group.model,) if isinstance(group.model, str) else tuple(group.model or ())
        if not models:
            raise no_model(self.command, self)
        if not group.force_model:
            for model in models:
                self.require_able(model, self.command)
        return models

    def find_refusal(self, model: str, command: str) -> Text | None:
        """Say why a model cannot do a command, None when it can or nobody knows.

        Where no family fits, the registry is asked that `models --update` has kept.
        """
        if find_family(model, self.families).is_known:
            return refusal(model, command, self.families)
        from apiyi_cli.store.registry import find_refusal_in

        facts = self.model_facts.get(model)
        return None if facts is None else find_refusal_in(facts, command)

    def require_able(self, model: str, command: str) -> None:
        """Raise UsageError when a model is known not to do the command."""
        why = self.find_refusal(model, command)
        if why is not None:
            proposed = PROPOSED.get(command, PROPOSED["chat"])
            hint = Text(
                "-m {proposed}; --force-model sends {model} all the same",
                proposed=proposed,
                model=quote_word(model),
            )
            raise UsageError(Text("cannot use the model {model}", model=model), why, hint=hint)

    @cached_property
    def model_facts(self) -> Mapping[str, ModelFacts]:
        """Return what is known of models by the registry, {} where it was never fetched."""
        from apiyi_cli.cli.gateway.models import facts_file
        from apiyi_cli.store.registry import load_facts

        return load_facts(facts_file(self))

    @cached_property
    def secret(self) -> Secret:
        """Return the key, redacted from then on. Raises AuthError if there is none."""
        from apiyi_cli.settings.secrets import find_key

        secret = find_key(self)
        self._secrets.append(secret)
        return secret

    @cached_property
    def system_token(self) -> Secret:
        """Return the account's token, redacted from then on. Raises AuthError if there is none."""
        from apiyi_cli.settings.secrets import find_system_token

        token = find_system_token(self)
        self._secrets.append(token)
        return token

    @property
    def key_source(self) -> str:
        """Return the source of the key, "" if it was not needed yet."""
        return str(getattr(self.__dict__.get("secret"), "source", ""))

    def _complete(self, group: G) -> G:
        """Return the group with the options typed before the command, if it has none itself."""
        missing = {
            name: value
            for name, value in self._root_options.items()
            if name in vars(group) and getattr(group, name) is None
        }
        return group.replace(**missing) if missing else group


def no_model(command: str, settings: Settings) -> UsageError:
    """Return the error of a command without a model, with a line to type.

    Where nothing is set up yet, that is to log in, which chooses a model for each command.
    """
    model = PROPOSED.get(command, PROPOSED["chat"])
    key = f"{command}.model" if command in OTHER_COMMANDS else "model"
    ways = Text("-m MODEL") if command in OTHER_COMMANDS else Text("-m MODEL, or APIYI_MODEL")
    program = settings.typed_program
    hint = Text(
        "{program} config set {key} {model}, or {ways}; {program} models lists them",
        program=program,
        key=key,
        model=model,
        ways=ways,
    )
    if not (settings.config.profiles or settings.environ.get(KEY_VARIABLE)):
        hint = Text("{program} auth login chooses one, or {ways}", program=program, ways=ways)
    return UsageError(Text("no model"), Text("none was given and none is set"), hint=hint)
