"""The sign-in cookie: an expiry and a nonce, signed with a key that only this server can make.

The key comes from a secret file in the data folder and from the password: who changes the
password signs everybody out. There is no list of cookies to keep.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from loopagent.errors import SettingsError

COOKIE_NAME = "loop_agent"
COOKIE_SECONDS = 30 * 24 * 3600

_SECRET_FILE = "cookie.secret"  # noqa: S105  a file's name
_SECRET_BYTES = 32
# A browser sends its cookies with every request; more than this is not a browser.
_MAX_HEADER = 16_384


class CookieSigner:
    """Makes and checks cookies; `clock` gives seconds since 1970."""

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock

    def issue(self) -> str:
        """The value of a new cookie."""
        claim = f"{int(self._clock()) + COOKIE_SECONDS}.{secrets.token_urlsafe(12)}"
        return f"{claim}.{self._signature(claim)}"

    def is_valid(self, value: str) -> bool:
        """True for a value of ours that has not expired."""
        claim, _, signature = value.rpartition(".")
        if not hmac.compare_digest(self._signature(claim).encode(), signature.encode()):
            return False
        expiry = claim.partition(".")[0]
        return expiry.isdecimal() and int(expiry) > self._clock()

    def accepts(self, header: str) -> bool:
        """True if a Cookie header holds a valid cookie; other servers' cookies may be there, too.

        Browsers share cookies among all ports of a host, so there may be two of our name.
        """
        for pair in header[:_MAX_HEADER].split(";"):
            name, _, value = pair.strip().partition("=")
            if name == COOKIE_NAME and self.is_valid(value.strip('"')):
                return True
        return False

    def _signature(self, claim: str) -> str:
        digest = hmac.digest(self._key, claim.encode("utf-8", "surrogatepass"), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def cookie_key(data_dir: Path, *ingredients: str) -> bytes:
    """The signing key from the data folder's secret and the passwords; raises SettingsError."""
    path = data_dir / _SECRET_FILE
    try:
        secret = _secret(path)
    except OSError as error:
        raise SettingsError(
            f"The secret {path} can't be read or made: {error.strerror}. "
            "Make the folder writable, or choose another with LOOP_AGENT_DATA_DIR=…"
        ) from error
    if len(secret) < _SECRET_BYTES:
        raise SettingsError(f"The secret {path} is damaged. Remove it; everybody signs in anew.")
    digests = [hashlib.sha256(text.encode()).digest() for text in ingredients]
    return hmac.digest(secret, b"".join(digests), "sha256")


def _secret(path: Path) -> bytes:
    with suppress(FileNotFoundError):
        return path.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return path.read_bytes()
