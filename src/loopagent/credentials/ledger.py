"""The ledger: every model request becomes a row, from its first number to its last.

A row is written when the answer begins and again when it ends, so that a killed server loses
nothing but the end of it. Writing happens beside the stream, which never waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import anyio

from loopagent.domain.events import now
from loopagent.domain.ids import SessionId, new_request_id
from loopagent.domain.money import ZERO, MicroUSD
from loopagent.domain.prices import Prices
from loopagent.domain.usage import TokenUsage
from loopagent.errors import LoopError
from loopagent.storage import usage
from loopagent.storage.database import Connection, Database
from loopagent.storage.usage import Place, State, UsageRow

log = logging.getLogger(__name__)

_PAUSE = 1.0  # seconds until rows that could not be written are tried again
_LAST_WITHIN = 5.0
_SETTLE_WITHIN = 0.5
_MOST_ENDED = 10_000  # rows that wait for a database that fails

Settled = Callable[[SessionId], Awaitable[None]]


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """One model request under way. reserved: what it may cost at most."""

    session_id: SessionId
    place: Place
    model: str
    reserved: MicroUSD = ZERO
    id: str = field(default_factory=new_request_id)
    at: datetime = field(default_factory=now)
    tokens: TokenUsage | None = None
    cost: MicroUSD = ZERO
    is_priced: bool = True
    state: State = "open"

    @property
    def held(self) -> MicroUSD:
        """What it may still add to its cost."""
        return MicroUSD(max(0, self.reserved - self.cost)) if self.state == "open" else ZERO

    def row(self) -> UsageRow:
        assert self.tokens is not None
        return UsageRow(
            id=self.id,
            session_id=self.session_id,
            owner=self.place.owner,
            agent_id=self.place.agent_id,
            turn_id=self.place.turn_id,
            model=self.model,
            at=self.at,
            tokens=self.tokens,
            cost=self.cost,
            state=self.state,
            is_priced=self.is_priced,
        )


class Ledger:
    """All calls of this process. `changed` is notified whenever one has got its number.

    on_settled: awaited for each session after rows of ended calls are on disk.
    """

    def __init__(
        self, database: Database, prices: Prices, *, on_settled: Settled | None = None
    ) -> None:
        self._database = database
        self._on_settled = on_settled
        self._calls: dict[str, Call] = {}  # under way, or ended and not yet on disk
        self._dirty: dict[str, Call] = {}
        self._wake = anyio.Event()
        self.prices = prices
        self.changed = anyio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Ledger]:
        """Write rows until the block is left, the last of them included."""
        await self._database.write(usage.cut_open)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run, name="ledger")
            try:
                yield self
            finally:
                tasks.cancel_scope.cancel()
                with anyio.move_on_after(_LAST_WITHIN, shield=True):
                    await self._write(self._take())

    @property
    def calls(self) -> list[Call]:
        """Those whose last number is not on disk yet."""
        return list(self._calls.values())

    # -- the life of a call -----------------------------------------------------------------

    def begin(self, call: Call) -> None:
        """The call goes to the model's API."""
        self._calls[call.id] = call

    def note(self, call: Call, model: str | None, tokens: TokenUsage | None) -> None:
        """The answer has told its first numbers."""
        if tokens is not None:
            self._price(call, model, tokens)
            self._put(call)

    def end(self, call: Call, model: str | None, tokens: TokenUsage | None, *, whole: bool) -> None:
        """The answer has ended; without numbers there is nothing to write."""
        if call.state != "open":
            return
        call.state = "done" if whole else "cut"
        if tokens is None:
            self._calls.pop(call.id, None)
        else:
            self._price(call, model, tokens)
            self._put(call)
        self._tell()

    def _price(self, call: Call, model: str | None, tokens: TokenUsage) -> None:
        call.model = model or call.model
        price, call.is_priced = self.prices.of(call.model)
        call.tokens, call.cost = tokens, price.cost(tokens)

    def _put(self, call: Call) -> None:
        if len(self._dirty) < _MOST_ENDED or call.id in self._dirty:
            self._dirty[call.id] = call
        else:
            log.error("%s: a request's cost is lost: %s", call.session_id, call)
            self._calls.pop(call.id, None)
        self._wake.set()

    def _tell(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()

    # -- writing ----------------------------------------------------------------------------

    async def settled(self, session_id: SessionId) -> None:
        """Wait, for a moment at most, until a session's calls have ended and are on disk."""
        with anyio.move_on_after(_SETTLE_WITHIN):
            while any(call.session_id == session_id for call in self._calls.values()):
                await self.changed.wait()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            if not await self._write(self._take()):
                await anyio.sleep(_PAUSE)

    def _take(self) -> list[tuple[Call, UsageRow]]:
        self._wake = anyio.Event()
        taken, self._dirty = self._dirty, {}
        return [(call, call.row()) for call in taken.values()]

    async def _write(self, taken: list[tuple[Call, UsageRow]]) -> bool:
        """Write rows; false if that failed, and they are kept for the next time."""
        rows = [row for _, row in taken]

        def write(conn: Connection) -> None:
            usage.save(conn, rows)

        try:
            if rows:
                await self._database.write(write)
        except LoopError as error:
            log.warning("What was spent could not be written: %s", error.message)
            self._dirty = {call.id: call for call, _ in taken} | self._dirty
            self._wake.set()
            return False
        ended = [row for row in rows if row.state != "open"]
        for row in ended:
            self._calls.pop(row.id, None)
        self._tell()
        await self._settle({row.session_id for row in ended})
        return True

    async def _settle(self, session_ids: Iterable[SessionId]) -> None:
        if self._on_settled is None:
            return
        for session_id in session_ids:
            try:
                await self._on_settled(session_id)
            except LoopError as error:
                log.info("%s: its budget was not looked at: %s", session_id, error.message)
