"""Reading what an answer has used while it flows by."""

from __future__ import annotations

import json
from typing import Any

from loopagent.domain.usage import TokenUsage

_MAX_LINE = 1 << 20
_MAX_BODY = 8 << 20
_REPORTS = (b'"message_start"', b'"message_delta"')
_DELTA = b'"content_block_delta"'
_AROUND_TEXT = 95  # bytes of a delta's line besides its text
_BYTES_PER_TOKEN = 4


class UsageMeter:
    """Fed with the chunks of one answer; `usage` is None until it has reported some.

    An event stream reports its input at the start, and its output, summed, with each delta of the
    message. `is_whole` is true once the answer has told its last number; until then the output is
    estimated by what has flowed by.
    """

    def __init__(self, content_type: str) -> None:
        self._is_stream = content_type.partition(";")[0].strip().lower() == "text/event-stream"
        self._kept = bytearray()
        self._is_too_long = False
        self._fields: dict[str, Any] = {}
        self._text_bytes = 0
        self.model: str | None = None
        self.is_whole = False

    @property
    def has_begun(self) -> bool:
        """True once the answer has told a number."""
        return bool(self._fields)

    @property
    def usage(self) -> TokenUsage | None:
        if not self._fields:
            return None
        if self.is_whole:
            return TokenUsage.of(self._fields)
        seen = self._text_bytes // _BYTES_PER_TOKEN
        told = int(self._fields.get("output_tokens") or 0)
        return TokenUsage.of({**self._fields, "output_tokens": max(seen, told)})

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
            self.is_whole = bool(self._fields)
        self._kept.clear()

    def _keep(self, part: bytes, limit: int) -> None:
        if self._is_too_long or len(self._kept) + len(part) > limit:
            self._is_too_long = True
            self._kept.clear()
        else:
            self._kept += part

    def _read_line(self, line: bytes) -> None:
        if not line.startswith(b"data:"):
            return
        if _DELTA in line:
            # Not parsed: there are thousands, and only the estimate of a cut answer needs them.
            self._text_bytes += max(0, len(line) - _AROUND_TEXT)
            return
        if not any(word in line for word in _REPORTS):
            return
        event = _parsed(line[5:])
        if event.get("type") == "message_start":
            self._read_message(event.get("message"))
        elif event.get("type") == "message_delta":
            self._read_usage(event.get("usage"))
            self.is_whole = bool(self._fields)

    def _read_message(self, message: object) -> None:
        if isinstance(message, dict):
            model = message.get("model")
            self.model = model if isinstance(model, str) else self.model
            self._read_usage(message.get("usage"))

    def _read_usage(self, usage: object) -> None:
        """Later numbers replace earlier ones: they are sums."""
        if isinstance(usage, dict):
            self._fields.update((k, v) for k, v in usage.items() if isinstance(v, int | dict))


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
