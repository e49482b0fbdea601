"""One server for a module's tests, and sessions whose logs the tests write themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from loopagent.domain.ids import SessionId
from loopagent.storage import sessions
from tests.domain import made
from tests.support.server import RunningServer, running_server

HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningServer]:
    home: Path = tmp_path_factory.mktemp("server")
    (home / "templates" / "plain").mkdir(parents=True)
    async with running_server(home) as running:
        yield running


@pytest.fixture
async def http(server: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client(headers=HTML) as client:
        yield client


@pytest.fixture
async def session_id(server: RunningServer) -> SessionId:
    """A session without an agent: its log holds what the test writes."""
    session = made.session()
    await server.services.database.write(lambda conn: sessions.insert_row(conn, session))
    return session.id
