"""What was spent: a row per model request, and sums of them.

A row is `open` while its answer flows, `done` once that is whole, and `cut` where it broke off:
then the output is an estimate. Each is counted in one turn's end, which `counted_in` names.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, func, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from loopagent.domain.ids import AgentId, EventId, SessionId, UserId
from loopagent.domain.money import MicroUSD
from loopagent.domain.usage import TokenUsage
from loopagent.storage.rows import to_text
from loopagent.storage.schema import allowances, events, sessions, usage

State = Literal["open", "done", "cut"]
Group = Literal["day", "model", "session", "agent", "user"]

_COLUMNS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
    "cache_write_1h_tokens": "cache_creation_1h_input_tokens",
    "web_searches": "web_search_requests",
}
_KEYS = {
    "day": usage.c.day,
    "model": usage.c.model,
    "session": usage.c.session_id,
    "agent": usage.c.agent_id,
    "user": usage.c.owner,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """One model request. is_priced: whether its model is in the list of prices."""

    id: str
    session_id: SessionId
    owner: UserId
    agent_id: AgentId
    turn_id: EventId | None
    model: str
    at: datetime
    tokens: TokenUsage
    cost: MicroUSD
    state: State = "done"
    is_priced: bool = True
    source: str = "proxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose a session's next request is. budget: the session's own; None if it has none."""

    owner: UserId
    agent_id: AgentId
    budget: MicroUSD | None
    turn_id: EventId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Micro-dollars spent so far, and what somebody has allowed for this day."""

    turn: MicroUSD
    session: MicroUSD
    user: MicroUSD
    day: MicroUSD
    user_allowance: MicroUSD | None
    day_allowance: MicroUSD | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """The requests of one day, model, session, agent or user; or of two of these together."""

    keys: tuple[str, ...]
    tokens: TokenUsage
    cost: MicroUSD
    requests: int
    estimated: int
    unpriced: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Account:
    """A session's title, and its cost by our metering and by the agent program's report."""

    title: str | None
    cost: MicroUSD
    reported: MicroUSD
    turns: int


def save(conn: Connection, rows: Sequence[UsageRow]) -> None:
    """Insert or update rows by their ids; a row that is no longer open is never opened again."""
    insert = postgresql.insert if conn.dialect.name == "postgresql" else sqlite.insert
    for row in rows:
        values = _values(row)
        fresh = {name: values[name] for name in (*_COLUMNS, "model", "state", "cost", "is_priced")}
        statement = insert(usage).values(values)
        conn.execute(
            statement.on_conflict_do_update(
                index_elements=["id"], set_=fresh, where=usage.c.state == "open"
            )
        )


def cut_open(conn: Connection) -> int:
    """Rows that a dead process left open: what they hold is all that is known."""
    left = update(usage).where(usage.c.state == "open").values(state="cut")
    return conn.execute(left).rowcount


def count_in(conn: Connection, session_id: SessionId, event_id: EventId) -> MicroUSD | None:
    """Count what is not counted yet in the turn that `event_id` ends; None if there is nothing."""
    uncounted = (
        (usage.c.session_id == session_id)
        & usage.c.counted_in.is_(None)
        & (usage.c.state != "open")
    )
    conn.execute(update(usage).where(uncounted).values(counted_in=event_id))
    mine = (usage.c.session_id == session_id) & (usage.c.counted_in == event_id)
    spent, number = conn.execute(
        select(func.coalesce(func.sum(usage.c.cost), 0), func.count()).where(mine)
    ).one()
    return MicroUSD(int(spent)) if number else None


def place_of(conn: Connection, session_id: SessionId) -> Place | None:
    """Whose request it is and in which turn; None if the session is gone."""
    c = sessions.c
    row = conn.execute(
        select(c.owner, c.agent_id, c.budget).where(c.id == session_id)
    ).one_or_none()
    if row is None:
        return None
    newest = (
        select(events.c.id)
        .where(events.c.session_id == session_id, events.c.type == "user.message")
        .order_by(events.c.seq.desc())
        .limit(1)
    )
    turn = conn.execute(newest).scalar_one_or_none()
    return Place(
        owner=UserId(row.owner),
        agent_id=AgentId(row.agent_id),
        budget=None if row.budget is None else MicroUSD(row.budget),
        turn_id=EventId(turn) if turn else None,
    )


def sums(
    conn: Connection, session_id: SessionId, place: Place, day: str, without: Collection[str] = ()
) -> Sums:
    """What counts against the budgets of a session's next request; rows `without` left out."""
    others = usage.c.id.not_in(without) if without else literal(value=True)
    in_session = (usage.c.session_id == session_id) & others
    return Sums(
        turn=_sum(conn, in_session & (usage.c.turn_id == place.turn_id)),
        session=_sum(conn, in_session),
        user=_sum(conn, (usage.c.owner == place.owner) & (usage.c.day == day) & others),
        day=_sum(conn, (usage.c.day == day) & others),
        user_allowance=_allowance(conn, "user", place.owner, day),
        day_allowance=_allowance(conn, "day", "", day),
    )


def allow(
    conn: Connection, scope: str, owner: str, day: str, amount: MicroUSD, *, by: str, at: datetime
) -> None:
    """Raise what may be spent on a day, by a person (`user`) or by all (`day`, owner empty)."""
    insert = postgresql.insert if conn.dialect.name == "postgresql" else sqlite.insert
    fresh = {"amount": amount, "raised_by": by, "raised_at": to_text(at)}
    statement = insert(allowances).values(scope=scope, owner=owner, day=day, **fresh)
    conn.execute(
        statement.on_conflict_do_update(index_elements=["scope", "owner", "day"], set_=fresh)
    )


def totals(
    conn: Connection,
    by: Sequence[Group],
    *,
    owner: UserId | None = None,
    session_id: SessionId | None = None,
    first: str | None = None,
    last: str | None = None,
    limit: int = 1000,
) -> list[Total]:
    """Sums grouped `by`, dearest first, or by day where that is asked for first.

    first, last: days (`2026-11-25`) that bound the rows, both included.
    """
    keys = [_KEYS[name] for name in by]
    wanted = select(*keys, *_summed()).group_by(*keys)
    for condition in _conditions(owner, session_id, first, last):
        wanted = wanted.where(condition)
    if by and by[0] == "day":
        wanted = wanted.order_by(*keys)
    else:
        wanted = wanted.order_by(func.sum(usage.c.cost).desc(), *keys)
    return [_total(row, len(keys)) for row in conn.execute(wanted.limit(limit))]


def accounts(conn: Connection, owner: UserId, ids: Collection[str]) -> dict[str, Account]:
    """Those of the owner's sessions that still are."""
    c = sessions.c
    found = select(c.id, c.title, c.cost, c.reported_cost, c.turns).where(
        c.id.in_(ids), c.owner == owner
    )
    return {
        row.id: Account(row.title, MicroUSD(row.cost), MicroUSD(row.reported_cost), row.turns)
        for row in conn.execute(found)
    }


def _conditions(
    owner: UserId | None, session_id: SessionId | None, first: str | None, last: str | None
) -> list[ColumnElement[bool]]:
    conditions = []
    if owner is not None:
        conditions.append(usage.c.owner == owner)
    if session_id is not None:
        conditions.append(usage.c.session_id == session_id)
    if first is not None:
        conditions.append(usage.c.day >= first)
    if last is not None:
        conditions.append(usage.c.day <= last)
    return conditions


def _summed() -> list[Any]:
    counted = [func.coalesce(func.sum(usage.c[name]), 0) for name in (*_COLUMNS, "cost")]
    return [
        *counted,
        func.count(),
        func.count().filter(usage.c.state != "done"),
        func.count().filter(usage.c.is_priced == 0),
        func.min(usage.c.at),
        func.max(usage.c.at),
    ]


def _total(row: Any, keys: int) -> Total:
    numbers = [int(value) for value in row[keys : keys + len(_COLUMNS) + 4]]
    tokens = dict(zip(_COLUMNS.values(), numbers[: len(_COLUMNS)], strict=True))
    cost, requests, estimated, unpriced = numbers[len(_COLUMNS) :]
    return Total(
        keys=tuple(str(value) for value in row[:keys]),
        tokens=TokenUsage(**tokens),
        cost=MicroUSD(cost),
        requests=requests,
        estimated=estimated,
        unpriced=unpriced,
        first=row[-2] or "",
        last=row[-1] or "",
    )


def _sum(conn: Connection, condition: ColumnElement[bool]) -> MicroUSD:
    wanted = select(func.coalesce(func.sum(usage.c.cost), 0)).where(condition)
    return MicroUSD(int(conn.execute(wanted).scalar_one()))


def _allowance(conn: Connection, scope: str, owner: str, day: str) -> MicroUSD | None:
    c = allowances.c
    wanted = select(c.amount).where(c.scope == scope, c.owner == owner, c.day == day)
    amount = conn.execute(wanted).scalar_one_or_none()
    return None if amount is None else MicroUSD(amount)


def _values(row: UsageRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "session_id": row.session_id,
        "owner": row.owner,
        "agent_id": row.agent_id,
        "turn_id": row.turn_id,
        "model": row.model,
        "source": row.source,
        "state": row.state,
        "is_priced": int(row.is_priced),
        "day": to_text(row.at)[:10],
        "at": to_text(row.at),
        "cost": row.cost,
        **{column: getattr(row.tokens, name) for column, name in _COLUMNS.items()},
    }
