"""The permission decisions of one process: its grounds, and what was allowed always."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from loopagent.domain.permissions import Decision, Grounds, decide
from loopagent.domain.rules import Rule

ResolvePath = Callable[[str, Mapping[str, Any]], PurePosixPath | None]


class Judge:
    """resolve_path: the real path that a tool's input names, if it names one."""

    def __init__(self, grounds: Grounds, resolve_path: ResolvePath) -> None:
        self._grounds = grounds
        self._resolve_path = resolve_path

    def decide(self, tool: str, tool_input: Mapping[str, Any]) -> Decision:
        """What a call may do, and why."""
        path = self._resolve_path(tool, tool_input)
        return decide(self._grounds, tool, path, tool_input)

    def follow(self, rules: Sequence[Rule]) -> None:
        """These rules hold from now on, and no others."""
        self._grounds = replace(self._grounds, rules=tuple(rules))

    def learn(self, rules: Sequence[Rule]) -> None:
        """These hold besides."""
        self._grounds = replace(self._grounds, rules=(*self._grounds.rules, *rules))
