"""The owner's verbs: the password, the tokens of programs, the browsers that are signed in."""

from __future__ import annotations

import logging
from typing import TypeAlias, TypeVar

from loopagent.auth import password as passwords
from loopagent.auth.keyring import TOKEN_PREFIX, Keyring, new_secret, secret_hash
from loopagent.auth.principal import ADMIN, Principal, scopes_up_to
from loopagent.auth.throttle import Throttle
from loopagent.domain.events import now
from loopagent.domain.ids import new_token_id
from loopagent.errors import ConflictError, InvalidRequestError, NotAuthenticatedError
from loopagent.storage import sign_ins, tokens, users
from loopagent.storage.database import Connection
from loopagent.storage.sign_ins import SignIn
from loopagent.storage.tokens import Token

log = logging.getLogger(__name__)

T = TypeVar("T", Token, SignIn)

MOST_TOKENS = 100
_LONGEST_NAME = 100

Tokens: TypeAlias = list[Token]
SignIns: TypeAlias = list[SignIn]


class Account:
    """What a person may do to their own account; every verb needs the scope admin.

    settings_password: True where the password is set by the environment.
    """

    def __init__(self, keyring: Keyring, *, settings_password: bool = False) -> None:
        self._keyring = keyring
        self.settings_password = settings_password
        self._throttle = Throttle()

    async def create_token(self, who: Principal, name: str, scope: str) -> tuple[Token, str]:
        """A new token, and its secret, which is shown this once.

        Raises InvalidRequestError for a bad name or scope, ConflictError if there are too many.
        """
        who.need(ADMIN)
        title = " ".join(name.split())
        if not title or len(title) > _LONGEST_NAME or not title.isprintable():
            raise InvalidRequestError(
                f"Name the token after what uses it, in 1 to {_LONGEST_NAME} printable characters."
            )
        secret = TOKEN_PREFIX + new_secret()
        token = Token(
            id=new_token_id(),
            owner=who.user_id,
            name=title,
            scopes=scopes_up_to(scope),
            created_at=now(),
        )

        def create(conn: Connection) -> None:
            if tokens.count(conn, who.user_id) >= MOST_TOKENS:
                raise ConflictError(f"There are {MOST_TOKENS} tokens. Revoke some first.")
            tokens.insert_token(conn, token, secret_hash(secret))

        await self._keyring.change(create)
        log.info("%s: made, up to %s", token.id, scope)
        return token, secret

    async def tokens(self, who: Principal) -> Tokens:
        """The caller's live tokens, newest first."""
        who.need(ADMIN)
        keys = await self._keyring.current()
        return _newest([token for token in keys.tokens.values() if token.owner == who.user_id])

    async def revoke_token(self, who: Principal, token_id: str) -> None:
        """End a token at once; raises NotFoundError."""
        who.need(ADMIN)
        await self._keyring.change(lambda conn: tokens.revoke(conn, who.user_id, token_id))
        log.info("%s: revoked", token_id)

    async def sign_ins(self, who: Principal) -> SignIns:
        """The browsers in which the caller is signed in, newest first."""
        who.need(ADMIN)
        keys = await self._keyring.current()
        return _newest([one for one in keys.sign_ins.values() if one.owner == who.user_id])

    async def end_sign_in(self, who: Principal, sign_in_id: str) -> None:
        """Sign one browser out; raises NotFoundError."""
        who.need(ADMIN)
        await self._keyring.change(lambda conn: sign_ins.remove(conn, who.user_id, sign_in_id))

    async def end_all_sign_ins(self, who: Principal) -> None:
        """Sign out everywhere, here too."""
        who.need(ADMIN)
        await self._keyring.change(lambda conn: sign_ins.remove_all(conn, who.user_id))

    async def change_password(self, who: Principal, old: str, new: str) -> None:
        """Another password, or a first one; it signs out everywhere.

        Raises NotAuthenticatedError if `old` isn't the present one (LimitReachedError after many
        tries), InvalidRequestError for a weak one, ConflictError where the settings have it.
        """
        who.need(ADMIN)
        if self.settings_password:
            raise ConflictError(
                "The password is the server's LOOP_AGENT_PASSWORD. Change it there and restart."
            )
        hashed = (await self._keyring.current()).password_hash
        if hashed is not None:
            # Who sits at a browser that was left signed in must not find it out by trying.
            self._throttle.check(who.user_id)
            self._throttle.wrong(who.user_id)
            if not await passwords.matches(hashed, old):
                raise NotAuthenticatedError("The present password is wrong. Try again.")
            self._throttle.right(who.user_id)
        await self.reset_password(who, new)

    async def reset_password(self, who: Principal, new: str | None) -> None:
        """Another password without the present one, or none; it signs out everywhere."""
        who.need(ADMIN)
        checked = None if new is None else await passwords.hash_of(passwords.check_new(new))

        def change(conn: Connection) -> None:
            users.set_password_hash(conn, who.user_id, checked)
            sign_ins.remove_all(conn, who.user_id)

        await self._keyring.change(change)
        log.info("%s: the password was %s", who.user_id, "removed" if new is None else "changed")


def _newest(found: list[T]) -> list[T]:
    return sorted(found, key=lambda one: (one.created_at, one.id), reverse=True)
