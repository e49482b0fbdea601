"""Which names and pages may reach the server: against rebinding, and requests forged by a page."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from loopagent.config import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_FOREIGN = "The request comes from a page of another site. Open the dashboard by its own address."


def host_problem(headers: Headers, settings: Settings) -> str | None:
    """Why the request's Host is refused: a page of another name must not reach us (rebinding)."""
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not hosts[0]:
        return "The request must have exactly one Host header."
    name = host_name(hosts[0])
    if name is None:
        return "The Host header cannot be read. Use the server's name or address and its port."
    known = _LOOPBACK_NAMES | {settings.host.lower(), *(h.lower() for h in settings.trusted_hosts)}
    if name in known:
        return None
    # A rebinding attack needs a name, so an address is safe where other machines may come in.
    if settings.is_public and _is_address(name):
        return None
    return (
        f"This server does not answer to the name {name}. If it should, add it to "
        "LOOP_AGENT_TRUSTED_HOSTS and restart."
    )


def host_name(host: str) -> str | None:
    """The name in a Host header without its port, in lower case; None if it can't be read."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 -- reading it raises ValueError if it is no number
    except ValueError:
        return None
    return parts.hostname if parts.netloc == host and "@" not in host else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def origin_problem(method: str, headers: Headers) -> str | None:
    """Why a request from a page of another origin is refused; programs send neither header."""
    site = headers.get("sec-fetch-site")
    if method in SAFE_METHODS:
        foreign = site in {"cross-site", "same-site"}
        followed_a_link = headers.get("sec-fetch-mode") == "navigate"
        return _FOREIGN if foreign and not followed_a_link else None
    if _has_own_credentials(headers):
        return None
    if site is not None:
        return None if site in {"same-origin", "none"} else _FOREIGN
    origin = headers.get("origin")
    if origin is None:
        return None
    same = urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    return None if same else _FOREIGN


def _has_own_credentials(headers: Headers) -> bool:
    """True for credentials that no browser adds by itself (Basic ones it does)."""
    if "cookie" in headers:
        return False
    bearer = headers.get("authorization", "").lower().startswith("bearer ")
    return bearer or "x-api-key" in headers
