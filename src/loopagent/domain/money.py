"""Money as integer micro-dollars: sums are exact, and nothing is rounded twice."""

from __future__ import annotations

from typing import NewType

MicroUSD = NewType("MicroUSD", int)

ZERO = MicroUSD(0)
_ROUNDING = 50  # micro-dollars of a turn: each side rounds every request


def from_dollars(amount: float) -> MicroUSD:
    """Micro-dollars nearest to `amount` dollars."""
    return MicroUSD(round(amount * 1_000_000))


def to_dollars(amount: MicroUSD) -> str:
    """`amount` as a decimal string without an exponent, as the wire writes money: "0.0014"."""
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), 1_000_000)
    cents = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{cents}"


def format_dollars(amount: MicroUSD) -> str:
    """`amount` for people: "$0.69", and "<$0.01" for a trifle."""
    if 0 < amount < 10_000:
        return "<$0.01"
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount) / 1_000_000:,.2f}"


def differs(metered: MicroUSD, reported: MicroUSD, turns: int = 1) -> bool:
    """Whether two accounts of what some turns have cost differ by more than rounding does."""
    return abs(metered - reported) > _ROUNDING * max(1, turns)
