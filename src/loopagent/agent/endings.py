"""How a turn ends in the log: the events for each kind of result."""

from __future__ import annotations

from typing import Any

from claude_agent_sdk import ResultMessage

from loopagent.agent import failures
from loopagent.agent.turn import Turn
from loopagent.domain import events as e
from loopagent.domain.budget import Standing, refused
from loopagent.errors import AgentError


def idle(reason: str, turn: dict[str, Any]) -> e.SessionStatusIdle:
    return e.SessionStatusIdle(
        stop_reason=e.StopReason(type=reason), loop={"turn": turn} if turn else None
    )


def with_stops(events: list[e.Event], turn: Turn | None) -> list[e.Event]:
    """The events that end a turn, telling how it was stopped, if it was."""
    if turn is None or not turn.stops.have_begun:
        return events
    stop = {"stop": {"steps": turn.stops.facts()}}
    return [
        event.model_copy(update={"loop": {**(event.loop or {}), **stop}})
        if isinstance(event, e.SessionStatusIdle)
        else event
        for event in events
    ]


def given_up(turn: Turn) -> list[e.Event]:
    """The events that end a turn whose process had to be ended."""
    failed = [failures.failure(turn.error)] if turn.error is not None else []
    return [*failed, idle("retries_exhausted" if turn.error else "interrupted", {})]


def limit(message: ResultMessage, word: str | None, turn: Turn | None) -> AgentError | None:
    """The limit of the model's API that ended a turn which nobody wanted to end; else None."""
    stopped = turn is None or turn.interrupted or turn.error is not None
    if stopped or not message.is_error:
        return None
    error = failures.from_result(message, word)
    return error if error.is_limit else None


def over_budget(spent: Standing, turn: dict[str, Any]) -> e.SessionStatusIdle:
    reason = e.StopReason.model_validate({"type": "budget_reached", "loop": spent.facts()})
    return e.SessionStatusIdle(stop_reason=reason, loop={"turn": turn})


def of_result(
    message: ResultMessage, word: str | None, turn: Turn | None, cost: float
) -> list[e.Event]:
    """The events that end a turn, from the CLI's result."""
    facts: dict[str, Any] = {
        "duration_ms": message.duration_ms,
        "cost_usd": round(cost, 6),
        "usage": {k: v for k, v in (message.usage or {}).items() if isinstance(v, int)},
        "model_requests": message.num_turns,
    }
    if turn is not None and turn.error is not None:
        return [failures.failure(turn.error), idle("retries_exhausted", facts)]
    if word == "authentication_failed":
        return [
            failures.failure(failures.from_word(word, retry="terminal")),
            idle("retries_exhausted", facts),
        ]
    aborted = (message.terminal_reason or "").startswith("aborted")
    if aborted or (turn is not None and turn.interrupted):
        return [idle("interrupted", facts)]
    spent = refused(message.result or "") if message.api_error_status == 402 else None
    if spent is not None:
        return [over_budget(spent, facts)]
    if message.is_error:
        error = failures.from_result(message, word)
        return [failures.failure(error), idle("retries_exhausted", facts)]
    return [idle("end_turn", facts)]
