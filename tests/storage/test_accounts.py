"""Users, tokens and sign-ins, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from loopagent.domain.events import now
from loopagent.domain.ids import LOCAL_USER, UserId, new_sign_in_id, new_token_id
from loopagent.errors import ConflictError, NotFoundError
from loopagent.storage import sign_ins, tokens, users
from loopagent.storage.database import Connection, Database
from loopagent.storage.sign_ins import MOST, SignIn
from loopagent.storage.tokens import Token

OTHER = UserId("user_other")


def a_token(owner: UserId = LOCAL_USER) -> Token:
    return Token(
        id=new_token_id(),
        owner=owner,
        name="ci",
        scopes=frozenset({"read", "write"}),
        created_at=now(),
    )


def a_sign_in(owner: UserId = LOCAL_USER, *, days: int = 30) -> SignIn:
    moment = now()
    return SignIn(
        id=new_sign_in_id(),
        owner=owner,
        client="192.0.2.1",
        browser="Firefox",
        created_at=moment,
        last_used_at=moment,
        expires_at=moment + timedelta(days=days),
    )


async def test_a_user_is_made_once_and_has_one_first_password(database: Database) -> None:
    def twice(conn: Connection) -> None:
        users.ensure(conn, LOCAL_USER, "Owner", "owner")
        users.ensure(conn, LOCAL_USER, "Somebody else", "owner")

    await database.write(twice)
    assert await database.read(lambda conn: users.password_hash(conn, LOCAL_USER)) is None
    assert await database.read(lambda conn: users.password_hash(conn, OTHER)) is None
    await database.write(lambda conn: users.set_first_password_hash(conn, LOCAL_USER, "first"))
    with pytest.raises(ConflictError):
        await database.write(lambda conn: users.set_first_password_hash(conn, LOCAL_USER, "2nd"))
    assert await database.read(lambda conn: users.password_hash(conn, LOCAL_USER)) == "first"
    await database.write(lambda conn: users.set_password_hash(conn, LOCAL_USER, None))
    assert await database.read(lambda conn: users.password_hash(conn, LOCAL_USER)) is None


async def test_a_token_is_found_by_its_hash_until_it_is_revoked(database: Database) -> None:
    token, other = a_token(), a_token(OTHER)

    def insert(conn: Connection) -> None:
        tokens.insert_token(conn, token, "hash")
        tokens.insert_token(conn, other, "other hash")

    await database.write(insert)
    assert await database.read(tokens.live) == {"hash": token, "other hash": other}
    assert await database.read(lambda conn: tokens.listed(conn, LOCAL_USER)) == [token]
    assert await database.read(lambda conn: tokens.count(conn, OTHER)) == 1
    moment = now()
    await database.write(lambda conn: tokens.touch(conn, {"hash": moment}))
    assert (await database.read(tokens.live))["hash"].last_used_at == moment
    with pytest.raises(NotFoundError):
        await database.write(lambda conn: tokens.revoke(conn, OTHER, token.id))
    await database.write(lambda conn: tokens.revoke(conn, LOCAL_USER, token.id))
    with pytest.raises(NotFoundError):
        await database.write(lambda conn: tokens.revoke(conn, LOCAL_USER, token.id))
    assert set(await database.read(tokens.live)) == {"other hash"}


async def test_one_hash_is_one_token(database: Database) -> None:
    await database.write(lambda conn: tokens.insert_token(conn, a_token(), "hash"))
    with pytest.raises(ConflictError):
        await database.write(lambda conn: tokens.insert_token(conn, a_token(), "hash"))


async def test_a_sign_in_ends_by_time_by_hand_or_by_its_cookie(database: Database) -> None:
    first, second, expired, other = (
        a_sign_in(),
        a_sign_in(),
        a_sign_in(days=-1),
        a_sign_in(OTHER),
    )

    def insert(conn: Connection) -> None:
        for number, sign_in in enumerate((first, second, expired, other)):
            sign_ins.insert_sign_in(conn, sign_in, f"hash {number}")

    await database.write(insert)
    live = await database.read(sign_ins.live)
    assert live == {"hash 0": first, "hash 1": second, "hash 3": other}
    moment = now() + timedelta(minutes=1)
    await database.write(lambda conn: sign_ins.touch(conn, {"hash 0": moment}))
    assert (await database.read(sign_ins.live))["hash 0"].last_used_at == moment
    with pytest.raises(NotFoundError):
        await database.write(lambda conn: sign_ins.remove(conn, OTHER, first.id))
    await database.write(lambda conn: sign_ins.remove(conn, LOCAL_USER, first.id))
    await database.write(lambda conn: sign_ins.remove_by_hash(conn, ["hash 3", "hash 9"]))
    assert set(await database.read(sign_ins.live)) == {"hash 1"}
    await database.write(lambda conn: sign_ins.remove_all(conn, LOCAL_USER))
    assert await database.read(sign_ins.live) == {}


async def test_the_newest_sign_ins_of_each_person_are_kept(database: Database) -> None:
    def insert(conn: Connection) -> None:
        sign_ins.insert_sign_in(conn, a_sign_in(OTHER), "another's")
        for number in range(MOST + 5):
            sign_ins.insert_sign_in(conn, a_sign_in(), f"hash {number}")

    await database.write(insert)
    live = await database.read(sign_ins.live)
    assert len(live) == MOST + 1
    assert "another's" in live
    assert "hash 4" not in live
    assert "hash 5" in live
