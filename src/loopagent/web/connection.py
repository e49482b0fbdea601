"""One connection of a client, with patience that ends: for its headers, and for its reading.

uvicorn waits for ever for the end of headers, and for a client that takes no more of an answer;
a handful of such clients would hold memory and descriptors for as long as they like.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS = 10.0
HEADER_BYTES = 65_536
READING_SECONDS = 30.0


class Connection(HttpToolsProtocol):
    """uvicorn's protocol with limits: HEADER_SECONDS, HEADER_BYTES, READING_SECONDS."""

    _hurry: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _in_headers = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._hurry, self._stalled):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_headers:
            self._header_bytes += len(data)
            if self._hurry is None:
                self._await_headers()
        super().data_received(data)
        if self._in_headers and self._header_bytes > HEADER_BYTES:
            self._refuse("The headers are too long.")

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._header_bytes = 0
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        # What comes next is another request; until it begins, keep-alive has its own limit.
        self._in_headers = True
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(READING_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def _await_headers(self) -> None:
        self._hurry = self.loop.call_later(
            HEADER_SECONDS, self._refuse, "The headers took too long."
        )

    def _refuse(self, reason: str) -> None:
        if not self.transport.is_closing():
            self.send_400_response(reason)
