"""The table of model families: what it finds, that all of it can be found, and that it is fresh."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiyi_cli.core import families
from apiyi_cli.core.families import (
    KINDS,
    PROPOSED,
    Family,
    PictureSupport,
    field_types,
    find_family,
    fits,
    refusal,
)
from tests import generate

FOLDER = Path(families.__file__).parent
TABLE: list[dict[str, Any]] = tomllib.loads((FOLDER / "families.toml").read_text("utf-8"))["family"]
TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "bool": bool,
    "int": int,
    "float": (int, float),
    "Sequence[str]": list,
    "Sequence[int]": list,
}


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("gpt-image-1", {"kind": "image", "protocols": ("openai",)}),
        ("openai/GPT-Image-2-all", {"kind": "drawing"}),
        ("gpt-5", {"max_tokens": "max_completion_tokens", "tools_need_effort_none": False}),
        ("gpt-5.6-luna", {"max_tokens": "max_completion_tokens", "tools_need_effort_none": True}),
        ("gpt-6.1-terra", {"max_tokens": "max_completion_tokens", "tools_need_effort_none": True}),
        ("gpt-9", {"max_tokens": "max_completion_tokens"}),
        ("gpt-5-chat-latest", {"max_tokens": "max_completion_tokens", "refuses": ()}),
        ("chat-latest", {"max_tokens": "max_completion_tokens", "refuses": ()}),
        ("codex-mini", {"max_tokens": "max_completion_tokens"}),
        ("o7-pro", {"max_tokens": "max_completion_tokens"}),
        ("gpt-4o-mini", {"max_tokens": "max_tokens", "refuses": ()}),
        ("claude-opus-4-20250514", {"thinking": "budget", "refuses": ()}),
        ("claude-opus-4-5-20251101", {"thinking": "budget", "cache_minimum_tokens": 4096}),
        ("claude-opus-4-8", {"thinking": "adaptive", "cache_minimum_tokens": 1024}),
        ("claude-opus-5", {"cache_minimum_tokens": 512, "structured": "tool"}),
        ("claude-opus-4", {"thinking": "budget", "refuses": ()}),
        ("claude-opus-6", {"structured": "offered_tool", "thinking": "adaptive"}),
        ("claude-fable-5", {"structured": "offered_tool"}),
        ("claude-sonnet-4-6", {"refuses": (), "thinking": "adaptive"}),
        ("deepseek-v4-flash-ga-260731", {"ignores": ["n", "response_format"]}),
        ("text-embedding-3-large", {"dimensions": [3072]}),
        ("doubao-seedance-2-0-260128", {"kind": "video", "video": "seedance"}),
        ("wan3.1-i2v", {"kind": "video", "video": "wan"}),
        ("wan2.7-t2v", {"kind": "video", "video": "wan"}),
        ("somebodys-model", {"kind": "", "max_tokens": "max_tokens"}),
    ],
)
def test_a_model_is_found_by_its_name(model: str, fields: dict[str, Any]) -> None:
    family = find_family(model)
    assert {name: getattr(family, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("model", "route"),
    [
        ("gpt-image-2.5-flare", "openai"),
        ("gpt-image-2.5-flare-vip", "repeated"),
        ("gpt-image-2.6-all", "repeated"),
        ("gpt-image-2.8-flare-vip", "repeated"),
        ("gpt-image-3", "openai"),
        ("flux-2-pro", "flux"),
        ("seedream-5-0-pro-260628", "seedream"),
        ("gemini-3.1-flash-image-preview", "gemini"),
        ("sora_image", "chat"),
    ],
)
def test_a_picture_model_has_its_route(model: str, route: str) -> None:
    assert find_family(model).picture.route == route


def test_every_pattern_can_be_reached() -> None:
    for fields in TABLE:
        for pattern in fields["patterns"]:
            assert find_family(pattern.replace("*", "")).__dict__["patterns"] == fields["patterns"]


def test_every_field_is_a_known_one_of_its_type() -> None:
    for fields in TABLE:
        assert fields["kind"] in KINDS
        own = {name: value for name, value in fields.items() if name not in ("patterns", "picture")}
        for owner, given_ in ((Family, own), (PictureSupport, fields.get("picture", {}))):
            known = field_types(owner)
            for name, value in given_.items():
                assert isinstance(value, TYPES[known[name]]), (fields["patterns"], name)


def test_the_table_that_is_read_is_what_make_manual_makes() -> None:
    assert (FOLDER / "families.json").read_bytes() == generate.convert_families(), "run make manual"


@pytest.mark.parametrize(("command", "model"), PROPOSED.items())
def test_a_proposed_model_can_do_its_command(command: str, model: str) -> None:
    assert refusal(model, command) is None
    assert find_family(model).is_known


def test_a_users_family_comes_first_field_by_field() -> None:
    own: dict[str, dict[str, Any]] = {
        "gpt-5*": {"refuses": ["seed"]},
        "x-*": {"picture": {"route": "seedream"}},
    }
    family = find_family("gpt-5", own)
    assert (family.refuses, family.max_tokens) == (["seed"], "max_completion_tokens")
    assert find_family("X-1", own).picture.route == "seedream"
    assert find_family("x-1", own).picture.inputs_most == 16


@given(st.text("ab-", max_size=8), st.text("ab-*", max_size=8))
def test_a_name_fits_as_in_a_shell(name: str, pattern: str) -> None:
    assert fits(name, pattern) == fnmatchcase(name, pattern)
