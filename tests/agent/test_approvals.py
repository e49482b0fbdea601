"""Open asks wait for their answer, whichever comes first."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
from claude_agent_sdk import (
    PermissionResultAllow,
    PermissionResultDeny,
    ToolPermissionContext,
)

from loopagent.agent.approvals import Approvals
from loopagent.agent.ports import Verdict
from loopagent.agent.repeats import Repeats
from loopagent.domain.ids import EventId
from loopagent.domain.permissions import Decision
from loopagent.domain.permissions import Verdict as Word

EVENT = EventId("sevt_1")


class Place:
    """Approvals with one logged call, counting how often they said that they wait."""

    def __init__(self, word: Word = "ask", known: Verdict | None = None) -> None:
        self.word: Word = word
        self.waited = 0
        self.known = known
        self.events = {"toolu_1": EVENT}
        self.approvals = Approvals(self.judge, self.events.get, self.wait, Repeats())

    def judge(self, tool: str, tool_input: Any) -> Decision:
        return Decision(verdict=self.word, reason="because")

    async def wait(self, ask: EventId) -> Verdict | None:
        assert ask == EVENT
        self.waited += 1
        return self.known

    async def ask(self) -> PermissionResultAllow | PermissionResultDeny:
        context = ToolPermissionContext(tool_use_id="toolu_1")
        with anyio.fail_after(5):
            return await self.approvals.can_use_tool("Bash", {"command": "ls"}, context)


async def test_what_is_allowed_or_denied_is_answered_at_once_and_with_the_reason() -> None:
    assert isinstance(await Place("allow").ask(), PermissionResultAllow)
    denied = await Place("deny").ask()
    assert isinstance(denied, PermissionResultDeny)
    assert denied.message == "because"


async def test_an_ask_waits_until_it_is_answered() -> None:
    place = Place()
    async with anyio.create_task_group() as tasks:

        async def answer() -> None:
            while not place.waited:
                await anyio.lowlevel.checkpoint()
            assert place.approvals.open == 1
            place.approvals.answer(EventId("sevt_other"), Verdict(allow=True))
            place.approvals.answer(EVENT, Verdict(allow=False, message="not today"))

        tasks.start_soon(answer)
        result = await place.ask()
    assert isinstance(result, PermissionResultDeny)
    assert result.message == "not today"
    assert place.approvals.open == 0


async def test_an_answer_may_come_before_the_question() -> None:
    place = Place()
    place.approvals.answer(EVENT, Verdict(allow=True, updated_input={"command": "pwd"}))
    result = await place.ask()
    assert isinstance(result, PermissionResultAllow)
    assert result.updated_input == {"command": "pwd"}
    assert place.waited == 0


async def test_an_answer_that_only_the_log_knows_counts() -> None:
    place = Place(known=Verdict(allow=True))
    assert isinstance(await place.ask(), PermissionResultAllow)


async def test_a_question_may_come_before_the_call_is_in_the_log() -> None:
    place = Place(known=Verdict(allow=True))
    place.events.clear()
    async with anyio.create_task_group() as tasks:

        async def log_it() -> None:
            place.events["toolu_1"] = EVENT
            place.approvals.wake()

        tasks.start_soon(log_it)
        assert isinstance(await place.ask(), PermissionResultAllow)


async def test_the_hook_gives_the_decision_with_its_reason() -> None:
    hook: Any = {"tool_name": "Bash", "tool_input": {}}
    answer: Any = await Place("deny").approvals.pre_tool_use(hook, None, {"signal": None})
    assert answer["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert answer["hookSpecificOutput"]["permissionDecisionReason"] == "because"
