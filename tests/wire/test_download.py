"""Downloads: what is fetched, what is refused before a byte leaves, and how often it is tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apiyi_cli.core.clock import Clock
from apiyi_cli.core.hosts import is_public
from apiyi_cli.errors import IncompleteError, LimitError
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from apiyi_cli.settings.defaults import Timeouts
from apiyi_cli.wire.download import download
from apiyi_cli.wire.send import Plan


def fine(content: bytes, declared: str) -> str | None:
    return None if content.startswith(b"picture") else f"{declared} is no picture"


class RecordingClock:
    """A clock that does not wait, and knows for how long it was asked to."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    @property
    def clock(self) -> Clock:
        return Clock(sleep=self.seconds.append)


def plan(gateway: Gateway | None = None, **rest: Any) -> Plan:
    base_url = gateway.base_url if gateway is not None else "https://api.apiyi.com/v1"
    settings: dict[str, Any] = {
        "base_urls": (base_url,),
        "key": lambda base_url: "sk-never-sent",
        "tell": print,
        "environ": {},
        "clock": RecordingClock().clock,
        **rest,
    }
    return Plan(**settings)


@pytest.fixture
def server() -> Iterator[Gateway]:
    with Gateway() as running:
        yield running


def moved(target: str, status: int = 302) -> ScriptedReply:
    return ScriptedReply(status=status, headers=(("Location", target),), content_type=None)


PICTURE = ScriptedReply(body=b"picture", content_type="image/png")


def test_the_gateways_own_origin_is_trusted_and_gets_no_key(server: Gateway) -> None:
    server.script(PICTURE)
    url = f"{server.origin}/p/a b.png?x=%2F&y=ü#part"
    own = plan(server, extra=("X-Own: 1",))
    assert download(url, own, accepted=fine) == b"picture"
    (asked,) = server.ledger
    assert (asked.method, asked.path, asked.query) == ("GET", "/p/a b.png", "x=%2F&y=%C3%BC")
    assert set(asked.headers) == {"host", "accept", "accept-encoding", "user-agent"}


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/x.png",
        "file:///etc/passwd",
        "ftp://example.com/x.png",
        "data:image/png;base64,AAAA",
        "https://",
        "https:///x.png",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://gateway.localhost/x",
        "https://printer.local/x",
        "https://metadata.google.internal/x",
        "https://10.0.0.1/x",
        "https://192.168.1.1/x",
        "https://172.16.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/x",
        "https://0.0.0.0/x",
        "https://0x7f.1/x",
        "https://2130706433/x",
        "https://127.1/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[::ffff:7f00:1]/x",
        "https://[fc00::1]/x",
        "https://[fe80::1]/x",
        "https://[64:ff9b::7f00:1]/x",
        "https://[2002:7f00:1::]/x",
        "https://user:pass@example.com/x",
        "https://example.com:port/x",
        "https://example.com/a\nb",
        "https://127.0.0.1\\@example.com/x",
    ],
)
def test_an_address_that_is_not_public_is_refused_without_a_second_try(address: str) -> None:
    waits = RecordingClock()
    with pytest.raises(IncompleteError) as failure:
        download(address, plan(clock=waits.clock), accepted=fine)
    assert waits.seconds == []
    assert address in (failure.value.hint or "")


def test_a_redirect_is_followed_and_judged_like_the_url(server: Gateway) -> None:
    with Gateway() as stranger:
        server.script(moved("/b", 301), moved(f"{server.origin}/c", 308), PICTURE)
        assert download(f"{server.origin}/a", plan(server), accepted=fine) == b"picture"
        assert [one.path for one in server.ledger] == ["/a", "/b", "/c"]
        server.script(moved(f"{stranger.origin}/secret"))
        with pytest.raises(IncompleteError):
            download(f"{server.origin}/a", plan(server), accepted=fine)
        server.script(moved(stranger.origin.replace("http", "https")))
        with pytest.raises(IncompleteError, match=r"127\.0\.0\.1 is not a public address"):
            download(f"{server.origin}/a", plan(server), accepted=fine)
        assert stranger.connections == 0


def test_the_fourth_redirect_is_not_followed(server: Gateway) -> None:
    server.script(*[moved(f"/{k}") for k in range(5)])
    with pytest.raises(IncompleteError, match="more than 3 times"):
        download(f"{server.origin}/a", plan(server), accepted=fine)
    assert len(server.ledger) == 4


def test_allow_private_lifts_it_all() -> None:
    with Gateway() as stranger:
        stranger.script(PICTURE)
        url = f"{stranger.origin}/x.png"
        assert download(url, plan(), accepted=fine, private=True) == b"picture"


@pytest.mark.parametrize(
    "reply",
    [
        ScriptedReply.text("not yet", status=404),
        ScriptedReply.text("not yet", status=403),
        ScriptedReply.text("busy", status=503),
        ScriptedReply.text("<html>", "text/html"),
        ScriptedReply(content_type="image/png").cut(),
        ScriptedReply(body=b"pict", length_off=10, content_type="image/png"),
    ],
)
def test_what_may_pass_is_tried_three_times(server: Gateway, reply: ScriptedReply) -> None:
    waits = RecordingClock()
    own = plan(server, clock=waits.clock)
    server.script(reply, reply, PICTURE)
    assert download(f"{server.origin}/x", own, accepted=fine) == b"picture"
    assert len(waits.seconds) == 2
    server.script(reply, reply, reply)
    with pytest.raises(IncompleteError) as failure:
        download(f"{server.origin}/x", own, accepted=fine)
    assert f"{server.origin}/x" in (failure.value.hint or "")
    assert len(server.ledger) == 6


def test_what_is_gone_for_good_is_asked_for_once(server: Gateway) -> None:
    server.script(ScriptedReply.text("gone", status=410))
    with pytest.raises(IncompleteError, match="HTTP 410"):
        download(f"{server.origin}/x", plan(server), accepted=fine)
    assert len(server.ledger) == 1


@pytest.mark.parametrize("announced", [True, False])
def test_more_than_64_megabytes_are_not_read(server: Gateway, announced: bool) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(1 << 20)

    headers = (("Content-Length", str(65 << 20)),) if announced else ()
    reply = ScriptedReply(
        body=endless,
        headers=headers,
        content_type="image/png",
        transfer="close" if announced else None,
    )
    server.script(reply)
    with pytest.raises(IncompleteError, match=r"larger than 64 MB|unfolds to more than"):
        download(f"{server.origin}/x", plan(server), accepted=fine)
    assert server.wait_for(lambda: server.ledger[0].done)
    assert server.ledger[0].bytes_answered < 80 << 20


def test_a_packed_bomb_is_not_unpacked_beyond_the_limit(server: Gateway) -> None:
    import zlib

    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(80)) + packer.flush()
    assert len(bomb) < 1 << 20
    headers = (("Content-Encoding", "gzip"),)
    server.script(ScriptedReply(body=bomb, headers=headers, content_type="image/png"))
    with pytest.raises(IncompleteError, match=r"larger than 64 MB|unfolds to more than"):
        download(f"{server.origin}/x", plan(server), accepted=fine)


def test_the_runs_own_limit_is_not_mistaken_for_a_failed_download(server: Gateway) -> None:
    server.script(PICTURE.replace(stop=ScriptedReply().cut().stop))
    past = plan(server, timeouts=Timeouts(total_at=0.0))
    with pytest.raises(LimitError):
        download(f"{server.origin}/x", past, accepted=fine)


def test_a_slow_download_ends_after_two_minutes(server: Gateway) -> None:
    now = [0.0]

    def monotonic() -> float:
        now[0] += 20.0
        return now[0]

    # Pieces too large for two of them to arrive in one read.
    server.script(*[ScriptedReply(body=(b"p" * 100_000,) * 30, content_type="image/png")] * 3)
    slow = plan(server, clock=Clock(monotonic=monotonic, sleep=lambda seconds: None))
    with pytest.raises(IncompleteError, match="bytes came in 120 s"):
        download(f"{server.origin}/x", slow, accepted=fine)


def test_behind_a_proxy_private_names_are_refused_and_public_ones_left_to_it(
    server: Gateway,
) -> None:
    proxied = plan(proxy=server.origin)
    for address in ("https://intranet/x", "https://10.0.0.1/x", "https://[::1]/x"):
        with pytest.raises(IncompleteError, match="is not a public address"):
            download(address, proxied, accepted=fine)
    assert server.connections == 0


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("100.64.1.1", False),
        ("169.254.169.254", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("0.0.0.0", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
        ("2001:db8::1", False),
        ("not an address", False),
    ],
)
def test_public_addresses_are_told_from_all_others(address: str, public: bool) -> None:
    assert is_public(address) is public
