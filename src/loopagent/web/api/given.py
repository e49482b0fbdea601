"""What routes ask for by their parameters: services, caller, ids, ranges of time."""

from __future__ import annotations

import re
from typing import Annotated, cast

from fastapi import Depends, Path, Request

from loopagent.auth.principal import Principal
from loopagent.domain.ids import (
    AgentId,
    EnvironmentId,
    EventId,
    SessionId,
    is_session_id,
)
from loopagent.errors import NotFoundError
from loopagent.web.services import Services

_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,100}\Z")


# They are async because FastAPI would run a plain function in a thread.
async def services_of(request: Request) -> Services:
    return cast("Services", request.app.state.services)


async def caller_of(request: Request) -> Principal:
    return cast("Principal", request.state.principal)


async def session_id_of(session_id: Annotated[str, Path(description="`sesn_…`")]) -> SessionId:
    """Only a well-formed id goes on: it may become part of a path."""
    if not is_session_id(session_id):
        raise NotFoundError(f"There is no session {session_id[:100]!r}. List them to see which.")
    return SessionId(session_id)


async def agent_id_of(agent_id: Annotated[str, Path(description="`agent_…`")]) -> AgentId:
    return AgentId(_plain("agent", agent_id))


async def environment_id_of(
    environment_id: Annotated[str, Path(description="`env_…`")],
) -> EnvironmentId:
    return EnvironmentId(_plain("environment", environment_id))


async def event_id_of(event_id: Annotated[str, Path(description="`sevt_…`")]) -> EventId:
    return EventId(_plain("event", event_id))


def _plain(noun: str, text: str) -> str:
    if _PLAIN_ID.match(text) is None:
        raise NotFoundError(f"There is no {noun} {text[:100]!r}. List them to see which.")
    return text


Use = Annotated[Services, Depends(services_of)]
Caller = Annotated[Principal, Depends(caller_of)]
SessionPath = Annotated[SessionId, Depends(session_id_of)]
AgentPath = Annotated[AgentId, Depends(agent_id_of)]
EnvironmentPath = Annotated[EnvironmentId, Depends(environment_id_of)]
EventPath = Annotated[EventId, Depends(event_id_of)]
