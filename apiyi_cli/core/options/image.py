"""Options: pictures."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class ImageOptions(Group, panel="Picture"):
    """The pictures to make, their inputs, and their files."""

    input = flag(
        list[str],
        "Edit this picture (repeatable, - for stdin; where it goes in JSON also a URL).",
        "-i",
        panel="Prompt",
        complete="file",
        config=False,
    )
    mask = flag(
        str,
        "PNG whose transparent parts are repainted, as large as the first -i.",
        panel="Prompt",
        complete="file",
        config=False,
    )
    vary = flag(
        bool, "Make variations of the one -i, without a prompt.", panel="Prompt", config=False
    )
    lines = flag(bool, "Each line of stdin is a prompt.", panel="Prompt", config=False)
    n = flag(int, "Pictures for each prompt.", low=1, high=1000, wire=True)
    size = flag(
        str,
        "Pixels as WIDTHxHEIGHT, or auto; 1K, 2K, 3K, 4K (Gemini, Seedream).",
        metavar="SIZE",
        suggestions=("auto", "1K", "2K", "3K", "4K"),
        wire=True,
    )
    quality = flag(
        str,
        "low, medium, high, xhigh, max, auto (gpt-image); standard, hd (dall-e).",
        metavar="LEVEL",
        suggestions=("low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"),
        wire=True,
    )
    style = flag(
        str,
        "vivid or natural (dall-e-3).",
        metavar="STYLE",
        suggestions=("vivid", "natural"),
        wire=True,
    )
    background = flag(
        str,
        "transparent (png or webp), opaque or auto.",
        metavar="KIND",
        suggestions=("transparent", "opaque", "auto"),
        wire=True,
    )
    output_format = flag(
        str,
        "png, jpeg, webp, gif or svg, where the model offers a choice.",
        metavar="FORMAT",
        suggestions=("png", "jpeg", "webp", "gif", "svg"),
        wire=True,
    )
    output_compression = flag(
        int, "Quality of jpeg and webp in percent.", low=0, high=100, wire=True
    )
    aspect_ratio = flag(
        str, "WIDTH:HEIGHT, such as 16:9 (Gemini, FLUX, grok-imagine).", metavar="W:H", wire=True
    )
    seed = flag(int, "Try for the same picture each time (FLUX).", wire=True)
    skip_existing = flag(
        bool, "Make only the pictures whose files are not there yet.", panel="Output", config=False
    )
    preview = flag(
        bool,
        "Show the pictures on the terminal (kitty, iTerm2, else chafa).",
        negatable=True,
        panel="Output",
    )
    allow_private = flag(
        bool,
        "Fetch pictures from private addresses and over http, too.",
        panel="Connection",
        config=False,
    )
