"""What is known about one session while it runs: the furthest that any viewer has seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio

from loopagent.cli.chaos.plan import SessionPlan


@dataclass
class Watch:
    """One session under test.

    accepted: ids of messages that the server has acknowledged, in that order.
    rows: the log as far as it has been seen. taken: messages whose turn has begun.
    asks: open asks, with their tool call. problems: violations seen on the way.
    """

    plan: SessionPlan
    session_id: str
    accepted: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    asks: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: str = "idle"
    interrupts: int = 0
    problems: list[str] = field(default_factory=list)
    _changed: anyio.Event = field(default_factory=anyio.Event)

    def see(self, row: dict[str, Any]) -> None:
        """One more row of some viewer's; the first one to see it brings it here."""
        if row["seq"] == len(self.rows) + 1:
            self.rows.append(row)
            self._fold(row)
        self._changed, changed = anyio.Event(), self._changed
        changed.set()

    def _fold(self, row: dict[str, Any]) -> None:
        match row["type"]:
            case "user.message":
                self.taken.add(row["id"])
            case "agent.tool_use" if row.get("evaluated_permission") == "ask":
                self.asks[row["id"]] = row
            case "agent.tool_result" | "user.tool_confirmation":
                self.asks.pop(row["tool_use_id"], None)
            case "session.status_idle":
                self.status = row["stop_reason"]["type"]
                if self.status != "requires_action":
                    self.asks.clear()
            case "session.status_running" | "session.status_rescheduled":
                self.status = row["type"].removeprefix("session.status_")
            case _:
                pass

    @property
    def is_at_rest(self) -> bool:
        """Nothing is under way, and every accepted message has had its turn."""
        busy = self.status in {"running", "rescheduled", "requires_action"}
        return not busy and self.taken.issuperset(self.accepted)

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition of this session; False if it does not come in time."""
        with anyio.move_on_after(seconds):
            while not condition():
                await self._changed.wait()
        return condition()
