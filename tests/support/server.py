"""The whole server inside a test's own loop, on a real port: fast to start, open to look into."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import anyio
import httpx
import uvicorn

from loopagent.config import Settings
from loopagent.server import bind
from loopagent.services import Services, open_services
from loopagent.sessions import house
from loopagent.web.app import create_app
from loopagent.web.connection import Connection
from tests.support.process import shared_programs


@dataclass(frozen=True)
class RunningServer:
    """A server that answers at `url`."""

    url: str
    services: Services

    def client(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=30, **options)

    def anthropic(self, **options: Any) -> anthropic.AsyncAnthropic:
        """The official client; its key counts for nothing where no sign-in is set."""
        given = {"api_key": "any-key", "timeout": 30, **options}
        return anthropic.AsyncAnthropic(base_url=self.url, **given)


def settings_below(home: Path, **changes: Any) -> Settings:
    """Settings that keep everything below `home` and talk to the scripted model."""
    settings = Settings(
        port=0,
        database_url=f"file:{home}/data/sessions.db",
        workspace_root=home / "workspaces",
        data_dir=home / "data",
        templates_dir=home / "templates",
        isolation="none",
        programs_dir=shared_programs(),
    )
    return dataclasses.replace(settings, **changes)


# Tests write turns into the log by hand: nobody shall take them for lost ones.
house.LOOK_EVERY = float("inf")


@asynccontextmanager
async def running_server(home: Path, **changes: Any) -> AsyncIterator[RunningServer]:
    """A server below `home`, started; everything is ended with the block."""
    settings = settings_below(home, **changes)
    async with open_services(settings) as services, _listening(services, settings) as url:
        yield RunningServer(url, services)


@asynccontextmanager
async def _listening(services: Services, settings: Settings) -> AsyncIterator[str]:
    listener = bind(settings.host, settings.port)
    config = uvicorn.Config(
        create_app(services),
        http=Connection,
        log_config=None,
        lifespan="on",
        access_log=False,
        timeout_graceful_shutdown=5,
        proxy_headers=False,
    )
    server = _Server(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listener])
        with anyio.fail_after(10):
            while not server.started:
                await anyio.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            await services.log.close()
            server.should_exit = True


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the test runner's own business
