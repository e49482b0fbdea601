"""Pages and their files go out compressed: a long transcript shrinks to an eighth.

Programs are answered as they are, so that none waits for it, and streams are never held up.
"""

from __future__ import annotations

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_PLAIN = ("/v1/", "/api/", "/metrics", "/healthz", "/readyz")
_COMPRESSED_ALREADY = (".woff2", ".png", "/stream", "/live")
_SMALLEST = 1_000  # bytes
_LEVEL = 5  # higher ones take twice the time for a hundredth


class Compression:
    """Compresses what a person's browser asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressing = GZipMiddleware(app, minimum_size=_SMALLEST, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        plain = path.startswith(_PLAIN) or path.endswith(_COMPRESSED_ALREADY)
        app = self._plain if plain or scope["type"] != "http" else self._compressing
        await app(scope, receive, send)
