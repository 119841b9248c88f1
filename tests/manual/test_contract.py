"""The names that users' scripts depend on: none of them may go, whatever else changes.

A new option needs no line here; one that is here stays, or the change breaks people's scripts.
"""

from __future__ import annotations

from functools import cache

import pytest

from apiyi_cli.cli.app import describe_all
from apiyi_cli.core.exit_codes import EXIT_CODES
from apiyi_cli.manual.describe import Command

SHARED = """
    --base-url --cacert --cache --code --color --dry-run --force --help --jq --json
    --key-file --max-time --model --ndjson --no-cache --no-failover --no-limits --option
    --output --profile --proxy --quiet --retries --rpm --timeout --tpm --usage --verbose -H
    -O -h -m -o -q -u -v
"""
"""What every command that sends a request takes; `api` and `models` name no model."""

PROMISED = {
    "": "--profile -q --quiet -v --verbose -V --version",
    "chat": """
        --attach --continue --extract --file --frequency-penalty --hide-reasoning --json-mode
        --logit-bias --logprobs --markdown --max-steps --max-tokens --messages --n --no-markdown
        --no-newline --no-parallel-tools --no-stdin --no-stream --presence-penalty
        --reasoning-effort --run --schema --seed --session --stop --stream --strict-finish
        --system --temperature --tool --tool-choice --top-logprobs --top-p --user --verbosity
        --yes -R -a -c -f -n -s -x
    """,
    "complete": """
        --batch-size --best-of --echo --extract --file --frequency-penalty --hide-reasoning
        --json-mode --lines --logit-bias --logprobs --markdown --max-tokens --n --no-markdown
        --no-newline --no-stdin --no-stream --presence-penalty --schema --seed --stop --stream
        --strict-finish --suffix --temperature --top-p --user -R -f -n -x
    """,
    "respond": """
        --attach --continue --extract --file --hide-reasoning --instructions --json-mode
        --markdown --max-output-tokens --max-steps --max-tokens --messages --no-markdown
        --no-newline --no-parallel-tools --no-stdin --no-stream --reasoning-effort
        --reasoning-summary --run --schema --session --stream --strict-finish --system
        --temperature --tool --tool-choice --top-logprobs --top-p --user --verbosity
        --web-search --yes -R -a -c -f -n -s -x
    """,
    "embed": """
        --base64 --batch-size --dimensions --file --jobs --jsonl --lines --no-stdin --no-text
        --text --user -f -j -n
    """,
    "rank": """
        --encoding --file --jobs --jsonl --lines --threshold --top --vectors -f -j -n
    """,
    "image": """
        --allow-private --aspect-ratio --background --file --input --jobs --lines --mask --n
        --no-stdin --output-compression --output-format --preview --quality --seed --size
        --skip-existing --style --vary -f -i -j -n
    """,
    "transcribe": """
        --diarize --format --jobs --language --no-stream --prompt --split --stream --temperature
        --timestamps --translate --skip-existing -j
    """,
    "video": """
        --allow-private --audio --duration --file --first --input --jobs --last --lines --no-audio
        --no-stdin --poll --ratio --reference --resolution --seed --skip-existing -f -i -j -n
    """,
    "speak": """
        --file --format --instructions --no-stdin --skip-existing --speed --voice -f -n
    """,
    "api": """
        --input -F -f
    """,
    "batch": """
        --allow-private --aspect-ratio --background --base64 --best-of --check --diarize
        --dimensions --echo --endpoint --errors --fail-fast --format --frequency-penalty --jobs
        --json-mode --language --limit --lines --logit-bias --logprobs --max-cost --max-errors
        --max-tokens --n --no-parallel-tools --on-unknown --ordered --output-compression
        --output-format --presence-penalty --quality --reasoning-effort --reasoning-summary
        --retry-failed --save --schema --seed --size --stop --strict --style --suffix --summary
        --system --temperature --template --text --timestamps --tool --tool-choice
        --top-logprobs --top-p --translate --user --verbosity --web-search -j -s
    """,
    "models": "--update-prices",
    "usage": "--since --by --json --ndjson",
    "session list": "--json",
    "session show": "",
    "session rm": "",
    "cache path": "",
    "cache stats": "",
    "cache clear": "",
    "auth login": "--with-token --no-check --insecure-storage --profile --base-url --key-file",
    "auth status": "--profile --json",
    "auth logout": "--profile",
    "auth token": "--profile",
    "config list": "--origin --profile --json",
    "config get": "--profile",
    "config set": "--profile",
    "config unset": "--profile",
    "config path": "",
    "config edit": "",
    "doctor": "--profile --json",
    "sandbox": "--port --fault",
    "completion": "",
    "help": "",
}
SENDING = (
    *("chat", "complete", "respond", "embed", "rank", "image", "transcribe", "speak", "video"),
    "batch",
)


@cache
def commands() -> dict[str, Command]:
    return {" ".join(one.path[1:]): one for one in describe_all().walk()}


def spellings(one: Command) -> set[str]:
    return {name for option in one.options for name in option.spellings}


@pytest.mark.parametrize("name", PROMISED)
def test_a_command_keeps_the_options_that_were_promised(name: str) -> None:
    promised = set(PROMISED[name].split()) | {"-h", "--help"}
    if name in SENDING:
        promised |= set(SHARED.split())
    elif name in ("api", "models"):
        promised |= set(SHARED.split()) - {"-m", "--model"}
    assert promised - spellings(commands()[name]) == set()


def test_the_exit_codes_keep_their_numbers() -> None:
    named = {row.name: row.code for row in EXIT_CODES}
    assert named == {
        "ok": 0,
        "bug": 1,
        "usage": 2,
        "partial": 3,
        "auth": 4,
        "temporary": 5,
        "rejected": 6,
        "no-funds": 7,
        "incomplete": 8,
        "limit": 9,
        "setup": 10,
        "output": 11,
    }
