"""The runner of migrations: forward, whole or not at all, and never over a stranger's tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from loopagent.errors import StorageError
from loopagent.storage import migrations
from loopagent.storage.address import file_path, is_server, server_url
from loopagent.storage.database import Database
from loopagent.storage.migrate import Migration, known_migrations, migrate


@pytest.fixture
def conn(url: str) -> Iterator[Connection]:
    """A connection to an empty database, in one transaction."""
    if not is_server(url):
        file_path(url).parent.mkdir()
    engine = create_engine(server_url(url) if is_server(url) else f"sqlite:///{file_path(url)}")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def step(version: int, statement: str) -> Migration:
    def up(conn: Connection) -> None:
        conn.execute(text(statement))

    return Migration(version=version, name=f"step_{version}", checksum=str(version), up=up)


FIRST = step(1, "CREATE TABLE one (id TEXT NOT NULL)")
SECOND = step(2, "ALTER TABLE one ADD COLUMN two TEXT")


def test_what_is_missing_is_applied_in_order_and_once(conn: Connection) -> None:
    assert migrate(conn, [FIRST]) == 1
    assert migrate(conn, [FIRST, SECOND]) == 2
    assert migrate(conn, [FIRST, SECOND]) == 2
    assert [column["name"] for column in inspect(conn).get_columns("one")] == ["id", "two"]


def test_an_older_program_leaves_a_newer_database_alone(conn: Connection) -> None:
    migrate(conn, [FIRST, SECOND])
    with pytest.raises(StorageError, match="schema 2, this program knows 1"):
        migrate(conn, [FIRST])


def test_migrations_are_known_by_their_files_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert next(step.version for step in known_migrations()) == 1
    (tmp_path / "notes.py").write_text("raise AssertionError('not a migration')")
    monkeypatch.setattr(migrations, "__path__", [str(tmp_path)])
    assert known_migrations() == []


def test_a_step_that_fails_takes_the_others_back(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = step(2, "CREATE TABLE two (id NONSENSE NOT NULL")
    with monkeypatch.context() as patched:
        patched.setattr("loopagent.storage.migrate.known_migrations", lambda: [FIRST, broken])
        with pytest.raises(StorageError, match="server's log") as caught:
            Database.open(url)
    assert isinstance(caught.value.__cause__, DBAPIError)
    # Nothing of the failed attempt is in the way.
    Database.open(url).close()


def test_tables_of_another_program_are_left_alone(conn: Connection, url: str) -> None:
    conn.execute(text("CREATE TABLE users (login TEXT)"))
    conn.execute(text("INSERT INTO users VALUES ('somebody')"))
    conn.commit()
    with pytest.raises(StorageError, match=r"another program \(users\)"):
        Database.open(url)
    assert inspect(conn).get_table_names() == ["users"]
    assert conn.execute(text("SELECT login FROM users")).scalar_one() == "somebody"


def test_what_sessions_have_cost_before_there_was_a_ledger_is_kept(conn: Connection) -> None:
    known = known_migrations()
    migrate(conn, known[:1])
    agent = '{"model": {"id": "claude-sonnet-5-5"}}'
    usage = '{"input_tokens": 7}'
    for name, cost in (("dear", 4200), ("free", 0)):
        conn.execute(
            text(
                "INSERT INTO sessions (id, owner, agent_id, agent_version, agent, environment_id, "
                "metadata, isolation, sdk_session_id, status, asks, usage, cost, turns, active_ms, "
                "seq, created_at, updated_at, fence) VALUES (:id, 'me', 'a', 1, :agent, 'e', '{}', "
                "'none', 's', 'idle', '[]', :usage, :cost, 1, 0, 0, :at, :at, 0)"
            ),
            {
                "id": name,
                "agent": agent,
                "usage": usage,
                "cost": cost,
                "at": "2026-01-02T03:04:05.000000+00:00",
            },
        )
    migrate(conn, known)
    rows = conn.execute(text("SELECT session_id, input_tokens, cost, day FROM usage")).all()
    assert [tuple(row) for row in rows] == [("dear", 7, 4200, "2026-01-02")]
