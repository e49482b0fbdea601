"""What a person has allowed always, for one session or for all of an agent's."""

from __future__ import annotations

from sqlalchemy import Connection


def up(conn: Connection) -> None:
    """A row per rule: it belongs to a session or to an agent, never to both."""
    conn.exec_driver_sql(
        """
        CREATE TABLE rules (
            id TEXT NOT NULL,
            owner TEXT NOT NULL,
            session_id TEXT,
            agent_id TEXT,
            tool TEXT NOT NULL,
            kind TEXT NOT NULL,
            subject TEXT NOT NULL,
            created_at TEXT NOT NULL,
            PRIMARY KEY (id)
        )
        """
    )
    conn.exec_driver_sql("CREATE INDEX rules_by_session ON rules (session_id)")
    conn.exec_driver_sql("CREATE INDEX rules_by_agent ON rules (owner, agent_id)")
