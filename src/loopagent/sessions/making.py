"""How a session comes to be: its folder first, which is whole or not there, then its row."""

from __future__ import annotations

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.domain.session import Session
from loopagent.errors import ConflictError
from loopagent.eventlog.log import EventLog
from loopagent.storage import sessions
from loopagent.storage.database import Connection, Database
from loopagent.workspaces.workspaces import Workspaces


async def make(
    workspaces: Workspaces, database: Database, session: Session, *, is_again: bool
) -> None:
    """Make the folder and the row; `is_again`: what a first try has made is left as it is.

    Raises UnknownTemplateError, UnavailableError.
    """
    try:
        await workspaces.create(session.id, session.template)
    except ConflictError:
        if not is_again:
            raise

    def insert(conn: Connection) -> None:
        if not (is_again and sessions.exists(conn, session.id)):
            sessions.insert_row(conn, session)

    await database.write(insert)


async def unmake(
    workspaces: Workspaces, database: Database, log: EventLog, session_id: SessionId
) -> None:
    """Erase a session that no process works on; its folder moves to the trash."""
    await log.append(session_id, [e.SessionDeleted()])
    await database.write(lambda conn: sessions.erase(conn, session_id))
    log.ring(session_id)  # those who list sessions: now it is gone
    await workspaces.remove(session_id)
