"""One server for a module's tests: sessions don't disturb one another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from anthropic import AsyncAnthropic

from tests.support.server import RunningServer, running_server


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningServer]:
    home: Path = tmp_path_factory.mktemp("server")
    (home / "templates" / "plain").mkdir(parents=True)
    (home / "templates" / "plain" / "notes.txt").write_text("hello")
    async with running_server(home) as running:
        yield running


@pytest.fixture
async def http(server: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as client:
        yield client


@pytest.fixture
async def official(server: RunningServer) -> AsyncIterator[AsyncAnthropic]:
    async with server.anthropic() as client:
        yield client
