"""What is made on first use, made before somebody waits for it: routes, templates, statements.

None of it changes what the server does; without it the first visitor waits a quarter of a second.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging

import anyio
from fastapi import FastAPI

from loopagent.domain.ids import LOCAL_USER, new_session_id
from loopagent.storage.database import Connection
from loopagent.storage.sessions import SessionQuery, exists, page
from loopagent.web.pages.drawing import rehearse_drawing
from loopagent.web.services import Services

log = logging.getLogger(__name__)

_NO_PATH = {"type": "http", "method": "GET", "path": "/-/-/-", "headers": []}
_PAUSE = 0.5  # seconds: whoever waited for the start comes first


async def rehearse(app: FastAPI, services: Services) -> None:
    """Warm `app` up in a thread, beside its first requests; never raises."""
    try:
        await anyio.sleep(_PAUSE)
        await anyio.to_thread.run_sync(_routes, app)
        await _statements(services)
        await anyio.to_thread.run_sync(rehearse_drawing)
        await anyio.to_thread.run_sync(_give_back)
    except Exception:  # the first visitor waits a little longer: no reason to end a server
        log.warning("the rehearsal failed", exc_info=True)


def _routes(app: FastAPI) -> None:
    """The parameters of routes are looked into when a request first passes them."""
    for route in app.routes:
        route.matches(dict(_NO_PATH))


async def _statements(services: Services) -> None:
    """SQL is compiled once for each shape of statement."""
    nobody = new_session_id()

    def read(conn: Connection) -> None:
        exists(conn, nobody)
        page(conn, LOCAL_USER, SessionQuery(include_archived=True, limit=1))

    await services.database.read(read)
    for shape in ({"order": "desc"}, {"order": "desc", "hidden": "loop."}, {"hidden": "loop."}):
        await services.log.page(nobody, limit=1, **shape)  # type: ignore[arg-type]


def _give_back() -> None:
    """Compiling leaves megabytes behind that the C library keeps until it is asked for them."""
    with contextlib.suppress(OSError, AttributeError):  # only glibc has this
        ctypes.CDLL(None).malloc_trim(0)
