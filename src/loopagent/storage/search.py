"""Full-text search: the words of messages and tool inputs, and the titles of sessions.

SQLite keeps the words in an FTS5 index, PostgreSQL in a GIN index of text-search vectors; both are
written in the transaction that writes the log.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, column, func, insert, literal_column, select, table

from loopagent.domain.ids import EventId, SessionId, UserId
from loopagent.storage.schema import sessions
from loopagent.storage.texts import SEARCHED, search_texts

MOST_WORDS = 12
_WORD = re.compile(r"[^\W_]+")
_INSERT = insert(search_texts)
_INDEX = table("search_index", column("rowid"))
_T, _S = search_texts.c, sessions.c


@dataclass(frozen=True, slots=True)
class Text:
    """The words of one event."""

    session_id: SessionId
    seq: int
    event_id: EventId
    kind: str
    body: str


def add(conn: Connection, texts: Sequence[Text]) -> None:
    """Make events findable."""
    if texts:
        conn.execute(
            _INSERT,
            [
                {
                    "session_id": found.session_id,
                    "seq": found.seq,
                    "event_id": found.event_id,
                    "kind": found.kind,
                    "body": found.body,
                }
                for found in texts
            ],
        )


def find(conn: Connection, owner: UserId, query: str, limit: int) -> list[Text]:
    """The owner's events that hold all words of `query`, newest first; the last may be begun."""
    terms = phrases(query)
    if not terms:
        return []
    wanted = (
        select(_T.session_id, _T.seq, _T.event_id, _T.kind, _T.body)
        .join(sessions, _S.id == _T.session_id)
        .where(_S.owner == owner, _S.trashed_at.is_(None))
        .limit(limit)
    )
    if conn.dialect.name == "postgresql":
        words = func.to_tsquery(literal_column("'simple'::regconfig"), _postgres_words(terms))
        wanted = wanted.where(literal_column(SEARCHED).op("@@")(words)).order_by(_T.id.desc())
    else:
        found = literal_column("search_index").op("MATCH")(_sqlite_words(terms))
        wanted = wanted.join(_INDEX, _INDEX.c.rowid == _T.id).where(found)
        wanted = wanted.order_by(_INDEX.c.rowid.desc())
    return [
        Text(SessionId(row.session_id), row.seq, EventId(row.event_id), row.kind, row.body)
        for row in conn.execute(wanted)
    ]


def titled(conn: Connection, owner: UserId, query: str, limit: int) -> list[SessionId]:
    """The owner's sessions with `query` in their title, newest first."""
    if not query.strip():
        return []
    wanted = (
        select(_S.id)
        .where(_S.owner == owner, _S.trashed_at.is_(None))
        .where(_S.title.icontains(query.strip(), autoescape=True))
        .order_by(_S.updated_at.desc())
        .limit(limit)
    )
    return [SessionId(row.id) for row in conn.execute(wanted)]


def phrases(query: str) -> list[list[str]]:
    """The words of each term of a query: `src/app.py` is one term of three words in a row."""
    terms = [_WORD.findall(term) for term in query.split()[:MOST_WORDS]]
    return [words[:MOST_WORDS] for words in terms if words]


def _sqlite_words(terms: Sequence[Sequence[str]]) -> str:
    return " ".join(f'"{" ".join(words)}"' for words in terms) + " *"


def _postgres_words(terms: Sequence[Sequence[str]]) -> str:
    return " & ".join(f"({' <-> '.join(words)})" for words in terms).removesuffix(")") + ":*)"
