"""Is it alive, does it serve, how is it doing: for load balancers and Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

router = APIRouter(tags=["Health"])


@router.get("/healthz", summary="Is the server alive?")
async def healthz() -> Response:
    return PlainTextResponse("ok\n")


@router.get("/readyz", summary="Does the server take requests?")
async def readyz(request: Request) -> Response:
    if request.app.state.services.ready:
        return PlainTextResponse("ready\n")
    return PlainTextResponse("starting\n", 503, {"retry-after": "1"})
