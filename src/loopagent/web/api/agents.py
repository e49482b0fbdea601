"""`/v1/agents`: named, versioned set-ups. A change makes a new version; the old ones stay."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from loopagent.domain.agent import Agent
from loopagent.web.api.bodies import AgentCreate, AgentFields, AgentUpdate
from loopagent.web.api.given import AgentPath, Caller, Use
from loopagent.web.api.metadata import changed_metadata
from loopagent.web.api.queries import ArchivablePage
from loopagent.web.api.route import json_router
from loopagent.web.api.shapes import agent_body, answer, page

router = json_router("/v1/agents", "Agents")


@router.post("", summary="Create an agent")
async def create(use: Use, who: Caller, body: AgentCreate) -> Response:
    fields = _fields(body) | {"name": body.name, "model": body.model.choice()}
    fields["metadata"] = body.metadata
    return answer(agent_body(await use.agents.create(who, fields)))


@router.get("", summary="List agents, newest first")
async def list_agents(use: Use, who: Caller, query: Annotated[ArchivablePage, Query()]) -> Response:
    agents, following = await use.agents.list(who, query.query())
    return page([agent_body(agent) for agent in agents], following)


@router.get("/{agent_id}", summary="Get an agent, or one version of it")
async def get(
    use: Use,
    who: Caller,
    agent_id: AgentPath,
    version: Annotated[int | None, Query(ge=1, le=2**31)] = None,
) -> Response:
    return answer(agent_body(await use.agents.get(who, agent_id, version)))


@router.post("/{agent_id}", summary="Change an agent: makes a new version")
async def update(use: Use, who: Caller, agent_id: AgentPath, body: AgentUpdate) -> Response:
    present = await use.agents.get(who, agent_id)
    fields = _fields(body) | body.given("name")
    if body.model is not None:
        fields["model"] = body.model.choice()
    if body.metadata is not None:
        fields["metadata"] = changed_metadata(present.metadata, body.metadata)
    if not _changes(present, fields) and body.version in {None, present.version}:
        return answer(agent_body(present))
    return answer(agent_body(await use.agents.update(who, agent_id, fields, body.version)))


@router.post("/{agent_id}/archive", summary="Archive an agent: no new session can use it")
async def archive(use: Use, who: Caller, agent_id: AgentPath) -> Response:
    return answer(agent_body(await use.agents.archive(who, agent_id)))


@router.get("/{agent_id}/versions", summary="List an agent's versions, newest first")
async def versions(use: Use, who: Caller, agent_id: AgentPath) -> Response:
    return page([agent_body(agent) for agent in await use.agents.versions(who, agent_id)], None)


def _fields(body: AgentFields) -> dict[str, Any]:
    fields = body.given("description", "system", "max_turns")
    if "tools" in body.model_fields_set:
        fields["tools"] = [tool.toolset() for tool in body.tools or []]
    return fields


def _changes(agent: Agent, fields: dict[str, Any]) -> bool:
    return any(getattr(agent, name) != value for name, value in fields.items())
