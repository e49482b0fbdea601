"""A proxy in front of a stand-in API, with one session's grant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import anyio
import pytest
from yarl import URL

from loopagent.credentials.budget import Budgets
from loopagent.credentials.grants import Grants
from loopagent.credentials.ledger import Call, Ledger
from loopagent.credentials.prices import load_prices
from loopagent.credentials.proxy import CredentialProxy
from loopagent.credentials.upstream import Upstream
from loopagent.domain.budget import Limits
from loopagent.domain.ids import SessionId
from loopagent.domain.prices import Prices
from loopagent.domain.usage import TokenUsage
from loopagent.storage import sessions
from loopagent.storage.database import Database
from tests.credentials.upstream import FakeApi, fake_api
from tests.storage.records import a_session

PRICES = load_prices()
NO_LIMITS = Limits()
KEY = "sk-ant-real-key-of-the-server"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"file:{tmp_path}/sessions.db"
    opened = await anyio.to_thread.run_sync(Database.open, url)
    yield opened
    await anyio.to_thread.run_sync(opened.close)


@pytest.fixture
async def grants(database: Database) -> Grants:
    return Grants(database)


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with fake_api() as running:
        yield running


class RecordingLedger(Ledger):
    """Remembers what it was told of ended calls."""

    def __init__(self, database: Database, prices: Prices) -> None:
        super().__init__(database, prices)
        self.usages: list[tuple[SessionId, str, TokenUsage]] = []

    def end(self, call: Call, model: str | None, tokens: TokenUsage | None, *, whole: bool) -> None:
        if call.state == "open" and tokens is not None:
            self.usages.append((call.session_id, model or call.model, tokens))
        super().end(call, model, tokens, whole=whole)


@dataclass(slots=True)
class Agent:
    """The agent's side: a client that holds nothing but its grant."""

    url: str
    session_id: SessionId
    token: str
    client: aiohttp.ClientSession
    database: Database
    ledger: RecordingLedger
    rejected: list[SessionId] = field(default_factory=list)

    @property
    def usages(self) -> list[tuple[SessionId, str, TokenUsage]]:
        return self.ledger.usages

    async def settled(self) -> None:
        """Wait until all that was spent is written."""
        with anyio.fail_after(5):
            while self.ledger.calls:
                await self.ledger.settled(self.session_id)

    def post(
        self, body: object = None, *, path: str = "/v1/messages", **headers: str
    ) -> aiohttp.client._RequestContextManager:
        given = {"x-api-key": self.token} | {k.replace("_", "-"): v for k, v in headers.items()}
        url = URL(self.url + path, encoded=True)
        if isinstance(body, bytes):
            return self.client.post(url, data=body, headers=given)
        asked = {"model": "claude-x", "stream": True} if body is None else body
        return self.client.post(url, json=asked, headers=given)


@asynccontextmanager
async def agent_behind(
    grants: Grants, upstream: Upstream, limits: Limits = NO_LIMITS
) -> AsyncIterator[tuple[CredentialProxy, Agent]]:
    """A running proxy and an agent with a grant."""
    database = grants._database
    session = a_session()
    await database.write(lambda conn: sessions.insert_row(conn, session))
    token = await grants.issue(session.id)
    async with (
        aiohttp.ClientSession(auto_decompress=False) as client,
        RecordingLedger(database, PRICES).open() as ledger,
    ):
        assert isinstance(ledger, RecordingLedger)
        agent = Agent("", session.id, token, client, database, ledger)
        proxy = CredentialProxy(
            grants,
            upstream,
            budgets=Budgets(database, ledger, limits),
            ledger=ledger,
            on_rejected=agent.rejected.append,
        )
        agent.url = await proxy.start()
        try:
            yield proxy, agent
        finally:
            await proxy.stop()


@pytest.fixture
async def agent(grants: Grants, api: FakeApi) -> AsyncIterator[Agent]:
    async with agent_behind(grants, Upstream(base_url=api.url, api_key=KEY)) as (_, running):
        yield running
