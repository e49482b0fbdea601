"""Who is asking: a Principal, and what it may do at all.

What a principal may do with a session, the sessions room decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from loopagent.domain.ids import LOCAL_USER, UserId
from loopagent.errors import InvalidRequestError, PermissionDeniedError

READ, WRITE, ADMIN = "read", "write", "admin"
ALL_SCOPES = frozenset({READ, WRITE, ADMIN})
# A scope holds those before it: who may change a thing may look at it.
_LADDER = (READ, WRITE, ADMIN)


@dataclass(frozen=True, slots=True)
class Principal:
    """A known caller. credential: the id of the token or sign-in that it came with, if any."""

    user_id: UserId
    name: str
    scopes: frozenset[str] = frozenset({READ, WRITE})
    credential: str = ""

    def need(self, scope: str) -> None:
        """Raises PermissionDeniedError without this scope."""
        if scope not in self.scopes:
            raise PermissionDeniedError(
                f"This token may not do that: it lacks the scope {scope!r}. "
                f"Make one with `loop-agent token create --scope {scope}`."
            )


LOCAL_PRINCIPAL = Principal(LOCAL_USER, "Local user", ALL_SCOPES)


def scopes_up_to(scope: str) -> frozenset[str]:
    """A scope with those that it holds; raises InvalidRequestError for an unknown one."""
    if scope not in _LADDER:
        raise InvalidRequestError(f"{scope!r} is no scope. Take one of: {', '.join(_LADDER)}.")
    return frozenset(_LADDER[: _LADDER.index(scope) + 1])
