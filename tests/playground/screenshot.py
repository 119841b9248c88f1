"""Make man/playground.png: the page of the playground after a real run on the sandbox."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parents[2] / "man"
PROMPTS = {
    "en": "The **longest** rivers of China:\n\n| River | km |\n|---|--:|\n| Yangtze | 6,300 |\n"
    "| Yellow River | 5,464 |\n\nWhich is deeper?",
    "zh_CN": "中国**最长**的河流：\n\n| 河流 | 千米 |\n|---|--:|\n| 长江 | 6300 |\n"
    "| 黄河 | 5464 |\n\n哪一条更深？",
}


def take(path: Path, language: str) -> None:
    """Start a playground, send one prompt, and write the picture."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as home:
        line = ["playground", "--profile", "sandbox", "--no-open"]
        server = subprocess.Popen(
            [sys.executable, "-m", "apiyi_cli", *line],
            env={**os.environ, "HOME": home, "XDG_STATE_HOME": home, "APIYI_LANG": language},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        try:
            with sync_playwright() as started:
                flags = ["--no-sandbox", "--disable-dev-shm-usage"]
                browser = started.chromium.launch(executable_path=chromium, args=flags)
                page = browser.new_page(viewport={"width": 1280, "height": 760})
                page.goto(server.stdout.readline().strip())
                page.fill("#prompt", PROMPTS[language])
                page.fill("#f-model", "gpt-4o")
                page.keyboard.press("Escape")
                page.click("[data-section=Sampling] summary")
                page.fill("#f-temperature", "0.2")
                page.keyboard.press("Control+Enter")
                page.locator(".results > .status .exit").wait_for()
                page.locator(".entry").wait_for()
                page.locator(".line code", has_text="temperature").wait_for()
                page.screenshot(path=path)
                browser.close()
        finally:
            server.terminate()
            server.communicate()
    reduce_colors(path)


def reduce_colors(path: Path) -> None:
    """Make the picture a third as large, where ffmpeg is there."""
    if shutil.which("ffmpeg") is None:
        return
    small = path.with_suffix(".small.png")
    palette = "split[a][b];[a]palettegen=max_colors=96[p];[b][p]paletteuse=dither=none"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", path, "-vf", palette, small], check=True)
    small.replace(path)


if __name__ == "__main__":
    take(FOLDER / "playground.png", "en")
    take(FOLDER / "playground.zh-CN.png", "zh_CN")
