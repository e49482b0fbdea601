"""The app: routes, error answers and security put together."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from loopagent.web.api import (
    agents,
    checkpoints,
    environments,
    events,
    halt,
    health,
    queue,
    sessions,
    short,
    tasks,
    usage,
    workspace,
)
from loopagent.web.api.once import Once
from loopagent.web.compression import Compression
from loopagent.web.errors import add_error_handlers
from loopagent.web.pages import routes
from loopagent.web.pages.errors import error_page
from loopagent.web.security import Gate
from loopagent.web.services import Services

STATIC = Path(__file__).parent / "static"


def create_app(services: Services) -> FastAPI:
    """The whole HTTP surface on top of `services`."""
    app = FastAPI(
        title="Loop Agent",
        version=services.version,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
    )
    app.state.services = services
    app.state.once = Once(lambda: app.state.services.database)
    app.state.error_page = error_page
    add_error_handlers(app)
    for part in (health, agents, environments, sessions, queue, tasks, events, halt, short, usage):
        app.include_router(part.router)
    for part in (workspace, checkpoints):
        app.include_router(part.router)
    app.include_router(routes.router, include_in_schema=False)
    if STATIC.is_dir():
        app.mount("/static", ImmutableFiles(directory=STATIC), name="static")
    app.add_middleware(Compression)
    app.add_middleware(Gate, services=lambda: app.state.services)
    return app


class ImmutableFiles(StaticFiles):
    """Files whose names hold a hash of their content: a browser never asks for them twice."""

    _HASHED = re.compile(r"-[0-9A-Za-z]{8,}\.")

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        if answer.status_code == 200 and self._HASHED.search(path):
            answer.headers["cache-control"] = "public, max-age=31536000, immutable"
        return answer
