"""What becomes of a cut turn is chosen for each session."""

from __future__ import annotations

from sqlalchemy import Connection


def up(conn: Connection) -> None:
    """Sessions that exist go on by themselves, as they did."""
    conn.exec_driver_sql("ALTER TABLE sessions ADD COLUMN recovery TEXT NOT NULL DEFAULT 'auto'")
