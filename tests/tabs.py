"""What one TAB costs in a shell, for the tests and the benchmark."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from apiyi_cli.manual.completion import SCRIPTS

ROUNDS = 8
EACH = 10
# What is typed up to the cursor: every option of the command with the most of them is offered.
LINE = "apiyi chat -q --"

_BASH = f"""\
COMP_LINE='{LINE}' COMP_POINT={len(LINE)} COMP_WORDS=({LINE}) COMP_CWORD=3
_apiyi
echo "${{#COMPREPLY[@]}}"
TIMEFORMAT='%U %S'
for round in {{1..{ROUNDS}}}; do
  {{ time for i in {{1..{EACH}}}; do _apiyi; done; }} 2>&1
done
"""
_FISH = f"""\
complete -C '{LINE}' | count
for round in (seq {ROUNDS})
    begin; time for i in (seq {EACH}); complete -C '{LINE}' >/dev/null; end; end
end
"""
_COMMANDS = {"bash": ["bash", "--norc"], "fish": ["fish", "--no-config"]}
_UNITS = {"micros": 1e-6, "millis": 1e-3, "secs": 1.0}


def tab(shell: str, scripts: Path, env: Mapping[str, str]) -> tuple[int, float]:
    """Return how many words bash or fish offers at a TAB, and its processor time in seconds.

    It is the least of several rounds: whatever else the machine does only adds to one.
    """
    source = f". {scripts / SCRIPTS[shell]}\n{_BASH if shell == 'bash' else _FISH}"
    ran = subprocess.run(
        _COMMANDS[shell],
        input=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=dict(env),
        timeout=60,
        check=True,
    )
    count, told = ran.stdout.split("\n", 1)
    if shell == "bash":
        spent = [float(one) for one in told.split()]
    else:
        found = re.findall(r"(?:usr|sys) time +([\d.]+) (\w+)", told)
        spent = [float(number) * _UNITS[unit] for number, unit in found]
    rounds = [user + system for user, system in zip(spent[::2], spent[1::2], strict=True)]
    assert len(rounds) == ROUNDS, ran.stdout
    return int(count), min(rounds) / EACH
