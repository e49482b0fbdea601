"""Agents with their versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, tuple_, update

from loopagent.domain.agent import Agent
from loopagent.domain.ids import AgentId, UserId
from loopagent.errors import NotFoundError
from loopagent.storage.rows import (
    decode_cursor,
    encode_cursor,
    maybe_text,
    maybe_time,
    to_text,
)
from loopagent.storage.schema import agent_versions, agents
from loopagent.storage.sessions import bounded


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentQuery:
    """Which agents or environments, newest first. `created` as in SessionQuery."""

    include_archived: bool = False
    created: dict[str, datetime] | None = None
    limit: int = 50
    page: str | None = None


def insert_agent(conn: Connection, agent: Agent, owner: UserId) -> None:
    """A new agent with its first version."""
    conn.execute(
        insert(agents).values(
            id=agent.id,
            owner=owner,
            version=agent.version,
            created_at=to_text(agent.created_at),
            archived_at=maybe_text(agent.archived_at),
        )
    )
    _insert_version(conn, agent)


def add_version(conn: Connection, agent: Agent) -> None:
    """A further version of an agent."""
    conn.execute(update(agents).where(agents.c.id == agent.id).values(version=agent.version))
    _insert_version(conn, agent)


def get(
    conn: Connection, agent_id: AgentId, version: int | None = None, *, owner: UserId | None = None
) -> Agent:
    """An agent's newest version, or the one asked for, if `owner` has it; else NotFoundError."""
    c = agents.c
    wanted = select(agent_versions.c.body, c.archived_at).where(
        c.id == agent_id,
        agent_versions.c.agent_id == c.id,
        agent_versions.c.version == (c.version if version is None else version),
    )
    if owner is not None:
        wanted = wanted.where(c.owner == owner)
    row = conn.execute(wanted).one_or_none()
    if row is None:
        named = f" with version {version}" if version is not None else ""
        raise NotFoundError(f"There is no agent {agent_id}{named}.")
    return _agent(row.body, row.archived_at)


def versions(conn: Connection, agent_id: AgentId) -> list[Agent]:
    """All versions of an agent, newest first."""
    wanted = (
        select(agent_versions.c.body, agents.c.archived_at)
        .where(agents.c.id == agent_id, agent_versions.c.agent_id == agents.c.id)
        .order_by(agent_versions.c.version.desc())
    )
    return [_agent(row.body, row.archived_at) for row in conn.execute(wanted)]


def page(conn: Connection, owner: UserId, query: AgentQuery) -> tuple[list[Agent], str | None]:
    """The owner's agents of one page, newest first, and the cursor of the next one."""
    c = agents.c
    wanted = select(agent_versions.c.body, c.archived_at, c.created_at, c.id).where(
        c.owner == owner, agent_versions.c.agent_id == c.id, agent_versions.c.version == c.version
    )
    if not query.include_archived:
        wanted = wanted.where(c.archived_at.is_(None))
    for bound, moment in (query.created or {}).items():
        wanted = wanted.where(bounded(c.created_at, bound, moment))
    if query.page is not None:
        wanted = wanted.where(tuple_(c.created_at, c.id) < tuple(decode_cursor(query.page, 2)))
    rows = conn.execute(
        wanted.order_by(c.created_at.desc(), c.id.desc()).limit(query.limit + 1)
    ).all()
    found = [_agent(row.body, row.archived_at) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    last = rows[query.limit - 1] if more else None
    return found, None if last is None else encode_cursor(last.created_at, last.id)


def archive(conn: Connection, agent_id: AgentId, at: datetime) -> None:
    """Mark an agent as archived; the first time counts."""
    conn.execute(
        update(agents)
        .where(agents.c.id == agent_id, agents.c.archived_at.is_(None))
        .values(archived_at=to_text(at))
    )


def _insert_version(conn: Connection, agent: Agent) -> None:
    conn.execute(
        insert(agent_versions).values(
            agent_id=agent.id, version=agent.version, body=agent.model_dump_json()
        )
    )


def _agent(body: str, archived_at: str | None) -> Agent:
    agent = Agent.model_validate_json(body)
    return agent.model_copy(update={"archived_at": maybe_time(archived_at)})
