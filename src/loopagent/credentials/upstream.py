"""The model's API as the server reaches it: address and key. The key stays in this room."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import aiohttp

KeyState = Literal["ok", "missing", "rejected", "unreachable"]

_CHECK_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where requests go. models: the only ones that may be asked for; None for all."""

    base_url: str
    api_key: str | None = field(default=None, repr=False)
    models: frozenset[str] | None = None

    def headers(self) -> dict[str, str]:
        """The header that carries the key."""
        if self.api_key is None:
            return {}
        if self.api_key.startswith("sk-ant-oat"):
            return {"authorization": f"Bearer {self.api_key}"}
        return {"x-api-key": self.api_key}

    async def check(self) -> KeyState:
        """Whether the API can be reached and takes the key; waits 5 s at most."""
        if not self.api_key:
            return "missing"
        headers = self.headers() | {"anthropic-version": "2023-06-01"}
        timeout = aiohttp.ClientTimeout(total=_CHECK_SECONDS)
        url = f"{self.base_url.rstrip('/')}/v1/models"
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as client,
                client.get(url, headers=headers, allow_redirects=False) as answer,
            ):
                return "rejected" if answer.status in {401, 403} else "ok"
        except (aiohttp.ClientError, TimeoutError):
            return "unreachable"
