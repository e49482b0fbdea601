"""Rules: what was allowed always, for a session or for an agent's sessions of one person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select

from loopagent.domain.ids import AgentId, RuleId, SessionId, UserId
from loopagent.domain.rules import Rule
from loopagent.storage.rows import to_text
from loopagent.storage.schema import rules


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRule:
    """A rule and where it holds: in a session, or in all of an agent's sessions of its owner."""

    id: RuleId
    owner: UserId
    rule: Rule
    created_at: datetime
    session_id: SessionId | None = None
    agent_id: AgentId | None = None


def put(conn: Connection, stored: StoredRule) -> None:
    """A new rule; nothing if the same one holds there already."""
    rule = stored.rule
    same = select(rules.c.id).where(
        rules.c.owner == stored.owner,
        _is(rules.c.session_id, stored.session_id),
        _is(rules.c.agent_id, stored.agent_id),
        rules.c.tool == rule.tool,
        rules.c.kind == rule.kind,
        rules.c.subject == rule.subject,
    )
    if conn.execute(same).first() is not None:
        return
    conn.execute(
        insert(rules).values(
            id=stored.id,
            owner=stored.owner,
            session_id=stored.session_id,
            agent_id=stored.agent_id,
            tool=rule.tool,
            kind=rule.kind,
            subject=rule.subject,
            created_at=to_text(stored.created_at),
        )
    )


def of_session(
    conn: Connection, owner: UserId, session_id: SessionId, agent_id: AgentId
) -> list[StoredRule]:
    """The rules that hold in a session, oldest first."""
    wanted = (
        select(rules)
        .where(
            rules.c.owner == owner,
            or_(rules.c.session_id == session_id, rules.c.agent_id == agent_id),
        )
        .order_by(rules.c.created_at, rules.c.id)
    )
    return [_stored(row) for row in conn.execute(wanted)]


def remove(conn: Connection, rule_id: RuleId) -> None:
    """A rule holds no more."""
    conn.execute(delete(rules).where(rules.c.id == rule_id))


def _is(column: Any, value: str | None) -> Any:
    return column.is_(None) if value is None else column == value


def _stored(row: Row[Any]) -> StoredRule:
    return StoredRule(
        id=RuleId(row.id),
        owner=UserId(row.owner),
        rule=Rule(tool=row.tool, kind=row.kind, subject=row.subject),
        created_at=datetime.fromisoformat(row.created_at),
        session_id=None if row.session_id is None else SessionId(row.session_id),
        agent_id=None if row.agent_id is None else AgentId(row.agent_id),
    )
