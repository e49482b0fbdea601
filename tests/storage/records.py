"""Sessions, agents and events to store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from loopagent.domain.agent import Agent, Environment, ModelChoice
from loopagent.domain.ids import (
    LOCAL_USER,
    EnvironmentId,
    SessionId,
    new_agent_id,
    new_environment_id,
    new_event_id,
    new_session_id,
)
from loopagent.domain.session import Session
from loopagent.storage.events import EventRow

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def minute(number: int) -> datetime:
    return NOON + timedelta(minutes=number)


def an_agent(**changes: Any) -> Agent:
    agent = Agent(
        id=new_agent_id(),
        name="Coder",
        model=ModelChoice(id="claude-test"),
        created_at=NOON,
        updated_at=NOON,
    )
    return agent.model_copy(update=changes)


def an_environment(**changes: Any) -> Environment:
    environment = Environment(
        id=new_environment_id(), name="Empty", created_at=NOON, updated_at=NOON
    )
    return environment.model_copy(update=changes)


def a_session(**changes: Any) -> Session:
    session = Session(
        id=new_session_id(),
        owner=LOCAL_USER,
        agent=an_agent(),
        environment_id=EnvironmentId("env_default"),
        created_at=NOON,
        updated_at=NOON,
        sdk_session_id="11111111-2222-3333-4444-555555555555",
    )
    return replace(session, **changes)


def a_row(session_id: SessionId, seq: int, kind: str = "agent.message") -> EventRow:
    event_id = new_event_id()
    body = f'{{"id":"{event_id}","seq":{seq},"type":"{kind}"}}'
    return EventRow(session_id, seq, event_id, kind, minute(seq), body)
