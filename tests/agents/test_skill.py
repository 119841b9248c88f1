"""`apiyi skill`: an agent that reads only this and `apiyi describe` can do its work."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.agents.skill import __file__ as skill_module
from apiyi_cli.cli.command_table import COMMANDS
from apiyi_cli.core.exit_codes import EXIT_CODES

if TYPE_CHECKING:
    from tests.conftest import Program, Ran

FOLDER = Path(skill_module).parent
FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
SANDBOX = {
    "APIYI_PROFILE": "sandbox",
    "APIYI_BASE_URL": None,
    "APIYI_API_KEY": None,
    "APIYI_MODEL": None,
}


class Agent:
    """Knows what the skill and the schema say, and nothing else."""

    def __init__(self, apiyi: Program) -> None:
        self.apiyi = apiyi
        self.skill = self.run("skill").text
        self.blocks = FENCE.findall(self.skill)

    def run(self, line: str) -> Ran:
        return self.apiyi.shell(f"apiyi {line}", env=SANDBOX)

    def find_command(self, *about: str) -> str:
        """Return the command whose line in the skill speaks of these words."""
        listed = re.findall(r"^- `apiyi (\w+)`: (.*)$", self.skill, re.MULTILINE)
        (name,) = [name for name, help in listed if all(word in help for word in about)]
        return str(name)

    def find_option(self, command: str, *about: str) -> str:
        """Return the option of a command that the schema explains with these words."""
        schema: dict[str, Any] = self.run(f"describe {command}").json["$defs"][command]
        options = schema["properties"]["options"]["properties"]
        (name,) = [
            name
            for name, option in options.items()
            if all(word in option["description"] for word in about)
        ]
        return str(name)

    def may_run_again(self, code: int) -> bool:
        """Return True if the table of exit codes says that another attempt is free."""
        row = re.search(rf"^\| {code} \| .*? \| ([^|]*) \|$", self.skill, re.MULTILINE)
        assert row is not None
        return row[1] == "free"


@pytest.fixture
def agent(apiyi: Program) -> Agent:
    return Agent(apiyi)


def test_the_file_begins_as_agents_read_it(agent: Agent) -> None:
    head, name, description, end = agent.skill.splitlines()[:4]
    assert (head, name, end) == ("---", "name: apiyi", "---")
    assert 100 < len(description) < 1024
    assert agent.run("skill > SKILL.md").code == 0


def test_commands_and_exit_codes_are_those_of_the_tables(agent: Agent) -> None:
    assert re.findall(r"^- `apiyi (\w+)`: ", agent.skill, re.MULTILINE) == list(COMMANDS)
    codes = re.findall(r"^\| (\d+) \| ([\w-]+) \|", agent.skill, re.MULTILINE)
    assert codes == [(str(row.code), row.name) for row in EXIT_CODES]


def test_every_example_runs(agent: Agent) -> None:
    for block in agent.blocks:
        done = agent.apiyi.shell(f"set -eo pipefail\n{block}", env=SANDBOX)
        assert done.code == 0, f"{block}\n{done.err}"


def test_an_agent_does_its_work_by_the_skill_and_the_schema(agent: Agent) -> None:
    check = agent.find_command("what works and what does not")
    assert agent.run(check).code == 0
    models = agent.run(agent.find_command("List", "models")).text.split()
    assert "sandbox-1" in models

    chat = agent.find_command("chat completion")
    limit = agent.find_option(chat, "Most tokens")
    answer = agent.run(f"{chat} {limit}=50 -- 'What is 1+1?'")
    assert answer.code == 0
    assert "[sandbox]" in answer.text
    assert answer.err == ""

    image = agent.find_command("Draw", "pictures")
    target = agent.find_option(image, "instead of stdout")
    drawn = agent.run(f"{image} {target}=cat.png -- 'a cat'")
    assert drawn.text == "cat.png\n"
    assert (agent.apiyi.work / "cat.png").read_bytes().startswith(b"\x89PNG")

    batch = agent.find_command("thousands of requests")
    rows = [{"id": "good", "prompt": "1+1?"}, {"id": "bad", "prompt": "x", "model": "fault:500*3"}]
    (agent.apiyi.work / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    check = agent.find_option(batch, "Check all rows", "send nothing")
    assert agent.run(f"{batch} rows.jsonl {check}").code == 0
    first = agent.run(f"{batch} rows.jsonl -o out.jsonl --retries=0")
    assert first.code == 3
    assert not agent.may_run_again(first.code)
    rows.append({"id": "new", "prompt": "2+2?"})
    (agent.apiyi.work / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    again = agent.find_option(batch, "again", "failed")
    assert agent.run(f"{batch} rows.jsonl -o out.jsonl {again} --retries=0").code == 3
    records = map(json.loads, (agent.apiyi.work / "out.jsonl").read_text().splitlines())
    assert sorted(record["custom_id"] for record in records) == ["bad", "bad", "good", "new"]


def test_an_agent_branches_on_exit_codes(agent: Agent) -> None:
    expected = {"fault:429": 5, "fault:402": 7, "fault:cut@3": 8, "fault:404": 6, "fault:401": 4}
    for model, code in expected.items():
        done = agent.run(f"chat -m {model} --retries=0 --json -- hi")
        assert done.code == code
        error = json.loads(done.err)["error"]
        assert error["exit_code"] == code
        assert agent.may_run_again(code) is (code == 5)


def test_both_languages_are_the_same_book(apiyi: Program) -> None:
    english, chinese = ((FOLDER / f"{name}.md").read_text("utf-8") for name in ("en", "zh_CN"))
    assert FENCE.findall(english) == FENCE.findall(chinese)
    for pattern in (r"^#+ ", r"^- ", r"^\{.*\}$"):
        count = [len(re.findall(pattern, text, re.MULTILINE)) for text in (english, chinese)]
        assert count[0] == count[1], pattern
    shown = apiyi("skill", env={"APIYI_LANG": "zh"}).text
    assert "## 退出码" in shown
    assert "- `apiyi chat`: " in shown
    assert "{commands}" not in shown
