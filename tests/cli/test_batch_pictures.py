"""Batch rows for picture models of every route: asked like `apiyi image`, saved like it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

MODELS = {
    "gemini-3.1-flash-image": {"size": "512"},
    "seedream-5-0-260128": {"size": "720x720"},
    "gpt-4o-image": {},
    "flux-2-pro": {},
}


@pytest.mark.off_schema
@pytest.mark.parametrize(("model", "fields"), MODELS.items())
def test_a_row_is_asked_on_the_familys_route_and_its_picture_saved(
    apiyi: Program, gateway: Gateway, model: str, fields: dict[str, Any]
) -> None:
    row = {"prompt": "cat", "model": model, **fields}
    (apiyi.work / "rows.jsonl").write_text(json.dumps(row) + "\n")
    ran = apiyi("batch rows.jsonl --endpoint image -o out.jsonl")
    assert ran.code == 0, ran.err
    record = json.loads((apiyi.work / "out.jsonl").read_bytes())
    (picture,) = record["response"]["body"]["data"]
    assert Path(apiyi.work / picture["path"]).read_bytes().startswith(b"\x89PNG")
    assert "candidates" not in record["response"]["body"]


@pytest.mark.off_schema
def test_a_row_of_several_pictures_is_refused_where_a_request_makes_one(
    apiyi: Program, gateway: Gateway
) -> None:
    rows = [
        {"prompt": "cat", "n": 3},
        {"prompt": "dog"},
        {"prompt": "dog"},
        {"prompt": "hen", "n": 1},
    ]
    (apiyi.work / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    line = "batch rows.jsonl --endpoint image -m gpt-image-2-vip -o out.jsonl"
    ran = apiyi(line)
    assert ran.code == 3
    records = [json.loads(text) for text in (apiyi.work / "out.jsonl").read_text().splitlines()]
    (bad,) = [record for record in records if record["error"]]
    assert "write the row 3 times" in bad["error"]["message"]
    # Equal rows are requests of their own, each with its picture.
    paths = {r["response"]["body"]["data"][0]["path"] for r in records if not r["error"]}
    assert len(paths) == len(gateway.posts) == 3
    assert all("n" not in post.json for post in gateway.posts)
    assert apiyi(f"{line} --strict --force").code == 2
