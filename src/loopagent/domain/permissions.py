"""The one permission decision: what a tool call may do, and why.

`decide` is used for the event that viewers see, in the CLI's PreToolUse hook and in its
permission callback: on a resume the CLI may skip the hook, so no single place is a boundary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from loopagent.domain.agent import SDK_TO_WIRE, Toolset
from loopagent.domain.rules import Rule
from loopagent.domain.secret_files import is_secret_file

Verdict = Literal["allow", "ask", "deny"]

# Which input names a path, per tool of the CLI.
PATH_INPUTS: Mapping[str, str] = {
    "Read": "file_path",
    "Write": "file_path",
    "Edit": "file_path",
    "Glob": "path",
    "Grep": "path",
}
_WILD = re.compile(r"[*?\[{]")
_ALWAYS_ASK = frozenset({"AskUserQuestion", "ExitPlanMode"})
_HARMLESS = frozenset({"TaskCreate", "TaskUpdate", "TaskList", "TaskGet", "Agent", "Task"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What a decision rests on.

    workspace: the real (link-free) path of the session's workspace.
    readable: further real paths that the CLI itself needs to read, such as saved tool output.
    isolated: whether the isolation level keeps Bash inside the workspace.
    rules: what a person has allowed always.
    """

    toolset: Toolset | None
    workspace: PurePosixPath
    readable: tuple[PurePosixPath, ...] = ()
    isolated: bool = False
    rules: tuple[Rule, ...] = ()


def named_path(tool: str, tool_input: Mapping[str, Any]) -> str | None:
    """The path that a tool's input names, as it is written; None if it names none."""
    pattern = tool_input.get("pattern")
    if tool == "Glob" and isinstance(pattern, str) and pattern.startswith(("/", "~")):
        # Then the CLI searches in the fixed part of the pattern, whatever `path` says.
        return _WILD.split(pattern, maxsplit=1)[0].rpartition("/")[0] or "/"
    path = tool_input.get(PATH_INPUTS.get(tool, ""))
    return path if isinstance(path, str) else None


def decide(
    grounds: Grounds,
    tool: str,
    path: PurePosixPath | None,
    tool_input: Mapping[str, Any] | None = None,
) -> Decision:
    """Whether a call of `tool` (the CLI's name) may run.

    path: the link-free absolute path that the input names, or None if it names none.
    """
    if tool in _ALWAYS_ASK:
        return Decision(verdict="ask", reason="The agent asks you.")
    decision = _by_policy(grounds, tool, path)
    if decision.verdict == "ask" and any(r.covers(tool, tool_input or {}) for r in grounds.rules):
        return Decision(verdict="allow", reason="You have allowed this always.")
    return decision


def _by_policy(grounds: Grounds, tool: str, path: PurePosixPath | None) -> Decision:
    wire = SDK_TO_WIRE.get(tool, tool)
    enabled = grounds.toolset is not None and wire in grounds.toolset.enabled()
    if not enabled:
        return Decision(verdict="deny", reason=f"The tool {tool} is not enabled for this agent.")
    outside = _outside(grounds, tool, path)
    if outside is not None:
        return outside
    policy = grounds.toolset.policy(wire) if grounds.toolset is not None else None
    match policy:
        case "always_allow":
            return Decision(verdict="allow", reason="The agent's policy allows it.")
        case "always_ask":
            return Decision(verdict="ask", reason="The agent's policy asks for this tool.")
        case "always_deny":
            return Decision(verdict="deny", reason="The agent's policy forbids this tool.")
        case None:  # pragma: no branch
            return _default(grounds, tool)


def _outside(grounds: Grounds, tool: str, path: PurePosixPath | None) -> Decision | None:
    if tool not in PATH_INPUTS or path is None:
        return None
    if path.is_relative_to(grounds.workspace):
        return _secret(path)
    if tool == "Read" and any(path.is_relative_to(place) for place in grounds.readable):
        return None
    return Decision(verdict="deny", reason=f"{path} is outside this session's workspace.")


def _secret(path: PurePosixPath) -> Decision | None:
    if not is_secret_file(path.name):
        return None
    reason = f"{path.name} may hold secrets: agents neither read nor change such files."
    return Decision(verdict="deny", reason=reason)


def _default(grounds: Grounds, tool: str) -> Decision:
    if tool in PATH_INPUTS:
        return Decision(verdict="allow", reason="It stays inside the workspace.")
    if tool in _HARMLESS:
        return Decision(verdict="allow", reason="It touches nothing outside the conversation.")
    if tool == "Bash" and grounds.isolated:
        return Decision(verdict="allow", reason="The sandbox keeps commands inside.")
    if tool == "Bash":
        return Decision(
            verdict="ask",
            reason="Commands can reach the whole machine: this session has no sandbox.",
        )
    return Decision(verdict="ask", reason=f"{tool} reaches beyond the workspace.")
