"""Requests that are remembered, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, update

from loopagent.domain.events import now
from loopagent.domain.ids import LOCAL_USER, UserId
from loopagent.storage import idempotency
from loopagent.storage.database import Database
from loopagent.storage.idempotency import Request
from loopagent.storage.rows import to_text
from loopagent.storage.schema import idempotency as table

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def claimed(
    conn: Connection, key: str = "k", *, seed: str = "s", owner: UserId = LOCAL_USER
) -> Request:
    return idempotency.claim(conn, owner, key, "hash", seed, forgotten_before=LONG_AGO)


async def test_the_first_claim_counts_until_its_answer_is_kept(database: Database) -> None:
    assert await database.write(claimed) == Request("hash", 0, "s")
    again = await database.write(lambda conn: claimed(conn, seed="other"))
    assert again == Request("hash", 0, "s")
    await database.write(lambda conn: idempotency.keep(conn, LOCAL_USER, "k", 201, "body"))
    assert await database.write(claimed) == Request("hash", 201, "body")


async def test_each_owner_has_keys_of_his_own(database: Database) -> None:
    await database.write(claimed)
    ann = UserId("user_ann")
    assert (await database.write(lambda conn: claimed(conn, seed="a", owner=ann))).text == "a"
    await database.write(lambda conn: idempotency.forget(conn, ann, "k"))
    assert (await database.write(lambda conn: claimed(conn, seed="b"))).text == "s"


async def test_an_old_request_is_a_new_one(database: Database) -> None:
    await database.write(claimed)
    later = now() + timedelta(seconds=1)
    known = await database.write(
        lambda conn: idempotency.claim(
            conn, LOCAL_USER, "k", "other", "new", forgotten_before=later
        )
    )
    assert known == Request("other", 0, "new")


async def test_what_is_old_or_too_much_is_forgotten(database: Database) -> None:
    def fill(conn: Connection) -> None:
        for number in range(6):
            claimed(conn, str(number))
            made = to_text(LONG_AGO + timedelta(days=number))
            row = table.c.key == str(number)
            conn.execute(update(table).where(row).values(created_at=made))

    def left(conn: Connection) -> list[str]:
        return sorted(conn.execute(table.select()).scalars("key"))

    await database.write(fill)
    before = LONG_AGO + timedelta(days=2)
    await database.write(lambda conn: idempotency.purge(conn, before, 100))
    assert await database.read(left) == ["2", "3", "4", "5"]
    await database.write(lambda conn: idempotency.purge(conn, before, 2))
    assert await database.read(left) == ["4", "5"]
