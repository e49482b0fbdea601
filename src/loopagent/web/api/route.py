"""How API routes read JSON: strictly in content, leniently in its label."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from loopagent.web.api.once import Once

_UNLABELLED = frozenset({"", "application/x-www-form-urlencoded", "text/plain"})


class JsonRequest(Request):
    """A request whose JSON is refused where it couldn't be stored: lone surrogates, NaN."""

    async def json(self) -> Any:
        """Raises json.JSONDecodeError, which orjson's error is."""
        return orjson.loads(await self.body())


class JsonRoute(APIRoute):
    """`curl -d` labels a body as a form: here it is JSON all the same."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            label = request.headers.get("content-type", "").split(";")[0].strip().lower()
            if request.method != "GET" and label in _UNLABELLED:
                others = [item for item in request.scope["headers"] if item[0] != b"content-type"]
                request.scope["headers"] = [*others, (b"content-type", b"application/json")]
            once: Once = request.app.state.once
            return await once.answer(JsonRequest(request.scope, request.receive), handle)

        return handle_json


def json_router(prefix: str, tag: str) -> APIRouter:
    """A router of such routes."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=JsonRoute)
