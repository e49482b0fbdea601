"""The door: a password, a token, a cookie or the set-up link becomes a Principal.

Where nobody else can come in and no password is set, everybody is the local user.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections.abc import Callable
from datetime import timedelta

from loopagent.auth import password as passwords
from loopagent.auth.cookie import COOKIE_SECONDS, cookie_values
from loopagent.auth.keyring import TOKEN_PREFIX, Keyring, new_secret, secret_hash
from loopagent.auth.principal import ALL_SCOPES, LOCAL_PRINCIPAL, Principal
from loopagent.auth.throttle import Throttle, network_of
from loopagent.config import Settings
from loopagent.domain.events import now
from loopagent.domain.ids import LOCAL_USER, new_sign_in_id, new_token_id
from loopagent.errors import ConflictError, NotAuthenticatedError
from loopagent.storage import sign_ins, tokens, users
from loopagent.storage.database import Connection, Database
from loopagent.storage.sign_ins import SignIn
from loopagent.storage.tokens import Token

log = logging.getLogger(__name__)

SET_UP = "set-up"

# So long a random token can't be guessed: its owner never waits for somebody else's wrong tries.
_UNGUESSABLE = 24
# All strangers together have so many tries at the password before they wait together.
_TRIES_AT_AN_ACCOUNT = 30
_LONGEST_BROWSER = 200


class Auth:
    """Checks callers; `timer` gives seconds for the throttle and the keyring."""

    def __init__(
        self, settings: Settings, database: Database, *, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self.keyring = Keyring(database, timer)
        self._clients = Throttle(timer)
        self._accounts = Throttle(timer, _TRIES_AT_AN_ACCOUNT)
        self._given = [_digest(text) for text in (settings.password, settings.token) if text]
        token = settings.token or ""
        self._long_token = _digest(token) if len(token) >= _UNGUESSABLE else None
        # Cookies are worth nothing once the password in the settings is another one.
        self._pepper = "".join(digest.hex() for digest in self._given)

    async def start(self) -> None:
        """Read the keys for the first time."""
        await self.keyring.change(lambda conn: users.ensure(conn, LOCAL_USER, "Owner", "owner"))

    @property
    def has_password(self) -> bool:
        """True if somebody can sign in: with the settings' password or one of their own."""
        return self._settings.needs_sign_in or self.keyring.latest.password_hash is not None

    @property
    def is_open(self) -> bool:
        """True if everybody who reaches the server is its owner."""
        return not self.has_password and not self._settings.is_exposed

    async def principal_of(
        self,
        *,
        authorization: str | None = None,
        x_api_key: str | None = None,
        cookie: str | None = None,
        client: str = "",
    ) -> Principal:
        """The caller by the values of the request's headers of these names.

        client: the address that wrong answers are counted against.
        Raises NotAuthenticatedError, and LimitReachedError after many wrong answers.
        """
        keys = await self.keyring.current()
        offered = [text for text in (_bearer(authorization), x_api_key) if text]
        for text in offered:
            token_hash = secret_hash(text)
            token = keys.tokens.get(token_hash)
            if token is not None and SET_UP not in token.scopes:
                self.keyring.note_use(token_hash)
                return Principal(token.owner, token.name, token.scopes, token.id)
        # A token that was revoked opens nothing, not even where no token is needed.
        if self.is_open and not any(text.startswith(TOKEN_PREFIX) for text in offered):
            return LOCAL_PRINCIPAL
        if offered:
            self._check_given(offered, client)
            return LOCAL_PRINCIPAL
        for value in cookie_values(cookie):
            token_hash = secret_hash(value, self._pepper)
            sign_in = keys.sign_ins.get(token_hash)
            if sign_in is not None and sign_in.expires_at > now():
                self.keyring.note_use(token_hash)
                return Principal(sign_in.owner, LOCAL_PRINCIPAL.name, ALL_SCOPES, sign_in.id)
        raise NotAuthenticatedError(
            "Sign in first: open /login in a browser. Programs send a token, which "
            "`loop-agent token create` makes, as `Authorization: Bearer …` or `x-api-key`; "
            "the command sends LOOP_AGENT_TOKEN."
        )

    async def sign_in(self, password: str, client: str = "", browser: str = "") -> str:
        """The value of the cookie COOKIE_NAME for the right password.

        client: the browser's address. browser: what it calls itself.
        Raises NotAuthenticatedError, and LimitReachedError after many wrong answers.
        """
        keys = await self.keyring.current()
        if self.is_open:
            return ""
        place = network_of(client)
        self._clients.check(place)
        # Strangers who try from many places must not keep out who has signed in before.
        is_known = any(network_of(one.client) == place for one in keys.sign_ins.values())
        if not is_known:
            self._accounts.check(LOCAL_USER)
        # Counted before it is checked: many tries at once are many tries.
        self._clients.wrong(place)
        self._accounts.wrong(LOCAL_USER)
        if not await self._is_password(keys.password_hash, password):
            log.warning("wrong password from %s", client or "somewhere")
            raise NotAuthenticatedError(
                "That password is wrong. Check it and try again; "
                "`loop-agent user passwd` on the server sets another one."
            )
        self._clients.right(place)
        self._accounts.right(LOCAL_USER)
        return await self._admit(client, browser, None)

    async def sign_out(self, cookie: str | None) -> None:
        """The browser with this Cookie header is signed out."""
        hashes = [secret_hash(value, self._pepper) for value in cookie_values(cookie)]
        if hashes:
            await self.keyring.change(lambda conn: sign_ins.remove_by_hash(conn, hashes))

    async def new_set_up_link(self) -> str | None:
        """A secret that opens the set-up page once; None if the server needs none."""
        if self.is_open or self.has_password:
            return None
        secret = new_secret()
        token = Token(
            id=new_token_id(),
            owner=LOCAL_USER,
            name="Set-up link",
            scopes=frozenset({SET_UP}),
            created_at=now(),
        )

        def replace(conn: Connection) -> None:
            _end_set_up_links(conn)
            tokens.insert_token(conn, token, secret_hash(secret))

        await self.keyring.change(replace)
        return secret

    async def check_set_up_link(self, secret: str, client: str = "") -> None:
        """Raises ConflictError after the set-up, NotAuthenticatedError for a wrong link."""
        keys = await self.keyring.current()
        if self.has_password:
            raise ConflictError("The server is set up already: sign in at /login.")
        token = keys.tokens.get(secret_hash(secret))
        if token is not None and SET_UP in token.scopes:
            return
        place = network_of(client)
        self._clients.check(place)
        self._clients.wrong(place)
        raise NotAuthenticatedError(
            "This link does not open the set-up. Take the newest one that the server has printed, "
            "or restart it for another."
        )

    async def set_up(self, secret: str, password: str, client: str = "", browser: str = "") -> str:
        """Set the first password with the link's secret; gives a cookie as `sign_in` does."""
        await self.check_set_up_link(secret, client)
        hashed = await passwords.hash_of(passwords.check_new(password))

        def take(conn: Connection) -> None:
            users.set_first_password_hash(conn, LOCAL_USER, hashed)
            _end_set_up_links(conn)

        return await self._admit(client, browser, take)

    async def _admit(
        self, client: str, browser: str, before: Callable[[Connection], None] | None
    ) -> str:
        value = new_secret()
        moment = now()
        sign_in = SignIn(
            id=new_sign_in_id(),
            owner=LOCAL_USER,
            client=client,
            browser=browser[:_LONGEST_BROWSER],
            created_at=moment,
            last_used_at=moment,
            expires_at=moment + timedelta(seconds=COOKIE_SECONDS),
        )

        def admit(conn: Connection) -> None:
            if before is not None:
                before(conn)
            sign_ins.insert_sign_in(conn, sign_in, secret_hash(value, self._pepper))

        await self.keyring.change(admit)
        log.info("%s: signed in from %s", sign_in.id, client or "somewhere")
        return value

    async def _is_password(self, hashed: str | None, password: str) -> bool:
        if _any_equal([_digest(password)], self._given):
            return True
        # The settings' password stands in place of the person's own, for who forgot that.
        if self._settings.password or hashed is None:
            return False
        return await passwords.matches(hashed, password)

    def _check_given(self, offered: list[str], client: str) -> None:
        """Whether it is the settings' token or password; raises what `principal_of` does."""
        digests = [_digest(text) for text in offered]
        if self._long_token is not None and _any_equal(digests, [self._long_token]):
            return
        place = f"token {network_of(client)}"
        self._clients.check(place)
        # A token of ours that has ended is no guess at the password; anything else may be.
        is_guess = not all(text.startswith(TOKEN_PREFIX) for text in offered)
        if is_guess:
            self._accounts.check(LOCAL_USER)
        if not _any_equal(digests, self._given):
            log.warning("wrong token from %s", client or "somewhere")
            self._clients.wrong(place)
            if is_guess:
                self._accounts.wrong(LOCAL_USER)
            raise NotAuthenticatedError(
                "That token is wrong or was revoked. `loop-agent token create` makes another one; "
                "LOOP_AGENT_PASSWORD and LOOP_AGENT_TOKEN count as set on the server."
            )
        self._clients.right(place)


def _end_set_up_links(conn: Connection) -> None:
    for token in tokens.listed(conn, LOCAL_USER):
        if SET_UP in token.scopes:
            tokens.revoke(conn, LOCAL_USER, token.id)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _any_equal(offered: list[bytes], known: list[bytes]) -> bool:
    """Whether one of each is equal; it takes the same time whichever it is."""
    return sum(hmac.compare_digest(one, other) for one in offered for other in known) > 0


def _bearer(authorization: str | None) -> str | None:
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
