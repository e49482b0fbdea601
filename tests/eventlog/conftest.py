"""A log on a database file of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from loopagent.domain.ids import SessionId
from loopagent.eventlog.log import EventLog
from loopagent.storage.database import Database
from tests.eventlog.watching import new_session


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"file:{tmp_path}/log.db")
    yield opened
    opened.close()


@pytest.fixture
async def log(database: Database) -> AsyncIterator[EventLog]:
    async with EventLog(database) as opened:
        yield opened


@pytest.fixture
async def session_id(database: Database) -> SessionId:
    return await new_session(database)
