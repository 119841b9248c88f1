"""The sandbox's models: makers, endpoints, prices.

It is the sandbox's own truth, not that of the program (`core.families`): a gateway that
takes its client's word hides the client's mistakes.
"""

from __future__ import annotations

DEFAULT_MODEL = "sandbox-1"

_TALKS = "chat respond complete"
_CLAUDE = f"{_TALKS} messages"
_GEMINI = f"{_TALKS} generate"

# Maker, the words for what its models do, the models.
_TABLE = (
    ("sandbox", f"{_CLAUDE} {_GEMINI}", DEFAULT_MODEL),
    ("sandbox", "embed", "sandbox-embed-1"),
    ("sandbox", "image", "sandbox-image-1"),
    ("sandbox", "transcribe", "sandbox-transcribe-1"),
    ("sandbox", "speak", "sandbox-speak-1"),
    ("sandbox", "rank", "sandbox-rank-1"),
    ("sandbox", "video", "sandbox-video-1"),
    ("OpenAI", _TALKS, "gpt-4o gpt-4o-mini gpt-4.1 gpt-4.1-mini gpt-5 gpt-5-mini gpt-5.4-mini"),
    ("OpenAI", _TALKS, "gpt-5.6-luna gpt-6.1-terra chat-latest o3 o4-mini"),
    ("OpenAI", "complete", "gpt-3.5-turbo-instruct"),
    ("OpenAI", "image", "gpt-image-1 gpt-image-1-mini gpt-image-2 gpt-image-2.5-flare"),
    ("OpenAI", "image", "gpt-image-2.6-flare dall-e-2 dall-e-3"),
    ("OpenAI", "image chat", "gpt-image-2-all gpt-image-2.6-all gpt-image-2-vip"),
    ("OpenAI", "image chat", "gpt-image-2.5-flare-vip"),
    ("OpenAI", "transcribe", "whisper-1 gpt-4o-transcribe gpt-4o-mini-transcribe"),
    ("OpenAI", "transcribe", "gpt-4o-transcribe-diarize"),
    ("OpenAI", "speak", "tts-1 tts-1-hd gpt-4o-mini-tts"),
    ("OpenAI", "embed", "text-embedding-3-small text-embedding-3-large text-embedding-ada-002"),
    ("OpenAI", "moderate", "omni-moderation-latest text-moderation-stable"),
    ("Anthropic", _CLAUDE, "claude-fable-5 claude-opus-4-20250514 claude-opus-4 claude-opus-5"),
    ("Anthropic", _CLAUDE, "claude-sonnet-4-20250514 claude-sonnet-4 claude-sonnet-5"),
    ("Anthropic", _CLAUDE, "claude-3-5-haiku-20241022"),
    ("OpenAI", "chat", "gpt-4o-image"),
    ("Google", "generate", "gemini-3-pro-image gemini-3.1-flash-image"),
    ("Google", "generate", "gemini-3.1-flash-lite-image"),
    ("Google", _GEMINI, "gemini-3.6-flash gemini-3.8-flash gemini-3.5-flash-lite"),
    ("xAI", _TALKS, "grok-4 grok-3-mini"),
    ("DeepSeek", _TALKS, "deepseek-r1 deepseek-v3"),
    ("DeepSeek", _CLAUDE, "deepseek-v4-flash-ga-260731"),
    ("Alibaba", _TALKS, "qwen3-235b-a22b qwen-plus qwq-32b"),
    ("Moonshot", _TALKS, "kimi-k2 kimi-k2-thinking"),
    ("Black Forest Labs", "image", "flux-kontext-pro flux-kontext-max flux-2-pro"),
    ("ByteDance", "image", "seedream-5-0-260128 seedream-5-0-pro-260628"),
    ("ByteDance", "video", "doubao-seedance-2-5-260628 doubao-seedance-2-0-260128"),
    ("ByteDance", "video", "doubao-seedance-2-0-fast-260128 doubao-seedance-2-0-mini-260615"),
    ("Alibaba", "video", "wan2.7-t2v wan2.7-i2v wan2.7-r2v wan2.7-videoedit happyhorse-1.0"),
    ("xAI", "video", "grok-imagine-video"),
    ("BAAI", "embed", "bge-m3"),
    ("BAAI", "rank", "bge-reranker-v2-m3"),
)

RETIRED = ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite", "sora-2", "veo-3.1")
"""Models that the gateway took off."""

VENDORS = tuple(dict.fromkeys(vendor for vendor, _, _ in _TABLE))
VENDOR_OF = {model: vendor for vendor, _, models in _TABLE for model in models.split()}
SERVED_AT = {
    model: frozenset(words.split()) for _, words, models in _TABLE for model in models.split()
}

DRAWS_IN_CHAT = frozenset(model for model in SERVED_AT if SERVED_AT[model] == {"image", "chat"})
DRAWS_IN_GENERATE = frozenset(model for model in SERVED_AT if SERVED_AT[model] == {"generate"})
DRAWS_IN_WORDS = ("gpt-4o-image",)

PER_CALL_USD = {
    "dall-e-2": 0.02,
    "dall-e-3": 0.04,
    "flux-kontext-pro": 0.035,
    "flux-kontext-max": 0.07,
    "gpt-image-2-all": 0.03,
    "gpt-image-2.6-all": 0.025,
    "gpt-image-2-vip": 0.03,
    "gpt-image-2.5-flare-vip": 0.03,
    "seedream-5-0-260128": 0.035,
    "seedream-5-0-pro-260628": 0.12,
}
RATIOS = {
    DEFAULT_MODEL: (0.5, 4.0),
    "gpt-4o": (1.25, 4.0),
    "gpt-4o-mini": (0.075, 4.0),
    "gpt-5": (0.625, 8.0),
    "o3": (1.0, 4.0),
    "claude-opus-4-20250514": (7.5, 5.0),
    "claude-sonnet-4-20250514": (1.5, 5.0),
    "gemini-3.8-flash": (0.625, 8.0),
    "text-embedding-3-small": (0.01, 1.0),
    "text-embedding-3-large": (0.065, 1.0),
}
ORDINARY_RATIO = (1.0, 4.0)

FIXED_SAMPLING = ("o1", "o3", "o4", "gpt-5", "gpt-6")
"""Models with fixed sampling: they refuse max_tokens and most sampling parameters."""

SHOWS_REASONING = (
    *("deepseek-r1", "deepseek-v4", "qwq", "gemini-3.8"),
    *("o1", "o3", "o4", "gpt-5", "kimi-k2-thinking"),
)
NEWEST_CLAUDE = ("claude-opus-5", "claude-sonnet-5", "claude-fable-5")
"""Models of /v1/messages that refuse sampling and fixed budgets of thought."""
REFUSES_FORCED_TOOLS = ("claude-fable-5",)
CACHES_FROM = {"claude-opus-5": 512, "claude-fable-5": 512, "claude-sonnet-5": 1024}
"""The least tokens of a cached prompt, by the beginning of the model's name."""
REFUSES_STOP = ("grok-4",)
IGNORES = {
    "deepseek-v4": ("n", "response_format"),
    "claude-opus-5": ("temperature", "top_p", "top_k"),
    "claude-sonnet-5": ("temperature", "top_p", "top_k"),
}
"""Parameters accepted without effect, by the beginning of the model's name."""

TEXT_ONLY = ("deepseek-v4",)
TOOLS_WITHOUT_REASONING = ("gpt-5.6",)
"""Models that refuse function tools on chat completions unless reasoning is off."""
