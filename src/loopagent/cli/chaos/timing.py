"""How long it took until a struck session was at work again, from the log's own times."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from loopagent.cli.chaos.killer import Strike

_BUSY = {"session.status_running", "session.status_rescheduled"}
_REST = {"session.status_idle", "session.status_terminated"}


def recoveries(
    strike: Strike, bodies: Sequence[str], following: datetime | None = None
) -> Iterator[float]:
    """Seconds from a strike to the next row of the agent's, if the session was at work then.

    following: when it was struck again; a recovery that was not done by then is not timed.
    """
    busy = False
    for body in bodies:
        row = json.loads(body)
        kind, at = row["type"], datetime.fromisoformat(row["processed_at"])
        if at <= strike.at:
            busy = kind in _BUSY or (busy and kind not in _REST)
        elif not busy or kind.startswith("user.") or (following and at > following):
            return  # it was at rest, or somebody else had a hand in what follows
        elif kind != "session.status_rescheduled":
            yield (at - strike.at).total_seconds()
            return
