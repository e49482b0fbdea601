"""What a session left on disk, read once the server has ended: its log, its row, its ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from loopagent.cli.chaos.plan import LEDGER
from loopagent.cli.chaos.server import ServerUnderTest
from loopagent.domain.events import parse_event
from loopagent.domain.ids import SessionId
from loopagent.domain.money import ZERO
from loopagent.domain.session import Session, apply
from loopagent.domain.usage import TokenUsage
from loopagent.storage import asks, events, queue, sessions
from loopagent.storage.database import Connection, Database

_ALL_ROWS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """One session. folded: its log, folded anew; the stored row should say the same."""

    bodies: tuple[str, ...]
    stored: Session
    folded: Session
    open_asks: tuple[str, ...]
    queued: int
    ledger: tuple[str, ...]


async def read_remains(server: ServerUnderTest, session_ids: Sequence[str]) -> list[Remains]:
    """What is left of each session; the server must have ended."""
    ledgers = [server.workspaces / session_id / "workspace" / LEDGER for session_id in session_ids]

    def read(conn: Connection) -> list[Remains]:
        pairs = zip(session_ids, ledgers, strict=True)
        return [_read(conn, SessionId(session_id), ledger) for session_id, ledger in pairs]

    database = await anyio.to_thread.run_sync(Database.open, server.database_url)
    try:
        return await database.read(read)
    finally:
        await anyio.to_thread.run_sync(database.close)


def database_fault(server: ServerUnderTest) -> str | None:
    """What SQLite's own check finds wrong with the file; None if it is sound."""
    with sqlite3.connect(server.home / "data" / "sessions.db") as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    return None if found == ["ok"] else "; ".join(found[:5])


def _read(conn: Connection, session_id: SessionId, ledger: Path) -> Remains:
    rows = events.page(conn, session_id, limit=_ALL_ROWS)
    stored = sessions.get(conn, session_id)
    folded = _newborn(stored)
    for row in rows:
        folded = apply(folded, parse_event(row.body))
    return Remains(
        bodies=tuple(row.body for row in rows),
        stored=stored,
        folded=folded,
        open_asks=tuple(ask.event_id for ask in asks.list_open(conn, session_id)),
        queued=queue.count(conn, session_id),
        ledger=tuple(ledger.read_text().split()) if ledger.exists() else (),
    )


def _newborn(session: Session) -> Session:
    """The session as it was before its first event: chaos gives no title and no metadata."""
    return replace(
        session,
        updated_at=session.created_at,
        title=None,
        status="idle",
        stop_reason=None,
        asks=(),
        error=None,
        usage=TokenUsage(),
        cost=ZERO,
        reported_cost=ZERO,
        turns=0,
        active_ms=0,
        running_since=None,
        seq=0,
    )
