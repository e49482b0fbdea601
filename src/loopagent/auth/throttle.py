"""The throttle: wrong answers bring pauses that grow, for a client or for all of an account.

It remembers a bounded number of them, the latest ones.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from loopagent.errors import LimitReachedError

_FREE_TRIES = 5
_LONGEST_PAUSE = 60.0
_FORGOTTEN_AFTER = 900.0
_MAX_RECORDS = 1000


@dataclass(slots=True)
class _Record:
    wrong: int = 0
    at: float = 0.0


class Throttle:
    """Counts wrong answers per key; `clock` gives seconds, `free_tries` bring no pause."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, free_tries: int = _FREE_TRIES
    ) -> None:
        self._clock = clock
        self._free_tries = free_tries
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def check(self, key: str) -> None:
        """Raises LimitReachedError while the key has to wait."""
        record = self._records.get(key)
        if record is None:
            return
        left = record.at + self._pause(record.wrong) - self._clock()
        if left > 0:
            raise LimitReachedError(
                f"Too many wrong passwords or tokens. Try again in {math.ceil(left)} s."
            )
        if self._clock() - record.at > _FORGOTTEN_AFTER:
            del self._records[key]

    def wrong(self, key: str) -> None:
        """Count a wrong answer."""
        record = self._records.setdefault(key, _Record())
        record.wrong += 1
        record.at = self._clock()
        self._records.move_to_end(key)
        if len(self._records) > _MAX_RECORDS:
            self._records.popitem(last=False)

    def right(self, key: str) -> None:
        """Forget the key's wrong answers."""
        self._records.pop(key, None)

    def _pause(self, wrong: int) -> float:
        over = wrong - self._free_tries
        return min(_LONGEST_PAUSE, 2.0 ** min(over, 10)) if over >= 0 else 0.0


def network_of(client: str) -> str:
    """Whom a client's tries are counted for: a person with IPv6 has a whole /64 of addresses."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if address.version == 4:
        return client
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network(f"{address}/64", strict=False))
