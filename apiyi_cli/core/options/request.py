"""Options: the model, and the request itself: extra fields, showing it, caching it."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class Model(Group, panel="Model"):
    """The model."""

    model = flag(
        str,
        "Model to ask. Else APIYI_MODEL (for text), else the profile's.",
        "-m",
        envvar="APIYI_MODEL",
        complete="model",
        wire=True,
    )
    force_model = flag(bool, "Send the model even if its family is known not to do this.")


class Models(Group, panel="Model"):
    """The model, or several."""

    model = flag(
        list[str],
        "Model to ask (repeatable: compare). Else APIYI_MODEL, else the profile's.",
        "-m",
        envvar="APIYI_MODEL",
        complete="model",
    )
    force_model = Model.force_model


class Request(Group, panel="Request", config=False):
    """The request: extra fields, printing instead of sending, caching."""

    option = flag(
        list[str],
        "Any body field: KEY=VALUE, VALUE as JSON if it is, dots nest, @FILE reads.",
        "-O",
        metavar="KEY=VALUE",
    )
    dry_run = flag(bool, "Print the request as JSON and send nothing.")
    code = flag(
        str,
        "Print the request as a program in this language.",
        metavar="LANG",
        choices=("curl", "python", "requests", "node", "java", "csharp", "go", "php", "ruby"),
    )
    cache = flag(
        str,
        "Answer an identical request from the cache, if younger than TTL (30d).",
        metavar="TTL",
        config=True,
    )
    max_cost = flag(
        float,
        "Send nothing that brings the estimated cost above so many US dollars.",
        metavar="USD",
        low=0,
        config=True,
    )
    tag = flag(
        str,
        "Label of the request in the usage ledger (apiyi usage --by tag).",
        metavar="NAME",
        config=True,
    )
    no_cache = flag(bool, "Do not use the cache.")
