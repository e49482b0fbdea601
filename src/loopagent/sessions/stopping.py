"""What the verbs ask of a process besides a prompt: to hurry, to take back, to end a part of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from loopagent.domain.events import SendMode
from loopagent.domain.ids import EventId, SessionId
from loopagent.sessions.run import Run

if TYPE_CHECKING:
    from loopagent.agent.runner import Runner


class Asides:
    """Requests to the runs of a supervisor. interrupt: stops a session's turn."""

    def __init__(
        self, runs: Mapping[SessionId, Run], interrupt: Callable[[SessionId], Awaitable[None]]
    ) -> None:
        self._runs = runs
        self._interrupt = interrupt

    async def hurry(self, session_id: SessionId, mode: SendMode, event_id: EventId) -> None:
        """Let the turn under way see a message that waits, or end it for that message."""
        runner = self._runner(session_id)
        if mode != "queue" and runner is not None:
            # What the agent holds goes on in one turn with a message that interrupts.
            runner.steering.call()
        if mode == "interrupt" and not self._is_under_way(session_id, event_id):
            await self._interrupt(session_id)

    async def withdraw(self, session_id: SessionId, event_id: EventId) -> bool:
        """Take a steering message back; False if the agent has it already."""
        runner = self._runner(session_id)
        return runner is None or await runner.steering.withdraw(event_id)

    async def stop_task(self, session_id: SessionId, task_id: str) -> bool:
        """End a sub-agent or background command; False if no process of the session runs."""
        runner = self._runner(session_id)
        if runner is None:
            return False
        await runner.control.stop_task(task_id)
        return True

    async def context(self, session_id: SessionId) -> dict[str, Any] | None:
        """What the model's context holds; None if no process of the session runs."""
        runner = self._runner(session_id)
        if runner is None or not runner.connected.is_set():
            return None
        return await runner.control.context()

    def _is_under_way(self, session_id: SessionId, event_id: EventId) -> bool:
        """Whether the turn that would be stopped is the message's own: the one before has ended."""
        run = self._runs.get(session_id)
        if run is None:
            return False
        turn = run.runner.turn if run.runner is not None else None
        own = turn.event_id if turn is not None else run.prompt.event_id if run.prompt else None
        return own == event_id

    def _runner(self, session_id: SessionId) -> Runner | None:
        run = self._runs.get(session_id)
        return run.runner if run is not None and run.takes_prompts else None
