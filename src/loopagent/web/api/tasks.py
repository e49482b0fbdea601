"""`/v1/sessions/{id}/tasks`: sub-agents and background commands that run."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from starlette.responses import Response

from loopagent.web.api.given import Caller, SessionPath, Use
from loopagent.web.api.route import json_router
from loopagent.web.api.shapes import answer, task_body

router = json_router("/v1/sessions/{session_id}/tasks", "Tasks")


@router.get("", summary="Sub-agents and background commands that run, oldest first")
async def show(use: Use, who: Caller, session_id: SessionPath) -> Response:
    return answer({"data": [task_body(task) for task in await use.tasks.list(who, session_id)]})


@router.post("/{task_id}/stop", summary="End a sub-agent or a background command")
async def stop(
    use: Use, who: Caller, session_id: SessionPath, task_id: Annotated[str, Path(max_length=100)]
) -> Response:
    """The event `loop.task_ended` tells when it is over."""
    await use.tasks.stop(who, session_id, task_id)
    return answer({"task_id": task_id, "type": "task_stopping"})
