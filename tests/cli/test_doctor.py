"""`apiyi doctor`: each check is a line, and the first failure is the exit code."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program, Ran

NOWHERE = "http://127.0.0.1:9/v1"
MODELS = {"object": "list", "data": [{"id": "m", "object": "model"}]}


def findings(ran: Ran) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for check in ran.json["checks"]:
        found.setdefault(check["check"], []).append(check)
    return found


def profile(apiyi: Program, *base_urls: str) -> None:
    """Write a profile with these addresses, and take the environment's away."""
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f"[profile.default]\nbase_urls = {json.dumps(base_urls)}\n")
    config.chmod(0o600)


def test_where_all_is_well_it_says_so_and_exits_0(apiyi: Program, gateway: Gateway) -> None:
    ran = apiyi("doctor")
    assert ran.code == 0, ran.text
    assert "FAIL" not in ran.text
    checks = [line.split()[1] for line in ran.text.splitlines() if line[0] != " "]
    assert checks[:5] == ["config", "model", "model", "key", "keyring"]
    assert {"proxy", "tls", "host", "terminal", "manual", "completion", "limits"} <= set(checks)
    assert f"{gateway.base_url}: connected in" in ran.text
    assert [one.path for one in gateway.ledger] == ["/v1/models"]


def test_the_model_of_each_command_is_named_and_judged(apiyi: Program, gateway: Gateway) -> None:
    first, others = findings(apiyi("doctor --json"))["model"]
    assert first["told"] == "gpt-4o (environment APIYI_MODEL)"
    assert others["told"] == (
        "embed text-embedding-3-small, image gpt-image-1, transcribe whisper-1, speak tts-1,"
        " rank bge-reranker-v2-m3, video wan2.7-t2v"
    )
    profile(apiyi, gateway.base_url)
    with (apiyi.home / "config" / "apiyi" / "config.toml").open("a") as config:
        config.write('[profile.default.image]\nmodel = "drawer"\n[alias]\ndrawer = "gpt-4o"\n')
        config.write('[profile.default.speak]\nmodel = "no-such-model"\n')
    env = {"APIYI_MODEL": None, "APIYI_BASE_URL": None}
    none, others, unable, unlisted = findings(apiyi("doctor --json", env=env))["model"]
    assert none["state"] == "warning" and none["told"] == "no default model"
    assert others["told"].endswith("; none for embed, transcribe, video")
    assert others["advice"] == "apiyi config set embed.model text-embedding-3-small"
    assert unable["told"].startswith("image: gpt-4o: it is a text model")
    assert unable["advice"] == "apiyi config set image.model gpt-image-2.5-flare"
    assert unlisted["told"] == "speak: the gateway does not list no-such-model"
    assert unlisted["advice"] == "apiyi config set speak.model gpt-4o-mini-tts"


def test_the_key_is_shown_by_its_tail_and_its_source_only(apiyi: Program) -> None:
    (key,) = findings(apiyi("doctor --json"))["key"]
    assert key["told"] == "…3c2a from environment APIYI_API_KEY"


def test_json_is_one_object_and_ndjson_a_line_for_each_check(apiyi: Program) -> None:
    whole = apiyi("doctor --json").json
    lines = [json.loads(line) for line in apiyi("doctor --ndjson").text.splitlines()]
    assert [one["check"] for one in whole["checks"]] == [one["check"] for one in lines]
    assert all(one["state"] in ("ok", "warning", "failure") for one in lines)
    assert apiyi("doctor --jq '.checks[0].check'").text == "config\n"


def test_a_dead_host_is_named_with_its_own_code(apiyi: Program) -> None:
    ran = apiyi("doctor --json", env={"APIYI_BASE_URL": NOWHERE})
    (host,) = findings(ran)["host"]
    assert ran.code == host["exit_code"] == 5
    assert NOWHERE in host["told"] and "connection refused" in host["told"]
    assert "doctor" not in host["advice"]


def test_both_hosts_are_tried_whatever_the_first_one_says(apiyi: Program, gateway: Gateway) -> None:
    profile(apiyi, NOWHERE, gateway.base_url)
    ran = apiyi("doctor --json", env={"APIYI_BASE_URL": None})
    dead, alive = findings(ran)["host"]
    assert (dead["state"], alive["state"], ran.code) == ("failure", "ok", 5)
    assert "models" in alive["told"]
    assert len(findings(ran)["proxy"]) == 2


def test_without_a_key_the_hosts_are_reached_all_the_same(apiyi: Program, gateway: Gateway) -> None:
    profile(apiyi, gateway.base_url)
    ran = apiyi("doctor --json", env={"APIYI_API_KEY": None, "APIYI_BASE_URL": None})
    found = findings(ran)
    assert ran.code == 4
    assert found["key"][0]["state"] == "failure" and "auth login" in found["key"][0]["advice"]
    assert found["host"][0]["state"] == "ok" and "wants a key" in found["host"][0]["told"]
    assert found["limits"][0]["state"] == "ok"
    assert "authorization" not in gateway.ledger[0].headers


class NodeProxy:
    """A proxy that plays all nodes of the gateway but vip, and keeps what they were sent."""

    def __init__(self, authority: trustme.CA) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("*.apiyi.com").configure_cert(self.context)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.requests: dict[str, bytes] = {}
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self.listener.accept()
                with plain:
                    host = plain.recv(65536).split()[1].decode()
                    if host.startswith("vip."):
                        plain.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                        continue
                    plain.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    with self.context.wrap_socket(plain, server_side=True) as sock:
                        self.requests[host] = sock.recv(65536)
                        sock.sendall(UNKNOWN_KEY)


UNKNOWN_KEY = (
    b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    b'{"error":{"message":"no key","type":"new_api_error"}}'
)


def test_all_nodes_of_the_gateway_are_tried_and_only_the_profiles_get_the_key(
    apiyi: Program, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    profile(apiyi, "https://api.apiyi.com/v1")
    proxy = NodeProxy(authority)
    try:
        ran = apiyi(
            f"doctor --json --proxy {proxy.url} --cacert {tmp_path / 'ca.pem'}",
            env={"APIYI_BASE_URL": None},
        )
    finally:
        proxy.close()
    api, vip, b, cf = findings(ran)["host"]
    assert (api["state"], vip["state"], b["state"], cf["state"]) == (
        *("failure", "warning"),
        *("ok", "ok"),
    )
    assert ran.code == 4 and "exit_code" not in vip
    assert b["told"].startswith("https://b.apiyi.com/v1: connected in ")
    assert cf["told"].endswith("used with --node cf")
    sent = {host: b"authorization" in head.lower() for host, head in proxy.requests.items()}
    assert sent == {
        "api.apiyi.com:443": True,
        "b.apiyi.com:443": False,
        "api-cf.apiyi.com:443": False,
    }


def test_a_key_that_is_refused_exits_4(apiyi: Program) -> None:
    ran = apiyi("doctor --json", env={"APIYI_API_KEY": "sk-wrong-0123456789abcdef"})
    assert ran.code == 4
    assert findings(ran)["host"][0]["state"] == "failure"


@pytest.mark.parametrize(("skew_s", "state"), [(0, "ok"), (-3600, "warning"), (3600, "warning")])
def test_the_clock_is_compared_with_the_servers(
    apiyi: Program, gateway: Gateway, skew_s: int, state: str
) -> None:
    date = formatdate(time.time() - skew_s, usegmt=True)
    gateway.script(ScriptedReply.json(MODELS, headers=(("Date", date),)))
    ran = apiyi("doctor --json")
    (clock,) = findings(ran)["clock"]
    assert (clock["state"], ran.code) == (state, 0)


def test_a_config_that_cannot_be_read_is_named_with_its_line(apiyi: Program) -> None:
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("[profile.default]\nmodel = \n")
    ran = apiyi("doctor --json")
    assert ran.code == 10
    (failure,) = findings(ran)["config"]
    assert f"{config}:2" in failure["told"]


def test_a_proxy_is_named_and_a_wrong_one_fails(apiyi: Program, gateway: Gateway) -> None:
    (direct,) = findings(apiyi("doctor --json"))["proxy"]
    assert direct["told"] == "127.0.0.1: direct"
    ran = apiyi("doctor --json --proxy gopher://x")
    assert ran.code == 10
    assert findings(ran)["proxy"][0]["state"] == "failure"


def test_missing_certificates_are_named(apiyi: Program) -> None:
    ran = apiyi("doctor --json --cacert missing.pem")
    assert ran.code == 10
    (failure,) = findings(ran)["tls"]
    assert "missing.pem" in failure["told"]


def test_limits_that_cannot_be_shared_are_a_warning(apiyi: Program) -> None:
    folder = apiyi.home / "run"
    folder.write_text("no folder")
    ran = apiyi("doctor --json")
    (limits,) = findings(ran)["limits"]
    assert limits["state"] == "warning"
    assert "3000 requests" in limits["told"] and "this process only" in limits["told"]
    assert ran.code == 0


def page(apiyi: Program, folder: Path, script: str) -> dict[str, str]:
    """Put a `man` into a folder of its own, and return the PATH that finds it."""
    folder.mkdir()
    (folder / "man").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "man").chmod(0o755)
    return {"PATH": f"{folder}:{apiyi.environ['PATH']}"}


def test_man_is_asked_where_the_manual_is(apiyi: Program, tmp_path: Path) -> None:
    stale = apiyi.home / ".local" / "share" / "man" / "man1" / "apiyi.1"
    stale.parent.mkdir(parents=True)
    stale.touch()
    shows = page(apiyi, tmp_path / "a", 'test "$*" = "-w apiyi" && echo /opt/man/apiyi.1')
    (found,) = findings(apiyi("doctor --json", env=shows))["manual"]
    assert (found["state"], found["told"]) == ("ok", "man apiyi shows /opt/man/apiyi.1")
    for number, script in enumerate(("exit 16", "echo /x; exit 1", "true")):
        none = page(apiyi, tmp_path / f"b{number}", script)
        (found,) = findings(apiyi("doctor --json", env=none))["manual"]
        assert found["state"] == "warning"


def test_what_is_asked_does_not_get_the_key(apiyi: Program, tmp_path: Path) -> None:
    shows = page(apiyi, tmp_path / "a", 'echo "key is ${APIYI_API_KEY-away}"')
    (found,) = findings(apiyi("doctor --json", env=shows))["manual"]
    assert found["told"] == "man apiyi shows key is away"


@pytest.mark.parametrize(
    ("shell", "place", "seen"),
    [
        ("/usr/bin/fish", "data/fish/vendor_completions.d/apiyi.fish", True),
        ("/usr/bin/fish", "config/fish/completions/apiyi.fish", True),
        ("/usr/bin/fish", ".local/share/fish/vendor_completions.d/apiyi.fish", False),
        ("/bin/bash", "data/bash-completion/completions/apiyi", True),
        ("/bin/bash", ".local/share/bash-completion/completions/apiyi", False),
        ("/usr/bin/zsh", ".local/share/zsh/site-functions/_apiyi", False),
    ],
)
def test_a_completion_counts_where_the_shell_looks(
    apiyi: Program, shell: str, place: str, seen: bool
) -> None:
    env = {"SHELL": shell}
    assert findings(apiyi("doctor --json", env=env))["completion"][0]["state"] == "warning"
    path = apiyi.home / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    (found,) = findings(apiyi("doctor --json", env=env))["completion"]
    assert (found["state"] == "ok") == seen
    assert not seen or str(path) in found["told"]


def test_a_zsh_with_the_folder_in_its_path_sees_it(apiyi: Program) -> None:
    folder = apiyi.home / "functions"
    folder.mkdir()
    (folder / "_apiyi").touch()
    env = {"SHELL": "/usr/bin/zsh", "FPATH": str(folder)}
    assert findings(apiyi("doctor --json", env=env))["completion"][0]["state"] == "ok"


def test_a_completion_that_a_start_file_loads_counts(apiyi: Program) -> None:
    env = {"SHELL": "/bin/bash"}
    start = apiyi.home / ".bashrc"
    start.write_text('# eval "$(apiyi completion bash)"\n')
    assert findings(apiyi("doctor --json", env=env))["completion"][0]["state"] == "warning"
    start.write_text('eval "$(apiyi completion bash)"\n')
    (found,) = findings(apiyi("doctor --json", env=env))["completion"]
    assert found["state"] == "ok" and str(start) in found["told"]
    other = findings(apiyi("doctor --json", env={"SHELL": "/bin/tcsh"}))["completion"][0]
    assert other["state"] == "warning" and "completion bash" in other["advice"]


def test_max_time_ends_a_host_that_stays_silent(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(*[ScriptedReply().stall()] * 3)
    began_s = time.monotonic()
    ran = apiyi("doctor --json --max-time 0.5")
    assert time.monotonic() - began_s < 3
    assert ran.code == 9
    last = json.loads(ran.out)["checks"][-1]
    assert last["state"] == "failure" and "--max-time" in last["told"]


def test_max_time_ends_a_key_command_that_stays_silent(apiyi: Program, gateway: Gateway) -> None:
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    urls = f'base_urls = ["{gateway.base_url}"]'
    config.write_text(f'[profile.default]\n{urls}\nkey_command = ["sleep", "9"]\n')
    config.chmod(0o600)
    began_s = time.monotonic()
    ran = apiyi("doctor --max-time 0.5", env={"APIYI_API_KEY": None, "APIYI_BASE_URL": None})
    assert time.monotonic() - began_s < 4
    assert ran.code == 9 and "stopped by --max-time" in ran.text


def test_on_a_terminal_the_states_stand_out(apiyi: Program) -> None:
    screen = apiyi.terminal("doctor", columns=150)
    assert screen.code == 0
    assert b"\x1b[32mok" in screen.raw
    assert any("xterm-256color, 150 columns" in line for line in screen.lines)
