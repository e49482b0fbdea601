"""How values stand in columns: times, JSON, and the cursors of pages."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Any

from loopagent.errors import InvalidRequestError

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def to_text(moment: datetime) -> str:
    """UTC text of fixed width: it sorts as time does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def maybe_text(moment: datetime | None) -> str | None:
    return None if moment is None else to_text(moment)


def maybe_time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def to_json(value: Any) -> str:
    return _JSON.encode(value)


def encode_cursor(*parts: str) -> str:
    """An opaque cursor: the last row's place in the order."""
    return base64.urlsafe_b64encode("\n".join(parts).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, length: int) -> list[str]:
    """The parts of a cursor; raises InvalidRequestError for one that isn't ours."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split("\n")
    except (ValueError, binascii.Error):
        parts = []
    if len(parts) != length:
        raise InvalidRequestError("The page cursor is not valid. Start again without `page`.")
    return parts
