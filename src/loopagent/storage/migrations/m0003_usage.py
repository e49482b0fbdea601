"""What was spent: a row per model request; budgets of sessions and those raised for a day."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, text

_TABLES = (
    """
    CREATE TABLE usage (
        id TEXT NOT NULL,
        session_id TEXT NOT NULL,
        owner TEXT NOT NULL,
        agent_id TEXT NOT NULL,
        turn_id TEXT,
        counted_in TEXT,
        model TEXT NOT NULL,
        source TEXT NOT NULL,
        state TEXT NOT NULL,
        is_priced BIGINT NOT NULL,
        day TEXT NOT NULL,
        at TEXT NOT NULL,
        input_tokens BIGINT NOT NULL,
        output_tokens BIGINT NOT NULL,
        cache_read_tokens BIGINT NOT NULL,
        cache_write_tokens BIGINT NOT NULL,
        cache_write_1h_tokens BIGINT NOT NULL,
        web_searches BIGINT NOT NULL,
        cost BIGINT NOT NULL,
        PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX usage_by_session ON usage (session_id, turn_id)",
    "CREATE INDEX usage_by_owner ON usage (owner, day)",
    "CREATE INDEX usage_by_day ON usage (day)",
    """
    CREATE TABLE allowances (
        scope TEXT NOT NULL,
        owner TEXT NOT NULL,
        day TEXT NOT NULL,
        amount BIGINT NOT NULL,
        raised_by TEXT NOT NULL,
        raised_at TEXT NOT NULL,
        PRIMARY KEY (scope, owner, day)
    )
    """,
    "ALTER TABLE sessions ADD COLUMN budget BIGINT",
    "ALTER TABLE sessions ADD COLUMN reported_cost BIGINT NOT NULL DEFAULT 0",
    "UPDATE sessions SET reported_cost = cost",
)
_BEFORE = """
    INSERT INTO usage VALUES (
        :id, :session_id, :owner, :agent_id, NULL, :id, :model, 'sdk', 'done', 1, :day, :at,
        :input_tokens, :output_tokens, :cache_read, :cache_write, 0, 0, :cost
    )
"""


def up(conn: Connection) -> None:
    for statement in _TABLES:
        conn.execute(text(statement))
    spent = (
        "SELECT id, owner, agent_id, agent, updated_at, usage, cost FROM sessions WHERE cost > 0"
    )
    for row in conn.execute(text(spent)).all():
        conn.execute(text(_BEFORE), _before(row))


def _before(row: Row[Any]) -> dict[str, object]:
    """What a session has cost so far, by the agent program's own account."""
    tokens = json.loads(row.usage)
    return {
        "id": f"before_{row.id}",
        "session_id": row.id,
        "owner": row.owner,
        "agent_id": row.agent_id,
        "model": json.loads(row.agent)["model"]["id"],
        "day": row.updated_at[:10],
        "at": row.updated_at,
        "input_tokens": tokens.get("input_tokens", 0),
        "output_tokens": tokens.get("output_tokens", 0),
        "cache_read": tokens.get("cache_read_input_tokens", 0),
        "cache_write": tokens.get("cache_creation_input_tokens", 0),
        "cost": row.cost,
    }
