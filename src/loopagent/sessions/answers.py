"""What a person's answer to an ask means for the process that waits for it."""

from __future__ import annotations

from loopagent.agent.ports import Verdict
from loopagent.domain import events as e
from loopagent.domain.rules import Rule


def verdict_of(answer: e.UserToolConfirmation) -> Verdict:
    """The verdict of an answer in the log. `loop`: {updated_input?, always?: [rule]}."""
    loop = answer.loop or {}
    return Verdict(
        allow=answer.result == "allow",
        message=answer.deny_message,
        updated_input=loop.get("updated_input"),
        rules=tuple(Rule(**rule) for rule in loop.get("always") or ()),
    )
