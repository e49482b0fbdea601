"""Passwords: what is accepted as a new one, and its hash by Argon2.

A hash takes 46 MiB and some tens of milliseconds, so few are made at once, away from the loop.
"""

from __future__ import annotations

import unicodedata

import anyio
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from loopagent.errors import InvalidRequestError

SHORTEST = 12
LONGEST = 1000

# One of the choices that OWASP calls equally strong; this one is kind to small machines.
_HASHER = PasswordHasher(time_cost=1, memory_cost=46 * 1024, parallelism=1)
_AT_ONCE = anyio.CapacityLimiter(2)


def check_new(password: str) -> str:
    """A password that may be set; raises InvalidRequestError."""
    if len(password) < SHORTEST:
        raise InvalidRequestError(
            f"The password is too short: take {SHORTEST} characters or more, such as four words."
        )
    if len(password) > LONGEST:
        raise InvalidRequestError(f"The password is longer than {LONGEST} characters. Shorten it.")
    return password


async def hash_of(password: str) -> str:
    """The text that a password is checked against later."""
    return await anyio.to_thread.run_sync(_HASHER.hash, _plain(password), limiter=_AT_ONCE)


async def matches(hashed: str, password: str) -> bool:
    """Whether it is the password of this hash."""
    if len(password) > LONGEST:
        return False
    return await anyio.to_thread.run_sync(_verify, hashed, _plain(password), limiter=_AT_ONCE)


def _verify(hashed: str, password: bytes) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def _plain(password: str) -> bytes:
    """One form of letters that keyboards and systems write in several ways."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
