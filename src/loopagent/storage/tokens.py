"""API tokens: the hash of each, what it may do, and when it was used last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from loopagent.domain.events import now
from loopagent.domain.ids import TokenId, UserId
from loopagent.errors import NotFoundError
from loopagent.storage.rows import maybe_time, to_json, to_text
from loopagent.storage.schema import tokens

_LIVE = tokens.c.revoked_at.is_(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token without its secret."""

    id: TokenId
    owner: UserId
    name: str
    scopes: frozenset[str]
    created_at: datetime
    last_used_at: datetime | None = None


def insert_token(conn: Connection, token: Token, token_hash: str) -> None:
    """A new token."""
    conn.execute(
        insert(tokens).values(
            id=token.id,
            owner=token.owner,
            name=token.name,
            token_hash=token_hash,
            scopes=to_json(sorted(token.scopes)),
            created_at=to_text(token.created_at),
        )
    )


def live(conn: Connection) -> dict[str, Token]:
    """All tokens that open something, by their hashes."""
    rows = conn.execute(select(tokens).where(_LIVE))
    return {row.token_hash: _token(row) for row in rows}


def listed(conn: Connection, owner: UserId) -> list[Token]:
    """A user's live tokens, newest first."""
    wanted = select(tokens).where(_LIVE, tokens.c.owner == owner)
    order = wanted.order_by(tokens.c.created_at.desc(), tokens.c.id.desc())
    return [_token(row) for row in conn.execute(order)]


def count(conn: Connection, owner: UserId) -> int:
    """How many live tokens a user has."""
    wanted = select(func.count()).select_from(tokens).where(_LIVE, tokens.c.owner == owner)
    return conn.execute(wanted).scalar_one()


def revoke(conn: Connection, owner: UserId, token_id: str) -> None:
    """End a token; raises NotFoundError if the user has no live one of this id."""
    wanted = _LIVE & (tokens.c.owner == owner) & (tokens.c.id == token_id)
    if not conn.execute(update(tokens).where(wanted).values(revoked_at=to_text(now()))).rowcount:
        raise NotFoundError(f"There is no token {token_id[:100]}. List them to see which.")


def touch(conn: Connection, used: Mapping[str, datetime]) -> None:
    """Note when tokens were used last, by their hashes."""
    for token_hash, at in used.items():
        changed = update(tokens).where(tokens.c.token_hash == token_hash)
        conn.execute(changed.values(last_used_at=to_text(at)))


def _token(row: Row[Any]) -> Token:
    return Token(
        id=TokenId(row.id),
        owner=UserId(row.owner),
        name=row.name,
        scopes=frozenset(json.loads(row.scopes)),
        created_at=datetime.fromisoformat(row.created_at),
        last_used_at=maybe_time(row.last_used_at),
    )
