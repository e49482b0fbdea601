"""`/v1/sessions`: conversations with their workspaces."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from loopagent.domain.ids import AgentId, EnvironmentId
from loopagent.domain.session import Session
from loopagent.web.api.bodies import SessionCreate, SessionUpdate
from loopagent.web.api.given import Caller, SessionPath, Use
from loopagent.web.api.metadata import changed_metadata
from loopagent.web.api.once import NewIds
from loopagent.web.api.queries import SessionsPage
from loopagent.web.api.route import json_router
from loopagent.web.api.shapes import answer, ask_body, page, session_body
from loopagent.web.services import Services

router = json_router("/v1/sessions", "Sessions")


def shown(use: Services, session: Session) -> dict[str, Any]:
    """The wire's session."""
    return session_body(session, str(use.workspaces.folder(session.id).workspace))


@router.post("", summary="Create a session, and send it its first messages")
async def create(use: Use, who: Caller, ids: NewIds, body: SessionCreate) -> Response:
    session = await use.sessions.create(
        who,
        session_id=ids.session(),
        agent=AgentId(body.agent.id) if body.agent else None,
        agent_version=body.agent.version if body.agent else None,
        overrides=body.agent.overrides() if body.agent else None,
        environment_id=EnvironmentId(body.environment_id) if body.environment_id else None,
        title=body.title,
        metadata=body.metadata,
        template=body.template,
        recovery=body.recovery,
        messages=ids.messages(body.initial_events),
        budget=body.budget.max_list_cost.micro() if body.budget else None,
    )
    return answer(shown(use, session))


@router.get("", summary="List sessions, newest first")
async def list_sessions(use: Use, who: Caller, query: Annotated[SessionsPage, Query()]) -> Response:
    sessions, following = await use.sessions.list(who, query.query())
    return page([shown(use, session) for session in sessions], following)


@router.get("/{session_id}", summary="Get a session")
async def get(use: Use, who: Caller, session_id: SessionPath) -> Response:
    return answer(shown(use, await use.sessions.get(who, session_id)))


@router.post("/{session_id}", summary="Rename a session, change its metadata or model")
async def update(use: Use, who: Caller, session_id: SessionPath, body: SessionUpdate) -> Response:
    present = await use.sessions.get(who, session_id)
    changes: dict[str, Any] = {}
    if "title" in body.model_fields_set:
        changes["title"] = body.title or ""
    if body.metadata is not None:
        changes["metadata"] = changed_metadata(present.metadata, body.metadata)
    if body.model is not None:
        changes["model"] = body.model.id
    if "budget" in body.model_fields_set:
        limit = body.budget.max_list_cost.micro() if body.budget else None
        await use.spending.set_budget(who, session_id, limit)
    if body.recovery is not None:
        changes["recovery"] = body.recovery
    return answer(shown(use, await use.sessions.update(who, session_id, **changes)))


@router.delete("/{session_id}", summary="Delete a session with its workspace")
async def delete(use: Use, who: Caller, session_id: SessionPath) -> Response:
    await use.sessions.delete(who, session_id)
    return answer({"id": session_id, "type": "session_deleted"})


@router.post("/{session_id}/archive", summary="Archive a session: it becomes read-only")
async def archive(use: Use, who: Caller, session_id: SessionPath) -> Response:
    return answer(shown(use, await use.sessions.archive(who, session_id)))


@router.post("/{session_id}/resume", summary="Go on with a turn that was lost or has failed")
async def resume(use: Use, who: Caller, session_id: SessionPath) -> Response:
    return answer(shown(use, await use.sessions.resume(who, session_id)))


@router.get("/{session_id}/asks", summary="Tool calls that wait for an answer, oldest first")
async def asks(use: Use, who: Caller, session_id: SessionPath) -> Response:
    return answer({"data": [ask_body(ask) for ask in await use.sessions.asks(who, session_id)]})
