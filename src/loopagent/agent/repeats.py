"""Calls that a cut turn has made to their end and the CLI's record has lost.

The CLI writes its record a tenth of a second late. After a kill in that time the model is asked
anew and makes a call again whose result the log holds: it is told that result, and nothing is done
twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loopagent.agent.ports import DoneCall

_MAX_TEXT = 20_000


class Repeats:
    """Knows the calls that are repeats; each is answered from the log once."""

    def __init__(self, done: Sequence[DoneCall] = ()) -> None:
        self._done = list(done)
        self._given: dict[str, DoneCall] = {}

    def of(self, tool_use_id: str, tool: str, tool_input: Mapping[str, Any]) -> DoneCall | None:
        """The call that this one repeats, whoever asks and however often; None if it is new."""
        known = self._given.get(tool_use_id)
        if known is not None:
            return known
        for call in self._done:
            if call.tool == tool and call.tool_input == tool_input:
                self._done.remove(call)
                self._given[tool_use_id] = call
                return call
        return None

    def clear(self) -> None:
        """The turn has ended: what comes now is meant anew."""
        self._done.clear()
        self._given.clear()


def told(call: DoneCall) -> str:
    """What the model is told in place of doing it again."""
    text = call.result if len(call.result) <= _MAX_TEXT else f"{call.result[:_MAX_TEXT]} (…)"
    return (
        "This was done already, just before your process was interrupted; it has not been done "
        f"again. Its result was:\n{text}\nCall it once more if you need it anew."
    )
