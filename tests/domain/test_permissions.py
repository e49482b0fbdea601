"""What a tool call may do, and which tools there are."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest

from loopagent.domain.agent import (
    OFF_BY_DEFAULT,
    WIRE_TO_SDK,
    PermissionPolicy,
    PolicyName,
    ToolConfig,
    ToolDefaults,
    Toolset,
)
from loopagent.domain.permissions import PATH_INPUTS, Grounds, Verdict, decide, named_path
from tests.domain import made

HOME = PurePosixPath("/sessions/one/workspace")
SAVED = PurePosixPath("/sessions/one/config")


def toolset(*configs: ToolConfig, **fields: Any) -> Toolset:
    return Toolset(type="agent_toolset_20260401", configs=list(configs), **fields)


def policy(name: PolicyName) -> PermissionPolicy:
    return PermissionPolicy(type=name)


def everything() -> Toolset:
    return toolset(*(ToolConfig(name=name, enabled=True) for name in WIRE_TO_SDK))


def verdict(
    tool: str, path: str | None = None, *, tools: Toolset | None = None, isolated: bool = False
) -> Verdict:
    grounds = Grounds(
        toolset=tools or everything(), workspace=HOME, readable=(SAVED,), isolated=isolated
    )
    return decide(grounds, tool, None if path is None else PurePosixPath(path)).verdict


@pytest.mark.parametrize("tool", PATH_INPUTS)
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (str(HOME), "allow"),
        (f"{HOME}/a/b", "allow"),
        (None, "allow"),
        (f"{HOME}-other/a", "deny"),
        ("/sessions/one", "deny"),
        ("/etc/passwd", "deny"),
    ],
)
def test_file_tools_stay_inside_the_workspace(
    tool: str, path: str | None, expected: Verdict
) -> None:
    assert verdict(tool, path) == expected


def test_saved_output_may_be_read_and_not_written() -> None:
    assert verdict("Read", f"{SAVED}/output.txt") == "allow"
    assert verdict("Write", f"{SAVED}/output.txt") == "deny"


@pytest.mark.parametrize("tool", ["TaskCreate", "TaskUpdate", "TaskList", "Agent", "Task"])
def test_what_touches_nothing_is_allowed(tool: str) -> None:
    assert verdict(tool) == "allow"


def test_commands_are_asked_for_where_there_is_no_sandbox() -> None:
    assert verdict("Bash") == "ask"
    assert verdict("Bash", isolated=True) == "allow"


def test_the_web_is_asked_for() -> None:
    assert verdict("WebFetch") == verdict("WebSearch", isolated=True) == "ask"


@pytest.mark.parametrize("tool", ["AskUserQuestion", "ExitPlanMode"])
def test_a_question_always_reaches_a_person(tool: str) -> None:
    tools = toolset(default_config=ToolDefaults(permission_policy=policy("always_allow")))
    assert verdict(tool, tools=tools) == "ask"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("always_allow", "allow"), ("always_ask", "ask"), ("always_deny", "deny")],
)
def test_the_policy_of_the_agent_decides(name: PolicyName, expected: Verdict) -> None:
    tools = toolset(ToolConfig(name="bash", permission_policy=policy(name)))
    assert verdict("Bash", tools=tools) == expected


def test_no_policy_opens_the_workspace() -> None:
    tools = toolset(default_config=ToolDefaults(permission_policy=policy("always_allow")))
    assert verdict("Write", "/etc/passwd", tools=tools) == "deny"


@pytest.mark.parametrize("tool", ["Bash", "NotebookEdit", "mcp__x__y", "read"])
def test_a_tool_that_is_not_enabled_is_denied(tool: str) -> None:
    tools = toolset(default_config=ToolDefaults(enabled=False))
    assert verdict(tool, tools=tools) == "deny"


def test_an_agent_without_tools_may_do_nothing() -> None:
    grounds = Grounds(toolset=made.agent().toolset(), workspace=HOME)
    assert decide(grounds, "Read", HOME).verdict == "deny"


def test_the_usual_tools_are_on_and_the_others_off() -> None:
    assert set(toolset().enabled()) == set(WIRE_TO_SDK) - OFF_BY_DEFAULT


def test_one_tool_can_be_switched_alone() -> None:
    tools = toolset(
        ToolConfig(name="web_fetch", enabled=True), default_config=ToolDefaults(enabled=False)
    )
    assert tools.enabled() == ["web_fetch"]
    assert "bash" not in toolset(ToolConfig(name="bash", enabled=False)).enabled()


def test_a_policy_of_its_own_goes_before_the_default() -> None:
    tools = toolset(
        ToolConfig(name="bash", permission_policy=policy("always_deny")),
        ToolConfig(name="read"),
        default_config=ToolDefaults(permission_policy=policy("always_ask")),
    )
    assert (tools.policy("bash"), tools.policy("read")) == ("always_deny", "always_ask")
    assert toolset().policy("bash") is None


def test_an_agent_s_tools_are_its_first_toolset() -> None:
    assert made.agent(tools=[everything()]).toolset() == everything()


def test_the_last_of_two_settings_of_a_tool_counts() -> None:
    configs = [
        {"name": "bash", "enabled": True, "permission_policy": {"type": "always_allow"}},
        {"name": "bash", "enabled": False, "permission_policy": {"type": "always_deny"}},
    ]
    toolset = Toolset.model_validate({"type": "agent_toolset_20260401", "configs": configs})
    assert "bash" not in toolset.enabled()
    assert toolset.policy("bash") == "always_deny"


@pytest.mark.parametrize(
    ("tool", "given", "named"),
    [
        ("Read", {"file_path": "a.txt"}, "a.txt"),
        ("Read", {"path": "a.txt"}, None),
        ("Read", {"file_path": 3}, None),
        ("Bash", {"command": "ls", "path": "/etc"}, None),
        ("Grep", {"pattern": "/etc/x", "path": "src"}, "src"),
        ("Glob", {"pattern": "**/*.py"}, None),
        ("Glob", {"pattern": "**/*.py", "path": "src"}, "src"),
        # An absolute pattern says where the CLI searches, whatever the path says.
        ("Glob", {"pattern": "/etc/*.conf", "path": "src"}, "/etc"),
        ("Glob", {"pattern": "/etc/ssh*/[a-z]?/{a,b}"}, "/etc"),
        ("Glob", {"pattern": "/etc/passwd"}, "/etc"),
        ("Glob", {"pattern": "/*"}, "/"),
        ("Glob", {"pattern": "~/.ssh/*"}, "~/.ssh"),
    ],
)
def test_an_input_names_the_path_that_the_cli_will_use(
    tool: str, given: dict[str, object], named: str | None
) -> None:
    assert named_path(tool, given) == named


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        (".env", True), (".env.local", True), ("prod.env", True), (".ENV", True), (".envrc", True),
        ("id_ed25519", True), ("server.key", True), ("cert.PEM", True), (".netrc", True),
        (".env.example", False), (".env.template", False), ("id_rsa.pub", False), ("env", False),
        ("environment.py", False), ("keys.py", False), (".envoy", False),
    ],
)  # fmt: skip
def test_files_of_secrets_are_nobodys_to_read_or_change(name: str, is_secret: bool) -> None:
    expected = "deny" if is_secret else "allow"
    for tool in ("Read", "Write", "Edit", "Grep"):
        assert verdict(tool, f"{HOME}/sub/{name}", isolated=True) == expected
