"""Words of messages and tool inputs to search in; when a session was pinned, and put in the trash.

The words of what is in the log already are taken from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from sqlalchemy import Connection, text

from loopagent.domain import events as e
from loopagent.domain.said import said

_COLUMNS = (
    """
    ALTER TABLE sessions ADD COLUMN pinned_at TEXT
    """,
    """
    ALTER TABLE sessions ADD COLUMN trashed_at TEXT
    """,
)
_TABLE = """
    CREATE TABLE search_texts (
        id {number},
        session_id TEXT NOT NULL,
        seq BIGINT NOT NULL,
        event_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (id)
    )
    """
_BY_SESSION = """
    CREATE INDEX search_texts_by_session ON search_texts (session_id, seq)
    """
# Punctuation counts as blanks, so that a part of a path or a name is found.
_POSTGRES_INDEX = """
    CREATE INDEX search_texts_by_word ON search_texts USING gin (
        to_tsvector('simple'::regconfig, regexp_replace(body, '[[:punct:]]', ' ', 'g'))
    )
    """
_SQLITE_INDEX = (
    """
    CREATE VIRTUAL TABLE search_index USING fts5(
        body, content='search_texts', content_rowid='id', tokenize='unicode61 remove_diacritics 2'
    )
    """,
    """
    CREATE TRIGGER search_texts_added AFTER INSERT ON search_texts BEGIN
        INSERT INTO search_index(rowid, body) VALUES (new.id, new.body);
    END
    """,
    """
    CREATE TRIGGER search_texts_removed AFTER DELETE ON search_texts BEGIN
        INSERT INTO search_index(search_index, rowid, body) VALUES ('delete', old.id, old.body);
    END
    """,
)
_ADD = text(
    "INSERT INTO search_texts (session_id, seq, event_id, kind, body) "
    "VALUES (:session_id, :seq, :event_id, :kind, :body)"
)


def up(conn: Connection) -> None:
    """Make the columns, the table and its index, and fill it."""
    is_postgres = conn.dialect.name == "postgresql"
    number = "BIGSERIAL NOT NULL" if is_postgres else "INTEGER NOT NULL"
    indexes = (_POSTGRES_INDEX,) if is_postgres else _SQLITE_INDEX
    for statement in (*_COLUMNS, _TABLE.format(number=number), _BY_SESSION, *indexes):
        conn.exec_driver_sql(statement)
    fill(conn)


def fill(conn: Connection) -> None:
    """Take the words from every log."""
    for session_id in [row.id for row in conn.execute(text("SELECT id FROM sessions"))]:
        for found in _texts(conn, session_id):
            conn.execute(_ADD, found)


def _texts(conn: Connection, session_id: str) -> Iterator[list[dict[str, object]]]:
    """What a log says, some rows at a time."""
    page = text(
        "SELECT seq, id, body FROM events WHERE session_id = :key AND seq > :after "
        "ORDER BY seq LIMIT 500"
    )
    after = 0
    while rows := conn.execute(page, {"key": session_id, "after": after}).all():
        after = rows[-1].seq
        found: list[dict[str, object]] = []
        for row in rows:
            words = said(e.parse_event(json.loads(row.body)))
            if words is not None:
                place = {"session_id": session_id, "seq": row.seq, "event_id": row.id}
                found.append({**place, "kind": words.kind, "body": words.text})
        if found:
            yield found
