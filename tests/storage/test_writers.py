"""Many writers of one log."""

from __future__ import annotations

from dataclasses import replace

import anyio
from sqlalchemy import Connection

from loopagent.storage import events, sessions
from loopagent.storage.database import Database
from tests.storage.records import a_row, a_session


async def test_sixteen_writers_of_one_log_number_it_without_a_gap(database: Database) -> None:
    begin = a_session()
    await database.write(lambda conn: sessions.insert_row(conn, begin))

    def append(conn: Connection) -> None:
        session = sessions.get(conn, begin.id, lock=True)
        events.insert_rows(conn, [a_row(session.id, session.seq + 1)])
        sessions.save(conn, replace(session, seq=session.seq + 1))

    async def write() -> None:
        for _ in range(8):
            await database.write(append)

    async with anyio.create_task_group() as tasks:
        for _ in range(16):
            tasks.start_soon(write)
    rows = await database.read(lambda conn: events.page(conn, begin.id, limit=1000))
    assert [row.seq for row in rows] == list(range(1, 129))
