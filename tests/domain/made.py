"""An agent and a session to begin with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from loopagent.domain.agent import Agent, Environment, ModelChoice
from loopagent.domain.ids import (
    LOCAL_USER,
    EnvironmentId,
    new_agent_id,
    new_environment_id,
    new_session_id,
)
from loopagent.domain.session import Session

START = datetime(2030, 1, 1, tzinfo=UTC)


def agent(**fields: Any) -> Agent:
    given: dict[str, Any] = {
        "id": new_agent_id(),
        "name": "Reader",
        "model": ModelChoice(id="some-model"),
        "created_at": START,
        "updated_at": START,
    }
    return Agent(**(given | fields))


def environment(**fields: Any) -> Environment:
    given: dict[str, Any] = {
        "id": new_environment_id(),
        "name": "Plain",
        "created_at": START,
        "updated_at": START,
    }
    return Environment(**(given | fields))


def session(**fields: Any) -> Session:
    given: dict[str, Any] = {
        "id": new_session_id(),
        "owner": LOCAL_USER,
        "agent": agent(),
        "environment_id": EnvironmentId("env_default"),
        "created_at": START,
        "updated_at": START,
        "sdk_session_id": "11111111-2222-3333-4444-555555555555",
    }
    return Session(**(given | fields))
