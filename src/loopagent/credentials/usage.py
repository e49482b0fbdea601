"""Reads the tokens used from an answer of the Messages API as its bytes flow by.

Memory is bounded whatever the answer holds: what is too long to be a usage report is not kept.
"""

from __future__ import annotations

import json
from typing import Any

from loopagent.domain.session import TokenUsage

_MAX_LINE = 1 << 20
_MAX_BODY = 8 << 20
_REPORTS = (b'"message_start"', b'"message_delta"')


class UsageMeter:
    """Fed with the chunks of one answer; `usage` is None until it has reported some.

    An event stream reports its input at the start, and its output, summed, with each delta.
    """

    def __init__(self, content_type: str) -> None:
        self._is_stream = content_type.partition(";")[0].strip().lower() == "text/event-stream"
        self._kept = bytearray()
        self._is_too_long = False
        self._fields: dict[str, Any] = {}
        self.model: str | None = None

    @property
    def usage(self) -> TokenUsage | None:
        return TokenUsage.of(self._fields) if self._fields else None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if not self._is_stream:
            self._keep(chunk, _MAX_BODY)
            return
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._keep(end, _MAX_LINE)
            if not self._is_too_long:
                self._read_line(bytes(self._kept))
            self._kept.clear()
            self._is_too_long = False
        self._keep(rest, _MAX_LINE)

    def finish(self) -> None:
        """The answer has ended, or was cut."""
        if self._kept and not self._is_stream:
            self._read_message(_parsed(bytes(self._kept)))
        self._kept.clear()

    def _keep(self, part: bytes, limit: int) -> None:
        if self._is_too_long or len(self._kept) + len(part) > limit:
            self._is_too_long = True
            self._kept.clear()
        else:
            self._kept += part

    def _read_line(self, line: bytes) -> None:
        if not line.startswith(b"data:") or not any(word in line for word in _REPORTS):
            return
        event = _parsed(line[5:])
        if event.get("type") == "message_start":
            self._read_message(event.get("message"))
        elif event.get("type") == "message_delta":
            self._read_usage(event.get("usage"))

    def _read_message(self, message: object) -> None:
        if isinstance(message, dict):
            model = message.get("model")
            self.model = model if isinstance(model, str) else self.model
            self._read_usage(message.get("usage"))

    def _read_usage(self, usage: object) -> None:
        """Later numbers replace earlier ones: they are sums."""
        if isinstance(usage, dict):
            names = TokenUsage.__dataclass_fields__
            told = {k: v for k, v in usage.items() if k in names and isinstance(v, int)}
            self._fields.update(told)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
