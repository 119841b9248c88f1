"""The table of endpoints: rows that do not clash, found by what is typed and by what arrives."""

from __future__ import annotations

import pytest

from apiyi_cli.core.endpoints import (
    CHAT,
    CREDIT,
    ENDPOINTS,
    MODEL,
    MODELS,
    PRICING,
    Endpoint,
    find_at_host,
    find_endpoint,
    is_endpoint_folder,
)


def test_every_row_is_found_at_its_own_path_alone() -> None:
    for row in ENDPOINTS:
        path = row.host_path.replace("{model}", "gpt-5").replace("{task}", "t-1")
        assert [other for other in ENDPOINTS if other.is_at(row.method, path)] == [row]


@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("POST", "chat/completions", CHAT),
        ("post", "/v1/chat/completions/", CHAT),
        ("GET", "/chat/completions", None),
        ("GET", "models", MODELS),
        ("GET", "/v1/models/gpt-5", MODEL),
        ("GET", "/models/meta/llama-4", MODEL),
        ("GET", "api/pricing", PRICING),
        ("POST", "/files", None),
    ],
)
def test_an_endpoint_is_found_with_and_without_the_version(
    method: str, path: str, endpoint: Endpoint | None
) -> None:
    assert find_endpoint(method, path) is endpoint


def test_a_gateway_hears_exact_paths_only() -> None:
    assert find_at_host("POST", "/v1/chat/completions") is CHAT
    assert find_at_host("POST", "/chat/completions") is None
    assert find_at_host("GET", "/v1/models/") is None
    assert find_at_host("GET", "/api/pricing") is PRICING


def test_a_name_may_stand_within_a_path() -> None:
    google = Endpoint(
        "chat",
        "POST",
        "/v1beta/models/{model}:generateContent",
        "text",
        "text",
        protocol="google",
        root="gateway",
    )
    assert google.is_at("POST", "/v1beta/models/gemini-3.6-flash:generateContent")
    assert not google.is_at("POST", "/v1beta/models/:generateContent")
    assert not google.is_at("POST", "/v1beta/models/gemini-3.6-flash:countTokens")


def test_a_call_has_what_the_row_says() -> None:
    call = PRICING.call()
    assert (call.method, call.path, call.cost, call.root) == (
        "GET",
        "/api/pricing",
        "free",
        "gateway",
    )
    assert CREDIT.call().root == "base"


def test_the_first_part_of_a_path_tells_an_endpoint_from_a_base_url() -> None:
    assert is_endpoint_folder("chat")
    assert is_endpoint_folder("files")
    assert not is_endpoint_folder("api")
    assert not is_endpoint_folder("openai")
