"""How a turn is stopped: it is asked to, then its process is told to end, then it is killed."""

from __future__ import annotations

import time
from typing import Any

# Each step with the seconds that it is given before the next one.
_STEPS = (("interrupt", 3.0), ("terminate", 2.0), ("kill", 0.0))


class Stops:
    """The steps that were taken to stop one turn. Times are of the monotonic clock."""

    def __init__(self) -> None:
        self._taken: list[float] = []

    @property
    def have_begun(self) -> bool:
        return bool(self._taken)

    @property
    def is_forced(self) -> bool:
        """Whether the process was told to end: its end is no crash."""
        return len(self._taken) > 1

    def take(self) -> str:
        """Note that the next step is taken now, and give its name."""
        self._taken.append(time.monotonic())
        return _STEPS[len(self._taken) - 1][0]

    def is_due(self, now: float) -> bool:
        """Whether the last step has had its time."""
        taken = len(self._taken)
        return 0 < taken < len(_STEPS) and now > self._taken[-1] + _STEPS[taken - 1][1]

    def facts(self) -> list[dict[str, Any]]:
        """The steps for the log, now that the turn has ended: the last one worked."""
        ends = [*self._taken[1:], time.monotonic()]
        return [
            {"step": name, "ms": round((end - begun) * 1000), "worked": number == len(ends)}
            for number, ((name, _), begun, end) in enumerate(
                zip(_STEPS, self._taken, ends, strict=False), 1
            )
        ]
