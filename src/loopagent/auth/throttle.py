"""The throttle: wrong answers of one client bring pauses that grow.

It remembers a bounded number of clients, the latest ones.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from loopagent.errors import LimitReachedError

_FREE_TRIES = 5
_LONGEST_PAUSE = 60.0
_FORGOTTEN_AFTER = 900.0
_MAX_CLIENTS = 1000


@dataclass(slots=True)
class _Record:
    wrong: int = 0
    at: float = 0.0

    @property
    def pause(self) -> float:
        over = self.wrong - _FREE_TRIES
        return min(_LONGEST_PAUSE, 2.0 ** min(over, 10)) if over >= 0 else 0.0


class Throttle:
    """Counts wrong answers per client; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def check(self, client: str) -> None:
        """Raises LimitReachedError while the client has to wait."""
        record = self._records.get(client)
        if record is None:
            return
        left = record.at + record.pause - self._clock()
        if left > 0:
            raise LimitReachedError(
                f"Too many wrong passwords or tokens. Try again in {math.ceil(left)} s."
            )
        if self._clock() - record.at > _FORGOTTEN_AFTER:
            del self._records[client]

    def wrong(self, client: str) -> None:
        """Count a wrong answer."""
        record = self._records.setdefault(client, _Record())
        record.wrong += 1
        record.at = self._clock()
        self._records.move_to_end(client)
        if len(self._records) > _MAX_CLIENTS:
            self._records.popitem(last=False)

    def right(self, client: str) -> None:
        """Forget the client's wrong answers."""
        self._records.pop(client, None)
