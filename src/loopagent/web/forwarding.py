"""Who is behind a proxy: the address and scheme that trusted proxies tell.

Each proxy adds the address of its own client at the end of X-Forwarded-For. So with N trusted
proxies the N-th from the end was written by the outermost of them; what stands before it, the
client itself may have made up.
"""

from __future__ import annotations

import ipaddress

from starlette.datastructures import Headers
from starlette.types import Scope


def believe(scope: Scope, headers: Headers, proxies: int) -> None:
    """Put what `proxies` trusted proxies say of the client into the request's scope."""
    if not proxies:
        return
    told = [part.strip() for line in headers.getlist("x-forwarded-for") for part in line.split(",")]
    address = told[-proxies] if len(told) >= proxies else ""
    if _is_address(address):
        scope["client"] = (address, 0)
    schemes = headers.get("x-forwarded-proto", "").split(",")
    scheme = schemes[-proxies].strip() if len(schemes) >= proxies else schemes[0].strip()
    if scheme in {"http", "https"}:
        scope["scheme"] = scheme


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
