"""Environments."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, tuple_, update

from loopagent.domain.agent import Environment
from loopagent.domain.ids import EnvironmentId, UserId
from loopagent.errors import NotFoundError
from loopagent.storage.agents import AgentQuery
from loopagent.storage.rows import decode_cursor, encode_cursor, maybe_text, to_text
from loopagent.storage.schema import environments
from loopagent.storage.sessions import bounded


def insert_environment(conn: Connection, environment: Environment, owner: UserId) -> None:
    """A new environment."""
    conn.execute(
        insert(environments).values(
            id=environment.id,
            owner=owner,
            body=environment.model_dump_json(),
            created_at=to_text(environment.created_at),
            archived_at=maybe_text(environment.archived_at),
        )
    )


def get(
    conn: Connection, environment_id: EnvironmentId, *, owner: UserId | None = None
) -> Environment:
    """An environment, if `owner` has it; else NotFoundError."""
    wanted = select(environments.c.body).where(environments.c.id == environment_id)
    if owner is not None:
        wanted = wanted.where(environments.c.owner == owner)
    body = conn.execute(wanted).scalar_one_or_none()
    if body is None:
        raise NotFoundError(f"There is no environment {environment_id}.")
    return Environment.model_validate_json(body)


def save(conn: Connection, environment: Environment) -> None:
    """Write a changed environment."""
    conn.execute(
        update(environments)
        .where(environments.c.id == environment.id)
        .values(body=environment.model_dump_json(), archived_at=maybe_text(environment.archived_at))
    )


def page(
    conn: Connection, owner: UserId, query: AgentQuery
) -> tuple[list[Environment], str | None]:
    """The owner's environments of one page, newest first, and the cursor of the next one."""
    c = environments.c
    wanted = select(environments).where(c.owner == owner)
    if not query.include_archived:
        wanted = wanted.where(c.archived_at.is_(None))
    for bound, moment in (query.created or {}).items():
        wanted = wanted.where(bounded(c.created_at, bound, moment))
    if query.page is not None:
        wanted = wanted.where(tuple_(c.created_at, c.id) < tuple(decode_cursor(query.page, 2)))
    order = wanted.order_by(c.created_at.desc(), c.id.desc()).limit(query.limit + 1)
    rows = conn.execute(order).all()
    found = [Environment.model_validate_json(row.body) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    last = rows[query.limit - 1] if more else None
    return found, None if last is None else encode_cursor(last.created_at, last.id)


def remove(conn: Connection, environment_id: EnvironmentId) -> None:
    """Remove an environment."""
    conn.execute(delete(environments).where(environments.c.id == environment_id))
