"""Script files: which rule answers, and how mistakes are reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loopagent.scripted.request import Conversation
from loopagent.scripted.rules import ScriptFileError, load
from loopagent.scripted.script import Text, ToolCall
from tests.scripted.messages import answered, called, connected, user

SCRIPT = """
- when: deploy
  model: haiku
  reply: Haiku does not deploy.
- when: deploy
  reply:
    - think: Let me see.
    - tool: {name: Bash, input: {command: ls}}
    - tool: {name: Bash, input: {command: pwd}}
      parallel: true
    - text: deployed
      pace: 50
- when: /^re(start|boot)\\b/
  reply: "[[error: 529 times=1]] [[text: restarted]]"
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.yaml"
    path.write_text(SCRIPT)
    return path


async def test_the_first_rule_that_fits_answers(script: Path) -> None:
    async with connected(script) as (_, client):
        assert (await client.ask("Deploy!", model="claude-haiku")).text == "Haiku does not deploy."
        first = await client.ask("please DEPLOY it")
        assert first.calls == [("Bash", {"command": "ls"}), ("Bash", {"command": "pwd"})]
        done = await client.ask(
            [
                user("please DEPLOY it"),
                called(("a", "Bash", {}), ("b", "Bash", {})),
                answered(("a", ""), ("b", "")),
            ]
        )
        assert done.text == "deployed"


async def test_a_rules_text_may_hold_directives(script: Path) -> None:
    async with connected(script) as (_, client):
        assert (await client.ask("restart now")).status == 529
        assert (await client.ask("restart now")).text == "restarted"


async def test_a_prompt_that_no_rule_fits_is_answered_as_ever(script: Path) -> None:
    async with connected(script) as (_, client):
        assert (await client.ask("I reboot [[text: by hand]]")).text == "by hand"


def test_json_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"rules": [{"reply": ["hello", {"tool": {"name": "Bash"}}]}]}))
    (rule,) = load(path)
    assert rule.fits(Conversation(prompt="anything"))
    assert rule.steps(Conversation()) == [Text(text="hello"), ToolCall(name="Bash")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- when: [", "not valid YAML"),
        ("hello", "must be a list of rules"),
        ("[]", "must be a list of rules"),
        ("- when: x", "rule 1 needs a reply"),
        ("- reply: a\n- reply: b\n  whenn: x", "rule 2 has whenn"),
        ("- reply: []", "reply must be a text or a list"),
        ("- reply: [3]", "step 1 must be"),
        ("- reply: [{txt: a}]", "exactly one of text"),
        ("- reply: [{text: a, error: 500}]", "exactly one of text"),
        ("- reply: [{error: 200}]", "must be 400 to 599"),
        ("- when: /(/\n  reply: a", "no regular expression"),
    ],
)
def test_a_mistake_in_a_script_is_named_with_its_place(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "script.yaml"
    path.write_text(text)
    with pytest.raises(ScriptFileError, match=told):
        load(path)


def test_a_script_that_is_missing_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ScriptFileError, match="cannot be read"):
        load(tmp_path / "none.yaml")
