"""Asks: the first answer wins, and a late one says why it came too late."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from sqlalchemy import Connection

from loopagent.domain.ids import EventId, SessionId, new_session_id
from loopagent.errors import AlreadyAnsweredError, NotFoundError
from loopagent.storage import asks
from loopagent.storage.asks import Ask
from loopagent.storage.database import Database
from tests.storage.records import minute

SESSION = new_session_id()
FIRST, SECOND = EventId("sevt_1"), EventId("sevt_2")


def an_ask(event_id: EventId, at: int = 0, session_id: SessionId = SESSION) -> Ask:
    return Ask(
        event_id=event_id,
        session_id=session_id,
        tool="Bash",
        tool_input={"command": "ls ß", "deep": [1, None]},
        reason="Commands can reach the whole machine.",
        created_at=minute(at),
    )


@pytest.fixture
async def asked(database: Database) -> Database:
    """A database with two open asks of one session and one of another."""

    def fill(conn: Connection) -> None:
        asks.insert_ask(conn, an_ask(SECOND, at=2))
        asks.insert_ask(conn, an_ask(FIRST, at=1))
        asks.insert_ask(conn, an_ask(EventId("sevt_3"), session_id=new_session_id()))

    await database.write(fill)
    return database


async def answer(
    database: Database, event_id: EventId, session_id: SessionId = SESSION, **given: Any
) -> None:
    await database.write(
        lambda conn: asks.answer(conn, session_id, event_id, "allowed", at=minute(5), **given)
    )


async def of_session(database: Database) -> list[Ask]:
    return await database.read(lambda conn: asks.of_session(conn, SESSION))


async def test_open_asks_are_listed_oldest_first(asked: Database) -> None:
    expected = [an_ask(FIRST, at=1), an_ask(SECOND, at=2)]
    assert await asked.read(lambda conn: asks.list_open(conn, SESSION)) == expected


async def test_an_answer_closes_its_ask_and_says_who_gave_it(asked: Database) -> None:
    await answer(asked, FIRST, by="ann", message="fine", updated_input={"command": "ls"})
    first, second = await of_session(asked)
    assert (first.status, first.answered_by, first.answered_at) == ("allowed", "ann", minute(5))
    assert (first.message, first.updated_input) == ("fine", {"command": "ls"})
    assert await asked.read(lambda conn: asks.list_open(conn, SESSION)) == [second]


async def test_of_many_answers_at_once_one_wins(asked: Database) -> None:
    outcomes: list[str] = []

    async def give(name: str) -> None:
        try:
            await answer(asked, FIRST, by=name)
        except AlreadyAnsweredError as error:
            outcomes.append(error.message)
        else:
            outcomes.append(name)

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(give, f"viewer {number}")
    winners = [outcome for outcome in outcomes if outcome.startswith("viewer")]
    assert len(winners) == 1
    assert set(outcomes) - set(winners) == {f"This call was allowed already by {winners[0]}."}
    assert (await of_session(asked))[0].answered_by == winners[0]


async def test_an_answer_to_nothing_is_not_found(asked: Database) -> None:
    with pytest.raises(NotFoundError):
        await answer(asked, EventId("sevt_unknown"))
    with pytest.raises(NotFoundError):
        await answer(asked, FIRST, session_id=new_session_id())


async def test_an_ask_that_is_needed_no_more_takes_no_answer(asked: Database) -> None:
    await asked.write(lambda conn: asks.cancel(conn, SESSION, FIRST))
    with pytest.raises(AlreadyAnsweredError, match="turn has ended"):
        await answer(asked, FIRST)
    assert [ask.status for ask in await of_session(asked)] == ["cancelled", "open"]


async def test_an_answered_ask_is_not_cancelled(asked: Database) -> None:
    await answer(asked, FIRST)
    await asked.write(lambda conn: asks.cancel(conn, SESSION, FIRST))
    assert [ask.status for ask in await of_session(asked)] == ["allowed", "open"]
