"""Options: the model, and the request itself: extra fields, showing it, caching it."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class Model(Group, panel="Model"):
    """The model."""

    model = flag(
        str,
        "-m",
        "--model",
        help="Model to ask. Else APIYI_MODEL (for text), else the profile's.",
        metavar="NAME",
        envvar="APIYI_MODEL",
        complete="model",
        wire="model",
    )
    force_model = flag(
        bool, "--force-model", help="Send the model even if its family is known not to do this."
    )


class Models(Group, panel="Model"):
    """The model, or several."""

    model = flag(
        list[str],
        "-m",
        "--model",
        help="Model to ask (repeatable: compare). Else APIYI_MODEL, else the profile's.",
        metavar="NAME",
        envvar="APIYI_MODEL",
        complete="model",
    )
    force_model = flag(
        bool, "--force-model", help="Send the model even if its family is known not to do this."
    )


class Request(Group, panel="Request"):
    """The request: extra fields, printing instead of sending, caching."""

    option = flag(
        list[str],
        "-O",
        "--option",
        help="Any body field: KEY=VALUE, VALUE as JSON if it is, dots nest, @FILE reads.",
        metavar="KEY=VALUE",
        config=False,
    )
    dry_run = flag(
        bool, "--dry-run", help="Print the request as JSON and send nothing.", config=False
    )
    code = flag(
        str,
        "--code",
        help="Print the request as a program in this language.",
        metavar="LANG",
        choices=(
            "curl",
            "python",
            "requests",
            "node",
            "java",
            "csharp",
            "go",
            "php",
            "ruby",
        ),
        config=False,
    )
    cache = flag(
        str,
        "--cache",
        help="Answer an identical request from the cache, if younger than TTL (30d).",
        metavar="TTL",
    )
    max_cost = flag(
        float,
        "--max-cost",
        help="Send nothing that brings the estimated cost above so many US dollars.",
        metavar="USD",
        low=0,
    )
    tag = flag(
        str,
        "--tag",
        help="Label of the request in the usage ledger (apiyi usage --by tag).",
        metavar="NAME",
    )
    no_cache = flag(bool, "--no-cache", help="Do not use the cache.", config=False)
