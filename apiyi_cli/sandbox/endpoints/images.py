"""POST /v1/images/…: real PNGs, drawn from the hash of the request.

A picture that is handed out by URL is drawn anew when it is fetched: its name says all.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

from apiyi_cli.core.endpoints import IMAGE_EDIT
from apiyi_cli.core.filetypes import JPEG, PNG, WEBP, detect_picture
from apiyi_cli.sandbox import checks
from apiyi_cli.sandbox.drawing import draw, png
from apiyi_cli.sandbox.endpoints.catalogue import CREATED, model_of
from apiyi_cli.sandbox.received_request import FormPart, ReceivedRequest
from apiyi_cli.sandbox.request_summary import MARK, count_usage, tokens
from apiyi_cli.sandbox.scripted_reply import Refused, ScriptedReply, invalid

SIDE_MAX = 3840
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_RATIO = re.compile(r"(\d{1,2}):(\d{1,2})")
_MIMES = {"gif": "image/gif", "svg": "image/svg+xml"}
_FILE = re.compile(r"/files/([0-9a-f]{64})-(\d{1,4})x(\d{1,4})(?:-(\d+))?\.png")
_FLUX_LIFE_S = 600
_ORDINARY = 1024
_MULTIPLE = 16
_QUALITIES = ("standard", "hd", "low", "medium", "high", "xhigh", "max", "auto")
_FORMATS = ("png", "jpeg", "webp")
_NEW_QUALITIES = ("gpt-image-2.5", "gpt-image-2.6")
_NAMED_SIZES = {"1K": 1024, "2K": 2048, "3K": 3072, "4K": 3840}
_PICTURES_MAX = 15


def generations(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer POST /v1/images/generations (JSON); FLUX edits come this way, too."""
    fields = checks.json_fields(request)
    checks.require_field(fields, "prompt")
    return _answer(request, fields, "image_generation")


def from_form(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer POST /v1/images/edits and /variations (multipart)."""
    if not request.is_form:
        raise invalid("The body must be multipart/form-data", "", "invalid_request")
    fields = dict(request.fields)
    pictures = [p for p in request.parts if p.name in ("image", "image[]") and p.filename]
    if not pictures:
        raise invalid("image is required", "image", "missing_required_parameter")
    for part in (*pictures, *(p for p in request.parts if p.name == "mask")):
        _check_picture(part)
    if request.endpoint is IMAGE_EDIT:
        checks.require_field(fields, "prompt")
    for name in ("n", "output_compression", "partial_images"):
        if name in fields:
            fields[name] = int(fields[name]) if fields[name].isdigit() else fields[name]
    fields["stream"] = fields.get("stream") == "true"
    fields["picture_fields"] = [part.name for part in pictures]
    fields["pictures"] = [sha256(part.content).hexdigest() for part in pictures]
    return _answer(request, fields, "image_edit")


def file(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer GET /files/{name}: the picture that the name describes."""
    match = _FILE.fullmatch(request.path)
    if not match:
        return ScriptedReply.text("not found", status=404)
    seed, width, height = bytes.fromhex(match[1]), int(match[2]), int(match[3])
    if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX):
        return ScriptedReply.text("not found", status=404)
    if match[4] and request.at > int(match[4]):
        return ScriptedReply.text("the link has expired", status=403)
    return ScriptedReply(body=png(seed, width, height), content_type="image/png")


def _check_picture(part: FormPart) -> None:
    if detect_picture(part.content) not in (PNG, JPEG, WEBP):
        message = f"Invalid image file or mode for {part.name}, please check your image file."
        raise invalid(message, part.name, "invalid_image_file")


def _answer(request: ReceivedRequest, fields: dict[str, Any], kind: str) -> ScriptedReply:
    model = model_of(fields, "image", "dall-e-2")
    _check(request, fields, model)
    width, height = _size(fields)
    prompt = fields.get("prompt", "")
    request_text = repr(sorted((k, v) for k, v in fields.items() if k not in ("n", "stream")))
    seeds = [
        sha256(f"{k}\0{request_text}".encode("utf-8", "surrogatepass")).digest()
        for k in range(_count(fields, model))
    ]
    usage = _usage(prompt, fields, len(seeds))
    if fields.get("stream"):
        return _stream_pictures(fields, kind, seeds[0], (width, height), usage)
    data = [_item(request, model, fields, seed, (width, height)) for seed in seeds]
    whole: dict[str, Any] = {"created": CREATED, "data": data}
    if model.startswith("seedream"):
        for item in data:
            item["size"] = f"{width}x{height}"
        whole["usage"] = {**usage, "generated_images": len(data)}
    elif "b64_json" in data[0] and not _is_relayed(model) and not model.startswith("dall-e"):
        whole |= {
            "background": "opaque",
            "output_format": fields.get("output_format") or "png",
            "quality": _choose_quality(fields),
            "size": f"{width}x{height}",
            "usage": usage,
        }
    return ScriptedReply.json(whole, tokens=usage["total_tokens"])


def _item(
    request: ReceivedRequest, model: str, fields: dict[str, Any], seed: bytes, size: tuple[int, int]
) -> dict[str, Any]:
    item: dict[str, Any] = {}
    if _by_url(model, fields.get("response_format")):
        life_s = _FLUX_LIFE_S if model.startswith("flux") else None
        item["url"] = picture_url(request, seed, *size, life_s)
    else:
        form = fields.get("output_format")
        content = draw(seed, *size, form)
        # The relayed channels hand their upstream's data URL on.
        mime = _MIMES.get(str(form), "image/png")
        start = f"data:{mime};base64," if _is_relayed(model) else ""
        item["b64_json"] = start + b64encode(content).decode()
    if prompt := fields.get("prompt"):
        item["revised_prompt"] = f"{MARK} {prompt}"
    return item


def picture_url(
    request: ReceivedRequest, seed: bytes, width: int, height: int, life_s: float | None = None
) -> str:
    """Return a picture's URL, which expires after `life_s` seconds (None: never)."""
    until = "" if life_s is None else f"-{int(request.at + life_s)}"
    return f"{request.origin}/files/{seed.hex()}-{width}x{height}{until}.png"


def draw_in_chat(request: ReceivedRequest) -> ScriptedReply:
    """Answer a chat with a drawing model: never a chat object, never streamed."""
    seed = sha256(request.body).digest()
    url = picture_url(request, seed, _ORDINARY, _ORDINARY)
    usage = count_usage(10, 1056)
    whole = {"data": [{"url": url}], "created": CREATED, "usage": usage}
    return ScriptedReply.json(whole, tokens=usage["total_tokens"])


def _count(fields: dict[str, Any], model: str) -> int:
    """Return how many pictures a model makes, which may differ from `n`."""
    if model.startswith("seedream"):
        if fields.get("sequential_image_generation") != "auto":
            return 1
        options = fields.get("sequential_image_generation_options") or {}
        return max(1, min(int(options.get("max_images") or 3), _PICTURES_MAX))
    if _is_relayed(model) and not model.startswith("gpt-image-2.6"):
        return 1
    return fields.get("n") or 1


def _is_relayed(model: str) -> bool:
    return model.endswith(("-all", "-vip"))


def _by_url(model: str, response_format: str | None) -> bool:
    if model.startswith("flux"):
        return True
    if model.startswith(("dall-e", "seedream")):
        return response_format != "b64_json"
    return response_format == "url"


def _choose_quality(fields: dict[str, Any]) -> str:
    """Return the resolved quality: an answer never says `auto`."""
    asked = fields.get("quality") or "auto"
    return "high" if asked == "auto" else str(asked)


def _stream_pictures(
    fields: dict[str, Any], kind: str, seed: bytes, size: tuple[int, int], usage: dict[str, Any]
) -> ScriptedReply:
    """Return the events of one picture: the requested number of coarse ones first."""
    about = {
        "created_at": CREATED,
        "size": f"{size[0]}x{size[1]}",
        "quality": _choose_quality(fields),
        "background": "opaque",
        "output_format": "png",
    }
    events: list[dict[str, Any]] = [
        {
            "type": f"{kind}.partial_image",
            "partial_image_index": k,
            "b64_json": b64encode(png(seed, *size, detail=k + 1)).decode(),
            **about,
        }
        for k in range(fields.get("partial_images") or 0)
    ]
    picture = b64encode(png(seed, *size)).decode()
    events.append({"type": f"{kind}.completed", "b64_json": picture, "usage": usage, **about})
    return ScriptedReply.sse(*events, named=True, tokens=usage["total_tokens"])


def _usage(prompt: str, fields: dict[str, Any], count: int) -> dict[str, Any]:
    text = tokens(prompt)
    seen = 85 * len(fields.get("pictures", ()))
    output_tokens = 1056 * count
    return {
        "input_tokens": text + seen,
        "input_tokens_details": {"text_tokens": text, "image_tokens": seen},
        "output_tokens": output_tokens,
        "total_tokens": text + seen + output_tokens,
    }


def _size(fields: dict[str, Any]) -> tuple[int, int]:
    """Return width and height in pixels. `aspect_ratio` keeps the area of a square."""
    if match := _SIZE.fullmatch(str(fields.get("size") or "")):
        width, height = int(match[1]), int(match[2])
        if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX):
            raise invalid(f"Invalid 'size': at most {SIDE_MAX} pixels a side", "size")
        return width, height
    if fields.get("size") in _NAMED_SIZES and str(fields.get("model")).startswith("seedream"):
        return _NAMED_SIZES[fields["size"]], _NAMED_SIZES[fields["size"]]
    if fields.get("size") not in (None, "", "auto"):
        raise invalid("Invalid value for 'size': WIDTHxHEIGHT or auto", "size")
    ratio = fields.get("aspect_ratio")
    if ratio is None:
        return _ORDINARY, _ORDINARY
    match = _RATIO.fullmatch(str(ratio))
    if not match or not int(match[1]) or not int(match[2]):
        raise invalid("Invalid 'aspect_ratio': like 16:9", "aspect_ratio")
    across, down = int(match[1]), int(match[2])
    width = _ORDINARY * (across / down) ** 0.5
    return _round_side(width), _round_side(width * down / across)


def _round_side(side: float) -> int:
    return min(SIDE_MAX, max(_MULTIPLE, round(side / _MULTIPLE) * _MULTIPLE))


def _check(request: ReceivedRequest, fields: dict[str, Any], model: str) -> None:
    prompt = fields.get("prompt")
    if prompt is not None and not isinstance(prompt, str):
        raise invalid("Invalid type for 'prompt': expected a string", "prompt", "invalid_type")
    bounds: checks.Bounds = {
        "n": (int, 1, 10),
        "output_compression": (int, 0, 100),
        "partial_images": (int, 0, 3),
    }
    checks.check_bounds(fields, bounds)
    checks.check_choice(fields, "quality", *_QUALITIES)
    checks.check_choice(fields, "style", "vivid", "natural")
    checks.check_choice(fields, "background", "transparent", "opaque", "auto")
    formats = ("png", "jpeg", "webp", "gif", "svg") if "image-2.6" in model else _FORMATS
    checks.check_choice(fields, "output_format", *formats)
    checks.check_choice(fields, "response_format", "url", "b64_json")
    if model.startswith("seedream-5-0-pro"):
        for name in ("sequential_image_generation", "stream"):
            if fields.get(name):
                raise invalid(f"'{name}' is not supported by {model}", name, "InvalidParameter")
    if model.endswith("-vip") and fields.get("n") is not None:
        raise invalid(f"Unsupported parameter: 'n' is not supported by {model}.", "n")
    if model.startswith("seedream"):
        _check_seedream(request, fields)
    if model.startswith("flux") and "image[]" in fields.get("picture_fields", ()):
        raise Refused(ScriptedReply.error(400, "image is required", param="image"))
    if fields.get("quality") in ("xhigh", "max") and not model.startswith(_NEW_QUALITIES):
        raise invalid("Invalid value for 'quality': low, medium, high, auto", "quality")
    if model.startswith("gpt-image-2") and fields.get("input_fidelity") is not None:
        raise invalid("Unknown parameter: 'input_fidelity'.", "input_fidelity", "unknown_parameter")
    if model.startswith("gpt-image") and not _is_relayed(model):
        if fields.get("response_format") is not None:
            message = "Unknown parameter: 'response_format'."
            raise invalid(message, "response_format", "unknown_parameter")
        if fields.get("quality") in ("standard", "hd"):
            message = "Invalid value for 'quality': must be one of low, medium, high, auto"
            raise invalid(message, "quality")
    if model == "dall-e-3" and (fields.get("n") or 1) > 1:
        raise invalid("Invalid 'n': dall-e-3 makes one image", "n")


def _check_seedream(request: ReceivedRequest, fields: dict[str, Any]) -> None:
    """Refuse a form, and inputs other than URLs, too many or too large."""
    if request.is_form:
        raise invalid("Error when parsing request", "", "InvalidParameter")
    pictures = fields.get("image", [])
    if isinstance(pictures, str):
        pictures = [pictures]
    if not isinstance(pictures, list) or not all(
        isinstance(url, str) and url.startswith(("https://", "http://", "data:image/"))
        for url in pictures
    ):
        raise invalid("'image' must be URLs or data URLs", "image", "InvalidParameter")
    if len(pictures) > 10 or sum(map(len, pictures)) > 6 << 20:
        raise invalid("Error when parsing request", "image", "InvalidParameter")
