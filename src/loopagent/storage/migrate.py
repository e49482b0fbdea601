"""Brings a database to the newest schema.

A migration that was applied may never change: its text's checksum is kept. A database that is
newer than this program is refused, so that an old version can't harm it.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select
from sqlalchemy import inspect as inspected

from loopagent.errors import StorageError
from loopagent.storage import migrations
from loopagent.storage.schema import metadata, schema_migrations

_NAME = re.compile(r"m(\d{4})_(\w+)\Z")
_TABLE = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version INTEGER NOT NULL,
        name TEXT NOT NULL,
        checksum TEXT NOT NULL,
        applied_at TEXT NOT NULL,
        PRIMARY KEY (version)
    )
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step: its number, its name, its text's checksum and the function that takes it."""

    version: int
    name: str
    checksum: str
    up: Callable[[Connection], None]


def known_migrations() -> list[Migration]:
    """All migrations of this version of the program, in order."""
    found = []
    for module in pkgutil.iter_modules(migrations.__path__):
        match = _NAME.match(module.name)
        if match is None:
            continue
        code = importlib.import_module(f"{migrations.__name__}.{module.name}")
        checksum = hashlib.sha256(inspect.getsource(code).encode()).hexdigest()
        found.append(Migration(version=int(match[1]), name=match[2], checksum=checksum, up=code.up))
    return sorted(found, key=lambda migration: migration.version)


def migrate(conn: Connection, known: list[Migration] | None = None) -> int:
    """Apply what is missing, inside the caller's transaction; gives the schema's version.

    Raises StorageError if the database is newer than `known` or was made by a changed migration.
    """
    known = known_migrations() if known is None else known
    conn.exec_driver_sql(_TABLE)
    applied = {
        row.version: row.checksum
        for row in conn.execute(select(schema_migrations.c.version, schema_migrations.c.checksum))
    }
    if not applied:
        _refuse_strangers(conn)
    newest = known[-1].version
    if applied and max(applied) > newest:
        raise StorageError(
            f"The database has schema {max(applied)}, this program knows {newest}. "
            "Upgrade Loop Agent, or restore a backup from before the upgrade."
        )
    for migration in known:
        if migration.version not in applied:
            migration.up(conn)
            conn.execute(
                insert(schema_migrations).values(
                    version=migration.version,
                    name=migration.name,
                    checksum=migration.checksum,
                    applied_at=datetime.now(UTC).isoformat(timespec="microseconds"),
                )
            )
        elif applied[migration.version] != migration.checksum:
            raise StorageError(
                f"Migration {migration.version} ({migration.name}) is not the one that made this "
                "database. Install the released version of Loop Agent again."
            )
    return newest


def _refuse_strangers(conn: Connection) -> None:
    ours = set(metadata.tables) - {schema_migrations.name}
    found = sorted(ours.intersection(inspected(conn).get_table_names()))
    if found:
        raise StorageError(
            f"The database holds tables of another program ({', '.join(found)}). "
            "Name an empty one, or a new file, in DATABASE_URL."
        )
