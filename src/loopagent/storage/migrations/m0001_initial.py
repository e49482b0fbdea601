"""The first tables: sessions and their log, agents, environments, users."""

from __future__ import annotations

from sqlalchemy import Connection

STATEMENTS = (
    """
    CREATE TABLE agent_versions (
        agent_id TEXT NOT NULL,
        version BIGINT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (agent_id, version)
    )
    """,
    """
    CREATE TABLE agents (
        id TEXT NOT NULL,
        owner TEXT NOT NULL,
        version BIGINT NOT NULL,
        created_at TEXT NOT NULL,
        archived_at TEXT,
        PRIMARY KEY (id)
    )
    """,
    """
    CREATE INDEX agents_by_owner ON agents (owner, created_at)
    """,
    """
    CREATE TABLE asks (
        event_id TEXT NOT NULL,
        session_id TEXT NOT NULL,
        tool TEXT NOT NULL,
        input TEXT NOT NULL,
        reason TEXT NOT NULL,
        status TEXT NOT NULL,
        message TEXT,
        updated_input TEXT,
        answered_by TEXT,
        created_at TEXT NOT NULL,
        answered_at TEXT,
        PRIMARY KEY (event_id)
    )
    """,
    """
    CREATE INDEX asks_by_session ON asks (session_id, status)
    """,
    """
    CREATE TABLE blobs (
        session_id TEXT NOT NULL,
        event_id TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (session_id, event_id)
    )
    """,
    """
    CREATE TABLE drafts (
        session_id TEXT NOT NULL,
        event_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        PRIMARY KEY (session_id)
    )
    """,
    """
    CREATE TABLE environments (
        id TEXT NOT NULL,
        owner TEXT NOT NULL,
        body TEXT NOT NULL,
        created_at TEXT NOT NULL,
        archived_at TEXT,
        PRIMARY KEY (id)
    )
    """,
    """
    CREATE INDEX environments_by_owner ON environments (owner, created_at)
    """,
    """
    CREATE TABLE events (
        session_id TEXT NOT NULL,
        seq BIGINT NOT NULL,
        id TEXT NOT NULL,
        type TEXT NOT NULL,
        processed_at TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (session_id, seq),
        UNIQUE (id)
    )
    """,
    """
    CREATE TABLE grants (
        token_hash TEXT NOT NULL,
        session_id TEXT NOT NULL,
        created_at TEXT NOT NULL,
        revoked_at TEXT,
        PRIMARY KEY (token_hash)
    )
    """,
    """
    CREATE INDEX grants_by_session ON grants (session_id)
    """,
    """
    CREATE TABLE idempotency (
        owner TEXT NOT NULL,
        "key" TEXT NOT NULL,
        request_hash TEXT NOT NULL,
        status BIGINT NOT NULL,
        response TEXT NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (owner, "key")
    )
    """,
    """
    CREATE TABLE queue (
        session_id TEXT NOT NULL,
        position BIGINT NOT NULL,
        event_id TEXT NOT NULL,
        owner TEXT NOT NULL,
        body TEXT NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (session_id, position),
        UNIQUE (event_id)
    )
    """,
    """
    CREATE TABLE sessions (
        id TEXT NOT NULL,
        owner TEXT NOT NULL,
        agent_id TEXT NOT NULL,
        agent_version BIGINT NOT NULL,
        agent TEXT NOT NULL,
        environment_id TEXT NOT NULL,
        title TEXT,
        metadata TEXT NOT NULL,
        template TEXT,
        isolation TEXT NOT NULL,
        sdk_session_id TEXT NOT NULL,
        status TEXT NOT NULL,
        stop_reason TEXT,
        asks TEXT NOT NULL,
        error TEXT,
        usage TEXT NOT NULL,
        cost BIGINT NOT NULL,
        turns BIGINT NOT NULL,
        active_ms BIGINT NOT NULL,
        running_since TEXT,
        seq BIGINT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        archived_at TEXT,
        worker TEXT,
        lease_until TEXT,
        fence BIGINT NOT NULL,
        PRIMARY KEY (id)
    )
    """,
    """
    CREATE INDEX sessions_by_status ON sessions (status)
    """,
    """
    CREATE INDEX sessions_by_owner ON sessions (owner, created_at, id)
    """,
    """
    CREATE TABLE users (
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        password_hash TEXT,
        role TEXT NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (id)
    )
    """,
)


def up(conn: Connection) -> None:
    """Make the tables."""
    for statement in STATEMENTS:
        conn.exec_driver_sql(statement)
