"""What was spent: one row per request, counted once, summed by anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from loopagent.domain.ids import EventId, SessionId, UserId
from loopagent.domain.money import MicroUSD
from loopagent.domain.session import Session
from loopagent.domain.usage import TokenUsage
from loopagent.storage import events, sessions, usage
from loopagent.storage.database import Database
from loopagent.storage.usage import Place, Sums, UsageRow
from tests.storage.records import NOON, a_row, a_session, minute


def a_request(session: Session, number: int = 1, **changes: Any) -> UsageRow:
    row = UsageRow(
        id=f"req_{session.id}_{number}",
        session_id=session.id,
        owner=session.owner,
        agent_id=session.agent.id,
        turn_id=EventId("sevt_turn"),
        model="claude-test",
        at=minute(number),
        tokens=TokenUsage(input_tokens=100, output_tokens=10, cache_read_input_tokens=1000),
        cost=MicroUSD(500),
    )
    return replace(row, **changes)


async def save(database: Database, *rows: UsageRow) -> None:
    await database.write(lambda conn: usage.save(conn, rows))


async def count(database: Database, session: Session, event: str) -> int | None:
    return await database.write(lambda conn: usage.count_in(conn, session.id, EventId(event)))


async def test_a_row_that_is_written_again_is_the_same_row(database: Database) -> None:
    session = a_session()
    await save(database, a_request(session, state="open", cost=MicroUSD(1)))
    await save(database, a_request(session), a_request(session, 2))
    await save(database, a_request(session, state="open", cost=MicroUSD(1)))
    (total,) = await database.read(lambda conn: usage.totals(conn, ["session"]))
    assert (total.keys, total.cost, total.requests) == ((session.id,), 1000, 2)
    assert total.tokens == TokenUsage(
        input_tokens=200, output_tokens=20, cache_read_input_tokens=2000
    )


async def test_each_request_is_counted_in_one_turns_end(database: Database) -> None:
    session = a_session()
    still_open = a_request(session, 3, state="open")
    await save(database, a_request(session), a_request(session, 2), still_open)
    assert await count(database, session, "sevt_first") == 1000
    assert await count(database, session, "sevt_first") == 1000, "asked again, it is the same"
    assert await count(database, session, "sevt_second") is None
    await save(database, replace(still_open, state="done", cost=MicroUSD(7)))
    assert await count(database, session, "sevt_second") == 7


async def test_what_a_dead_process_left_open_counts_as_far_as_it_came(database: Database) -> None:
    session = a_session()
    await save(database, a_request(session, state="open"))
    assert await count(database, session, "sevt_1") is None
    assert await database.write(usage.cut_open) == 1
    assert await count(database, session, "sevt_1") == 500
    (total,) = await database.read(lambda conn: usage.totals(conn, ["day"]))
    assert total.estimated == 1


async def test_the_next_request_belongs_to_the_newest_message(database: Database) -> None:
    session = a_session(budget=MicroUSD(5))
    rows = [a_row(session.id, 1, "user.message"), a_row(session.id, 2)]
    await database.write(lambda conn: sessions.insert_row(conn, session))
    await database.write(lambda conn: events.insert_rows(conn, rows))
    place = await database.read(lambda conn: usage.place_of(conn, session.id))
    assert place == Place(
        owner=session.owner, agent_id=session.agent.id, budget=MicroUSD(5), turn_id=rows[0].id
    )
    gone = SessionId("sesn_gone")
    assert await database.read(lambda conn: usage.place_of(conn, gone)) is None


async def test_sums_are_those_of_turn_session_person_and_day(database: Database) -> None:
    session, other = a_session(), a_session()
    stranger = a_session(owner=UserId("user_2"))
    await save(
        database,
        a_request(session, 1),
        a_request(session, 2, turn_id=EventId("sevt_before")),
        a_request(session, 3, at=NOON.replace(day=28, month=2)),
        a_request(other),
        a_request(stranger),
        a_request(session, 9),
    )
    place = Place(
        owner=session.owner,
        agent_id=session.agent.id,
        budget=None,
        turn_id=EventId("sevt_turn"),
    )
    today = NOON.date().isoformat()
    left_out = [f"req_{session.id}_9"]

    async def sums() -> Sums:
        return await database.read(
            lambda conn: usage.sums(conn, session.id, place, today, left_out)
        )

    found = await sums()
    assert (found.turn, found.session, found.user, found.day) == (1000, 1500, 1500, 2000)
    assert (found.user_allowance, found.day_allowance) == (None, None)

    async def allow(amount: int) -> None:
        cost = MicroUSD(amount)
        await database.write(
            lambda conn: usage.allow(conn, "user", session.owner, today, cost, by="user_x", at=NOON)
        )

    await allow(1)
    await allow(2)
    assert (await sums()).user_allowance == 2


async def test_totals_are_grouped_bounded_and_ones_own(database: Database) -> None:
    session, stranger = a_session(), a_session(owner=UserId("user_2"))
    await save(
        database,
        a_request(session, 1),
        a_request(session, 2, model="claude-dear", cost=MicroUSD(900), is_priced=False),
        a_request(session, 3, at=NOON.replace(day=2)),
        a_request(stranger),
    )

    async def totals(*by: Any, **bounds: Any) -> list[tuple[tuple[str, ...], int]]:
        found = await database.read(
            lambda conn: usage.totals(conn, by, owner=session.owner, **bounds)
        )
        return [(total.keys, total.cost) for total in found]

    assert await totals("day") == [(("2026-03-01",), 1400), (("2026-03-02",), 500)]
    assert await totals("model") == [(("claude-test",), 1000), (("claude-dear",), 900)]
    assert await totals("day", "model", first="2026-03-02") == [
        (("2026-03-02", "claude-test"), 500)
    ]
    assert await totals("agent", last="2026-03-01") == [((session.agent.id,), 1400)]
    assert await totals("session", session_id=stranger.id) == []
