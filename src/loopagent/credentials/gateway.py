"""The room put together: grants, budgets, ledger and the proxy, started and stopped in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from loopagent.config import Settings
from loopagent.credentials.budget import Budgets
from loopagent.credentials.grants import Grants
from loopagent.credentials.keywatch import KeyWatch
from loopagent.credentials.ledger import Ledger, Settled
from loopagent.credentials.limits import Limits
from loopagent.credentials.prices import load_prices
from loopagent.credentials.proxy import CredentialProxy
from loopagent.credentials.sockets import Sockets
from loopagent.credentials.upstream import Upstream
from loopagent.storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The way to the model's API.

    url, sockets: where agents with a network reach it, and where those without.
    """

    url: str
    sockets: Sockets
    grants: Grants
    ledger: Ledger
    limits: Limits
    key: KeyWatch


@asynccontextmanager
async def open_gateway(
    settings: Settings, database: Database, upstream: Upstream, on_settled: Settled
) -> AsyncIterator[Gateway]:
    """A running proxy; raises SettingsError (the file of prices), OSError.

    on_settled: awaited for a session after what it has spent is on disk.
    """
    grants, limits, key = Grants(database), Limits(), KeyWatch(upstream)
    prices = await anyio.to_thread.run_sync(load_prices, settings.prices)
    async with Ledger(database, prices, on_settled=on_settled).open() as ledger:
        proxy = CredentialProxy(
            grants,
            upstream,
            budgets=Budgets(database, ledger, settings.limits),
            ledger=ledger,
            on_rejected=key.rejected,
            on_limited=limits.note,
        )
        try:
            url = await proxy.start()
            yield Gateway(
                url=url,
                sockets=proxy.sockets,
                grants=grants,
                ledger=ledger,
                limits=limits,
                key=key,
            )
        finally:
            await proxy.stop()
