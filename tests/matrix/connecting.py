"""Faults 1-8, 40 and 43: on the way to the gateway, up to its first byte."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Sequence

import trustme

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from tests.matrix.commands import RECORDING, Command
from tests.matrix.scenes import ALL, Fault, Scene, Stage, closed_port


def dead_primary(scene: Scene) -> None:
    scene.addresses(f"http://127.0.0.1:{closed_port()}/v1", scene.gateway.base_url)
    scene.script(scene.command.well)


def both_dead(scene: Scene) -> None:
    scene.addresses(*(f"http://127.0.0.1:{closed_port()}/v1" for _ in range(2)))


def deaf(scene: Scene) -> str:
    """Return the address of a listener whose queue is full, which answers no SYN."""
    listener = scene.stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(4):
        waiting = scene.stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(listener.getsockname())
    return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


def deaf_primary(scene: Scene) -> None:
    scene.addresses(deaf(scene), scene.gateway.base_url)
    scene.script(scene.command.well)


def only_deaf(scene: Scene) -> None:
    scene.env["APIYI_BASE_URL"] = deaf(scene)


def no_such_name(scene: Scene) -> None:
    scene.env["APIYI_BASE_URL"] = "https://gateway.invalid/v1"


def two_addresses(scene: Scene) -> None:
    """Use a name that is `::1`, where nobody listens, before it is 127.0.0.1."""
    scene.env["APIYI_BASE_URL"] = f"http://localhost:{scene.gateway.port}/v1"
    scene.script(scene.command.well)


def tls(name: str, *, expired: bool = False, trusted: bool = True) -> Stage:
    """Make the stage on which the primary address has such a certificate."""

    def stage(scene: Scene) -> None:
        authority = trustme.CA()
        past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC) if expired else None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name, not_after=past).configure_cert(context)
        if trusted:
            path = scene.apiyi.home / "authority.pem"
            authority.cert_pem.write_to_path(str(path))
            scene.env["SSL_CERT_FILE"] = str(path)
        listener = scene.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        scene.stack.callback(listener.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=_shake_hands, args=(listener, context), daemon=True).start()
        primary = f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
        scene.addresses(primary, scene.stranger().base_url)

    return stage


def _shake_hands(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        try:
            with sock, context.wrap_socket(sock, server_side=True) as secured:
                secured.recv(1)
        except OSError:
            continue


def no_tls(scene: Scene) -> None:
    scene.env["APIYI_BASE_URL"] = scene.gateway.base_url.replace("http://", "https://")


def plain(scene: Scene) -> None:
    """Use https where a server speaks HTTP, and says so of what it cannot read."""
    listener = scene.stack.enter_context(socket.create_server(("127.0.0.1", 0)))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    # Closing alone does not wake a thread in accept().
    scene.stack.callback(thread.join)
    scene.stack.callback(listener.shutdown, socket.SHUT_RDWR)
    scene.env["APIYI_BASE_URL"] = f"https://127.0.0.1:{listener.getsockname()[1]}/v1"


def dropped(command: Command) -> Sequence[ScriptedReply]:
    return command.well.cut(), command.well


def reset(command: Command) -> Sequence[ScriptedReply]:
    return command.well.reset(), command.well


def early(status: int) -> ScriptedReply:
    return ScriptedReply.error(status, "too large", early=True, keep_alive=False)


def too_early(command: Command) -> ScriptedReply:
    return early(413)


def shut(command: Command) -> ScriptedReply:
    return early(413).cut()


def large(scene: Scene) -> None:
    """Have the command send more than a socket takes in before somebody reads."""
    size = 8 << 20
    (scene.apiyi.work / "talk.wav").write_bytes(RECORDING + bytes(size))
    if scene.command.name == "chat":
        (scene.apiyi.home / "long.txt").write_text("word " * (size // 5))
        scene.options = ["-f", str(scene.apiyi.home / "long.txt")]


def behind(reply: ScriptedReply | None) -> Stage:
    """Make the stage with a proxy that answers so; None is one that is not there."""

    def stage(scene: Scene) -> None:
        port = closed_port()
        if reply is not None:
            proxy = scene.stranger()
            scene.foreign.clear()
            proxy.script(*[reply] * 4)
            port = proxy.port
        scene.options = ["--proxy", f"http://me:sk-proxy-password-9d2e@127.0.0.1:{port}"]
        scene.env["APIYI_BASE_URL"] = "https://127.0.0.1:9/v1"

    return stage


def unreadable_proxy(scene: Scene) -> None:
    scene.env |= {"HTTPS_PROXY": "gopher://127.0.0.1:1", "APIYI_BASE_URL": "https://192.0.2.1/v1"}


FAULTS = (
    Fault(
        1,
        "refused, with a backup",
        "chat embed image models speak",
        0,
        stage=dead_primary,
        options="--retries 1",
    ),
    Fault(
        1,
        "refused everywhere",
        "chat image models",
        5,
        stage=both_dead,
        options="--retries 1",
        asked=0,
        said=("connection refused", "retry 1 of 1"),
    ),
    Fault(
        2,
        "the connection hangs, with a backup",
        "chat image models",
        0,
        stage=deaf_primary,
        options="--timeout 1",
    ),
    Fault(
        2,
        "the connection hangs",
        "chat speak models",
        5,
        stage=only_deaf,
        options="--timeout 0.3 --retries 0",
        asked=0,
        said=("no connection in time",),
    ),
    Fault(
        3,
        "the name does not resolve",
        "respond image models",
        5,
        stage=no_such_name,
        asked=0,
        said=("gateway.invalid",),
    ),
    Fault(4, "the first address is dead", "chat embed models", 0, stage=two_addresses),
    Fault(
        5,
        "expired certificate",
        "chat image models",
        10,
        stage=tls("127.0.0.1", expired=True),
        options="",
        asked=0,
        said=("certificate",),
    ),
    Fault(
        5,
        "certificate of another host",
        "chat embed api",
        10,
        stage=tls("elsewhere.example"),
        options="",
        asked=0,
        said=("certificate",),
    ),
    Fault(
        5,
        "certificate that nobody trusts",
        "chat transcribe models",
        10,
        stage=tls("127.0.0.1", trusted=False),
        options="",
        asked=0,
        said=("certificate",),
    ),
    Fault(5, "HTTP where TLS is meant", "chat speak models", 5, stage=plain, asked=0),
    Fault(
        5,
        "silence where TLS is meant",
        "chat",
        5,
        stage=no_tls,
        options="--timeout 1 --retries 0",
        asked=0,
    ),
    Fault(
        6,
        "closed before the headers",
        ALL,
        {"heavy": 8, "else": 0},
        dropped,
        options="--retries 1",
        asked={"heavy": 1, "else": 2},
    ),
    Fault(
        7,
        "reset before the headers",
        "chat chat-whole embed image models",
        {"heavy": 8, "else": 0},
        reset,
        options="--retries 1",
        asked={"heavy": 1, "else": 2},
    ),
    Fault(
        7,
        "reset before the headers, never to be paid twice",
        "chat embed",
        8,
        reset,
        options="--retries 1 --retry-ambiguous 0",
    ),
    Fault(40, "refused before the body was sent", "transcribe chat", 6, too_early, large),
    Fault(40, "closed while the body is sent", "transcribe chat", 5, shut, large),
    Fault(
        43,
        "a proxy that refuses",
        "chat image",
        10,
        stage=behind(ScriptedReply.text("no", status=403)),
        asked=0,
        said=("the proxy refused",),
    ),
    Fault(
        43,
        "a proxy that wants to know who asks",
        "chat embed",
        10,
        stage=behind(ScriptedReply(status=407, headers=(("Proxy-Authenticate", "Basic"),))),
        asked=0,
        said=("the proxy refused",),
    ),
    Fault(
        43,
        "a proxy that hangs up",
        "chat image",
        5,
        stage=behind(ScriptedReply().cut()),
        asked=0,
    ),
    Fault(43, "no proxy there", "chat speak", 5, stage=behind(None), asked=0),
    Fault(
        43,
        "a proxy of no known kind",
        "chat models",
        10,
        stage=unreadable_proxy,
        asked=0,
        said=("HTTPS_PROXY",),
    ),
)
