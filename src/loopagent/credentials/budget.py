"""The gate before the model's API: a request goes on only within its budgets.

What requests under way may still cost counts too: near a limit they wait for each other, so that
the limit is passed by one answer at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import anyio

from loopagent.credentials.ledger import Call, Ledger
from loopagent.credentials.request import RefusedError
from loopagent.domain.budget import Limits, Scope, Standing, refusal
from loopagent.domain.ids import SessionId
from loopagent.domain.money import MicroUSD
from loopagent.storage import usage
from loopagent.storage.database import Database
from loopagent.storage.rows import to_text
from loopagent.storage.usage import Place, Sums

_WAIT = 300.0  # seconds for other requests to end; then the agent program asks again
_DEFAULT_MAX_TOKENS = 32_000
_BYTES_PER_TOKEN = 4


def standings(limits: Limits, place: Place, sums: Sums) -> list[Standing]:
    """How far each budget in force is spent."""
    in_force: list[tuple[Scope, MicroUSD, MicroUSD | None]] = [
        ("turn", sums.turn, limits.turn),
        ("session", sums.session, limits.session if place.budget is None else place.budget),
        ("user", sums.user, _larger(limits.user, sums.user_allowance)),
        ("day", sums.day, _larger(limits.day, sums.day_allowance)),
    ]
    return [
        Standing(scope=scope, spent=spent, limit=limit)
        for scope, spent, limit in in_force
        if limit is not None
    ]


def _larger(limit: MicroUSD | None, allowance: MicroUSD | None) -> MicroUSD | None:
    return limit if limit is None or allowance is None else max(limit, allowance)


class Budgets:
    """Admits requests one after the other. `limits` are the settings'."""

    def __init__(self, database: Database, ledger: Ledger, limits: Limits) -> None:
        self._database = database
        self._ledger = ledger
        self._limits = limits
        self._turnstile = anyio.Lock()

    async def admit(self, session_id: SessionId, body: Mapping[str, Any], size: int) -> Call:
        """The call that a request of `size` bytes is from now on; raises RefusedError (402)."""
        place = await self._database.read(lambda conn: usage.place_of(conn, session_id))
        if place is None:
            raise RefusedError(404, "not_found_error", "This session is gone. Start another one.")
        call = self._call(session_id, place, body, size)
        if not self._limits and place.budget is None:
            self._ledger.begin(call)
            return call
        with anyio.move_on_after(_WAIT):
            while not await self._admits(call):
                await self._ledger.changed.wait()
            return call
        raise RefusedError(
            429,
            "rate_limit_error",
            "The budget is nearly spent, and other requests of it take long. Try again.",
            retry=True,
        )

    def _call(
        self, session_id: SessionId, place: Place, body: Mapping[str, Any], size: int
    ) -> Call:
        model, most = str(body.get("model", "")), body.get("max_tokens")
        price, known = self._ledger.prices.of(model)
        tokens = most if isinstance(most, int) and most > 0 else _DEFAULT_MAX_TOKENS
        return Call(
            session_id=session_id,
            place=place,
            model=model,
            reserved=price.most(size // _BYTES_PER_TOKEN, tokens),
            is_priced=known,
        )

    async def _admits(self, call: Call) -> bool:
        """Whether there is room now, even if all that is under way costs what it may."""
        async with self._turnstile:
            live = self._ledger.calls
            without = [other.id for other in live]
            day = to_text(call.at)[:10]
            sums = await self._database.read(
                lambda conn: usage.sums(conn, call.session_id, call.place, day, without)
            )
            has_room = True
            for standing in standings(self._limits, call.place, sums):
                counted = [other for other in live if _counts(other, standing.scope, call)]
                spent = standing.spent + sum(other.cost for other in counted)
                if spent >= standing.limit:
                    reached = replace(standing, spent=MicroUSD(spent))
                    raise RefusedError(402, "billing_error", refusal(reached), retry=False)
                held = sum(other.held for other in counted)
                has_room = has_room and spent + held < standing.limit
            if has_room:
                self._ledger.begin(call)
            return has_room


def _counts(other: Call, scope: Scope, call: Call) -> bool:
    """Whether a call under way is paid from the same budget."""
    match scope:
        case "turn":
            same_turn = other.place.turn_id == call.place.turn_id
            return other.session_id == call.session_id and same_turn
        case "session":
            return other.session_id == call.session_id
        case "user":
            return other.place.owner == call.place.owner
        case "day":
            return True
