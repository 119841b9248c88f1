"""Every example request of the gateway's pages on text: the bytes that arrive are compared."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

PIXEL = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
PDF = b"%PDF-1.4\n%%EOF\n"
WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80>\0\0\0}\0\0\x02\0\x10\0data\0\0\0\0"
FILES = {"a.png": PIXEL, "a.pdf": PDF, "a.wav": WAV}
HI: list[Any] = [{"role": "user", "content": "hi"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLOSED = {**CITY, "additionalProperties": False}
TOOL = f"--tool '{json.dumps({'name': 'weather', 'description': 'W', 'parameters': CITY})}'"
SCHEMA = f"--schema '{json.dumps(CLOSED)}'"
CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
GEMINI = "/v1beta/models/gemini-3.6-flash"
CLAUDE = "chat hi -m claude-opus-5 --protocol anthropic --no-stream"
GOOGLE = "chat hi -m gemini-3.6-flash --protocol google --no-stream"


def encode_file(name: str) -> str:
    return b64encode(FILES[name]).decode()


def chat(model: str, content: Any = "hi", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": content}], **fields}


def messages(**fields: Any) -> dict[str, Any]:
    return {"model": "claude-opus-5", "max_tokens": 8192, "messages": HI, **fields}


def contents(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [*parts] or [{"text": "hi"}]}], **fields}


class Example(NamedTuple):
    """A typed line, where its request goes, its body, and what is said beside the answer."""

    line: str
    path: str
    body: dict[str, Any]
    said: str = ""


FUNCTION = {"name": "weather", "description": "W", "parameters": CITY}
EPHEMERAL = {"type": "ephemeral"}
EXAMPLES = {
    # 4.1: one line for each row of the table of families.
    "gpt-4o": Example(
        f"chat hi -m gpt-4o --no-stream --max-tokens 9 {SCHEMA}",
        CHAT,
        chat(
            "gpt-4o",
            max_tokens=9,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": CLOSED, "strict": True},
            },
        ),
    ),
    "gpt-5.4": Example(
        "chat hi -m gpt-5.4-mini --no-stream --max-tokens 9 --effort minimal",
        CHAT,
        chat("gpt-5.4-mini", max_completion_tokens=9, reasoning_effort="minimal"),
    ),
    "gpt-6.1": Example(
        "chat hi -m gpt-6.1-terra --no-stream --max-tokens 9 --effort max",
        CHAT,
        chat("gpt-6.1-terra", max_completion_tokens=9, reasoning_effort="max"),
    ),
    "gpt-7": Example(
        "chat hi -m gpt-7-nova --no-stream --max-tokens 9",
        CHAT,
        chat("gpt-7-nova", max_completion_tokens=9),
    ),
    "gpt-5.6 with tools": Example(
        f"chat hi -m gpt-5.6-luna --no-stream --effort none {TOOL}",
        CHAT,
        chat(
            "gpt-5.6-luna",
            reasoning_effort="none",
            tools=[{"type": "function", "function": FUNCTION}],
        ),
    ),
    "chat-latest": Example(
        "chat hi -m chat-latest --no-stream --max-tokens 9",
        CHAT,
        chat("chat-latest", max_completion_tokens=9),
    ),
    "claude through chat": Example(
        "chat hi -m claude-opus-4-8 --no-stream --max-tokens 9 --temperature 0",
        CHAT,
        chat("claude-opus-4-8", max_tokens=9, temperature=0.0),
        "claude-opus-4-8 is known to refuse temperature",
    ),
    "gemini through chat": Example(
        "chat hi -m gemini-3.6-flash --no-stream --max-tokens 2000 --effort low",
        CHAT,
        chat("gemini-3.6-flash", max_tokens=2000, reasoning_effort="low"),
    ),
    "deepseek-v4": Example(
        "chat hi -m deepseek-v4-flash-ga-260731 --max-tokens 3000"
        ' -O \'thinking={"type":"disabled"}\'',
        CHAT,
        chat(
            "deepseek-v4-flash-ga-260731",
            max_tokens=3000,
            stream=True,
            stream_options={"include_usage": True},
            thinking={"type": "disabled"},
        ),
    ),
    "deepseek-v4 with what it ignores": Example(
        "chat hi -m deepseek-v4-flash-ga-260731 --no-stream --json-mode",
        CHAT,
        chat("deepseek-v4-flash-ga-260731", response_format={"type": "json_object"}),
        "deepseek-v4-flash-ga-260731 is known to ignore response_format",
    ),
    "grok-4": Example(
        "chat hi -m grok-4 --no-stream --max-tokens 9 --stop END",
        CHAT,
        chat("grok-4", max_tokens=9, stop=["END"]),
        "grok-4 is known to refuse stop",
    ),
    # 4.2
    "responses": Example(
        f"respond hi -m gpt-5.6-luna --no-stream --effort low --max-output-tokens 99 {TOOL}"
        " -O store=false",
        "/v1/responses",
        {
            "model": "gpt-5.6-luna",
            "input": "hi",
            "reasoning": {"effort": "low"},
            "max_output_tokens": 99,
            "tools": [{"type": "function", **FUNCTION, "strict": None}],
            "store": False,
        },
    ),
    "responses of seed": Example(
        f"respond hi -m dola-seed-2-1-turbo-260628 --no-stream --max-output-tokens 1500 {SCHEMA}"
        ' -O previous_response_id=resp_1 -O \'caching={"type":"enabled"}\'',
        "/v1/responses",
        {
            "model": "dola-seed-2-1-turbo-260628",
            "input": "hi",
            "max_output_tokens": 1500,
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "answer",
                    "schema": CLOSED,
                    "strict": True,
                }
            },
            "previous_response_id": "resp_1",
            "caching": {"type": "enabled"},
        },
    ),
    # 4.3
    "messages": Example(f"{CLAUDE} -s Short", MESSAGES, messages(system="Short")),
    "messages with effort": Example(
        f"{CLAUDE} --effort xhigh --max-tokens 4000",
        MESSAGES,
        messages(
            max_tokens=4000,
            thinking={"type": "adaptive", "display": "summarized"},
            output_config={"effort": "xhigh"},
        ),
    ),
    "messages of an effort that the model does not have": Example(
        f"{CLAUDE.replace('opus-5', 'opus-4-6')} --effort xhigh",
        MESSAGES,
        messages(
            model="claude-opus-4-6",
            max_tokens=16384,
            thinking={"type": "adaptive", "display": "summarized"},
            output_config={"effort": "xhigh"},
        ),
        "claude-opus-4-6 is known to take --effort low, medium, high, max only",
    ),
    "messages of an older model": Example(
        f"{CLAUDE.replace('opus-5', 'sonnet-4')} --effort low",
        MESSAGES,
        messages(
            model="claude-sonnet-4",
            max_tokens=10240,
            thinking={"type": "enabled", "budget_tokens": 2048},
        ),
    ),
    "messages with pictures and PDF": Example(
        f"{CLAUDE} -a a.png -a a.pdf -a https://example.com/b.png",
        MESSAGES,
        messages(
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "hi"},
                        {
                            "type": "image",
                            "source": {
                                "type": "base64",
                                "media_type": "image/png",
                                "data": encode_file("a.png"),
                            },
                        },
                        {
                            "type": "document",
                            "source": {
                                "type": "base64",
                                "media_type": "application/pdf",
                                "data": encode_file("a.pdf"),
                            },
                            "title": "a.pdf",
                        },
                        {
                            "type": "image",
                            "source": {"type": "url", "url": "https://example.com/b.png"},
                        },
                    ],
                }
            ]
        ),
    ),
    "messages with tools": Example(
        f"{CLAUDE} {TOOL} --tool-choice auto --no-parallel-tools",
        MESSAGES,
        messages(
            tools=[{"name": "weather", "description": "W", "input_schema": CITY}],
            tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        ),
    ),
    "messages with a schema": Example(
        f"{CLAUDE} {SCHEMA}",
        MESSAGES,
        messages(
            tools=[
                {"name": "answer", "description": "Give the answer.", "input_schema": CLOSED},
            ],
            tool_choice={"type": "tool", "name": "answer"},
        ),
    ),
    "messages with a schema of the newest": Example(
        f"{CLAUDE.replace('opus-5', 'fable-5')} {SCHEMA}",
        MESSAGES,
        messages(
            model="claude-fable-5",
            tools=[
                {"name": "answer", "description": "Give the answer.", "input_schema": CLOSED},
            ],
            tool_choice={"type": "auto"},
        ),
    ),
    "messages with the prompt cache": Example(
        "chat hi -m claude-opus-5 --no-stream --cache-prompt -s Rules -f doc.txt",
        MESSAGES,
        messages(
            system=[{"type": "text", "text": "Rules", "cache_control": EPHEMERAL}],
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "doc\n", "cache_control": EPHEMERAL},
                        {"type": "text", "text": "\nhi"},
                    ],
                }
            ],
        ),
        "the prompt is too short to be cached: about 29 tokens; claude-opus-5 needs 512",
    ),
    "messages cached for an hour": Example(
        f'{CLAUDE} -O \'system=[{{"type":"text","text":"Rules","cache_control":'
        '{"type":"ephemeral","ttl":"1h"}}]\'',
        MESSAGES,
        messages(
            system=[
                {
                    "type": "text",
                    "text": "Rules",
                    "cache_control": {"type": "ephemeral", "ttl": "1h"},
                }
            ]
        ),
    ),
    "messages of another vendor": Example(
        "chat hi -m deepseek-v4-flash-ga-260731 --protocol anthropic --no-stream",
        MESSAGES,
        messages(model="deepseek-v4-flash-ga-260731"),
    ),
    # 4.4
    "generateContent": Example(
        f"{GOOGLE} -s Short --max-tokens 9 --temperature 0.5 --top-p 0.9 --seed 7 --stop END",
        f"{GEMINI}:generateContent",
        contents(
            systemInstruction={"parts": [{"text": "Short"}]},
            generationConfig={
                "temperature": 0.5,
                "topP": 0.9,
                "maxOutputTokens": 9,
                "seed": 7,
                "stopSequences": ["END"],
            },
        ),
    ),
    "generateContent as a stream": Example(
        "chat hi -m gemini-3.6-flash --protocol google",
        f"{GEMINI}:streamGenerateContent",
        contents(),
    ),
    **{
        f"thinking level {level}": Example(
            f"{GOOGLE} --effort {level}",
            f"{GEMINI}:generateContent",
            contents(
                generationConfig={
                    "thinkingConfig": {
                        "thinkingLevel": level,
                        "includeThoughts": level != "minimal",
                    }
                }
            ),
        )
        for level in ("minimal", "low", "medium", "high")
    },
    "no thinking": Example(
        f"{GOOGLE} -O generationConfig.thinkingConfig.thinkingBudget=0",
        f"{GEMINI}:generateContent",
        contents(generationConfig={"thinkingConfig": {"thinkingBudget": 0}}),
    ),
    "generateContent with files": Example(
        f"{GOOGLE} -a a.png -a a.wav -a a.pdf",
        f"{GEMINI}:generateContent",
        contents(
            {"text": "hi"},
            {"inlineData": {"mimeType": "image/png", "data": encode_file("a.png")}},
            {"inlineData": {"mimeType": "audio/wav", "data": encode_file("a.wav")}},
            {"inlineData": {"mimeType": "application/pdf", "data": encode_file("a.pdf")}},
        ),
    ),
    "generateContent with tools": Example(
        f"{GOOGLE} {TOOL} --tool-choice weather",
        f"{GEMINI}:generateContent",
        contents(
            tools=[
                {
                    "functionDeclarations": [
                        {
                            "name": "weather",
                            "description": "W",
                            "parameters": {**CITY, "propertyOrdering": ["city"]},
                        }
                    ]
                }
            ],
            toolConfig={
                "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}
            },
        ),
    ),
    "generateContent with a schema": Example(
        f"{GOOGLE} {SCHEMA}",
        f"{GEMINI}:generateContent",
        contents(
            generationConfig={
                "responseMimeType": "application/json",
                "responseSchema": {**CITY, "propertyOrdering": ["city"]},
            }
        ),
    ),
    **{
        f"the tool {name}": Example(
            f"{GOOGLE} -O 'tools=[{{\"{name}\":{{}}}}]'",
            f"{GEMINI}:generateContent",
            contents(tools=[{name: {}}]),
        )
        for name in ("google_search", "url_context", "codeExecution", "google_maps")
    },
    # 4.5
    "embeddings": Example(
        "embed hi -m text-embedding-3-large --dimensions 256",
        "/v1/embeddings",
        {"model": "text-embedding-3-large", "input": "hi", "dimensions": 256},
    ),
    "rerank": Example(
        "rank cat -f one.txt -f two.txt -m bge-reranker-v2-m3",
        "/v1/rerank",
        {"model": "bge-reranker-v2-m3", "query": "cat", "documents": ["one\n", "two\n"]},
    ),
}


def reply_to(path: str) -> ScriptedReply | None:
    """Return a plain answer for models that the sandbox does not have."""
    usage = {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}
    text: dict[str, Any] = {"type": "output_text", "text": '{"city": "x"}', "annotations": []}
    if path == CHAT:
        message = {"role": "assistant", "content": '{"city": "x"}'}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return ScriptedReply.json({"object": "chat.completion", "choices": [choice]})
    if path == "/v1/responses":
        item = {"type": "message", "role": "assistant", "content": [text]}
        fields = {"object": "response", "status": "completed", "output": [item], "usage": usage}
        return ScriptedReply.json(fields)
    if path == MESSAGES:
        block = {"type": "tool_use", "id": "t", "name": "answer", "input": {"city": "x"}}
        fields = {"type": "message", "role": "assistant", "content": [block], "usage": usage}
        return ScriptedReply.json({**fields, "stop_reason": "tool_use"})
    if path.endswith(":generateContent"):
        content = {"role": "model", "parts": [{"text": '{"city": "x"}'}]}
        return ScriptedReply.json({"candidates": [{"content": content, "finishReason": "STOP"}]})
    return None


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_arrives_as_the_gateways_page_has_it(
    apiyi: Program, gateway: Gateway, name: str
) -> None:
    example = EXAMPLES[name]
    for path, content in FILES.items():
        (apiyi.work / path).write_bytes(content)
    for path in ("doc.txt", "one.txt", "two.txt"):
        (apiyi.work / path).write_text(f"{path.partition('.')[0]}\n")
    reply = reply_to(example.path)
    if reply is not None and "stream" not in example.body:
        gateway.script(reply, path=example.path)
    ran = apiyi(example.line)
    assert ran.code == 0, ran.err
    assert example.said in ran.err and bool(ran.err) == bool(example.said), ran.err
    sent = gateway.ledger[0]
    assert (sent.method, sent.path) == ("POST", example.path)
    assert sent.headers["content-type"] == "application/json"
    assert json.loads(sent.body) == example.body


def test_each_protocol_sends_the_key_in_one_header(apiyi: Program, gateway: Gateway) -> None:
    for line in ("chat hi -m gpt-4o", CLAUDE, GOOGLE, "api POST /v1/messages --input m.json"):
        (apiyi.work / "m.json").write_text(json.dumps(messages()))
        assert apiyi(line).code == 0
    chat_, native, google, raw = (request.headers for request in gateway.ledger)
    for headers in (chat_, google):
        assert headers["authorization"].startswith("Bearer ")
        assert not {"x-api-key", "x-goog-api-key", "anthropic-version"} & headers.keys()
    for headers in (native, raw):
        assert "authorization" not in headers and headers["x-api-key"]
        assert headers["anthropic-version"] == "2023-06-01"


@pytest.mark.parametrize("line", [CLAUDE, GOOGLE, "chat hi -m gpt-4o"])
def test_a_program_sends_the_key_in_the_same_header(apiyi: Program, line: str) -> None:
    dry = apiyi(f"{line} --dry-run").json["headers"]
    named = {name.lower() for name in dry} & {"authorization", "x-api-key", "x-goog-api-key"}
    for language in ("curl", "requests", "node", "go", "java", "csharp", "php", "ruby"):
        text = apiyi(f"{line} --code {language}").text.lower()
        used = {name for name in ("authorization", "x-api-key", "x-goog-api-key") if name in text}
        assert used == named, language


@pytest.mark.parametrize(
    ("line", "total"),
    [
        (f"{CLAUDE} --json", 100 + 20 + 3),
        (GOOGLE, 0),
    ],
)
def test_prompt_tokens_are_all_that_the_protocol_counts(
    apiyi: Program, gateway: Gateway, line: str, total: int
) -> None:
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 100,
        "output_tokens": 5,
    }
    block = {"type": "text", "text": "x"}
    fields = {"type": "message", "role": "assistant", "content": [block], "usage": usage}
    gateway.script(ScriptedReply.json({**fields, "stop_reason": "end_turn"}), path=MESSAGES)
    counts = {
        "promptTokenCount": 50,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 9,
        "cachedContentTokenCount": 40,
        "totalTokenCount": 66,
    }
    content = {"role": "model", "parts": [{"text": "x"}]}
    candidate = {"content": content, "finishReason": "STOP"}
    reply = {"candidates": [candidate], "usageMetadata": counts}
    gateway.script(ScriptedReply.json(reply), path=f"{GEMINI}:generateContent")
    ran = apiyi(f"{line} -u")
    assert ran.code == 0
    record = json.loads(apiyi("usage --ndjson").text.splitlines()[0])
    if total:
        assert (record["prompt_tokens"], record["completion_tokens"]) == (total, 5)
        assert "100 cached" in ran.err
    else:
        assert (record["prompt_tokens"], record["completion_tokens"]) == (50, 16)
        assert "40 cached" in ran.err


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("chat hi -m gpt-realtime-2.1", 2, "a realtime model"),
        (
            "chat hi -a a.png -m deepseek-v4-flash-ga-260731",
            6,
            "deepseek-v4-flash-ga-260731 is known to take no pictures; sent as asked",
        ),
        (
            "chat hi -a a.png -m deepseek-v4-flash-ga-260731",
            6,
            "Model do not support image input",
        ),
        ("embed hi -m bge-m3 --dimensions 5", 6, "bge-m3 is known to refuse dimensions"),
        (f"{GOOGLE} --cache-prompt", 2, "only /v1/messages keeps a prompt on request"),
        (f"{CLAUDE} -a a.wav", 2, "/v1/messages carries text, pictures and PDF"),
        (f"{CLAUDE} --n 2", 2, "/v1/messages gives one"),
        ("api POST /v1beta/models/gemini-3.6-flash:countTokens -f a=b", 6, ""),
        ("api POST /v1/realtime/client_secrets -f a=b", 6, ""),
    ],
)
def test_what_the_gateway_does_not_have_is_said(
    apiyi: Program, gateway: Gateway, line: str, code: int, said: str
) -> None:
    for path, content in FILES.items():
        (apiyi.work / path).write_bytes(content)
    ran = apiyi(line)
    assert ran.code == code, ran.err
    assert said in ran.err


def picture_reply() -> ScriptedReply:
    return ScriptedReply.json({"data": [{"b64_json": encode_file("a.png")}] * 2})


def set_families(apiyi: Program, text: str) -> None:
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.write_text(f"{config.read_text()}\n{text}")


@pytest.mark.off_schema
def test_an_unknown_family_is_asked_in_the_plain_form(apiyi: Program, gateway: Gateway) -> None:
    reply = reply_to(CHAT)
    assert reply is not None
    gateway.script(reply, path=CHAT)
    line = "chat hi -m nova-9 --no-stream --max-tokens 9 --temperature 1.5 --stop X --effort odd"
    ran = apiyi(line)
    assert ran.code == 0
    assert "--effort odd is not among the known ones (none, minimal, " in ran.err
    assert gateway.ledger[-1].json == chat(
        "nova-9", max_tokens=9, temperature=1.5, stop=["X"], reasoning_effort="odd"
    )
    gateway.script(picture_reply(), path="/v1/images/generations")
    ran = apiyi("image cat -m painter-9 --size 5x7 --quality odd --n 2 --seed 3 -o {n}.png")
    assert (ran.code, ran.err) == (0, ""), ran.err
    assert gateway.ledger[-1].json == {
        "model": "painter-9",
        "prompt": "cat",
        "n": 2,
        "size": "5x7",
        "quality": "odd",
        "seed": 3,
    }
    gateway.script(reply_to(MESSAGES) or picture_reply(), path=MESSAGES)
    assert apiyi("chat hi -m nova-9 --protocol anthropic --no-stream").code == 0
    assert gateway.ledger[-1].path == MESSAGES


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "chat hi -m gpt-6.1-sol --effort none",
            "take --effort low, medium, high, xhigh, max only",
        ),
        (
            "respond hi -m gpt-5 --effort max",
            "take --effort none, minimal, low, medium, high, xhigh",
        ),
        ("chat hi -m chat-latest --effort low", "known to take no --effort; low is sent as asked"),
        ("chat hi -m gemini-3.6-flash --effort max", "take --effort low, medium, high only"),
        ("chat hi -m gpt-6.1-terra --effort max", ""),
        ("chat hi -m claude-opus-5 --effort max", ""),
    ],
)
def test_an_effort_that_a_family_does_not_have_is_warned_of(
    apiyi: Program, line: str, said: str
) -> None:
    ran = apiyi(f"{line} --dry-run")
    assert ran.code == 0
    assert said in ran.err and bool(ran.err) == bool(said)


def test_the_users_families_change_what_a_text_model_is_sent(
    apiyi: Program, gateway: Gateway
) -> None:
    set_families(
        apiyi,
        '[families."nova-*"]\nkind = "chat"\nmax_tokens = "max_completion_tokens"\n'
        'refuses = ["stop"]\nprotocols = ["openai"]\n'
        '[families."gpt-5.4*"]\nmax_tokens = "max_tokens"\nrefuses = []\n',
    )

    def dry(line: str) -> tuple[Any, str]:
        ran = apiyi(f"chat hi --no-stream --dry-run {line}")
        assert ran.code == 0, ran.err
        return ran.json["body"], ran.err

    assert dry("-m nova-9 --max-tokens 9")[0] == chat("nova-9", max_completion_tokens=9)
    assert "nova-9 is known to refuse stop" in dry("-m nova-9 --stop X")[1]
    body, said = dry("-m gpt-5.4-mini --max-tokens 9 --temperature 0.5")
    assert (body["max_tokens"], said) == (9, "")
    refused = apiyi("chat hi -m nova-9 --protocol google")
    assert (refused.code, gateway.posts) == (2, [])
    assert "cannot use --protocol google with nova-9" in refused.err
