"""What other sites, other users of the machine and tricks with a request's head can do: nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from apiyi_cli.sandbox.server import Gateway
from tests.playground.client import PageAnswer, Playground

RUN = json.dumps({"mode": "run", "request": {"command": "chat", "prompt": "pay"}}).encode()
POSTS = (
    *("/api/run", "/api/line", "/api/stop", "/api/upload/drop"),
    *("/api/history/delete", "/api/history/export"),
)
READS = ("/", "/api/schema", "/api/status", "/api/models", "/api/history", "/assets/app.js")


def attempts(page: Playground) -> Iterator[tuple[str, bytes, tuple[int, ...]]]:
    """Yield what is tried, the request, and the statuses that refuse it."""
    yield from _foreign_hosts(page)
    yield from _foreign_pages(page)
    yield from _other_users(page)
    yield from _smuggled(page)


def _foreign_hosts(page: Playground) -> Iterator[tuple[str, bytes, tuple[int, ...]]]:
    hosts = (
        *("evil.example", f"evil.example:{page.port}", "127.0.0.1", "localhost", "[::1]"),
        *(f"127.0.0.2:{page.port}", f"localhost.:{page.port}", f"LOCALHOST.evil:{page.port}"),
        *(f"0.0.0.0:{page.port}", f"127.1:{page.port}", f"127.0.0.1:{page.port + 1}", "", " "),
        *(f"user@127.0.0.1:{page.port}", f"127.0.0.1:{page.port}, evil.example"),
    )
    for host in hosts:
        origin = f"http://{host}"
        yield f"Host {host!r}", page.request("GET", "/api/schema", Host=host), (421,)
        run = page.request("POST", "/api/run", RUN, Host=host, Origin=origin)
        yield f"POST, Host {host!r}", run, (421,)
    yield "no Host", page.request("GET", "/", Host=None), (421,)
    good = page.request("GET", "/api/schema")
    two = good.replace(b"Host: ", b"Host: evil.example\r\nHost: ", 1)
    yield "two Hosts, the good one last", two, (421,)
    yield (
        "two good Hosts",
        good.replace(b"\r\n\r\n", b"\r\nHost: " + page.host.encode() + b"\r\n\r\n"),
        (421,),
    )
    yield "a Host with a space before the colon", good.replace(b"Host: ", b"Host : ", 1), (400, 421)
    yield "a folded Host", good.replace(b"Host: ", b"Host: evil.example\r\n ", 1), (400, 421)
    yield "a proxy's target", page.request("GET", "http://evil.example/api/schema"), (421,)
    yield "CONNECT", page.request("CONNECT", "evil.example:443"), (405, 421)


def _foreign_pages(page: Playground) -> Iterator[tuple[str, bytes, tuple[int, ...]]]:
    origins = (
        *(
            "http://evil.example",
            "null",
            "",
            f"https://{page.host}",
            f"http://localhost:{page.port}",
        ),
        *(f"http://{page.host}.evil.example", f"http://{page.host}/", "http://127.0.0.1"),
        *(f"http://evil.example, http://{page.host}", f"http://[::1]:{page.port}"),
    )
    for origin in origins:
        yield f"Origin {origin!r}", page.request("POST", "/api/run", RUN, Origin=origin), (403,)
        yield f"GET, Origin {origin!r}", page.request("GET", "/api/schema", Origin=origin), (403,)
    for site in ("cross-site", "same-site", "none", "", None):
        lines = {"Sec_Fetch_Site": site}
        yield f"Sec-Fetch-Site {site!r}", page.request("POST", "/api/run", RUN, **lines), (403,)
    for site in ("cross-site", "same-site"):
        for path in READS[1:]:
            lines = {"Sec_Fetch_Site": site}
            yield f"GET {path}, {site}", page.request("GET", path, **lines), (403,)
    for path in POSTS:
        yield f"{path} without Origin", page.request("POST", path, RUN, Origin=None), (403,)
        bare = page.request("POST", path, RUN, X_Apiyi_Playground=None)
        yield f"{path} without the header", bare, (403,)
    other = page.request("POST", "/api/run", RUN, X_Apiyi_Playground="2")
    yield "another value of the header", other, (403,)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        form = page.request("POST", "/api/run", RUN, Content_Type=kind)
        yield f"a form's type {kind!r}", form, (415,)
    preflight = {"Origin": "http://evil.example", "Access_Control_Request_Method": "POST"}
    yield "a preflight", page.request("OPTIONS", "/api/run", **preflight), (403, 405)
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "HEAD", "OPTIONS"):
        yield method, page.request(method, "/api/run"), (405,)


def _other_users(page: Playground) -> Iterator[tuple[str, bytes, tuple[int, ...]]]:
    name, _, secret = page.cookie.partition("=")
    cookies = (
        *(None, "", "x=y", f"{name}=", f"{name}={secret[:-1]}", f"{name}={secret}x"),
        *(f"apiyi_playground={secret}", f"{name}={'A' * len(secret)}", f"{name[:-1]}={secret}"),
    )
    for cookie in cookies:
        for method, path in (("GET", "/"), ("GET", "/api/history"), ("POST", "/api/run")):
            body = RUN if method == "POST" else b""
            yield (
                f"{path}, Cookie {cookie!r}",
                page.request(method, path, body, Cookie=cookie),
                (401,),
            )
    token = page.target.partition("=")[2]
    for given in (token, token[:-1], "", "é", f"{token}&t=x"):
        used = page.request("GET", f"/?t={given}".encode().decode("latin-1"), Cookie=None)
        yield f"the token {given[:4]!r} again", used, (401,)
    yield "the token elsewhere", page.request("GET", f"/api/schema?t={token}", Cookie=None), (401,)


def _smuggled(page: Playground) -> Iterator[tuple[str, bytes, tuple[int, ...]]]:
    inner = page.request("POST", "/api/run", RUN)
    for lines in (
        {"Transfer_Encoding": "chunked"},
        {"Transfer_Encoding": "identity"},
        {"Content_Length": None},
        {"Content_Length": "+5"},
        {"Content_Length": "0x10"},
        {"Content_Length": "5, 5"},
        {"Content_Length": "-1"},
        {"Content_Length": "9" * 20},
    ):
        yield str(lines), page.request("POST", "/api/run", RUN, **lines), (400, 411)
    good = page.request("POST", "/api/line", b"{}")
    two = good.replace(b"Content-Length: 2", b"Content-Length: 2\r\nContent-Length: 0")
    yield "two lengths", two, (411,)
    huge = page.request("POST", "/api/run", Content_Length=str(9 << 20))
    yield "a huge body", huge, (413,)
    for path in (
        *(
            "/assets/../server.py",
            "/assets/%2e%2e/server.py",
            "/assets/..%2fserver.py",
            "/etc/passwd",
        ),
        *("/made/x/../../../etc/passwd", "/kept/..%2f..%2f/history.ndjson", "//evil.example/"),
        *("/kept/0123456789abcdef/..%2Fhistory.ndjson", "/assets/vendor/", "/assets/index.html%00"),
    ):
        yield path, page.request("GET", path), (404,)
    yield "a second request behind a read", page.request("GET", "/none") + inner, (404,)
    yield "nonsense", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", (400,)
    yield "no version", b"GET /\r\n\r\n", (400, 421)
    yield "a huge head", b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", (400, 431)


def test_no_attempt_of_the_table_gets_anything(playground: Playground, gateway: Gateway) -> None:
    answers: list[tuple[str, tuple[int, ...], PageAnswer]] = []
    for what, request, statuses in attempts(playground):
        answers.append((what, statuses, playground.raw(request)))
    assert len(answers) >= 40
    wrong = [(what, got.status, want) for what, want, got in answers if got.status not in want]
    assert wrong == []
    for what, _, got in answers:
        assert b"PAGE_COMMANDS" not in got.body and b"sk-" not in got.body, what
        assert "Set-Cookie" not in got.head and "Access-Control" not in got.head, what
        assert got.header("Content-Security-Policy").startswith("default-src 'none'"), what
    assert [entry.path for entry in gateway.ledger if entry.method == "POST"] == []
    # The real page is still served.
    assert playground.get("/api/schema").status == 200


def test_the_token_is_worth_one_cookie_for_one_browser(playground: Playground) -> None:
    again = playground.get(playground.target, Cookie=None)
    assert again.status == 401 and b"Start again from the address" in again.body
    assert "重新打开".encode() in again.body
    # The browser that has the cookie may open the printed address once more.
    own = playground.get(playground.target)
    assert (own.status, own.header("Location"), own.header("Set-Cookie")) == (303, "/", "")


def test_the_cookie_is_for_this_port_and_no_script_reads_it(playground: Playground) -> None:
    assert playground.cookie.startswith(f"apiyi_playground_{playground.port}=")
    assert len(playground.cookie.partition("=")[2]) >= 40


def test_every_answer_says_what_a_browser_may_do_with_it(playground: Playground) -> None:
    for path in (*READS, "/favicon.svg", "/none"):
        answered = playground.get(path)
        policy = answered.header("Content-Security-Policy")
        for rule in (
            *("default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'"),
            *("form-action 'none'", "frame-ancestors 'none'", "img-src 'self' blob:"),
        ):
            assert rule in policy.split("; "), path
        assert "unsafe" not in policy and "*" not in policy and "http" not in policy
        assert answered.header("X-Content-Type-Options") == "nosniff"
        assert answered.header("Cross-Origin-Opener-Policy") == "same-origin"
        assert answered.header("Cross-Origin-Resource-Policy") == "same-origin"
        assert answered.header("Referrer-Policy") == "no-referrer"
        assert answered.header("Cache-Control") == "no-store"
        assert answered.header("Connection") == "close"


def test_it_listens_on_this_machine_alone(playground: Playground) -> None:
    listening = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            address, port = line.split()[1].split(":")
            if int(port, 16) == playground.port and line.split()[3] == "0A":
                listening.add(address)
    assert listening == {"0100007F", "00000000000000000000000001000000"}


def test_the_page_is_served_on_both_addresses_of_this_machine(playground: Playground) -> None:
    host = f"[::1]:{playground.port}"
    request = playground.request("GET", "/api/today", Host=host)
    assert playground.raw(request, "::1").status == 200
    local = playground.request("GET", "/api/today", Host=f"localhost:{playground.port}")
    assert playground.raw(local).status == 200
