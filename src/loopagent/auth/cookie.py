"""The sign-in cookie in a browser's header."""

from __future__ import annotations

from collections.abc import Iterator

COOKIE_NAME = "loop_agent"
COOKIE_SECONDS = 30 * 24 * 3600

# A browser sends its cookies with every request; more than this is not a browser.
_MAX_HEADER = 16_384


def cookie_values(header: str | None) -> Iterator[str]:
    """The values of our cookie in a Cookie header.

    Browsers share cookies among all ports of a host, so there may be two of our name.
    """
    for pair in (header or "")[:_MAX_HEADER].split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE_NAME and value:
            yield value.strip('"')
