"""Search: words of messages, tool inputs and paths, and titles of sessions."""

from __future__ import annotations

import pytest
from sqlalchemy import delete

from loopagent.domain import events as e
from loopagent.domain.ids import UserId, new_event_id
from loopagent.domain.said import said
from loopagent.domain.session import Session
from loopagent.storage import events, search, sessions, shelf
from loopagent.storage.database import Connection, Database
from loopagent.storage.events import EventRow
from loopagent.storage.migrations import m0004_search
from loopagent.storage.search import Text
from loopagent.storage.texts import search_texts
from tests.storage.records import NOON, a_session


def a_text(session: Session, seq: int, body: str, kind: str = "agent") -> Text:
    return Text(session.id, seq, new_event_id(), kind, body)


async def filled(database: Database, *bodies: str) -> Session:
    session = a_session(title="Tidy the Attic_100%")

    def fill(conn: Connection) -> None:
        sessions.insert_row(conn, session)
        search.add(conn, [a_text(session, n + 1, body) for n, body in enumerate(bodies)])

    await database.write(fill)
    return session


async def seqs(database: Database, session: Session, query: str) -> list[int]:
    found = await database.read(lambda conn: search.find(conn, session.owner, query, 50))
    return [text.seq for text in found]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("walrus", [2, 1]),
        ("WALRUS", [2, 1]),
        ("walrus oyster", [1]),
        ("wal", [2, 1]),
        ("wal oyster", []),
        ("src/app/mod_13.py", [3]),
        ("mod_13", [3]),
        ("13.py", [3]),
        ("py.13", []),
        ("größe", [4]),
        ('"', []),
        ("a\" OR b*) ' & | !", []),
        ("", []),
        ("naught", []),
    ],
)
async def test_what_holds_all_words_is_found_newest_first(
    database: Database, query: str, expected: list[int]
) -> None:
    session = await filled(
        database,
        "The walrus and the oyster.",
        "Another walrus",
        "Edit\n/work/src/app/mod_13.py",
        "Die Größe der Datei",
    )
    assert await seqs(database, session, query) == expected


async def test_nobody_finds_what_is_anothers_or_in_the_trash(database: Database) -> None:
    session = await filled(database, "walrus")

    foreign = UserId("user_other")
    assert await database.read(lambda conn: search.find(conn, foreign, "walrus", 9)) == []
    assert await database.read(lambda conn: search.titled(conn, foreign, "attic", 9)) == []
    await database.write(lambda conn: shelf.place(conn, session.id, trashed_at=NOON))
    assert await seqs(database, session, "walrus") == []
    assert await database.read(lambda conn: search.titled(conn, session.owner, "attic", 9)) == []


@pytest.mark.parametrize(
    ("query", "is_found"),
    [("attic", True), ("ATTIC_1", True), ("0%", True), ("a%c", False), ("  ", False)],
)
async def test_titles_are_found_by_any_part_of_them(
    database: Database, query: str, is_found: bool
) -> None:
    session = await filled(database)
    found = await database.read(lambda conn: search.titled(conn, session.owner, query, 9))
    assert found == ([session.id] if is_found else [])


async def test_what_is_erased_is_not_found(database: Database) -> None:
    session, other = await filled(database, "walrus"), await filled(database, "walrus")
    await database.write(lambda conn: sessions.erase(conn, session.id))
    found = await database.read(lambda conn: search.find(conn, session.owner, "walrus", 50))
    assert [text.session_id for text in found] == [other.id]


def test_messages_and_tool_inputs_have_words_and_nothing_else_has() -> None:
    call = e.AgentToolUse(
        name="edit",
        input={"file_path": "a.py", "edits": [{"old": "x\x00y", "n": 3}]},
        loop={"tool": "Edit"},
    )
    words = said(call)
    assert words is not None
    assert words.text == "Edit\na.py\nx y"
    hello = said(e.UserMessage(content=[e.text_block("hello")]))
    assert hello is not None
    assert (hello.kind, hello.text) == ("user", "hello")
    assert said(e.UserMessage(content=[e.text_block("  ")])) is None
    assert said(e.SessionStatusRunning()) is None
    long = said(e.AgentMessage(content=[e.text_block("word " * 90_000)]))
    assert long is not None
    assert len(long.text) <= 20_000


async def test_logs_from_before_the_index_are_taken_into_it(database: Database) -> None:
    session = a_session()
    silent = [e.SessionStatusRunning() for _ in range(600)]  # more than are read at once
    spoken = [e.UserMessage(content=[e.text_block(f"walrus {n}")]) for n in range(1200)]
    sent: list[e.Event] = [*silent, *spoken]

    def fill(conn: Connection) -> None:
        sessions.insert_row(conn, session)
        rows = [
            EventRow(session.id, n + 1, event.id, event.type, NOON, e.encode_event(event))
            for n, event in enumerate(sent)
        ]
        events.insert_rows(conn, rows)
        conn.execute(delete(search_texts))
        m0004_search.fill(conn)

    await database.write(fill)
    assert await seqs(database, session, "walrus 1199") == [1800]
    assert await seqs(database, session, "walrus 0") == [601]
