"""`/v1/environments`: reusable recipes for sessions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from loopagent.web.api.bodies import EnvironmentCreate, EnvironmentFields, EnvironmentUpdate
from loopagent.web.api.given import Caller, EnvironmentPath, Use
from loopagent.web.api.metadata import changed_metadata
from loopagent.web.api.queries import ArchivablePage
from loopagent.web.api.route import json_router
from loopagent.web.api.shapes import answer, environment_body, page

router = json_router("/v1/environments", "Environments")


@router.post("", summary="Create an environment")
async def create(use: Use, who: Caller, body: EnvironmentCreate) -> Response:
    fields = _fields(body) | {"name": body.name, "metadata": body.metadata}
    return answer(environment_body(await use.environments.create(who, fields)))


@router.get("", summary="List environments, newest first")
async def list_environments(
    use: Use, who: Caller, query: Annotated[ArchivablePage, Query()]
) -> Response:
    environments, following = await use.environments.list(who, query.query())
    return page([environment_body(environment) for environment in environments], following)


@router.get("/{environment_id}", summary="Get an environment")
async def get(use: Use, who: Caller, environment_id: EnvironmentPath) -> Response:
    return answer(environment_body(await use.environments.get(who, environment_id)))


@router.post("/{environment_id}", summary="Change an environment")
async def update(
    use: Use, who: Caller, environment_id: EnvironmentPath, body: EnvironmentUpdate
) -> Response:
    fields = _fields(body)
    if body.name is not None:
        fields["name"] = body.name
    if body.metadata is not None:
        present = await use.environments.get(who, environment_id)
        changes = {key: value or None for key, value in body.metadata.items()}
        fields["metadata"] = changed_metadata(present.metadata, changes)
    return answer(environment_body(await use.environments.update(who, environment_id, fields)))


@router.post("/{environment_id}/archive", summary="Archive: no new session can use it")
async def archive(use: Use, who: Caller, environment_id: EnvironmentPath) -> Response:
    return answer(environment_body(await use.environments.archive(who, environment_id)))


@router.delete("/{environment_id}", summary="Delete an environment; its sessions stay")
async def delete(use: Use, who: Caller, environment_id: EnvironmentPath) -> Response:
    await use.environments.delete(who, environment_id)
    return answer({"id": environment_id, "type": "environment_deleted"})


def _fields(body: EnvironmentFields) -> dict[str, Any]:
    fields = body.given("description")
    if body.config is not None:
        fields["config"] = {"type": body.config.type}
    return fields
