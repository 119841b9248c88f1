"""The manual's recipes for several machines, run with the real engines where they are installed.

GNU parallel, a Slurm of one node that the test starts itself, kubectl for the manifest, and a
Redis that is restarted, paused and far away while batches on four machines are killed.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway
from tests.conftest import KEY
from tests.redis_server import SERVER, Redis, Relay

if TYPE_CHECKING:
    from tests.conftest import Program

PAGE = files("apiyi_cli.manual").joinpath("sections/batch.md").read_text("utf-8")
SLURM = ("munged", "slurmctld", "slurmd", "sbatch", "scancel")


def recipe(start: str) -> str:
    """Return the block of the manual that begins with a text."""
    (block,) = re.findall(rf"^```\n({re.escape(start)}.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(block)


def write_rows(program: Program, count: int) -> None:
    rows = ({"id": f"r{n}", "prompt": f"question {n}", "max_tokens": 20} for n in range(count))
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (program.work / "rows.jsonl").write_text(text)


def prove(program: Program, ledger: list[ReceivedRequest], outputs: str = "out-*.jsonl") -> Any:
    """Check that all rows are answered once, and that each payment is an answer or is told."""
    ran = program.shell(f"apiyi batch verify {outputs} --rows rows.jsonl")
    assert ran.code == 0, ran.err
    numbers = ran.json
    paid = sum(request.billed for request in ledger)
    assert numbers["ok"] <= paid <= numbers["ok"] + numbers["maybe_billed_twice"] + numbers["lost"]
    return numbers


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_the_manifest_is_one_that_kubernetes_knows(tmp_path: Path) -> None:
    manifest = recipe("apiVersion: batch/v1")
    (tmp_path / "job.yaml").write_text(manifest)
    # What its schema does not know is lost on the way through kubectl's own types.
    words = ["kubectl", "set", "image", "--local", "-f", "job.yaml", "apiyi=other", "-o", "json"]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    names = set(re.findall(r"([A-Za-z]+):(?:\s|$)", manifest))
    assert {name for name in names if f'"{name}":' not in ran.stdout} == set()
    spec = json.loads(ran.stdout)["spec"]
    (line,) = spec["template"]["spec"]["containers"][0]["args"]
    assert f"/{spec['completions']}" in line.split("--shard")[1]


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("parallel") is None, reason="GNU parallel is not installed")
def test_parallel_goes_on_with_what_failed(started: Program, gateway: Gateway) -> None:
    write_rows(started, 60)
    line = recipe("seq 30 | parallel").replace("30", "6")
    line = line.replace("--sshlogin one,two,three -j 1 --workdir /shared", "-j 3 --will-cite")
    started.environ["APIYI_MODEL"] = ""
    (started.work / "out-4.jsonl").mkdir()
    assert started.shell(line).code != 0
    (started.work / "out-4.jsonl").rmdir()
    before = len(gateway.ledger)
    ran = started.shell(line)
    assert ran.code == 0, ran.err
    assert 0 < len(gateway.ledger) - before < 30
    assert prove(started, gateway.ledger)["requests"] == 60


class Slurm:
    """A controller and a node of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.environ = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._folder = folder
        (folder / "state").mkdir()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        host = socket.gethostname().partition(".")[0]
        ports = []
        for _ in range(2):
            with socket.create_server(("127.0.0.1", 0)) as free:
                ports.append(free.getsockname()[1])
        settings = {
            "ClusterName": "test",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={folder}/munge.sock",
            "SlurmUser": "root",
            "SlurmctldPort": ports[0],
            "SlurmdPort": ports[1],
            "SlurmctldPidFile": f"{folder}/slurmctld.pid",
            "SlurmdPidFile": f"{folder}/slurmd.pid",
            "StateSaveLocation": f"{folder}/state",
            "SlurmdSpoolDir": f"{folder}/spool",
            "SlurmctldLogFile": f"{folder}/slurmctld.log",
            "SlurmdLogFile": f"{folder}/slurmd.log",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core",
            "MpiDefault": "none",
            "SchedulerParameters": "sched_interval=1",
        }
        node = f"NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} State=UNKNOWN\n"
        part = f"PartitionName=p Nodes={host} Default=YES State=UP OverSubscribe=FORCE:4\n"
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (folder / "slurm.conf").write_text(text + node + part)
        names = {word: f"{folder}/munge.{word}" for word in ("socket", "pid", "log", "seed")}
        self._start(
            "munged",
            f"--key-file={key}",
            f"--socket={folder}/munge.sock",
            f"--pid-file={names['pid']}",
            f"--log-file={names['log']}",
            f"--seed-file={names['seed']}",
            "--force",
        )
        self._start("slurmctld")
        self._start("slurmd", "-N", host)
        for _ in range(100):
            if "idle" in self.run("sinfo", "-h"):
                return
            time.sleep(0.1)
        raise OSError("the node does not come up")

    def _start(self, *words: str) -> None:
        environ = {**os.environ, **self.environ}
        subprocess.run(words, env=environ, capture_output=True, check=True, timeout=20)

    def run(self, *words: str, cwd: Path | None = None, env: Any = None) -> str:
        environ = {**(env or os.environ), **self.environ}
        ran = subprocess.run(
            words, cwd=cwd, env=environ, capture_output=True, text=True, timeout=120, check=False
        )
        return ran.stdout + ran.stderr

    def stop(self) -> None:
        for name in ("slurmd", "slurmctld", "munge"):
            with suppress(OSError, ValueError):
                os.kill(int((self._folder / f"{name}.pid").read_text()), signal.SIGTERM)


@pytest.fixture
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    missing = [word for word in SLURM if shutil.which(word) is None]
    if missing or os.getuid() != 0:
        pytest.skip(f"Slurm does not start here: {', '.join(missing) or 'not root'}")
    # Sockets have short names.
    folder = tmp_path_factory.mktemp("slurm")
    folder.chmod(0o755)
    try:
        running = Slurm(folder)
    except (OSError, subprocess.SubprocessError) as failure:
        pytest.skip(f"Slurm does not start here: {failure}")
    yield running
    running.stop()


class Slow(Gateway):
    """A gateway whose answers take a moment."""

    def _reply_to(self, request: ReceivedRequest) -> ScriptedReply:
        return super()._reply_to(request).replace(delay_s=DELAY_S)


DELAY_S = 0.3


@pytest.mark.nightly
def test_a_slurm_array_drains_and_goes_on_in_part(started: Program, slurm: Slurm) -> None:
    write_rows(started, 120)
    job = recipe("#!/bin/sh\n#SBATCH").replace("1-30%3", "1-4%2").replace("/30", "/4 -j 2")
    job = job.replace('/4 -j 2"', '/4" -j 2')
    (started.work / "job.sh").write_text(job)
    with Slow(key=KEY) as slow:
        started.environ["APIYI_BASE_URL"] = slow.base_url
        environ = started.environment(None)
        words = ("sbatch", "--parsable", "job.sh")
        number = slurm.run(*words, cwd=started.work, env=environ).strip()
        assert number.isdecimal(), number
        while len(slow.ledger) < 10:
            time.sleep(0.05)
        slurm.run("scancel", "--state=PENDING", number)
        slurm.run("scancel", "--batch", "--signal=INT", number)
        while slurm.run("squeue", "-h", "-t", "R,CG"):
            time.sleep(0.2)
        verified = started.shell("apiyi batch verify out-*.jsonl")
        # All that was in flight was waited for and recorded.
        assert (verified.json["lost"], verified.json["unknown"]) == (0, 0)
        assert verified.json["ok"] == len(slow.ledger) < 120
        slurm.run("scancel", number)
        # Parts of the array again, one after the other: the number of shards is the job's.
        for part in ("2,4", "1,3"):
            slurm.run(
                "sbatch", "--wait", f"--array={part}", "job.sh", cwd=started.work, env=environ
            )
        assert prove(started, slow.ledger)["requests"] == 120
        count = job.replace("/4", "/$SLURM_ARRAY_TASK_COUNT")
        (started.work / "count.sh").write_text(count)
        slurm.run("sbatch", "--wait", "--array=2,1", "count.sh", cwd=started.work, env=environ)
        assert len(slow.ledger) == 120
        told = "".join(path.read_text() for path in started.work.glob("slurm-*.out"))
        assert "is shard 2/4" in told and "this run is for shard 2/2" in told


@pytest.mark.nightly
@pytest.mark.skipif(SERVER is None, reason="redis-server is not installed")
def test_killed_machines_and_a_store_that_comes_and_goes_lose_nothing(started: Program) -> None:
    pytest.importorskip("redis", reason="the Python package redis is not installed")
    rows, shards, machines = 3000, 40, 4
    write_rows(started, rows)
    chance = random.Random(17)
    waiting = list(range(shards))
    with ExitStack() as stack:
        gateway = stack.enter_context(Gateway(key=KEY))
        store = Redis()
        stack.callback(store.stop)
        relay = stack.enter_context(Relay(store.port, 0.025))
        environ = {"APIYI_BASE_URL": gateway.base_url, "APIYI_LIMITS_STORE": relay.url}
        running: dict[int, tuple[int, subprocess.Popen[bytes]]] = {}
        kills, finished, restarts = 0, 0, 0
        deadline = time.monotonic() + 900
        while finished < shards and time.monotonic() < deadline:
            for machine in set(range(machines)) - set(running):
                if waiting:
                    shard = waiting.pop(0)
                    line = f"batch rows.jsonl -o out-{shard}.jsonl --shard {shard}/{shards} -q"
                    line += " --rpm 100000 --tpm 100000000"
                    own = {**environ, "XDG_RUNTIME_DIR": str(started.home / f"m{machine}")}
                    how = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
                    running[machine] = shard, started.start(line, env=own, **how)
            time.sleep(0.1)
            for machine, (shard, process) in list(running.items()):
                if process.poll() is None and kills < 12 and chance.random() < 0.02:
                    process.kill()
                    kills += 1
                if process.poll() is not None:
                    process.wait()
                    del running[machine]
                    done = process.returncode == 0
                    finished += done
                    if not done:
                        waiting.append(shard)
            if restarts < 2 and finished >= 8 * (restarts + 1):
                restarts += 1
                if restarts == 1:
                    store.stop()
                    time.sleep(1)
                    store.start()
                else:
                    os.kill(store.pid, signal.SIGSTOP)
                    time.sleep(4)
                    os.kill(store.pid, signal.SIGCONT)
        assert finished == shards and kills
        prove(started, gateway.ledger)
