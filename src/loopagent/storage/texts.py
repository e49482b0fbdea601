"""The table of what is searched in: the words of each event that has some."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, literal_column

from loopagent.storage.columns import metadata, number, text

# The words that PostgreSQL searches in. Punctuation counts as blanks, so that a part of a path or a
# name is found.
SEARCHED = (
    "to_tsvector('simple'::regconfig, regexp_replace(body, '[[:punct:]]'::text, ' '::text, 'g'))"
)

search_texts = Table(
    "search_texts",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    text("session_id"),
    number("seq"),
    text("event_id"),
    text("kind"),
    text("body"),
    Index("search_texts_by_session", "session_id", "seq"),
    Index("search_texts_by_word", literal_column(SEARCHED), postgresql_using="gin").ddl_if(
        dialect="postgresql"
    ),
)
