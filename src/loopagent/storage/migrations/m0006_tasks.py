"""Sub-agents and background commands that run are kept where a list of them is found at once."""

from __future__ import annotations

from sqlalchemy import Connection


def up(conn: Connection) -> None:
    """A row per running task."""
    conn.exec_driver_sql(
        """
        CREATE TABLE tasks (
            session_id TEXT NOT NULL,
            task_id TEXT NOT NULL,
            event_id TEXT NOT NULL,
            kind TEXT NOT NULL,
            description TEXT NOT NULL,
            command TEXT,
            parent TEXT,
            background BIGINT NOT NULL,
            started_at TEXT NOT NULL,
            PRIMARY KEY (session_id, task_id)
        )
        """
    )
