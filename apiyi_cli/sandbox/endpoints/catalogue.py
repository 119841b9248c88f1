"""The sandbox's model lists: models, prices, endpoints."""

from __future__ import annotations

from typing import Any

from apiyi_cli.sandbox import model_table
from apiyi_cli.sandbox.faults.faults import MODEL_PREFIX
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import Refused, ScriptedReply, invalid

CREATED = 1735689600
_LISTED = 1626777600

_CATEGORIES = {
    "embed": "embedding",
    "image": "image",
    "transcribe": "audio",
    "speak": "audio",
    "rank": "rerank",
    "video": "video",
}
_REGISTRY_NAMES = {
    "complete": "completions",
    "respond": "responses",
    "generate": "gemini",
    "image": "images",
    "embed": "embeddings",
    "rank": "rerank",
}
"""The registry's names of endpoints that differ from ours."""
_OFFERS = {
    "messages": "anthropic",
    "generate": "gemini",
    "respond": "openai-response",
    "image": "image-generation",
    "embed": "embeddings",
    "rank": "jina-rerank",
}
"""The same for the price list; all others are "openai"."""
_NOT_CHAT = (
    "This is not a chat model and thus not supported in the v1/chat/completions endpoint. "
    "Did you mean to use v1/completions?"
)
_NOT_SERVED = {
    "chat": (404, _NOT_CHAT),
    "complete": (404, "This model is not supported in the v1/completions endpoint."),
    "respond": (400, "The requested model '{}' cannot be used with the Responses API."),
    "embed": (404, "The model '{}' does not support embeddings."),
    "image": (400, "Invalid value: '{}'. It is no model of the images endpoint."),
    "transcribe": (404, "Invalid model '{}' for audio transcription."),
    "speak": (404, "Invalid model '{}' for speech."),
}


def model_of(fields: dict[str, Any], endpoint: str, default: str | None = None) -> str:
    """Return the model that a request asks for.

    `endpoint` is the word for what is asked of it, such as `embed`. Raises Refused: 400 when
    there is none, 404 for one that was retired, 503 when the gateway has no channel for it, what
    the vendor says when the endpoint is not the model's.
    """
    model = fields.get("model", default)
    if not isinstance(model, str) or not model:
        raise invalid("you must provide a model parameter", "model", "missing_required_parameter")
    if model.startswith(MODEL_PREFIX):
        return model
    if model in model_table.RETIRED:
        message = f"fail_to_fetch_task: model {model} is no longer available"
        raise Refused(ScriptedReply.error(404, message, type="shell_api_error"))
    if model not in model_table.SERVED_AT:
        raise no_channel(model)
    if endpoint not in model_table.SERVED_AT[model]:
        if endpoint not in _NOT_SERVED:
            raise no_channel(model)
        status, message = _NOT_SERVED[endpoint]
        kind = "invalid_request_error"
        raise Refused(ScriptedReply.error(status, message.format(model), param="model", type=kind))
    return model


def no_channel(model: str) -> Refused:
    """Return the refusal of a model that the gateway does not have."""
    reply = ScriptedReply.json(
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
    return Refused(reply)


def reasons(model: str) -> bool:
    """Return True if a model shows its reasoning before the answer."""
    return model.startswith(model_table.SHOWS_REASONING)


def has_fixed_sampling(model: str) -> bool:
    """Return True if a model refuses temperature, top_p, stop and max_tokens."""
    return model.startswith(model_table.FIXED_SAMPLING) and "-chat-latest" not in model


def list_ignored(model: str) -> tuple[str, ...]:
    """Return the parameters that a model accepts and ignores."""
    return next(
        (names for start, names in model_table.IGNORES.items() if model.startswith(start)), ()
    )


def models(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer GET /v1/models."""
    rows = [_row(model) for model in model_table.VENDOR_OF]
    return ScriptedReply.json({"success": True, "object": "list", "data": rows})


def model(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer GET /v1/models/{id}; an unknown one gets 200 and an error, as in the family."""
    name = request.path.removeprefix("/v1/models/")
    if name in model_table.VENDOR_OF:
        return ScriptedReply.json(_row(name))
    return ScriptedReply.error(
        200,
        f"The model '{name}' does not exist",
        code="model_not_found",
        param="model",
        type="invalid_request_error",
    )


def pricing(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer GET /api/pricing, the public price list."""
    return ScriptedReply.json(
        {
            "success": True,
            "message": "",
            "data": [_price(model, vendor) for model, vendor in model_table.VENDOR_OF.items()],
            "group_ratio": {"default": 1},
            "usable_group": {"default": "默认分组"},
            "vendors": [{"id": k, "name": name} for k, name in enumerate(model_table.VENDORS, 1)],
        }
    )


def registry(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer GET /model-registry.json, which the vendor serves beside its manual."""
    models = [
        {
            "id": model,
            "vendor_en": vendor,
            "category": _CATEGORIES.get(min(model_table.SERVED_AT[model]), "text"),
            "endpoints": sorted(
                _REGISTRY_NAMES.get(word, word) for word in model_table.SERVED_AT[model]
            ),
            "groups": ["default"],
            "billing": _billing(model),
            "docs_url": "https://docs.apiyi.com/",
        }
        for model, vendor in model_table.VENDOR_OF.items()
    ]
    retired = {"id": "gpt-5.2-chat-latest", "category": "text", "successor": "chat-latest"}
    return ScriptedReply.json(
        {
            "schema_version": 1,
            "generated_at": "2026-11-20T00:00:00Z",
            "groups": {
                "Default": {"label": "默认", "ratio": 1},
                "VIP": {"label": "VIP", "ratio": 1},
            },
            "models": [*models, retired],
        }
    )


def _billing(model: str) -> dict[str, Any]:
    """Return the list price in US dollars; cached input costs a tenth."""
    per_call = model_table.PER_CALL_USD.get(model)
    if per_call is not None:
        return {"type": "per_call", "per_call_usd": per_call}
    ratio, completion = model_table.RATIOS.get(model, model_table.ORDINARY_RATIO)
    return {
        "type": "per_token",
        "input_usd_per_m": 2 * ratio,
        "output_usd_per_m": 2 * ratio * completion,
        "cache_read_usd_per_m": 0.2 * ratio,
        "tiered": False,
    }


def _row(model: str) -> dict[str, Any]:
    return {
        "id": model,
        "object": "model",
        "created": _LISTED,
        "owned_by": model_table.VENDOR_OF[model].lower(),
        "supported_endpoint_types": ["openai"],
    }


def _price(model: str, vendor: str) -> dict[str, Any]:
    ratio, completion = model_table.RATIOS.get(model, model_table.ORDINARY_RATIO)
    per_call = model_table.PER_CALL_USD.get(model)
    return {
        "model_name": model,
        "vendor_name": vendor,
        "quota_type": 0 if per_call is None else 1,
        "model_ratio": 0 if per_call is not None else ratio,
        "completion_ratio": 0 if per_call is not None else completion,
        "model_price": per_call or 0,
        "enable_groups": ["default"],
        "supported_endpoint_types": sorted(
            {_OFFERS.get(word, "openai") for word in model_table.SERVED_AT[model]}
        ),
        "pricing_version": "sandbox",
    }
