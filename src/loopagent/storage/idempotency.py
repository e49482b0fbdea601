"""Requests that may come twice: what each one was, and how it was answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from loopagent.domain.events import now
from loopagent.domain.ids import UserId
from loopagent.storage.rows import to_text
from loopagent.storage.schema import idempotency as t


@dataclass(frozen=True, slots=True)
class Request:
    """A known request. `status` is 0 until its answer is kept.

    text: the answer's body; before that the seed, from which a second try makes the same ids.
    """

    request_hash: str
    status: int
    text: str


def claim(
    conn: Connection,
    owner: UserId,
    key: str,
    request_hash: str,
    seed: str,
    *,
    forgotten_before: datetime,
) -> Request:
    """The owner's request of this key; noted now with its seed if it is not known (any more)."""
    here = (t.c.owner == owner) & (t.c.key == key)
    row = conn.execute(select(t).where(here).with_for_update()).one_or_none()
    if row is not None and row.created_at >= to_text(forgotten_before):
        return Request(row.request_hash, row.status, row.response)
    conn.execute(delete(t).where(here))
    conn.execute(
        insert(t).values(
            owner=owner,
            key=key,
            request_hash=request_hash,
            status=0,
            response=seed,
            created_at=to_text(now()),
        )
    )
    return Request(request_hash, 0, seed)


def keep(conn: Connection, owner: UserId, key: str, status: int, body: str) -> None:
    """Note how the request was answered."""
    here = (t.c.owner == owner) & (t.c.key == key)
    conn.execute(update(t).where(here).values(status=status, response=body))


def forget(conn: Connection, owner: UserId, key: str) -> None:
    """As if the request had never come."""
    conn.execute(delete(t).where(t.c.owner == owner, t.c.key == key))


def purge(conn: Connection, before: datetime, most: int) -> None:
    """Forget what is older than `before`, and the oldest of more than `most`."""
    conn.execute(delete(t).where(t.c.created_at < to_text(before)))
    newest_kept = select(t.c.created_at).order_by(t.c.created_at.desc()).offset(most).limit(1)
    oldest = conn.execute(newest_kept).scalar_one_or_none()
    if oldest is not None:
        conn.execute(delete(t).where(t.c.created_at <= oldest))
