"""Reads the usage out of a reply as it flows by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from loopagent.domain.session import TokenUsage

_MAX_LINE = 1 << 20  # a line of a stream that is longer holds no usage
_MAX_BODY = 32 << 20


class UsageMeter:
    """Fed with a reply's bytes after they were passed on; knows its model and usage at the end."""

    def __init__(self, content_type: str) -> None:
        self._streamed = content_type.startswith("text/event-stream")
        self._rest = b""
        self._skips = False
        self._usage: dict[str, Any] = {}
        self.model = ""

    def feed(self, chunk: bytes) -> None:
        """Take more bytes of the reply."""
        if not self._streamed:
            if len(self._rest) + len(chunk) <= _MAX_BODY:
                self._rest += chunk
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if not self._skips and line.startswith(b"data:") and b'"usage"' in line:
                self._read(line[5:])
            self._skips = False
        if len(self._rest) > _MAX_LINE:
            self._rest, self._skips = b"", True

    def total(self) -> TokenUsage | None:
        """The reply's usage; None if it told of none."""
        if not self._streamed and self._rest:
            self._read(self._rest)
            self._rest = b""
        return TokenUsage.of(self._usage) if self._usage else None

    def _read(self, text: bytes) -> None:
        try:
            data = json.loads(text)
        except ValueError:
            return
        if not isinstance(data, Mapping):
            return
        message = data.get("message")
        source = message if isinstance(message, Mapping) else data
        self.model = str(source.get("model") or self.model)
        usage = source.get("usage")
        if isinstance(usage, Mapping):
            self._usage |= {key: value for key, value in usage.items() if value}
