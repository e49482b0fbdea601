"""The owner's verbs: password, tokens, sign-ins."""

from __future__ import annotations

import pytest

from loopagent.auth.account import MOST_TOKENS, Account
from loopagent.auth.auth import Auth
from loopagent.auth.principal import LOCAL_PRINCIPAL, Principal
from loopagent.config import Settings
from loopagent.domain.ids import UserId
from loopagent.errors import (
    ConflictError,
    InvalidRequestError,
    LimitReachedError,
    NotAuthenticatedError,
    NotFoundError,
    PermissionDeniedError,
)
from loopagent.storage.database import Database
from loopagent.storage.sign_ins import MOST

OWN = "four words of somebody"
STRANGER = Principal(UserId("user_other"), "Other", frozenset({"read", "write", "admin"}))


@pytest.fixture
async def auth(database: Database) -> Auth:
    auth = Auth(Settings(host="0.0.0.0"), database)
    await auth.start()
    link = await auth.new_set_up_link()
    assert link
    await auth.set_up(link, OWN, "192.0.2.1", "Firefox")
    return auth


@pytest.fixture
def account(auth: Auth) -> Account:
    return Account(auth.keyring)


async def test_another_password_needs_the_present_one_and_signs_out_everywhere(
    auth: Auth, account: Account
) -> None:
    await auth.sign_in(OWN)
    assert len(await account.sign_ins(LOCAL_PRINCIPAL)) == 2
    with pytest.raises(NotAuthenticatedError):
        await account.change_password(LOCAL_PRINCIPAL, "wrong", "another long password")
    assert len(await account.sign_ins(LOCAL_PRINCIPAL)) == 2
    await account.change_password(LOCAL_PRINCIPAL, OWN, "another long password")
    assert await account.sign_ins(LOCAL_PRINCIPAL) == []
    with pytest.raises(NotAuthenticatedError):
        await auth.sign_in(OWN)
    assert await auth.sign_in("another long password")


async def test_the_present_password_cannot_be_found_by_trying(account: Account) -> None:
    for _ in range(5):
        with pytest.raises(NotAuthenticatedError):
            await account.change_password(LOCAL_PRINCIPAL, "wrong", "another long password")
    with pytest.raises(LimitReachedError):
        await account.change_password(LOCAL_PRINCIPAL, OWN, "another long password")


@pytest.mark.parametrize("password", ["", "eleven char", "x" * 1001])
async def test_a_weak_or_endless_password_is_refused(account: Account, password: str) -> None:
    with pytest.raises(InvalidRequestError, match="password"):
        await account.reset_password(LOCAL_PRINCIPAL, password)


async def test_letters_that_look_the_same_are_the_same(auth: Auth, account: Account) -> None:
    await account.reset_password(LOCAL_PRINCIPAL, "caf\u00e9 au lait, bitte")
    assert await auth.sign_in("cafe\u0301 au lait, bitte")


async def test_the_settings_password_is_changed_in_the_settings(auth: Auth) -> None:
    account = Account(auth.keyring, settings_password=True)
    with pytest.raises(ConflictError, match="LOOP_AGENT_PASSWORD"):
        await account.change_password(LOCAL_PRINCIPAL, OWN, "another long password")


async def test_sign_ins_are_listed_and_end_one_by_one_or_all(auth: Auth, account: Account) -> None:
    await auth.sign_in(OWN, "192.0.2.2", "x" * 5000)
    newest, first = await account.sign_ins(LOCAL_PRINCIPAL)
    assert (first.client, first.browser) == ("192.0.2.1", "Firefox")
    assert len(newest.browser) == 200
    await account.end_sign_in(LOCAL_PRINCIPAL, first.id)
    assert await account.sign_ins(LOCAL_PRINCIPAL) == [newest]
    with pytest.raises(NotFoundError):
        await account.end_sign_in(LOCAL_PRINCIPAL, first.id)
    await account.end_all_sign_ins(LOCAL_PRINCIPAL)
    assert await account.sign_ins(LOCAL_PRINCIPAL) == []


async def test_the_oldest_sign_in_makes_room(auth: Auth, account: Account) -> None:
    (first,) = await account.sign_ins(LOCAL_PRINCIPAL)
    for _ in range(MOST):
        await auth._admit("192.0.2.3", "Firefox", None)
    listed = await account.sign_ins(LOCAL_PRINCIPAL)
    assert len(listed) == MOST
    assert first not in listed


async def test_tokens_are_listed_without_their_secrets(account: Account) -> None:
    token, secret = await account.create_token(LOCAL_PRINCIPAL, "ci", "admin")
    assert secret.startswith("lat_")
    assert len(secret) > 40
    assert await account.tokens(LOCAL_PRINCIPAL) == [token]
    assert secret not in repr(token)


@pytest.mark.parametrize(
    ("name", "scope"), [("", "read"), ("x" * 101, "read"), ("a\x00b", "read"), ("ci", "set-up")]
)
async def test_a_token_needs_a_name_and_a_scope(account: Account, name: str, scope: str) -> None:
    with pytest.raises(InvalidRequestError):
        await account.create_token(LOCAL_PRINCIPAL, name, scope)


async def test_the_number_of_tokens_is_bounded(account: Account) -> None:
    for _ in range(MOST_TOKENS):
        await account.create_token(LOCAL_PRINCIPAL, "ci", "read")
    with pytest.raises(ConflictError, match="Revoke"):
        await account.create_token(LOCAL_PRINCIPAL, "ci", "read")


async def test_nobody_sees_or_ends_what_is_another_persons(auth: Auth, account: Account) -> None:
    token, _ = await account.create_token(LOCAL_PRINCIPAL, "ci", "read")
    (sign_in,) = await account.sign_ins(LOCAL_PRINCIPAL)
    assert await account.tokens(STRANGER) == []
    assert await account.sign_ins(STRANGER) == []
    for attempt in (
        account.revoke_token(STRANGER, token.id),
        account.end_sign_in(STRANGER, sign_in.id),
    ):
        with pytest.raises(NotFoundError):
            await attempt
    await account.end_all_sign_ins(STRANGER)
    await account.reset_password(STRANGER, "a stranger's password")
    assert await account.sign_ins(LOCAL_PRINCIPAL) == [sign_in]
    assert await auth.sign_in(OWN)


async def test_every_verb_needs_the_scope_admin(account: Account) -> None:
    writer = Principal(LOCAL_PRINCIPAL.user_id, "writer", frozenset({"read", "write"}))
    for attempt in (
        account.create_token(writer, "more", "admin"),
        account.tokens(writer),
        account.revoke_token(writer, "tok_x"),
        account.sign_ins(writer),
        account.end_sign_in(writer, "sgn_x"),
        account.end_all_sign_ins(writer),
        account.change_password(writer, OWN, "another long password"),
        account.reset_password(writer, None),
    ):
        with pytest.raises(PermissionDeniedError, match="admin"):
            await attempt
