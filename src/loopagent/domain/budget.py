"""Budgets: how much may be spent on a turn, a session, by a person a day, by all a day. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from loopagent.domain.money import MicroUSD, from_dollars, to_dollars

Scope = Literal["turn", "session", "user", "day"]

NEAR = 0.8  # of a limit: from here on it is told
_CENT = 10_000
_WHOSE: dict[str, str] = {
    "turn": "This turn",
    "session": "This session",
    "user": "This person today (UTC)",
    "day": "Everybody today (UTC)",
}
_SCOPES = {words: scope for scope, words in _WHOSE.items()}
_REFUSAL = re.compile(r"Budget reached\. (.+?): \$(\d+\.\d+) of \$(\d+\.\d+) spent\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that may be spent; None is no limit."""

    turn: MicroUSD | None = None
    session: MicroUSD | None = None
    user: MicroUSD | None = None
    day: MicroUSD | None = None

    def __bool__(self) -> bool:
        return any(limit is not None for limit in (self.turn, self.session, self.user, self.day))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far one budget is spent."""

    scope: Scope
    spent: MicroUSD
    limit: MicroUSD

    @property
    def is_reached(self) -> bool:
        return self.spent >= self.limit

    @property
    def is_near(self) -> bool:
        return self.spent >= self.limit * NEAR

    @property
    def whose(self) -> str:
        return _WHOSE[self.scope]

    def raised(self) -> MicroUSD:
        """The limit after a raise: as much again as there was, in whole cents."""
        return MicroUSD(-(-(self.spent + self.limit) // _CENT) * _CENT)

    def facts(self) -> dict[str, str]:
        """For an event's `loop`."""
        return {
            "scope": self.scope,
            "spent_usd": to_dollars(self.spent),
            "limit_usd": to_dollars(self.limit),
        }


def refusal(standing: Standing) -> str:
    """What an agent is told whose budget is spent; `refused` reads it."""
    return (
        f"Budget reached. {standing.whose}: ${to_dollars(standing.spent)} of "
        f"${to_dollars(standing.limit)} spent. Raise the budget to go on."
    )


def refused(text: str) -> Standing | None:
    """The budget that a refusal speaks of; None if it is none of ours."""
    match = _REFUSAL.search(text)
    scope = _SCOPES.get(match[1]) if match else None
    if match is None or scope is None:
        return None
    return _standing(scope, match[2], match[3])


def standing_of(facts: object) -> Standing | None:
    """The standing that `facts` gave; None if it is no such object."""
    if not isinstance(facts, dict) or facts.get("scope") not in _WHOSE:
        return None
    return _standing(facts["scope"], str(facts["spent_usd"]), str(facts["limit_usd"]))


def _standing(scope: str, spent: str, limit: str) -> Standing:
    return Standing(
        scope=scope,  # type: ignore[arg-type]  # one of the four: it was looked up
        spent=from_dollars(float(spent)),
        limit=from_dollars(float(limit)),
    )
