"""A chat completion request in the protocol that an option, or its model, needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiyi_cli.build.body import TextRequest, apply_options, family_warnings, post
from apiyi_cli.build.native.anthropic import HEADERS, messages_body, schema_name
from apiyi_cli.build.native.google import generate_body
from apiyi_cli.core.call import Call, Source, find_strings
from apiyi_cli.core.endpoints import GENERATE, GENERATE_STREAM, MESSAGES, generate_path
from apiyi_cli.core.families import Family
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

_ENDPOINTS = {
    "anthropic": "/v1/messages",
    "google": "/v1beta/models/…:generateContent",
    "openai": "/v1/chat/completions",
}


def build_native_call(body: dict[str, Any], family: Family, text: TextRequest) -> Call | None:
    """Return the request in a protocol other than OpenAI's, None if OpenAI's is used.

    `body` is the chat completion's, without the `-O` values, which go into the final one.
    Raises UsageError if the model's family is known not to have the protocol's endpoint.
    """
    model: str = body["model"]
    protocol = _choose_protocol(body, family, text)
    if not text.force and family.is_known and protocol not in family.protocols:
        raise _refuse_protocol(model, protocol, family, text)
    if protocol == "openai":
        return None
    if text.cache_prompt and protocol == "google":
        raise UsageError(
            Text("cannot use --cache-prompt with --protocol google"),
            Text("only /v1/messages keeps a prompt on request"),
        )
    native, notes = _build_body(protocol, body, family, text)
    fields: dict[str, Any] = {
        "notes": (*family_warnings(body, family, ignored=False), *notes),
        "sources": _move_sources(text.sources, body, native),
    }
    apply_options(native, text.options)
    if protocol == "anthropic":
        return post(MESSAGES, native, headers=HEADERS, answer_tool=schema_name(body), **fields)
    stream = body.get("stream") is True
    asked = body.get("response_format", {}).get("json_schema", {})
    endpoint = GENERATE_STREAM if stream else GENERATE
    call = endpoint.call(
        json=native, model=model, stream=stream, answer_schema=asked.get("schema"), **fields
    )
    return call._replace(path=generate_path(model, stream=stream))


def _build_body(
    protocol: str, chat: dict[str, Any], family: Family, text: TextRequest
) -> tuple[dict[str, Any], tuple[str, ...]]:
    if protocol == "google":
        return generate_body(chat)
    body, notes = messages_body(
        chat, family, cache_prompt=text.cache_prompt, cached_chars=text.cached_chars
    )
    return body, (*(_describe_cache(body, family) if text.cache_prompt else ()), *notes)


def _choose_protocol(body: dict[str, Any], family: Family, text: TextRequest) -> str:
    """Return the protocol; "auto" is resolved by the options that need one."""
    if text.protocol != "auto":
        return text.protocol
    if text.cache_prompt or ("reasoning_effort" in body and family.thinking is not None):
        return "anthropic"
    return "openai"


def _refuse_protocol(model: str, protocol: str, family: Family, text: TextRequest) -> UsageError:
    option = f"--protocol {protocol}" if text.protocol == protocol else "--cache-prompt"
    others = ", ".join(_ENDPOINTS[name] for name in family.protocols)
    return UsageError(
        Text("cannot use {option} with {model}", option=option, model=model),
        Text(
            "its family has no {endpoint}, only {others}",
            endpoint=_ENDPOINTS[protocol],
            others=others,
        ),
        hint=Text(
            "leave {option} out; --force-model sends {model} all the same",
            option=option,
            model=quote_word(model),
        ),
    )


def _move_sources(
    sources: Sequence[Source], chat: dict[str, Any], native: dict[str, Any]
) -> tuple[Source, ...]:
    """Return the sources of a chat body, at the places of the other protocol's body.

    A string may have lost what follows its files, or the head of a data URL.
    """
    if not sources:
        return ()
    moved: list[Source] = []
    strings, texts = list(find_strings(native)), dict(find_strings(chat))
    for place in dict.fromkeys(source.place for source in sources):
        files = [source for source in sources if source.place == place]
        text = texts[place]
        head = files[0].prefix if files[0].length is None else ""
        for start in dict.fromkeys(("", head)):
            at = _find_text(strings, text[len(start) :], files)
            if at is not None:
                strings = [string for string in strings if string[0] != at]
                if start:
                    files = [file._replace(prefix="") for file in files]
                moved += (file._replace(place=at) for file in files)
                break
    return tuple(moved)


def _find_text(
    strings: Sequence[tuple[str, str]], text: str, files: Sequence[Source]
) -> str | None:
    """Return the place of a text, or of its start with its files."""
    if files[-1].length is None:
        return next((at for at, string in strings if string == text), None)
    covered = text[: sum(len(file.prefix) + (file.length or 0) for file in files)]
    return next((at for at, string in strings if string.startswith(covered)), None)


def _describe_cache(body: dict[str, Any], family: Family) -> tuple[str, ...]:
    """Return why a prompt is not cached: nothing is marked, or too short."""
    from apiyi_cli.build.tokens import estimate_text_tokens

    marked = _find_marked_prefix(body)
    if marked is None:
        return (Text("nothing is marked for the cache: there is no system text and no -f file"),)
    tokens, least = estimate_text_tokens(marked), family.cache_minimum_tokens
    if least is None or tokens >= least:
        return ()
    return (
        Text(
            "the prompt is too short to be cached: about {tokens} tokens; {model} needs {least}",
            tokens=tokens,
            model=body["model"],
            least=least,
        ),
    )


def _find_marked_prefix(body: dict[str, Any]) -> Any:
    """Return the blocks that the cache would hold, up to the last mark; else None."""
    parts: list[Any] = list(body.get("tools", ()))
    marked: list[Any] | None = None
    system = body.get("system", ())
    blocks = [] if isinstance(system, str) else list(system)
    for message in body["messages"]:
        content = message["content"]
        blocks += [content] if isinstance(content, str) else content
    for block in blocks:
        parts.append(block)
        if isinstance(block, dict) and "cache_control" in block:
            marked = list(parts)
    return marked
