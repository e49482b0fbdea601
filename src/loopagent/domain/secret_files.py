"""Which files hold a project's secrets, by their names: `.env` and private keys."""

from __future__ import annotations

import re

_SECRET = re.compile(
    r"\.env(\..+)?|.+\.env|\.envrc|\.netrc|_netrc|\.pgpass|\.pypirc|\.git-credentials|\.htpasswd"
    r"|id_(rsa|dsa|ecdsa|ed25519)(_sk)?|.+\.(pem|key|p12|pfx|jks|keystore|ppk)",
    re.IGNORECASE,
)
# `.env.example` says which variables there are, and keys' public halves are for everybody.
_HARMLESS = re.compile(r"(\.env|.+\.env)\.(example|sample|template|dist|defaults?)", re.IGNORECASE)


def is_secret_file(name: str) -> bool:
    """Whether a file of this name (the last part of its path) is never an agent's to read."""
    return bool(_SECRET.fullmatch(name)) and not _HARMLESS.fullmatch(name)
