"""Permissions of one process: the hook and the callback that the CLI asks, and open asks."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
from claude_agent_sdk import (
    HookContext,
    HookInput,
    PermissionResultAllow,
    PermissionResultDeny,
    ToolPermissionContext,
)
from claude_agent_sdk.types import HookJSONOutput

from loopagent.agent.ports import Verdict
from loopagent.agent.repeats import Repeats, told
from loopagent.domain.ids import EventId
from loopagent.domain.permissions import Decision

_LOGGED_WITHIN = 30.0  # seconds between the CLI's question and the call's row in the log


class Approvals:
    """Answers the CLI; an ask waits without a time limit until `answer` is called for it.

    An answer may come before the CLI's question: it is kept by the event id of the call.
    """

    def __init__(
        self,
        judge: Callable[[str, Mapping[str, Any]], Decision],
        event_of: Callable[[str], EventId | None],
        waiting: Callable[[EventId], Awaitable[Verdict | None]],
        repeats: Repeats,
    ) -> None:
        self._repeats = repeats
        self._judge = judge
        self._event_of = event_of
        self._waiting = waiting
        self._verdicts: dict[EventId, Verdict] = {}
        self._changed = anyio.Event()
        self.open = 0
        self._since: float | None = None  # of the monotonic clock

    def answer(self, event_id: EventId, verdict: Verdict) -> None:
        """Give the answer to an ask."""
        self._verdicts[event_id] = verdict
        self.wake()

    @property
    def waiting_since(self) -> float | None:
        """When the oldest open ask came; None if none is open or an answer is being passed on."""
        return None if self._verdicts else self._since

    def wake(self) -> None:
        """Something changed: a verdict came, or a call has got its event."""
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def pre_tool_use(
        self, hook: HookInput, tool_use_id: str | None, _context: HookContext
    ) -> HookJSONOutput:
        """The CLI's hook before each call: the decision, with its reason."""
        decision = self._decide(tool_use_id, hook["tool_name"], hook["tool_input"])  # type: ignore[typeddict-item]
        return {
            "hookSpecificOutput": {
                "hookEventName": "PreToolUse",
                "permissionDecision": decision.verdict,
                "permissionDecisionReason": decision.reason,
            }
        }

    async def can_use_tool(
        self, tool: str, tool_input: dict[str, Any], context: ToolPermissionContext
    ) -> PermissionResultAllow | PermissionResultDeny:
        """The CLI's question about one call; the hook may have been skipped, so judge again."""
        decision = self._decide(context.tool_use_id, tool, tool_input)
        if decision.verdict == "allow":
            return PermissionResultAllow()
        if decision.verdict == "deny":
            return PermissionResultDeny(message=decision.reason)
        verdict = await self._verdict(context.tool_use_id or "")
        if verdict.allow:
            return PermissionResultAllow(updated_input=verdict.updated_input or tool_input)
        return PermissionResultDeny(message=verdict.message or "The user denied this call.")

    def _decide(self, tool_use_id: str | None, tool: str, tool_input: dict[str, Any]) -> Decision:
        done = self._repeats.of(tool_use_id or "", tool, tool_input)
        if done is not None:
            return Decision(verdict="deny", reason=told(done))
        return self._judge(tool, tool_input)

    async def _verdict(self, tool_use_id: str) -> Verdict:
        event_id = await self._logged(tool_use_id)
        if event_id is None:
            return Verdict(allow=False, message="The call could not be shown to the user.")
        if event_id in self._verdicts:
            return self._verdicts.pop(event_id)
        self.open += 1
        self._since = self._since or time.monotonic()
        try:
            # From here on `answer` is heard; what was answered before is known to the log.
            known = await self._waiting(event_id)
            if known is not None:
                return known
            while event_id not in self._verdicts:
                # For ever on purpose: an open ask has no time limit.
                await self._changed.wait()
        finally:
            self.open -= 1
            if not self.open:
                self._since = None
        return self._verdicts.pop(event_id)

    async def _logged(self, tool_use_id: str) -> EventId | None:
        with anyio.move_on_after(_LOGGED_WITHIN):
            while (event_id := self._event_of(tool_use_id)) is None:
                await self._changed.wait()
            return event_id
        return None
