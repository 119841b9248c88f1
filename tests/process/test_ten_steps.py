"""CONTRIBUTING walks one `apiyi chat` through ten steps: a real run takes them in that order."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"
WRITING = 10
"""The step that writes: it pulls the answer out of the others, so it is entered before them."""
UNUSED = {
    "wire/http/preconnect.py",
    "cli/gateway/dry_run.py",
    "wire/cache.py",
    "wire/retry/failover.py",
}
"""Files that a plain run with one base URL does not need."""
TABLES = {"cli/command_table.py"}
"""Files without a function."""
DRIVER = """
import json, sys
entered, on_stack = [], []

def note(frame, event, argument):
    if event != "call" or "/apiyi_cli/" not in frame.f_code.co_filename:
        return
    name = frame.f_code.co_filename.rpartition("/apiyi_cli/")[2]
    code = frame.f_code
    is_client = name == "wire/http/client.py"
    # Not a module's or class's own code, nor the making of the client, which comes earlier.
    if code.co_flags & 2 and not (is_client and code.co_name != "send") and name not in entered:
        entered.append(name)
    if not on_stack and is_client and code.co_name == "send":
        while frame:
            path = frame.f_code.co_filename
            if "/apiyi_cli/" in path:
                name = path.rpartition("/apiyi_cli/")[2]
                if on_stack[-1:] != [name]:
                    on_stack.append(name)
            frame = frame.f_back

from apiyi_cli.main import main
sys.setprofile(note)
code = main(sys.argv[1:])
sys.setprofile(None)
sys.stderr.write(json.dumps([entered, on_stack]))
sys.exit(code)
"""


def steps() -> dict[int, list[str]]:
    """Return the files that each of the ten steps names."""
    text = CONTRIBUTING.read_text("utf-8").partition("in ten steps")[2].partition("\n## ")[0]
    parts = re.split(r"^(\d+)\. ", text, flags=re.M)[1:]
    return {
        int(number): re.findall(r"`([a-z_/]+\.py)`", step)
        for number, step in zip(parts[::2], parts[1::2], strict=True)
    }


def test_a_chat_takes_the_ten_steps_in_their_order(apiyi: Program, gateway: Gateway) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, "chat", "hi"],
        cwd=apiyi.work,
        env=apiyi.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=True,
    )
    entered, on_stack = json.loads(done.stderr.splitlines()[-1])
    files = steps()
    assert list(files) == list(range(1, 11))
    named = {name: number for number, names in reversed(files.items()) for name in names}
    assert named.keys() - UNUSED - TABLES <= set(entered)
    taken = [named[name] for name in entered if named.get(name, WRITING) != WRITING]
    assert taken == sorted(taken)
    # Each file is one place on the way; these two lend a function to what they call.
    twice = {name for name in on_stack if on_stack.count(name) > 1}
    assert twice == {"cli/conversation/loop.py", "wire/send.py"}
