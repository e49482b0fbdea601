"""What sessions cost: sums for pages and programs, warnings near a limit, raise and go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from loopagent.agent.ports import Prompt
from loopagent.auth.principal import Principal
from loopagent.credentials.budget import standings
from loopagent.domain import events as e
from loopagent.domain.budget import Limits, Standing, standing_of
from loopagent.domain.ids import AgentId, EventId, SessionId
from loopagent.domain.money import MicroUSD, to_dollars
from loopagent.domain.session import Session
from loopagent.errors import ConflictError, InvalidRequestError, NotFoundError
from loopagent.eventlog.log import EventLog, StoredEvent
from loopagent.sessions import turns
from loopagent.sessions.outcome import Outcome
from loopagent.sessions.runs import Runs
from loopagent.storage import events, sessions, usage
from loopagent.storage.database import Connection, Database
from loopagent.storage.usage import Account, Group, Place, Total

# The agent program has kept what it was doing; these words are no new task.
GO_ON = "Continue from where you left off."
_WARNINGS = 20  # the newest ones, among which one that was given is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What one session has cost, and how far its budgets are spent."""

    session: Session
    models: Sequence[Total]
    turns: Sequence[e.SessionStatusIdle]
    standings: Sequence[Standing]


class Spending:
    """Reads and raises. `limits` are the settings'."""

    def __init__(self, database: Database, log: EventLog, limits: Limits, runs: Runs) -> None:
        self._database = database
        self._log = log
        self._limits = limits
        self._runs = runs

    @property
    def limits(self) -> Limits:
        return self._limits

    async def bill(self, who: Principal, session_id: SessionId, *, turns: int = 100) -> Bill:
        """What a session has cost, its last `turns` turns apart; raises NotFoundError."""

        def read(conn: Connection) -> Bill:
            session = _own(conn, who, session_id)
            ends = events.page(
                conn, session_id, types=("session.status_idle",), order="desc", limit=turns
            )
            found = [e.parse_event(row.body) for row in ends]
            return Bill(
                session=session,
                models=usage.totals(conn, ["model"], session_id=session_id),
                turns=[end for end in found if _is_turn_end(end)],
                standings=_stand(conn, self._limits, session_id),
            )

        return await self._database.read(read)

    async def totals(
        self,
        who: Principal,
        by: Sequence[Group],
        *,
        first: str | None = None,
        last: str | None = None,
    ) -> list[Total]:
        """The caller's spending, grouped."""
        return await self._database.read(
            lambda conn: usage.totals(conn, by, owner=who.user_id, first=first, last=last)
        )

    async def today(self, who: Principal) -> list[Standing]:
        """How far the caller's and everybody's budget of this day are spent."""
        place = Place(owner=who.user_id, agent_id=AgentId(""), budget=None, turn_id=None)
        daily = Limits(user=self._limits.user, day=self._limits.day)
        if not daily:
            return []
        day = e.now().date().isoformat()
        sums = await self._database.read(lambda conn: usage.sums(conn, SessionId(""), place, day))
        return standings(daily, place, sums)

    async def accounts(self, who: Principal, ids: Sequence[str]) -> dict[str, Account]:
        """Title and both accounts of those of the caller's sessions that still are."""
        return await self._database.read(lambda conn: usage.accounts(conn, who.user_id, ids))

    async def set_budget(
        self, who: Principal, session_id: SessionId, amount: MicroUSD | None
    ) -> None:
        """Limit what a session may cost; None leaves it to the server's settings."""

        await self._database.read(lambda conn: _own(conn, who, session_id))
        await self._log.append(session_id, [budget_changed(amount, who)])

    async def raise_and_go_on(
        self, who: Principal, session_id: SessionId, amount: MicroUSD | None = None
    ) -> Session:
        """Raise the budget that has stopped a session, and let the turn go on.

        amount: the new limit; None is as much again. Raises ConflictError if none has stopped it,
        InvalidRequestError if `amount` is spent already.
        """

        def write(conn: Connection) -> Outcome:
            _own(conn, who, session_id)
            session = turns.writable(conn, session_id)
            reached = _stopped_by(session)
            now_spent = next(
                (s for s in _stand(conn, self._limits, session_id) if s.scope == reached.scope),
                reached,
            )
            if now_spent.is_reached:
                reached = replace(reached, spent=now_spent.spent, limit=now_spent.limit)
            changes = _raise(conn, who, session, reached, amount)
            rows = self._log.append_in(conn, session_id, changes) if changes else []
            message = e.UserMessage(content=[e.text_block(GO_ON)], loop={"goes_on": True})
            begun = turns.begin(self._log, conn, sessions.get(conn, session_id), message)
            prompt = Prompt(event_id=message.id, content=list(message.content), seq=begun[0].seq)
            return Outcome(rows=[*rows, *begun], prompt=prompt)

        outcome = await self._database.write(write)
        self._log.published(session_id, outcome.rows)
        if outcome.prompt is not None:
            self._runs.deliver(session_id, outcome.prompt)
        return await self._database.read(lambda conn: sessions.get(conn, session_id))


def _own(conn: Connection, who: Principal, session_id: SessionId) -> Session:
    session = sessions.get(conn, session_id)
    if session.owner != who.user_id:
        raise NotFoundError(f"There is no session {session_id}.")
    return session


def _is_turn_end(event: e.Event) -> TypeGuard[e.SessionStatusIdle]:
    return isinstance(event, e.SessionStatusIdle) and event.stop_reason.type != "requires_action"


def _stopped_by(session: Session) -> Standing:
    facts = (session.stop_reason.model_extra or {}).get("loop") if session.stop_reason else None
    standing = standing_of(facts) if session.is_over_budget else None
    if standing is None:
        raise ConflictError("No budget has stopped this session. Send a message to go on.")
    return standing


def _raise(
    conn: Connection,
    who: Principal,
    session: Session,
    reached: Standing,
    amount: MicroUSD | None,
) -> list[e.Event]:
    """Store the new limit; a new turn has a budget of its own, so there is nothing to raise."""
    new = reached.raised() if amount is None else amount
    if reached.scope != "turn" and new <= reached.spent:
        raise InvalidRequestError(
            f"${to_dollars(reached.spent)} is spent already. Raise the budget to more than that."
        )
    match reached.scope:
        case "turn":
            return []
        case "session":
            return [budget_changed(new, who)]
        case "user" | "day":
            owner = session.owner if reached.scope == "user" else ""
            at = e.now()
            day = at.date().isoformat()
            usage.allow(conn, reached.scope, owner, day, new, by=who.user_id, at=at)
            return []


def budget_changed(amount: MicroUSD | None, who: Principal) -> e.Event:
    """The event that gives a session its budget."""
    budget = None
    if amount is not None:
        cost = {"amount": to_dollars(amount), "currency": "USD"}
        budget = {"type": "limit", "max_list_cost": cost}
    return e.SessionUpdated.model_validate({"budget": budget, "loop": {"by": who.name}})


def _stand(conn: Connection, limits: Limits, session_id: SessionId) -> list[Standing]:
    place = usage.place_of(conn, session_id)
    if place is None or (not limits and place.budget is None):
        return []
    day = e.now().date().isoformat()
    return standings(limits, place, usage.sums(conn, session_id, place, day))


async def warn_if_near(
    database: Database, log: EventLog, limits: Limits, session_id: SessionId
) -> None:
    """Say in the log, once for each limit, that a budget is nearly spent."""

    def write(conn: Connection) -> list[StoredEvent]:
        near = [s for s in _stand(conn, limits, session_id) if s.is_near and not s.is_reached]
        if not near:
            return []
        session = sessions.get(conn, session_id, lock=True)
        place = usage.place_of(conn, session_id)
        turn = place.turn_id if place else None
        given = [
            (event.loop or {}).get("warning")
            for row in events.page(
                conn, session_id, types=("session.usage",), order="desc", limit=_WARNINGS
            )
            if isinstance(event := e.parse_event(row.body), e.SessionUsage)
        ]
        fresh = [s for s in near if _warning_of(s, turn) not in given]
        return log.append_in(conn, session_id, [_near(session, s, turn) for s in fresh])

    # Most sessions have no limit: they are spared the write.
    if await database.read(lambda conn: _stand(conn, limits, session_id)):
        log.published(session_id, await database.write(write))


def _warning_of(standing: Standing, turn: EventId | None) -> dict[str, str | None]:
    """What makes a warning the same as one that was given."""
    scope, limit = standing.scope, to_dollars(standing.limit)
    period = {"turn": turn, "session": None}.get(scope, e.now().date().isoformat())
    return {"scope": scope, "limit_usd": limit, "period": period}


def _near(session: Session, standing: Standing, turn: EventId | None) -> e.SessionUsage:
    tokens = session.usage
    return e.SessionUsage(
        usage={
            "input_tokens": tokens.input_tokens,
            "output_tokens": tokens.output_tokens,
            "cache_read_input_tokens": tokens.cache_read_input_tokens,
            "list_cost": {"amount": to_dollars(session.cost), "currency": "USD"},
        },
        loop={"budget": standing.facts(), "warning": _warning_of(standing, turn)},
    )
