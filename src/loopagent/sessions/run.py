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
    parked: bool = False  # ended because an answer takes long; the turn goes on with the answer

    @property
    def is_idle(self) -> bool:
        return self.prompt is None and self.runner is not None and not self.runner.is_busy

    @property
    def has_tasks(self) -> bool:
        """Whether sub-agents or background commands run in its process."""
        return self.runner is not None and self.runner.tasks > 0

    @property
    def begun(self) -> int:
        """The seq of the message whose turn it has, or is about to begin; 0 if there is none."""
        if self.runner is not None and self.runner.turn is not None:
            return self.runner.turn.seq
        return self.prompt.seq if self.prompt is not None else 0

    @property
    def last_used(self) -> float:
        """Moment of the monotonic clock; 0.0 before there is a process."""
        return self.runner.last_used if self.runner is not None else 0.0

    @property
    def waiting_since(self) -> float | None:
        """When it began to wait for an answer and for nothing else; else None."""
        waits = self.runner is not None and self.takes_prompts
        return self.runner.waiting_since if waits and self.runner is not None else None

    @property
    def takes_prompts(self) -> bool:
        ending = self.runner is not None and self.runner.is_closing
        return not ending and not self.scope.cancel_called

    @property
    def has_turn(self) -> bool:
        """True while it works on a turn, or is about to."""
        busy = self.runner is not None and self.runner.is_busy
        return self.takes_prompts and (busy or self.prompt is not None)

    def end(self) -> None:
        """End the process; the next message gets a new one."""
        if self.runner is not None:
            self.runner.close()

    def park(self) -> None:
        """End the process in the middle of a turn that waits for an answer."""
        self.parked = True
        self.end()


def make_room(runs: Sequence[Run]) -> None:
    """End the process that has been idle for longest, else one that waits for an answer, if any.

    One in which background tasks run comes after the others that are idle.
    """
    idle = [run for run in runs if run.is_idle]
    waiting = [run for run in runs if run.waiting_since is not None]
    if idle:
        min(idle, key=lambda run: (run.has_tasks, run.last_used)).end()
    elif waiting:
        min(waiting, key=lambda run: run.waiting_since or 0.0).park()


def close_idle_since(runs: Sequence[Run], moment: float) -> None:
    """End processes that were last used before `moment` of the monotonic clock."""
    for run in runs:
        if run.is_idle and not run.has_tasks and run.last_used < moment:
            run.end()


def close_waiting_since(runs: Sequence[Run], moment: float) -> None:
    """End processes that have waited for an answer since before `moment`: the ask stays open."""
    for run in runs:
        if run.waiting_since is not None and run.waiting_since < moment:
            run.park()
