"""The sandbox's models: their list, their prices, and which of them reason aloud."""

from __future__ import annotations

from typing import Any

from apiyi_cli.sandbox.faults import MODEL_PREFIX
from apiyi_cli.sandbox.play import Play, Refused, invalid
from apiyi_cli.sandbox.received import Received

DEFAULT_MODEL = "sandbox-1"
CREATED = 1735689600
_LISTED = 1626777600

_BY_VENDOR = {
    "sandbox": (DEFAULT_MODEL,),
    "OpenAI": (
        "gpt-4o",
        "gpt-4o-mini",
        "gpt-4.1",
        "gpt-4.1-mini",
        "gpt-5",
        "gpt-5-mini",
        "gpt-3.5-turbo-instruct",
        "o3",
        "o4-mini",
        "gpt-image-1",
        "gpt-image-1-mini",
        "dall-e-2",
        "dall-e-3",
        "whisper-1",
        "gpt-4o-transcribe",
        "gpt-4o-mini-transcribe",
        "gpt-4o-transcribe-diarize",
        "tts-1",
        "tts-1-hd",
        "gpt-4o-mini-tts",
        "text-embedding-3-small",
        "text-embedding-3-large",
        "text-embedding-ada-002",
        "omni-moderation-latest",
        "text-moderation-stable",
    ),
    "Anthropic": (
        "claude-opus-4-20250514",
        "claude-opus-4",
        "claude-sonnet-4-20250514",
        "claude-sonnet-4",
        "claude-3-5-haiku-20241022",
    ),
    "Google": ("gemini-2.5-pro", "gemini-2.5-flash"),
    "xAI": ("grok-4", "grok-3-mini"),
    "DeepSeek": ("deepseek-r1", "deepseek-v3"),
    "Alibaba": ("qwen3-235b-a22b", "qwen-plus", "qwq-32b"),
    "Moonshot": ("kimi-k2", "kimi-k2-thinking"),
    "Black Forest Labs": ("flux-kontext-pro", "flux-kontext-max"),
    "BAAI": ("bge-m3", "bge-reranker-v2-m3"),
}
_VENDOR_OF = {model: vendor for vendor, models in _BY_VENDOR.items() for model in models}

_PER_CALL_USD = {
    "dall-e-2": 0.02,
    "dall-e-3": 0.04,
    "flux-kontext-pro": 0.035,
    "flux-kontext-max": 0.07,
}
_RATIOS = {
    DEFAULT_MODEL: (0.5, 4.0),
    "gpt-4o": (1.25, 4.0),
    "gpt-4o-mini": (0.075, 4.0),
    "gpt-5": (0.625, 8.0),
    "o3": (1.0, 4.0),
    "claude-opus-4-20250514": (7.5, 5.0),
    "claude-sonnet-4-20250514": (1.5, 5.0),
    "gemini-2.5-pro": (0.625, 8.0),
    "text-embedding-3-small": (0.01, 1.0),
    "text-embedding-3-large": (0.065, 1.0),
}
_ORDINARY_RATIO = (1.0, 4.0)

_HIDDEN_SAMPLING = ("o1", "o3", "o4", "gpt-5")
_REASONERS = ("deepseek-r1", "qwq", "gemini-2.5-pro", *_HIDDEN_SAMPLING)


def model_of(fields: dict[str, Any], default: str | None = None) -> str:
    """Return the model that a request asks for.

    Raises Refused: 400 when there is none, 503 when the gateway has no channel for it.
    """
    model = fields.get("model", default)
    if not isinstance(model, str) or not model:
        raise invalid("you must provide a model parameter", "model", "missing_required_parameter")
    if model not in _VENDOR_OF and not model.startswith(MODEL_PREFIX):
        raise no_channel(model)
    return model


def no_channel(model: str) -> Refused:
    """Return the refusal of a model that the gateway does not have."""
    play = Play.json(
        {
            "error": {
                "message": f"Current group default has no available channels for model {model}",
                "localized_message": f"当前分组 default 下对于模型 {model} 无可用渠道",
                "type": "shell_api_error",
                "param": "",
                "code": "model_not_found",
            }
        },
        503,
    )
    return Refused(play)


def reasons(model: str) -> bool:
    """Tell whether a model shows its reasoning before the answer."""
    return model.startswith(_REASONERS) or model.endswith("-thinking")


def fixed_sampling(model: str) -> bool:
    """Tell whether a model refuses temperature, top_p, stop and max_tokens."""
    return model.startswith(_HIDDEN_SAMPLING)


def models(request: Received, finish: str) -> Play:
    """Answer GET /v1/models."""
    rows = [_row(model) for model in _VENDOR_OF]
    return Play.json({"success": True, "object": "list", "data": rows})


def model(request: Received, finish: str) -> Play:
    """Answer GET /v1/models/{id}; an unknown one gets 200 and an error, as in the family."""
    name = request.path.removeprefix("/v1/models/")
    if name in _VENDOR_OF:
        return Play.json(_row(name))
    return Play.error(
        200,
        f"The model '{name}' does not exist",
        code="model_not_found",
        param="model",
        type="invalid_request_error",
    )


def pricing(request: Received, finish: str) -> Play:
    """Answer GET /api/pricing, the public price list."""
    return Play.json(
        {
            "success": True,
            "message": "",
            "data": [_price(model, vendor) for model, vendor in _VENDOR_OF.items()],
            "group_ratio": {"default": 1},
            "usable_group": {"default": "默认分组"},
            "vendors": [{"id": k, "name": name} for k, name in enumerate(_BY_VENDOR, 1)],
        }
    )


def _row(model: str) -> dict[str, Any]:
    return {
        "id": model,
        "object": "model",
        "created": _LISTED,
        "owned_by": _VENDOR_OF[model].lower(),
        "supported_endpoint_types": ["openai"],
    }


def _price(model: str, vendor: str) -> dict[str, Any]:
    ratio, completion = _RATIOS.get(model, _ORDINARY_RATIO)
    per_call = _PER_CALL_USD.get(model)
    return {
        "model_name": model,
        "vendor_name": vendor,
        "quota_type": 0 if per_call is None else 1,
        "model_ratio": 0 if per_call is not None else ratio,
        "completion_ratio": 0 if per_call is not None else completion,
        "model_price": per_call or 0,
        "enable_groups": ["default"],
        "supported_endpoint_types": ["openai"],
        "pricing_version": "sandbox",
    }
