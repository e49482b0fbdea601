"""What somebody has allowed always, and what that doesn't cover."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest

from loopagent.domain.permissions import Grounds, decide
from loopagent.domain.rules import Kind, Rule, proposed, subject_of
from tests.domain.test_permissions import HOME, everything, policy, toolset

STATUS = Rule(tool="Bash", kind="prefix", subject="git status")


def bash(command: str) -> dict[str, Any]:
    return {"command": command}


@pytest.mark.parametrize("command", ["git status", "git status --short", " git status -s "])
def test_a_prefix_covers_commands_that_begin_with_its_words(command: str) -> None:
    assert STATUS.covers("Bash", bash(command))


@pytest.mark.parametrize(
    "command",
    [
        "git",
        "git push",
        "git statusx",
        "git status; rm -rf /",
        "git status && make",
        "git status | sh",
        "git status $(id)",
        "git status `id`",
        "git status > out",
        "git status\nid",
        "git status \\\n; id",
        "PATH=. git status",
        "git status 'a b'",
    ],
)
def test_a_prefix_covers_nothing_that_does_more(command: str) -> None:
    assert not STATUS.covers("Bash", bash(command))


def test_an_exact_rule_covers_the_very_same_command_alone() -> None:
    rule = Rule(tool="Bash", kind="exact", subject="make && make test")
    assert rule.covers("Bash", bash("make && make test"))
    assert not rule.covers("Bash", bash("make && make testing"))
    assert not rule.covers("WebFetch", bash("make && make test"))


@pytest.mark.parametrize(
    ("tool", "given", "offered"),
    [
        ("Bash", bash("git log -3"), [("exact", "git log -3"), ("prefix", "git log")]),
        ("Bash", bash("ls -la"), [("exact", "ls -la"), ("prefix", "ls")]),
        ("Bash", bash("ls"), [("exact", "ls"), ("prefix", "ls")]),
        ("Bash", bash("git --version"), [("exact", "git --version")]),
        ("Bash", bash("a | b"), [("exact", "a | b")]),
        ("Bash", bash("python3 -m http.server"), [("exact", "python3 -m http.server")]),
        ("Bash", bash("./run now"), [("exact", "./run now")]),
        ("Bash", {}, []),
        ("WebFetch", {"url": "https://a.org/b"}, [("exact", "a.org"), ("tool", "")]),
        ("WebFetch", {"url": "https://[a"}, [("tool", "")]),
        ("Edit", {"file_path": "/a/b"}, [("exact", "/a/b"), ("tool", "")]),
        ("mcp__files__list", {"any": 1}, [("tool", "")]),
    ],
)
def test_the_narrowest_rule_is_offered_first(
    tool: str, given: dict[str, Any], offered: list[tuple[Kind, str]]
) -> None:
    rules = proposed(tool, given)
    assert [(rule.kind, rule.subject) for rule in rules] == offered
    assert all(rule.covers(tool, given) for rule in rules)


def test_a_rule_of_a_host_covers_its_pages_and_no_other_host() -> None:
    rule = Rule(tool="WebFetch", kind="exact", subject="a.org")
    assert rule.covers("WebFetch", {"url": "http://A.org:80/x"})
    assert not rule.covers("WebFetch", {"url": "https://a.org.evil.net/"})
    assert subject_of("WebSearch", {"query": "x"}) == ""


def test_a_rule_answers_what_would_be_asked_and_overrides_no_refusal() -> None:
    grounds = Grounds(toolset=everything(), workspace=HOME, rules=(STATUS,))
    allowed = decide(grounds, "Bash", None, bash("git status"))
    assert (allowed.verdict, allowed.reason) == ("allow", "You have allowed this always.")
    assert decide(grounds, "Bash", None, bash("git push")).verdict == "ask"
    assert decide(grounds, "Bash", None).verdict == "ask"
    rules = tuple(Rule(tool=name, kind="tool") for name in ("Bash", "Write", "AskUserQuestion"))
    forbidden = toolset(default_config={"permission_policy": policy("always_deny")})
    strict = Grounds(toolset=forbidden, workspace=HOME, rules=rules)
    assert decide(strict, "Bash", None, bash("ls")).verdict == "deny"
    open_grounds = Grounds(toolset=everything(), workspace=HOME, rules=rules)
    outside = PurePosixPath("/etc/passwd")
    assert decide(open_grounds, "Write", outside, {"file_path": "/etc/passwd"}).verdict == "deny"
    assert decide(open_grounds, "AskUserQuestion", None, {}).verdict == "ask"
