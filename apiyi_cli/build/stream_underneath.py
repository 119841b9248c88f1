"""Streams requests for whole answers, so that no silence ends a long one.

A proxy or a client that waits ten minutes for one object sees nothing of the work and gives up;
a stream moves. The object is assembled from the events (`decode.answers.assemble`). Requests whose
stream may lack a part of the object are sent unchanged.
"""

from __future__ import annotations

from typing import Any

from apiyi_cli.core.call import Call
from apiyi_cli.core.endpoints import CHAT, COMPLETE, MESSAGES, RESPOND, generate_path
from apiyi_cli.core.families import Overrides, find_family

_CHAT_FIELDS = (
    " model messages n temperature top_p top_k stop seed max_tokens max_completion_tokens"
    " presence_penalty frequency_penalty logit_bias logprobs top_logprobs user reasoning_effort"
    " verbosity response_format tools tool_choice parallel_tool_calls metadata service_tier store"
    " safety_identifier prompt_cache_key thinking enable_thinking "
)
_MESSAGE_FIELDS = (
    " model messages max_tokens system temperature top_p top_k stop_sequences tools tool_choice"
    " thinking output_config metadata service_tier "
)
# Not best_of: the server chooses among whole texts; nor logprobs, whose offsets in a stream
# nobody documents.
_COMPLETION_FIELDS = (
    " model prompt suffix echo n temperature top_p stop seed max_tokens presence_penalty"
    " frequency_penalty logit_bias user "
)
_GENERATE_FIELDS = " contents systemInstruction generationConfig tools toolConfig safetySettings "
_FUNCTIONS = {"functionDeclarations"}
_KNOWN: dict[str, tuple[str, tuple[str | None, ...]]] = {
    CHAT.path: (_CHAT_FIELDS, ("function", "custom")),
    COMPLETE.path: (_COMPLETION_FIELDS, ()),
    MESSAGES.path: (_MESSAGE_FIELDS, (None, "custom")),
}
"""The fields whose effect on the stream is known, and the types of the user's own tools."""


def stream_underneath(call: Call, families: Overrides | None = None) -> Call:
    """Return the request as a stream; unchanged if the resulting object could differ.

    That is so for a family that is not known to stream, where the body says anything of streams
    itself or has a field whose effect on the stream is not known.
    """
    body = call.json
    if call.stream or not isinstance(body, dict):
        return call
    family = find_family(call.model or "", families)
    if family.kind not in ("chat", "legacy") or not family.streams:
        return call
    if call.protocol == "google":
        if not _is_plain_generation(body):
            return call
        path = generate_path(call.model or "", stream=True)
        return call._replace(path=path, stream=True, assembled=True)
    if call.path == RESPOND.path:
        # The last event carries the object itself, whatever was asked for.
        is_known = not {"stream", "stream_options", "background"} & body.keys()
    else:
        known = _KNOWN.get(call.path)
        is_known = known is not None and _are_among(body, known[0]) and _have_types(body, known[1])
    if not is_known:
        return call
    asked: dict[str, Any] = {"stream": True}
    if call.path in (CHAT.path, COMPLETE.path):
        asked["stream_options"] = {"include_usage": True}
    return call._replace(json={**body, **asked}, stream=True, assembled=True)


def _is_plain_generation(body: dict[str, Any]) -> bool:
    config, tools = body.get("generationConfig") or {}, body.get("tools") or ()
    return (
        _are_among(body, _GENERATE_FIELDS)
        and isinstance(config, dict)
        and not {"responseModalities", "speechConfig"} & config.keys()
        and isinstance(tools, list | tuple)
        and all(isinstance(tool, dict) and tool.keys() == _FUNCTIONS for tool in tools)
    )


def _are_among(body: dict[str, Any], names: str) -> bool:
    return all(f" {name} " in names for name in body)


def _have_types(body: dict[str, Any], types: tuple[str | None, ...]) -> bool:
    """Return True if all tools are functions of the user, not the server's own."""
    tools = body.get("tools") or ()
    return isinstance(tools, list | tuple) and all(
        isinstance(tool, dict) and tool.get("type") in types for tool in tools
    )
