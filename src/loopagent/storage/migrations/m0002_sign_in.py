"""Tokens of programs, and the sign-ins of browsers; the secrets themselves are never here."""

from __future__ import annotations

from sqlalchemy import Connection

STATEMENTS = (
    """
    CREATE TABLE tokens (
        id TEXT NOT NULL,
        owner TEXT NOT NULL,
        name TEXT NOT NULL,
        token_hash TEXT NOT NULL,
        scopes TEXT NOT NULL,
        created_at TEXT NOT NULL,
        last_used_at TEXT,
        revoked_at TEXT,
        PRIMARY KEY (id),
        UNIQUE (token_hash)
    )
    """,
    """
    CREATE INDEX tokens_by_owner ON tokens (owner, created_at)
    """,
    """
    CREATE TABLE sign_ins (
        id TEXT NOT NULL,
        owner TEXT NOT NULL,
        token_hash TEXT NOT NULL,
        client TEXT NOT NULL,
        browser TEXT NOT NULL,
        created_at TEXT NOT NULL,
        last_used_at TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        PRIMARY KEY (id),
        UNIQUE (token_hash)
    )
    """,
    """
    CREATE INDEX sign_ins_by_owner ON sign_ins (owner, created_at)
    """,
)


def up(conn: Connection) -> None:
    """Make the tables."""
    for statement in STATEMENTS:
        conn.exec_driver_sql(statement)
