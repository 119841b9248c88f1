"""The page's texts that are not from the option table, and its error pages.

The scripts of the page name them in English; `make messages` collects them from there.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

_PAGE_FILES: Final = Path(__file__).parent / "page"
_WORD: Final = re.compile(r"\b(?:t|word)\('((?:[^'\\]|\\.)*)'")


def find_words(script: str) -> list[str]:
    """Return the texts that a script of the page shows: `t('…')`, and `word('…')` for later."""
    return [text.replace("\\'", "'") for text in _WORD.findall(script)]


@cache
def page_words() -> frozenset[str]:
    """Return the texts of all scripts of the page."""
    scripts = (path.read_text("utf-8") for path in _PAGE_FILES.glob("*.js"))
    return frozenset(word for script in scripts for word in find_words(script))


_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>apiyi playground</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/locked.css">
</head>
<body><main>{main}</main></body>
</html>
"""

LOCKED_PAGE: Final = _PAGE.format(
    main="""<h1>This page is locked</h1>
<p>Start again from the address that <code>apiyi playground</code> printed in your terminal. It
works once: if it was used already, end the program with Ctrl-C and start it again.</p>
<div lang="zh-CN"><h1>此页面已锁定</h1>
<p>请重新打开终端里 <code>apiyi playground</code> 打印的地址。该地址只能使用一次：如果已经用过，
请按 Ctrl-C 结束程序后重新启动。</p></div>"""
).encode()
"""The page for a browser without the cookie."""

REFUSED_PAGE: Final = _PAGE.format(
    main="""<h1>Refused (%STATUS%)</h1>
<p>This server answers only the page that it served itself.</p>
<div lang="zh-CN"><p>此服务器只响应它自己提供的页面。</p></div>"""
).encode()
"""The page for every request that is not the page's own."""
