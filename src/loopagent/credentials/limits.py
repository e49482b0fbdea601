"""When a limit of the model's API is over, as its answers say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from loopagent.domain.events import now
from loopagent.domain.ids import SessionId

LIMITED = frozenset({429, 503, 529})

_LONGEST = timedelta(days=8)  # the longest limit there is counts by the week
_MAX_SESSIONS = 10_000
_RESETS = (
    "anthropic-ratelimit-unified-reset",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-input-tokens-reset",
    "anthropic-ratelimit-output-tokens-reset",
    "anthropic-ratelimit-tokens-reset",
)


class Limits:
    """Remembers the last limit that each session met."""

    def __init__(self) -> None:
        self._resets: dict[SessionId, datetime] = {}

    def note(self, session_id: SessionId, headers: Mapping[str, str]) -> None:
        """An answer refused a request of this session for a limit."""
        moment = now()
        self._resets.pop(session_id, None)
        reset = _reset(headers, moment)
        if reset is not None and moment < reset < moment + _LONGEST:
            self._resets[session_id] = reset
            if len(self._resets) > _MAX_SESSIONS:
                del self._resets[next(iter(self._resets))]

    def reset_of(self, session_id: SessionId) -> datetime | None:
        """When the limit that a session met last is over; None if it didn't say."""
        return self._resets.get(session_id)


def _reset(headers: Mapping[str, str], moment: datetime) -> datetime | None:
    seconds = headers.get("retry-after", "")
    if seconds.isdigit() and len(seconds) < 9:
        return moment + timedelta(seconds=int(seconds))
    spent = (name for name in _RESETS if headers.get(name.replace("-reset", "-remaining")) == "0")
    named = [headers[name] for name in (*spent, _RESETS[0]) if name in headers]
    resets = [reset for text in named if (reset := _moment(text)) is not None]
    return max(resets, default=None)


def _moment(text: str) -> datetime | None:
    """A moment in seconds since 1970 or in ISO format."""
    try:
        if text.isdigit():
            return datetime.fromtimestamp(int(text), UTC)
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
