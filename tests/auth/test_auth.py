"""Who is let in, who has to wait, and what a cookie and a token are worth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from loopagent.auth.account import Account
from loopagent.auth.auth import Auth
from loopagent.auth.cookie import COOKIE_NAME, COOKIE_SECONDS, cookie_values
from loopagent.auth.principal import ALL_SCOPES, LOCAL_PRINCIPAL
from loopagent.config import Settings
from loopagent.domain.ids import LOCAL_USER
from loopagent.errors import (
    ConflictError,
    InvalidRequestError,
    LimitReachedError,
    NotAuthenticatedError,
)
from loopagent.storage.database import Connection, Database
from tests.auth.conftest import Clock

PASSWORD = "a password"
TOKEN = "a-token-that-is-long-enough-not-to-be-guessed"
OWN = "four words of somebody"


async def started(database: Database, clock: Clock | None = None, **settings: Any) -> Auth:
    given = Settings(**settings)
    auth = Auth(given, database, timer=clock) if clock else Auth(given, database)
    await auth.start()
    return auth


@pytest.fixture
async def auth(database: Database, clock: Clock) -> Auth:
    return await started(database, clock, password=PASSWORD, token=TOKEN)


def cookie(value: str) -> str:
    return f"theme=dark; {COOKIE_NAME}={value}"


async def rows(database: Database, table: str) -> str:
    """All that a table holds, as text."""

    def read(conn: Connection) -> str:
        return repr(conn.execute(text(f"SELECT * FROM {table}")).all())

    return await database.read(read)


async def test_alone_on_loopback_everybody_is_the_local_user(database: Database) -> None:
    auth = await started(database)
    assert auth.is_open
    assert await auth.sign_in("whatever") == ""
    assert (await auth.principal_of(x_api_key="whatever")) is LOCAL_PRINCIPAL
    assert (await auth.principal_of()).scopes == ALL_SCOPES
    assert await auth.new_set_up_link() is None


@pytest.mark.parametrize("secret", [PASSWORD, TOKEN])
async def test_the_settings_password_and_token_open_by_either_header(
    auth: Auth, secret: str
) -> None:
    for headers in (
        {"authorization": f"Bearer {secret}"},
        {"authorization": f"bearer  {secret} "},
        {"x_api_key": secret},
        {"authorization": "Basic eDp5", "x_api_key": secret},
    ):
        principal = await auth.principal_of(**headers)
        assert principal.user_id == LOCAL_USER
        assert principal.scopes == ALL_SCOPES


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {PASSWORD}"},
        {"cookie": ""},
        {"cookie": f"{COOKIE_NAME}="},
        {"cookie": f"{COOKIE_NAME}=1.2.3"},
        {"cookie": f"{COOKIE_NAME}=9999999999.ü.é"},
        {"x_api_key": "wrong"},
        {"authorization": "Bearer \udcff"},
    ],
)
async def test_anything_else_is_refused_with_the_next_step(
    auth: Auth, headers: dict[str, str]
) -> None:
    with pytest.raises(NotAuthenticatedError, match=r"/login|loop-agent token create"):
        await auth.principal_of(**headers)


async def test_a_signed_in_browser_stays_so_for_thirty_days(auth: Auth, database: Database) -> None:
    header = cookie(await auth.sign_in(PASSWORD))
    principal = await auth.principal_of(cookie=header)
    assert principal.user_id == LOCAL_USER
    (sign_in,) = auth.keyring.latest.sign_ins.values()
    assert principal.credential == sign_in.id
    assert sign_in.expires_at - sign_in.created_at == timedelta(seconds=COOKIE_SECONDS)
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat(timespec="microseconds")

    def expire(conn: Connection) -> None:
        conn.execute(text("UPDATE sign_ins SET expires_at = :past"), {"past": past})

    await auth.keyring.change(expire)
    with pytest.raises(NotAuthenticatedError):
        await auth.principal_of(cookie=header)


async def test_a_valid_cookie_beside_one_of_another_server_counts(auth: Auth) -> None:
    header = f"{COOKIE_NAME}=1.x.y; {cookie(await auth.sign_in(PASSWORD))}"
    assert (await auth.principal_of(cookie=header)).user_id == LOCAL_USER


def test_a_cookie_header_of_no_browser_is_read_no_further() -> None:
    assert list(cookie_values(f"a={'x' * 20_000}; {COOKIE_NAME}=v")) == []
    assert list(cookie_values(f'{COOKIE_NAME}="v"; {COOKIE_NAME}=w')) == ["v", "w"]


async def test_cookies_outlive_a_restart_but_not_a_new_password(database: Database) -> None:
    before = await started(database, password=PASSWORD)
    header = cookie(await before.sign_in(PASSWORD))
    again = await started(database, password=PASSWORD)
    assert (await again.principal_of(cookie=header)).user_id == LOCAL_USER
    changed = await started(database, password="another")
    with pytest.raises(NotAuthenticatedError):
        await changed.principal_of(cookie=header)


async def test_the_database_holds_no_secret_in_the_clear(auth: Auth, database: Database) -> None:
    value = await auth.sign_in(PASSWORD)
    account = Account(auth.keyring)
    _, secret = await account.create_token(LOCAL_PRINCIPAL, "ci", "read")
    await account.reset_password(LOCAL_PRINCIPAL, OWN)
    kept = "".join([await rows(database, name) for name in ("users", "tokens", "sign_ins")])
    assert "$argon2id$" in kept
    for clear in (value, secret, secret.removeprefix("lat_"), OWN, PASSWORD, TOKEN):
        assert clear not in kept


# -- the first set-up ---------------------------------------------------------------------------


async def test_a_public_server_without_a_password_lets_in_only_the_link(
    database: Database,
) -> None:
    auth = await started(database, host="0.0.0.0")
    assert not auth.is_open
    for headers in ({}, {"x_api_key": ""}, {"x_api_key": "guess"}, {"cookie": cookie("x")}):
        with pytest.raises(NotAuthenticatedError):
            await auth.principal_of(**headers)
    with pytest.raises(NotAuthenticatedError):
        await auth.sign_in("")
    link = await auth.new_set_up_link()
    assert link
    with pytest.raises(NotAuthenticatedError):
        await auth.principal_of(x_api_key=link)
    header = cookie(await auth.set_up(link, OWN, "192.0.2.1", "Firefox"))
    assert (await auth.principal_of(cookie=header)).scopes == ALL_SCOPES
    assert await auth.sign_in(OWN)


async def test_the_set_up_link_works_once(database: Database) -> None:
    auth = await started(database, host="0.0.0.0")
    link = await auth.new_set_up_link()
    assert link
    with pytest.raises(InvalidRequestError, match="12 characters"):
        await auth.set_up(link, "short")
    await auth.set_up(link, OWN)
    with pytest.raises(ConflictError, match="/login"):
        await auth.set_up(link, "another long password")
    assert await auth.new_set_up_link() is None
    with pytest.raises(NotAuthenticatedError):
        await auth.sign_in("another long password")


async def test_a_new_link_ends_the_one_before(database: Database) -> None:
    first = await (await started(database, host="0.0.0.0")).new_set_up_link()
    auth = await started(database, host="0.0.0.0")
    second = await auth.new_set_up_link()
    assert first
    assert second
    with pytest.raises(NotAuthenticatedError, match="newest"):
        await auth.set_up(first, OWN)
    await auth.set_up(second, OWN)


async def test_guessing_the_link_is_throttled(database: Database, clock: Clock) -> None:
    auth = await started(database, clock, host="0.0.0.0")
    await auth.new_set_up_link()
    for _ in range(5):
        with pytest.raises(NotAuthenticatedError):
            await auth.check_set_up_link("guess", "192.0.2.1")
    with pytest.raises(LimitReachedError):
        await auth.check_set_up_link("guess", "192.0.2.1")


@pytest.mark.parametrize(
    "settings",
    [{"host": "0.0.0.0"}, {"trusted_hosts": ("box.example",)}, {"trusted_proxies": 1}],
)
async def test_who_can_be_reached_by_others_is_not_open(
    database: Database, settings: dict[str, Any]
) -> None:
    assert not (await started(database, **settings)).is_open


async def test_a_password_of_ones_own_closes_loopback_too(database: Database) -> None:
    auth = await started(database)
    account = Account(auth.keyring)
    await account.change_password(LOCAL_PRINCIPAL, "", OWN)
    with pytest.raises(NotAuthenticatedError):
        await auth.principal_of()
    assert await auth.sign_in(OWN)
    # A password is for people: as a token it would cost a slow hash with every request.
    with pytest.raises(NotAuthenticatedError):
        await auth.principal_of(x_api_key=OWN)
    await account.reset_password(LOCAL_PRINCIPAL, None)
    assert auth.is_open


async def test_the_settings_password_stands_in_place_of_ones_own(database: Database) -> None:
    before = await started(database)
    await Account(before.keyring).reset_password(LOCAL_PRINCIPAL, OWN)
    auth = await started(database, password=PASSWORD)
    assert await auth.sign_in(PASSWORD)
    with pytest.raises(NotAuthenticatedError):
        await auth.sign_in(OWN)
    token = await started(database, token=TOKEN)
    assert await token.sign_in(OWN)
    assert await token.sign_in(TOKEN)


# -- tokens -------------------------------------------------------------------------------------


async def test_a_token_has_its_scopes_and_ends_when_it_is_revoked(auth: Auth) -> None:
    account = Account(auth.keyring)
    token, secret = await account.create_token(LOCAL_PRINCIPAL, " ci  job ", "write")
    principal = await auth.principal_of(authorization=f"Bearer {secret}")
    assert principal.scopes == {"read", "write"}
    assert (principal.name, principal.credential) == ("ci job", token.id)
    await account.revoke_token(LOCAL_PRINCIPAL, token.id)
    with pytest.raises(NotAuthenticatedError, match="revoked"):
        await auth.principal_of(authorization=f"Bearer {secret}")


async def test_a_token_limits_and_a_dead_one_opens_nothing_on_an_open_server(
    database: Database,
) -> None:
    auth = await started(database)
    account = Account(auth.keyring)
    token, secret = await account.create_token(LOCAL_PRINCIPAL, "reader", "read")
    assert (await auth.principal_of(x_api_key=secret)).scopes == {"read"}
    await account.revoke_token(LOCAL_PRINCIPAL, token.id)
    with pytest.raises(NotAuthenticatedError):
        await auth.principal_of(x_api_key=secret)


async def test_what_another_process_changes_counts_within_a_second(
    auth: Auth, database: Database, clock: Clock
) -> None:
    await auth.principal_of(x_api_key=TOKEN)
    other = Account((await started(database)).keyring)
    token, secret = await other.create_token(LOCAL_PRINCIPAL, "made elsewhere", "read")
    with pytest.raises(NotAuthenticatedError):
        await auth.principal_of(x_api_key=secret)
    clock.now += 1
    assert (await auth.principal_of(x_api_key=secret)).name == "made elsewhere"
    await other.revoke_token(LOCAL_PRINCIPAL, token.id)
    clock.now += 1
    with pytest.raises(NotAuthenticatedError):
        await auth.principal_of(x_api_key=secret)


async def test_last_used_is_written_once_a_minute(auth: Auth, clock: Clock) -> None:
    account = Account(auth.keyring)
    _, secret = await account.create_token(LOCAL_PRINCIPAL, "ci", "read")
    header = cookie(await auth.sign_in(PASSWORD))
    (signed_in,) = await account.sign_ins(LOCAL_PRINCIPAL)
    await auth.principal_of(x_api_key=secret)
    clock.now += 30
    assert (await account.tokens(LOCAL_PRINCIPAL))[0].last_used_at is None
    clock.now += 31
    await auth.principal_of(cookie=header)
    clock.now += 60
    await auth.principal_of(cookie=header)
    assert (await account.tokens(LOCAL_PRINCIPAL))[0].last_used_at is not None
    assert (await account.sign_ins(LOCAL_PRINCIPAL))[0].last_used_at > signed_in.last_used_at


# -- throttling ---------------------------------------------------------------------------------


async def test_after_five_wrong_passwords_even_the_right_one_waits(
    auth: Auth, clock: Clock
) -> None:
    for _ in range(5):
        with pytest.raises(NotAuthenticatedError):
            await auth.sign_in("wrong")
    with pytest.raises(LimitReachedError, match="Try again in 1 s"):
        await auth.sign_in(PASSWORD)
    clock.now += 1.1
    assert await auth.sign_in(PASSWORD)


async def test_wrong_answers_of_one_client_do_not_hold_up_another(auth: Auth) -> None:
    for _ in range(5):
        with pytest.raises(NotAuthenticatedError):
            await auth.principal_of(x_api_key="wrong", client="10.0.0.9")
    await auth.principal_of(x_api_key=PASSWORD, client="10.0.0.1")
    await auth.principal_of(x_api_key=TOKEN, client="10.0.0.9")
    with pytest.raises(LimitReachedError):
        await auth.principal_of(x_api_key=PASSWORD, client="10.0.0.9")


async def test_wrong_tokens_do_not_keep_a_person_from_signing_in(auth: Auth) -> None:
    for _ in range(20):
        with pytest.raises((NotAuthenticatedError, LimitReachedError)):
            await auth.principal_of(x_api_key="wrong", client="10.0.0.9")
    assert await auth.sign_in(PASSWORD, "10.0.0.9")


async def test_many_strangers_wait_together_but_who_was_in_before_does_not(auth: Auth) -> None:
    await auth.sign_in(PASSWORD, "192.0.2.200")
    refused = 0
    for number in range(60):
        try:
            await auth.sign_in("wrong", f"192.0.2.{number}")
        except LimitReachedError:
            refused += 1
        except NotAuthenticatedError:
            pass
    assert refused == 30
    with pytest.raises(LimitReachedError):
        await auth.sign_in(PASSWORD, "192.0.2.100")
    assert await auth.sign_in(PASSWORD, "192.0.2.200")


async def test_guesses_at_the_password_in_a_header_are_counted_for_all_strangers(
    auth: Auth,
) -> None:
    async def attempt(text: str, number: int) -> type[Exception]:
        with pytest.raises((NotAuthenticatedError, LimitReachedError)) as caught:
            await auth.principal_of(x_api_key=text, client=f"192.0.2.{number}")
        return caught.type

    # Tokens that have ended are no guesses, however many programs still send them.
    assert [await attempt("lat_old", number) for number in range(40)] == [
        NotAuthenticatedError
    ] * 40
    tries = [await attempt("guess", number) for number in range(100, 140)]
    assert tries == [NotAuthenticatedError] * 30 + [LimitReachedError] * 10
    assert await auth.principal_of(x_api_key=TOKEN, client="192.0.2.250") is LOCAL_PRINCIPAL


async def test_wrong_passwords_and_sign_ins_are_in_the_servers_log(
    auth: Auth, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with pytest.raises(NotAuthenticatedError):
        await auth.sign_in("a wrong one", "192.0.2.7")
    await auth.sign_in(PASSWORD, "192.0.2.8")
    assert "wrong password from 192.0.2.7" in caplog.text
    assert "signed in from 192.0.2.8" in caplog.text
    assert PASSWORD not in caplog.text
    assert "a wrong one" not in caplog.text


async def test_ten_thousand_wrong_tokens_read_the_database_once(
    auth: Auth, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await auth.principal_of(x_api_key=TOKEN)
    reads = 0
    read = database.read

    async def counted(fn: object) -> object:
        nonlocal reads
        reads += 1
        return await read(fn)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "read", counted)
    auth.keyring._stale_at = 0
    for number in range(10_000):
        with pytest.raises((NotAuthenticatedError, LimitReachedError)):
            await auth.principal_of(x_api_key=f"lat_{number}", client="192.0.2.9")
    assert reads == 1
