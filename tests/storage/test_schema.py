"""The schema: made by migrations, told apart from other versions."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, MetaData, inspect, update

from loopagent.errors import StorageError
from loopagent.storage.database import Database
from loopagent.storage.schema import metadata, schema_migrations

# What SQLite keeps for its full-text index, which is no table to SQLAlchemy.
INDEX = "search_index"


def described(conn: Connection) -> dict[str, Any]:
    """Tables as they are: columns, nullability, keys and indexes."""
    seen = inspect(conn)
    return {
        table: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"])
                for column in seen.get_columns(table)
            },
            "key": seen.get_pk_constraint(table)["constrained_columns"],
            "unique": sorted(
                unique["column_names"] for unique in seen.get_unique_constraints(table)
            ),
            "indexes": {
                index["name"]: index["column_names"]
                for index in seen.get_indexes(table)
                if not index.get("duplicates_constraint")
            },
        }
        for table in seen.get_table_names()
        if not table.startswith(INDEX)
    }


def remade(conn: Connection) -> dict[str, Any]:
    """The same for tables that are made from the schema in place of these."""
    present = MetaData()
    present.reflect(conn, only=lambda name, _: not name.startswith(INDEX))
    present.drop_all(conn)
    metadata.create_all(conn)
    return described(conn)


async def test_the_migrations_end_where_the_schema_is(database: Database) -> None:
    migrated = await database.read(described)
    assert set(migrated) == set(metadata.tables)
    assert migrated == await database.write(remade)


async def test_a_newer_schema_is_refused(url: str) -> None:
    database = Database.open(url)
    newer = update(schema_migrations).where(schema_migrations.c.version == 1).values(version=9999)
    await database.write(lambda conn: conn.execute(newer).rowcount)
    database.close()
    with pytest.raises(StorageError, match="Upgrade Loop Agent"):
        Database.open(url)


async def test_a_changed_migration_is_refused(url: str) -> None:
    database = Database.open(url)
    changed = update(schema_migrations).values(checksum="another")
    await database.write(lambda conn: conn.execute(changed).rowcount)
    database.close()
    with pytest.raises(StorageError, match="Install the released version"):
        Database.open(url)
