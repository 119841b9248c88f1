"""Drawing models outside the images endpoints: Gemini's, and one in chat."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Any

from apiyi_cli.core.filetypes import JPEG, PNG, WEBP, detect_picture
from apiyi_cli.sandbox import checks
from apiyi_cli.sandbox.drawing import png
from apiyi_cli.sandbox.endpoints.catalogue import CREATED
from apiyi_cli.sandbox.endpoints.images import picture_url
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.request_summary import MARK, count_usage, tokens
from apiyi_cli.sandbox.scripted_reply import ScriptedReply, invalid_argument

_RATIOS = ["1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"]
_FLASH_RATIOS = [*_RATIOS, "1:4", "4:1", "1:8", "8:1"]
_SIDES = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
_INPUTS_MAX = 14
_INPUT_BYTES = 7 << 20
_MULTIPLE = 16


def draw_content(request: ReceivedRequest, model: str, fields: dict[str, Any]) -> ScriptedReply:
    """Return the requested picture, with a signature and, if wanted, a text."""
    prompt = _read_prompt(fields)
    config = fields.get("generationConfig") or {}
    if model.startswith("gemini-3-pro") and "thinkingConfig" in config:
        raise invalid_argument("Thinking level is not supported for this model.")
    width, height = _size(model, config.get("imageConfig") or {})
    seed = sha256(request.body).digest()
    data = b64encode(png(seed, width, height)).decode()
    parts: list[dict[str, Any]] = [{"inlineData": {"mimeType": "image/png", "data": data}}]
    if "TEXT" in config.get("responseModalities", ("TEXT", "IMAGE")):
        parts.insert(0, {"text": f"{MARK} {prompt}"})
    parts[-1]["thoughtSignature"] = b64encode(seed).decode()
    counts = {"promptTokenCount": tokens(prompt), "candidatesTokenCount": 1120}
    total = sum(counts.values())
    return ScriptedReply.json(
        {
            "candidates": [
                {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
            ],
            "usageMetadata": {**counts, "totalTokenCount": total},
            "modelVersion": model,
            "responseId": f"sandbox{seed.hex()[:16]}",
        },
        tokens=total,
    )


def draw_in_words(request: ReceivedRequest, model: str) -> ScriptedReply:
    """Answer a chat with a completion whose text shows the picture and links it again."""
    url = picture_url(request, sha256(request.body).digest(), 1024, 1024)
    text = f"{MARK} Here it is:\n\n![picture]({url})\n\n[Download]({url})\n"
    message = {"role": "assistant", "content": text}
    return ScriptedReply.json(
        {
            "id": "chatcmpl-sandboxpicture",
            "object": "chat.completion",
            "created": CREATED,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": count_usage(10, 1056),
        },
        tokens=1066,
    )


def _read_prompt(fields: dict[str, Any]) -> str:
    """Return the texts of the contents; raise Refused for what Google's API refuses."""
    checks.refuse_unknown(fields, ("contents", "generationConfig", "safetySettings", "tools"))
    parts = [
        part
        for content in fields.get("contents") or ()
        if isinstance(content, dict)
        for part in content.get("parts") or ()
    ]
    if not parts:
        raise invalid_argument("* GenerateContentRequest.contents: contents is not specified")
    pictures = [part["inlineData"] for part in parts if "inlineData" in part]
    if len(pictures) > _INPUTS_MAX:
        raise invalid_argument(f"Too many images: at most {_INPUTS_MAX} are supported.")
    for picture in pictures:
        _check_picture(picture)
    return " ".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def _check_picture(picture: dict[str, Any]) -> None:
    try:
        # Both alphabets are taken, as JSON forms of protocol buffers are read.
        text = picture.get("data", "").replace("-", "+").replace("_", "/")
        content = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid_argument("Base64 decoding failed for inline_data") from None
    if len(content) > _INPUT_BYTES or detect_picture(content) not in (PNG, JPEG, WEBP):
        raise invalid_argument("Unable to process input image. Please retry or report.")


def _size(model: str, config: dict[str, Any]) -> tuple[int, int]:
    is_pro = model.startswith("gemini-3-pro")
    ratio, size = config.get("aspectRatio", "1:1"), config.get("imageSize", "1K")
    if ratio not in (_RATIOS if is_pro else _FLASH_RATIOS):
        raise invalid_argument(f"aspect ratio {ratio} is not supported")
    if size not in _SIDES or (is_pro and size == "512"):
        raise invalid_argument(f"image size {size} is not supported: 1K, 2K, 4K")
    across, down = map(int, ratio.split(":"))
    width = _SIDES[size] * (across / down) ** 0.5
    return _round(width), _round(width * down / across)


def _round(side: float) -> int:
    return max(_MULTIPLE, round(side / _MULTIPLE) * _MULTIPLE)
