"""The lists of all people who look at their sessions: one roll each, begun with the first page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from loopagent.auth.principal import Principal
from loopagent.domain.ids import SessionId, UserId
from loopagent.errors import UnavailableError
from loopagent.web.pages.roll import Roll
from loopagent.web.pages.rows import Listing
from loopagent.web.services import Services


class Listings:
    """Starts rolls; they end by themselves when nobody has looked for a while."""

    def __init__(self, services: Services, group: TaskGroup) -> None:
        self._services = services
        self._group = group
        self._rolls: dict[UserId, Roll] = {}

    async def of(
        self, who: Principal, here: SessionId | None = None, *, state: str = "", page: int = 1
    ) -> Listing:
        """The sessions of a person as a page shows them; raises UnavailableError."""
        return (await self.roll(who)).listing(here, state, page)

    async def roll(self, who: Principal) -> Roll:
        """The roll of a person, up to date; raises UnavailableError."""
        roll = self._rolls.get(who.user_id)
        if roll is None or roll.is_closed:
            roll = self._rolls[who.user_id] = Roll(self._services, who)
            self._group.start_soon(self._run, roll, who.user_id, name=f"roll {who.user_id}")
        await roll.ready.wait()
        if roll.is_closed:
            raise UnavailableError("The list of sessions cannot be read now. Reload the page.")
        await roll.fresh()
        return roll

    def known(self, who: Principal) -> Listing | None:
        """The list as it was last read, for pages that are not about it; None if it wasn't yet."""
        roll = self._rolls.get(who.user_id)
        is_open = roll is not None and roll.ready.is_set() and not roll.is_closed
        return roll.listing() if roll is not None and is_open else None

    async def _run(self, roll: Roll, user_id: UserId) -> None:
        try:
            await roll.run()
        finally:
            if self._rolls.get(user_id) is roll:
                del self._rolls[user_id]


@asynccontextmanager
async def open_listings(services: Services) -> AsyncIterator[Listings]:
    """Rolls for as long as the app runs."""
    async with anyio.create_task_group() as group:
        yield Listings(services, group)
        group.cancel_scope.cancel()
