"""Is it alive, does it serve, how is it doing: for load balancers and Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from loopagent.domain.events import now
from loopagent.storage.sessions import count_by_status
from loopagent.web.api.given import Use

router = APIRouter(tags=["Health"])

_STATUSES = ("idle", "running", "rescheduling", "terminated")


@router.get("/healthz", summary="Is the server alive?")
async def healthz() -> Response:
    return PlainTextResponse("ok\n")


@router.get("/readyz", summary="Does the server take requests?")
async def readyz(use: Use) -> Response:
    if use.ready:
        return PlainTextResponse("ready\n")
    return PlainTextResponse("starting\n", 503, {"retry-after": "1"})


@router.get("/metrics", summary="Numbers for Prometheus")
async def metrics(use: Use) -> Response:
    counts = await use.database.read(count_by_status)
    seconds = (now() - use.started_at).total_seconds()
    lines = [
        *_gauge(
            "loop_agent_sessions",
            "Sessions by status, archived ones left out.",
            {f'status="{status}"': counts.get(status, 0) for status in _STATUSES},
        ),
        *_gauge(
            "loop_agent_live_processes",
            "Agent processes that run or are starting.",
            {"": len(use.supervisor.live)},
        ),
        *_gauge("loop_agent_uptime_seconds", "Seconds since the start.", {"": round(seconds, 3)}),
        *_gauge(
            "loop_agent_build_info",
            "Version and source of the model, always 1.",
            {f'version="{use.version}",model_source="{use.model_source}"': 1},
        ),
    ]
    text = "\n".join(lines) + "\n"
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


def _gauge(name: str, about: str, values: Mapping[str, float]) -> list[str]:
    samples = [
        f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"
        for labels, value in values.items()
    ]
    return [f"# HELP {name} {about}", f"# TYPE {name} gauge", *samples]
