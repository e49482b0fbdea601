"""The session and its fold: `apply(session, event)` gives the session after one more event.

The log is the truth; the stored session row is the cache of this fold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from loopagent.domain import events as e
from loopagent.domain.agent import Agent
from loopagent.domain.ids import EnvironmentId, EventId, SessionId, UserId
from loopagent.domain.money import ZERO, MicroUSD, from_dollars
from loopagent.domain.usage import TokenUsage

Status = Literal["idle", "running", "rescheduling", "terminated"]
RecoveryPolicy = Literal["never", "ask", "auto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One conversation with its workspace.

    seq: number of the newest event, 0 before the first.
    asks: open tool calls that wait for an answer, oldest first.
    error: the failure that ended the last turn; None once a new turn has begun.
    active_ms: time spent running, summed over turns.
    held: everything was stopped: a turn of this session, or only its queue waits to go on.
    recovery: what becomes of a turn whose process was lost. never: it stays interrupted; ask: it
        goes on when a person says so; auto: it goes on by itself, a few times at most.
    cost: by our own metering. reported_cost: as the agent program tells; where only one of them is
    known for a turn, it stands for both, so that a difference is one.
    budget: the most that the session may cost; None leaves it to the server's settings.
    pinned_at, trashed_at: where its owner has put it; not of the log, so not of the fold.
    """

    id: SessionId
    owner: UserId
    agent: Agent
    environment_id: EnvironmentId
    created_at: datetime
    updated_at: datetime
    title: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    template: str | None = None
    isolation: str = "none"
    recovery: RecoveryPolicy = "auto"
    held: Literal["turn", "queue"] | None = None
    sdk_session_id: str
    status: Status = "idle"
    stop_reason: e.StopReason | None = None
    asks: tuple[EventId, ...] = ()
    error: e.ErrorBody | None = None
    usage: TokenUsage = field(default_factory=TokenUsage)
    cost: MicroUSD = ZERO
    reported_cost: MicroUSD = ZERO
    budget: MicroUSD | None = None
    turns: int = 0
    active_ms: int = 0
    running_since: datetime | None = None
    seq: int = 0
    archived_at: datetime | None = None
    pinned_at: datetime | None = None
    trashed_at: datetime | None = None

    @property
    def is_busy(self) -> bool:
        """True while a turn is under way, also one that waits for an answer."""
        return self.status in {"running", "rescheduling"} or bool(self.asks)

    @property
    def is_over_budget(self) -> bool:
        """True after a turn that a budget has stopped, until the next one: the queue waits."""
        return self.stop_reason is not None and self.stop_reason.type == "budget_reached"

    @property
    def waits_for_key(self) -> bool:
        """True after a turn that ended because the server's key was refused, until the next one."""
        return self.error is not None and self.error.type == "authentication_error"

    @property
    def holds_queue(self) -> bool:
        """True if everything was stopped, or what is queued would only meet what stopped the last
        turn."""
        return self.held is not None or self.is_over_budget or self.waits_for_key


def apply(session: Session, event: e.Event) -> Session:
    """The session after `event`, which carries its `seq` and `processed_at`."""
    changed = _apply(session, event)
    return replace(
        changed,
        seq=event.seq if event.seq is not None else session.seq,
        updated_at=event.processed_at or session.updated_at,
    )


def _apply(session: Session, event: e.Event) -> Session:
    match event:
        case e.SessionStatusRunning():
            return _running(session, event)
        case e.SessionStatusIdle():
            return _idle(session, event)
        case e.SessionStatusRescheduled():
            return replace(session, status="rescheduling")
        case e.SessionStatusTerminated():
            return replace(_at_rest(session, event), status="terminated", asks=())
        case e.SessionError() if event.error.retry_status.type != "retrying":
            return replace(session, error=event.error)
        case e.ModelRequestEnd():
            return replace(session, usage=session.usage + TokenUsage.of(event.model_usage))
        case e.SessionUpdated():
            return _updated(session, event)
        case _:
            return replace(session, asks=_asks(session.asks, event))


def _running(session: Session, event: e.SessionStatusRunning) -> Session:
    return replace(
        session,
        status="running",
        stop_reason=None,
        error=None,
        running_since=session.running_since or event.processed_at,
    )


def _asks(asks: tuple[EventId, ...], event: e.Event) -> tuple[EventId, ...]:
    match event:
        case e.AgentToolUse() | e.AgentMcpToolUse() if event.evaluated_permission == "ask":
            return (*asks, event.id)
        case e.UserToolConfirmation() | e.AgentToolResult():
            return tuple(ask for ask in asks if ask != event.tool_use_id)
        case e.AgentMcpToolResult():
            return tuple(ask for ask in asks if ask != event.mcp_tool_use_id)
        case _:
            return asks


def _idle(session: Session, event: e.SessionStatusIdle) -> Session:
    session = replace(_at_rest(session, event), status="idle", stop_reason=event.stop_reason)
    if event.stop_reason.type == "requires_action":
        return session
    loop = event.loop or {}
    # Sub-agents in the background may still ask when the turn has ended.
    session = replace(
        session, asks=tuple(ask for ask in session.asks if ask in loop.get("asks", ()))
    )
    if loop.get("again"):
        return session  # their asks are answered; the turn has been counted
    turn = loop.get("turn") or {}
    metered, reported = turn_costs(turn)
    return replace(
        session,
        turns=session.turns + 1,
        cost=MicroUSD(session.cost + metered),
        reported_cost=MicroUSD(session.reported_cost + reported),
    )


def turn_costs(turn: Mapping[str, Any]) -> tuple[MicroUSD, MicroUSD]:
    """What a turn has cost by our metering and by the agent program's report."""
    metered, reported = turn.get("metered_usd"), turn.get("cost_usd")
    first = from_dollars(float((reported if metered is None else metered) or 0.0))
    return first, from_dollars(float(reported)) if reported is not None else first


def _at_rest(session: Session, event: e.Event) -> Session:
    """The time up to here counts as active; a wait for an answer does not."""
    if session.running_since is None or event.processed_at is None:
        return replace(session, running_since=None)
    elapsed = round((event.processed_at - session.running_since).total_seconds() * 1000)
    return replace(session, active_ms=session.active_ms + max(0, elapsed), running_since=None)


def _updated(session: Session, event: e.SessionUpdated) -> Session:
    extra = event.model_extra or {}
    changes: dict[str, Any] = {}
    if "title" in extra:
        changes["title"] = extra["title"]
    if "metadata" in extra:
        changes["metadata"] = dict(extra["metadata"])
    if "archived_at" in extra:
        at = extra["archived_at"]
        changes["archived_at"] = datetime.fromisoformat(at) if at else None
    if "held" in extra:
        changes["held"] = extra["held"]
    if "recovery" in extra:
        changes["recovery"] = extra["recovery"]
    if "budget" in extra:
        limit = ((extra["budget"] or {}).get("max_list_cost") or {}).get("amount")
        changes["budget"] = None if limit is None else from_dollars(float(limit))
    if "model" in extra:
        model = session.agent.model.model_copy(update={"id": extra["model"]})
        changes["agent"] = session.agent.model_copy(update={"model": model})
    return replace(session, **changes)
