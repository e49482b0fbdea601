"""`/api/stop` and `/api/resume`: all of the caller's sessions at once."""

from __future__ import annotations

from starlette.responses import Response

from loopagent.web.api.given import Caller, Use
from loopagent.web.api.route import json_router
from loopagent.web.api.shapes import answer

router = json_router("/api", "Short form")


@router.post("/stop", summary="Stop all sessions: every turn, queue and background task")
async def stop(use: Use, who: Caller) -> Response:
    """Their queues are held until they resume, one by one or all together."""
    return answer({"stopped": await use.halt.stop_all(who)})


@router.post("/resume", summary="Let all sessions that were stopped together go on")
async def resume(use: Use, who: Caller) -> Response:
    return answer({"resumed": await use.halt.resume_all(who)})
