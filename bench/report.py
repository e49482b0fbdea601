"""What is printed: each reading beside its target, and whether it was met."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """A bound of one reading."""

    bound: float
    unit: str = ""
    sign: str = "at most"

    def is_met(self, value: float) -> bool:
        match self.sign:
            case "at most":
                return value <= self.bound
            case "below":
                return value < self.bound
            case _:
                return value > self.bound

    def __str__(self) -> str:
        return f"{self.sign} {shown(self.bound, self.unit)}"


def at_most(bound: float, unit: str = "") -> Target:
    return Target(bound, unit, "at most")


def below(bound: float, unit: str = "") -> Target:
    return Target(bound, unit, "below")


def over(bound: float, unit: str = "") -> Target:
    return Target(bound, unit, "over")


@dataclass
class Report:
    """Prints rows as they come and counts those that missed."""

    missed: list[str] = field(default_factory=list)

    def row(self, name: str, value: float, target: Target, remark: str = "") -> None:
        met = target.is_met(value)
        if not met:
            self.missed.append(name)
        reading = shown(value, target.unit)
        verdict = "met" if met else "MISSED"
        print(f"{name:47} {reading:>12}  {target!s:>20}  {verdict:7} {remark}", flush=True)

    def compare(
        self,
        name: str,
        mine: Sequence[float],
        floor: Sequence[float],
        target: Target,
    ) -> None:
        """Medians of seconds; the target is of their ratio (no unit) or difference (ms)."""
        ours, theirs = statistics.median(mine) * 1000, statistics.median(floor) * 1000
        ratio, difference = ours / theirs, ours - theirs
        other = f"{difference:+.1f} ms" if not target.unit else f"x{ratio:.2f}"
        remark = f"{other}: ours {ours:.1f} ms, bare SDK {theirs:.1f} ms, {len(mine)} pairs"
        self.row(name, ratio if not target.unit else difference, target, remark)

    def end(self) -> None:
        """The last line."""
        print(f"\nMissed: {', '.join(self.missed) or 'none'}")


def shown(value: float, unit: str) -> str:
    """A reading with its unit: short for large numbers, exact for small ones."""
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{number} {unit}".rstrip()
