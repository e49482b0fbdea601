"""How many requests a caller may make: so many at once, and so many a second after that."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from loopagent.errors import LimitReachedError

_MAX_CALLERS = 5000


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rate:
    """`burst` requests at once, then `per_second`, for each caller; `clock` gives seconds."""

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str) -> None:
        """Count a request; raises LimitReachedError if the caller has none left."""
        moment = self._clock()
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = self._buckets[caller] = _Bucket(self._burst, moment)
            if len(self._buckets) > _MAX_CALLERS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(caller)
        gained = (moment - bucket.at) * self._per_second
        bucket.left = min(self._burst, bucket.left + gained)
        bucket.at = moment
        if bucket.left < 1:
            raise LimitReachedError("Too many requests at once. Wait a second and go on slower.")
        bucket.left -= 1
