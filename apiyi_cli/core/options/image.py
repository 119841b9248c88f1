"""Options: pictures."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class ImageOptions(Group, panel="Picture"):
    """The pictures to make, their inputs, and their files."""

    input = flag(
        list[str],
        "-i",
        "--input",
        help="Edit this picture (repeatable, - for stdin; where it goes in JSON also a URL).",
        panel="Prompt",
        metavar="FILE",
        complete="file",
        config=False,
    )
    mask = flag(
        str,
        "--mask",
        help="PNG whose transparent parts are repainted, as large as the first -i.",
        panel="Prompt",
        metavar="FILE",
        complete="file",
        config=False,
    )
    vary = flag(
        bool,
        "--vary",
        help="Make variations of the one -i, without a prompt.",
        panel="Prompt",
        config=False,
    )
    lines = flag(
        bool, "--lines", help="Each line of stdin is a prompt.", panel="Prompt", config=False
    )
    n = flag(int, "--n", help="Pictures for each prompt.", metavar="N", low=1, high=1000, wire="n")
    size = flag(
        str,
        "--size",
        help="Pixels as WIDTHxHEIGHT, or auto; 1K, 2K, 3K, 4K (Gemini, Seedream).",
        metavar="SIZE",
        suggestions=("auto", "1K", "2K", "3K", "4K"),
        wire="size",
    )
    quality = flag(
        str,
        "--quality",
        help="low, medium, high, xhigh, max, auto (gpt-image); standard, hd (dall-e).",
        metavar="LEVEL",
        suggestions=("low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"),
        wire="quality",
    )
    style = flag(
        str,
        "--style",
        help="vivid or natural (dall-e-3).",
        metavar="STYLE",
        suggestions=("vivid", "natural"),
        wire="style",
    )
    background = flag(
        str,
        "--background",
        help="transparent (png or webp), opaque or auto.",
        metavar="KIND",
        suggestions=("transparent", "opaque", "auto"),
        wire="background",
    )
    output_format = flag(
        str,
        "--output-format",
        help="png, jpeg, webp, gif or svg, where the model offers a choice.",
        metavar="FORMAT",
        suggestions=("png", "jpeg", "webp", "gif", "svg"),
        wire="output_format",
    )
    output_compression = flag(
        int,
        "--output-compression",
        help="Quality of jpeg and webp in percent.",
        metavar="N",
        low=0,
        high=100,
        wire="output_compression",
    )
    aspect_ratio = flag(
        str,
        "--aspect-ratio",
        help="WIDTH:HEIGHT, such as 16:9 (Gemini, FLUX, grok-imagine).",
        metavar="W:H",
        wire="aspect_ratio",
    )
    seed = flag(
        int, "--seed", help="Try for the same picture each time (FLUX).", metavar="N", wire="seed"
    )
    skip_existing = flag(
        bool,
        "--skip-existing",
        help="Make only the pictures whose files are not there yet.",
        panel="Output",
        config=False,
    )
    preview = flag(
        bool,
        "--preview/--no-preview",
        help="Show the pictures on the terminal (kitty, iTerm2, else chafa).",
        panel="Output",
    )
    allow_private = flag(
        bool,
        "--allow-private",
        help="Fetch pictures from private addresses and over http, too.",
        panel="Connection",
        config=False,
    )
