"""Metadata: small pairs of text that belong to the caller."""

from __future__ import annotations

from collections.abc import Mapping

from loopagent.errors import InvalidRequestError

MAX_PAIRS = 16


def changed_metadata(
    present: Mapping[str, str], changes: Mapping[str, str | None] | None
) -> dict[str, str]:
    """`present` after `changes`: text sets a key, null removes it."""
    merged = {**present, **(changes or {})}
    pairs = {key: value for key, value in merged.items() if value is not None}
    if len(pairs) > MAX_PAIRS:
        raise InvalidRequestError(
            f"metadata: {len(pairs)} pairs; {MAX_PAIRS} are allowed. Set some keys to null."
        )
    return pairs
