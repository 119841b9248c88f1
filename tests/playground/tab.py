"""A tab of the page in a real browser, and what the tests know of it."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KEY

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
DONE_MS = 20_000
# In a container there is no sandbox and little shared memory; it sees only our own page.
BROWSER_FLAGS = ["--no-sandbox", "--disable-dev-shm-usage"]


class Tab:
    """One tab of the page, and all that its browser heard and asked for."""

    def __init__(self, browser: Any, url: str, size: dict[str, int] = WIDE, **how: Any) -> None:
        granted = ["clipboard-read", "clipboard-write"]
        self.context = browser.new_context(viewport=size, permissions=granted, **how)
        self.host = url.split("/")[2]
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self.questions = 0
        self.page = self.open(url)

    def open(self, url: str) -> Any:
        """Open an address in a further tab of the same browser."""
        page = self.context.new_page()
        page.set_default_timeout(DONE_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._hear)
        page.on("dialog", self._accept)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("requestfinished", self._keep)
        page.goto(url)
        page.locator("#prompt").wait_for()
        return page

    def _hear(self, message: Any) -> None:
        # A refused status is a line in the console, too; what is refused is looked at elsewhere.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def _accept(self, dialog: Any) -> None:
        if dialog.type != "beforeunload":
            self.errors.append(f"dialog: {dialog.message}")
        self.questions += 1
        dialog.accept()

    def _keep(self, request: Any) -> None:
        with contextlib.suppress(api.Error):
            self.bodies.append(request.response().body())

    def choose(self, command: str) -> None:
        self.page.click(f".group button:has-text('{command}')")
        self.page.locator(".form-head h2", has_text=command).wait_for()

    def send(self, prompt: str = "", model: str = "") -> None:
        if prompt:
            self.page.fill("#prompt", prompt)
        if model:
            self.page.fill("#f-model", model)
        before = self._run()
        self.page.keyboard.press("Control+Enter")
        while self._run() == before:
            self.page.wait_for_timeout(10)

    def _run(self) -> str | None:
        """Return the number of the run that is shown."""
        number: str | None = self.page.locator(".status").first.get_attribute("data-run")
        return number

    def done(self) -> str:
        """Wait for the end and return the words of the status line."""
        self.page.locator(".results > .status .exit").wait_for()
        return str(self.page.inner_text(".results > .status"))

    def find_problems(self, place: str = "", rules: str = "") -> list[str]:
        """Return what axe finds wrong with the page, or a place in it, by all rules or one."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE.read_text("utf-8"))
        how: dict[str, Any] = {"resultTypes": ["violations"]}
        if rules:
            how["runOnly"] = [rules]
        script = "([place, how]) => axe.run(place || document, how)"
        result = self.page.evaluate(script, [place, how])
        return [
            f"{found['id']}: {[node['html'][:120] for node in found['nodes'][:3]]}"
            for found in result["violations"]
        ]

    def check(self) -> None:
        """Close the browser's window; nothing went wrong, elsewhere, or was of a key."""
        self.context.close()
        assert self.errors == []
        assert {url.split("/")[2] for url in self.asked if "://" in url} == {self.host}
        assert not [body for body in self.bodies if re.search(rb"\bsk-", body)]
        assert not [body for body in self.bodies if KEY[3:].encode() in body]
