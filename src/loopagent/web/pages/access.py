"""What is on the pages of signing in and of security."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from loopagent.web.pages.contexts import Shell

# The first that fits: the later ones' names stand in the earlier ones' headers, too.
_BROWSERS = (
    (r"Edg(e|A|iOS)?/", "Edge"),
    (r"OPR/", "Opera"),
    (r"Firefox/|FxiOS/", "Firefox"),
    (r"Chrome/|CriOS/", "Chrome"),
    (r"Safari/", "Safari"),
)
_SYSTEMS = (
    (r"iPhone|iPad", "iOS"),
    (r"Android", "Android"),
    (r"Windows", "Windows"),
    (r"Mac OS X", "macOS"),
    (r"Linux|X11", "Linux"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPage:
    """is_set_up: False as long as only the link in the server's terminal opens it."""

    theme: str
    target: str
    is_set_up: bool
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUpPage:
    """link: the secret of the link, empty if it is not accepted."""

    theme: str
    link: str
    shortest: int
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    id: str
    name: str
    scope: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRow:
    id: str
    browser: str
    client: str
    created_at: datetime
    last_used_at: datetime
    is_here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityPage:
    """secret: that of a token that was made just now, shown this once."""

    shell: Shell
    password: str
    shortest: int
    tokens: Sequence[TokenRow]
    sign_ins: Sequence[SignInRow]
    secret: str = ""
    problem: str = ""


def browser_words(agent: str) -> str:
    """A User-Agent header as people say it: "Firefox on Linux"."""
    browser = next((name for form, name in _BROWSERS if re.search(form, agent)), "")
    system = next((name for form, name in _SYSTEMS if re.search(form, agent)), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or agent.partition("/")[0][:40] or "Unknown browser"
