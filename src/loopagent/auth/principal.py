"""Who is asking: a password or token, or the cookie that a sign-in gave, becomes a Principal.

What a principal may do with a session, the sessions room decides.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loopagent.auth.cookie import CookieSigner, cookie_key
from loopagent.auth.throttle import Throttle
from loopagent.config import Settings
from loopagent.domain.ids import LOCAL_USER, UserId
from loopagent.errors import NotAuthenticatedError

# So long a random token can't be guessed: its owner never waits for somebody else's wrong tries.
_UNGUESSABLE = 24


@dataclass(frozen=True, slots=True)
class Principal:
    """A known caller."""

    user_id: UserId
    name: str
    scopes: frozenset[str] = frozenset({"read", "write"})


LOCAL_PRINCIPAL = Principal(LOCAL_USER, "Local user")


class Auth:
    """Checks callers against the settings' password and token; without both, everybody is local.

    clock: seconds since 1970, for the cookie's expiry. timer: seconds, for the throttle.
    """

    def __init__(
        self,
        settings: Settings,
        data_dir: Path,
        *,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_open = not settings.needs_sign_in
        self._secrets = [_digest(text) for text in (settings.password, settings.token) if text]
        token = settings.token or ""
        self._long_token = _digest(token) if len(token) >= _UNGUESSABLE else None
        self._throttle = Throttle(timer)
        self._cookies: CookieSigner | None = None
        if settings.needs_sign_in:
            key = cookie_key(data_dir, settings.password or "", token)
            self._cookies = CookieSigner(key, clock)

    def principal_of(
        self,
        *,
        authorization: str | None = None,
        x_api_key: str | None = None,
        cookie: str | None = None,
        client: str = "",
    ) -> Principal:
        """The caller by the values of the request's headers of these names.

        client: whom wrong answers are counted against, such as the address.
        Raises NotAuthenticatedError, and LimitReachedError after many wrong answers.
        """
        if self._is_open:
            return LOCAL_PRINCIPAL
        offered = [text for text in (_bearer(authorization), x_api_key) if text]
        if offered:
            self._check(offered, client)
            return LOCAL_PRINCIPAL
        if cookie and self._cookies is not None and self._cookies.accepts(cookie):
            return LOCAL_PRINCIPAL
        raise NotAuthenticatedError(
            "Sign in first: open /login in a browser, or send the token as "
            "`Authorization: Bearer …` or `x-api-key`."
        )

    def sign_in(self, password: str, client: str = "") -> str:
        """The value of the cookie COOKIE_NAME for a right password or token.

        Raises NotAuthenticatedError, and LimitReachedError after many wrong answers.
        """
        self._check([password], client)
        return self._cookies.issue() if self._cookies is not None else ""

    def _check(self, offered: list[str], client: str) -> None:
        if self._is_open:
            return
        digests = [_digest(text) for text in offered]
        if self._long_token is not None and _any_equal(digests, [self._long_token]):
            return
        self._throttle.check(client)
        if not _any_equal(digests, self._secrets):
            self._throttle.wrong(client)
            raise NotAuthenticatedError(
                "That password or token is wrong. It is the server's LOOP_AGENT_PASSWORD "
                "or LOOP_AGENT_TOKEN: check it and try again."
            )
        self._throttle.right(client)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _any_equal(offered: list[bytes], known: list[bytes]) -> bool:
    """Whether one of each is equal; it takes the same time whichever it is."""
    return sum(hmac.compare_digest(one, other) for one in offered for other in known) > 0


def _bearer(authorization: str | None) -> str | None:
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
