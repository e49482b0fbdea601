"""One session's place with the supervisor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from loopagent.agent.ports import Prompt
from loopagent.domain.ids import SessionId
from loopagent.sessions.recovery import CutTurn

if TYPE_CHECKING:
    from loopagent.agent.runner import Runner


@dataclass
class Run:
    """One session's place with the supervisor, from the first need of a process to its end."""

    session_id: SessionId
    prompt: Prompt | None = None
    cut: CutTurn | None = None
    runner: Runner | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    done: anyio.Event = field(default_factory=anyio.Event)
    waits: bool = True  # for a free place among the live processes

    @property
    def is_idle(self) -> bool:
        return self.prompt is None and self.runner is not None and not self.runner.is_busy

    @property
    def takes_prompts(self) -> bool:
        ending = self.runner is not None and self.runner.is_closing
        return not ending and not self.scope.cancel_called


def close_oldest_idle(runs: Sequence[Run]) -> None:
    """End the process that has been idle for longest, if one is idle: it makes room."""
    idle = [run.runner for run in runs if run.is_idle and run.runner is not None]
    if idle:
        min(idle, key=lambda runner: runner.last_used).close()


def close_idle_since(runs: Sequence[Run], moment: float) -> None:
    """End processes that were last used before `moment` of the monotonic clock."""
    for run in runs:
        if run.is_idle and run.runner is not None and run.runner.last_used < moment:
            run.runner.close()
