"""A session can be held: all was stopped, and its queue waits until it goes on."""

from __future__ import annotations

from sqlalchemy import Connection


def up(conn: Connection) -> None:
    """No session is held yet."""
    conn.exec_driver_sql("ALTER TABLE sessions ADD COLUMN held TEXT")
