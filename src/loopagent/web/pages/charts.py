"""Bar charts as plain numbers: where each bar begins and how long it is. Templates draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, BOTTOM, TOP = 56, 12, 24, 8
_STEPS = (1, 2, 2.5, 5, 10)
_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of a bar. kind: which of the series it is, from 0."""

    kind: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One column. title: what it says when it is pointed at; label: below it, or empty."""

    title: str
    label: str
    middle: float
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    y: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A stacked bar chart. says: its content in a sentence, for those who don't see it."""

    id: str
    says: str
    series: Sequence[str]
    bars: Sequence[Bar]
    ticks: Sequence[Tick]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What one bar shows: an amount for each series."""

    title: str
    label: str
    amounts: Mapping[str, float]


def stacked(
    chart_id: str, says: str, series: Sequence[str], columns: Sequence[Column], unit: str
) -> Chart:
    """The chart of these columns. unit: `$` before an amount, or nothing for counts."""
    top = _ceiling(max((sum(c.amounts.values()) for c in columns), default=0))
    room = HEIGHT - BOTTOM - TOP
    pitch = (WIDTH - LEFT - RIGHT) / max(1, len(columns))
    width = min(36.0, pitch * 0.72)
    bars = []
    for number, column in enumerate(columns):
        middle = LEFT + pitch * (number + 0.5)
        y = float(HEIGHT - BOTTOM)
        segments = []
        for kind, name in enumerate(series):
            height = column.amounts.get(name, 0) / top * room
            if height <= 0:
                continue
            y -= height
            segments.append(
                Segment(
                    kind=kind,
                    x=round(middle - width / 2, 2),
                    y=round(y, 2),
                    width=round(width, 2),
                    height=round(height, 2),
                )
            )
        bars.append(
            Bar(title=column.title, label=column.label, middle=round(middle, 2), segments=segments)
        )
    ticks = [
        Tick(
            y=round(HEIGHT - BOTTOM - room * part / _LINES, 2),
            label=_label(top * part / _LINES, unit),
        )
        for part in range(_LINES + 1)
    ]
    return Chart(id=chart_id, says=says, series=series, bars=bars, ticks=ticks)


def _ceiling(most: float) -> float:
    """A round number that is at least `most`."""
    if most <= 0:
        return 1.0
    size = 10.0 ** (len(f"{most:.0f}") - 1) if most >= 1 else 1.0
    while size > most:
        size /= 10
    return next(size * step for step in _STEPS if size * step >= most * 0.999999)


def _label(amount: float, unit: str) -> str:
    if unit:
        digits = 2 if amount >= 0.1 or amount == 0 else 4
        return f"{unit}{amount:,.{digits}f}"
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if amount >= size:
            return f"{amount / size:g}{letter}"
    return f"{amount:g}"
