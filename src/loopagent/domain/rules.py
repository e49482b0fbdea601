"""Rules: what a person has allowed always, so that it isn't asked again. Pure.

A rule covers calls of one tool: all of them, or those whose subject (a command, a host, a path) is
the rule's. Only calls that would be asked about are ever looked up: a rule never overrides a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

Kind = Literal["exact", "prefix", "tool"]

# With these a command is more than its first words say.
_JOINED = re.compile(r"[;&|<>$`\n\r\\(){}*?\[\]~#!'\"=]")
_WORD = re.compile(r"[a-z][a-z0-9_:.-]*\Z")
# Their first words say nothing of what they run.
_RUNS_ANYTHING = frozenset(
    [
        "bash",
        "sh",
        "zsh",
        "dash",
        "fish",
        "env",
        "sudo",
        "su",
        "doas",
        "eval",
        "exec",
        "xargs",
        "nohup",
        "time",
        "timeout",
        "nice",
        "watch",
        "ssh",
        "find",
        "awk",
        "sed",
        "perl",
        "ruby",
        "php",
        "lua",
        "node",
        "deno",
        "bun",
        "npx",
        "uvx",
        "pipx",
        "osascript",
        "python",
        "python2",
        "python3",
        "make",
        "docker",
        "podman",
        "kubectl",
        "git-shell",
        "tee",
        "dd",
        "rm",
    ]
)
# Their second word says what they do.
_HAS_VERBS = frozenset(
    [
        "apt",
        "brew",
        "bundle",
        "cargo",
        "composer",
        "conda",
        "dotnet",
        "flutter",
        "gem",
        "gh",
        "git",
        "go",
        "gradle",
        "hatch",
        "mvn",
        "npm",
        "pip",
        "pip3",
        "pnpm",
        "poetry",
        "rails",
        "ruff",
        "rustup",
        "svn",
        "swift",
        "systemctl",
        "terraform",
        "uv",
        "yarn",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """kind: exact compares the whole subject, prefix its first words, tool nothing at all."""

    tool: str
    kind: Kind
    subject: str = ""

    def covers(self, tool: str, tool_input: Mapping[str, Any]) -> bool:
        """Whether this call was allowed by the rule."""
        if tool != self.tool:
            return False
        subject = subject_of(tool, tool_input)
        if self.kind == "tool":
            return True
        if self.kind == "exact":
            return subject == self.subject
        words = subject.split(" ")
        wanted = self.subject.split(" ")
        return _JOINED.search(subject) is None and words[: len(wanted)] == wanted


def subject_of(tool: str, tool_input: Mapping[str, Any]) -> str:
    """What the rules of a tool look at: a command, a host, a path; empty for other tools."""
    match tool:
        case "Bash":
            return str(tool_input.get("command", "")).strip()
        case "WebFetch":
            return _host(str(tool_input.get("url", "")))
        case "Read" | "Write" | "Edit":
            return str(tool_input.get("file_path", ""))
        case _:
            return ""


def proposed(tool: str, tool_input: Mapping[str, Any]) -> Sequence[Rule]:
    """The rules that would cover a call, the narrowest first."""
    subject = subject_of(tool, tool_input)
    whole = Rule(tool=tool, kind="tool")
    if not subject:
        return [] if tool == "Bash" else [whole]
    exact = Rule(tool=tool, kind="exact", subject=subject)
    if tool != "Bash":
        return [exact, whole]
    prefix = _prefix(subject)
    if prefix is None:
        return [exact]
    return [exact, Rule(tool=tool, kind="prefix", subject=prefix)]


def _prefix(command: str) -> str | None:
    """The words that say what a simple command does: "git status", "ls"; None if none do."""
    if _JOINED.search(command) is not None:
        return None
    first, *rest = command.split(" ")
    if _WORD.match(first) is None or first in _RUNS_ANYTHING:
        return None
    if first not in _HAS_VERBS:
        return first
    return f"{first} {rest[0]}" if rest and _WORD.match(rest[0]) else None


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
