"""One server and one browser for a module's tests, and sessions whose logs the tests write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect
from playwright.sync_api import expect as expect_now

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.storage import sessions
from tests.domain import made
from tests.support.server import RunningServer, running_server

HTML = {"accept": "text/html"}
# A busy machine gets more time.
expect.set_options(timeout=20_000)
expect_now.set_options(timeout=20_000)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


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
    server.services.workspaces.folder(session.id).workspace.mkdir(parents=True)
    return session.id


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield launched
        await launched.close()


@pytest.fixture
async def tab(browser: Browser) -> AsyncIterator[Page]:
    """A page that fails its test on any console error, such as one of the security policy."""
    context = await browser.new_context(viewport={"width": 1180, "height": 900})
    opened = await context.new_page()
    opened.set_default_timeout(15_000)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda said: problems.append(said.text) if _matters(said) else None)
    yield opened
    await context.close()
    assert problems == []


def _matters(said: ConsoleMessage) -> bool:
    """Not that a server is stopped, or refuses what it should: the page has words for both."""
    unreachable = (
        "ERR_" in said.text
        or "sse:error" in said.text
        or "status of 4" in said.text
        or "Failed to fetch" in said.text
    )
    return said.type == "error" and not unreachable


async def add(server: RunningServer, session_id: SessionId, *new: e.Event) -> None:
    """Write into a session's log, as its runner would."""
    await server.services.log.append(session_id, new)
