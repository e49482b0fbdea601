"""Sign-ins: the browsers that hold a cookie of ours, each by its cookie's hash."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from loopagent.domain.events import now
from loopagent.domain.ids import SignInId, UserId
from loopagent.errors import NotFoundError
from loopagent.storage.rows import to_text
from loopagent.storage.schema import sign_ins

# The oldest goes when there are more: nobody reads a list of thousands.
MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A browser that is signed in. client: its address. browser: what it called itself."""

    id: SignInId
    owner: UserId
    client: str
    browser: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


def insert_sign_in(conn: Connection, sign_in: SignIn, token_hash: str) -> None:
    """A new sign-in; those that have expired go, and the oldest if there are too many."""
    c = sign_ins.c
    conn.execute(delete(sign_ins).where(c.expires_at <= to_text(now())))
    newest = select(c.id).where(c.owner == sign_in.owner)
    kept = newest.order_by(c.created_at.desc(), c.id.desc()).limit(MOST - 1)
    conn.execute(delete(sign_ins).where(c.owner == sign_in.owner, c.id.not_in(kept)))
    conn.execute(
        insert(sign_ins).values(
            id=sign_in.id,
            owner=sign_in.owner,
            token_hash=token_hash,
            client=sign_in.client,
            browser=sign_in.browser,
            created_at=to_text(sign_in.created_at),
            last_used_at=to_text(sign_in.last_used_at),
            expires_at=to_text(sign_in.expires_at),
        )
    )


def live(conn: Connection) -> dict[str, SignIn]:
    """All sign-ins that have not expired, by their hashes."""
    rows = conn.execute(select(sign_ins).where(sign_ins.c.expires_at > to_text(now())))
    return {row.token_hash: _sign_in(row) for row in rows}


def remove(conn: Connection, owner: UserId, sign_in_id: str) -> None:
    """Sign one browser out; raises NotFoundError if the user has none of this id."""
    wanted = (sign_ins.c.owner == owner) & (sign_ins.c.id == sign_in_id)
    if not conn.execute(delete(sign_ins).where(wanted)).rowcount:
        raise NotFoundError("That browser is not signed in any more. Reload the page.")


def remove_by_hash(conn: Connection, hashes: Collection[str]) -> None:
    """Sign out the browsers whose cookies have these hashes."""
    conn.execute(delete(sign_ins).where(sign_ins.c.token_hash.in_(hashes)))


def remove_all(conn: Connection, owner: UserId) -> None:
    """Sign all browsers of a user out."""
    conn.execute(delete(sign_ins).where(sign_ins.c.owner == owner))


def touch(conn: Connection, used: Mapping[str, datetime]) -> None:
    """Note when sign-ins were used last, by their hashes."""
    for token_hash, at in used.items():
        changed = update(sign_ins).where(sign_ins.c.token_hash == token_hash)
        conn.execute(changed.values(last_used_at=to_text(at)))


def _sign_in(row: Row[Any]) -> SignIn:
    return SignIn(
        id=SignInId(row.id),
        owner=UserId(row.owner),
        client=row.client,
        browser=row.browser,
        created_at=datetime.fromisoformat(row.created_at),
        last_used_at=datetime.fromisoformat(row.last_used_at),
        expires_at=datetime.fromisoformat(row.expires_at),
    )
