"""The model's API as the proxy sees it: its address, the real key, which models may be asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from yarl import URL

KeyState = Literal["ok", "missing", "rejected", "unreachable"]

_CHECK = aiohttp.ClientTimeout(total=5)
_OAUTH_PREFIX = "sk-ant-oat"
_OAUTH_BETA = "oauth-2025-04-20"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where requests go and with which key. models: the names allowed; None allows all."""

    base_url: str
    api_key: str | None = field(default=None, repr=False)
    models: frozenset[str] | None = None

    @property
    def place(self) -> str:
        """The address for people, without whatever credentials it may hold."""
        url = URL(self.base_url)
        return f"{url.scheme}://{url.host_port_subcomponent}{url.raw_path.rstrip('/')}"

    def url(self, path: str, query: str = "") -> URL:
        """The address of a path, its query as it came."""
        text = self.base_url.rstrip("/") + path + (f"?{query}" if query else "")
        return URL(text, encoded=True)

    def credentials(self, betas: str = "") -> dict[str, str]:
        """The headers that carry the key, with the `anthropic-beta` header they need."""
        key = self.api_key or ""
        if not key.startswith(_OAUTH_PREFIX):
            return {"x-api-key": key} | ({"anthropic-beta": betas} if betas else {})
        named = [beta.strip() for beta in betas.split(",") if beta.strip()]
        if _OAUTH_BETA not in named:
            named.append(_OAUTH_BETA)
        return {"authorization": f"Bearer {key}", "anthropic-beta": ",".join(named)}

    async def check(self) -> KeyState:
        """Whether the API answers and takes the key; within five seconds, and free of charge."""
        if not self.api_key:
            return "missing"
        headers = self.credentials() | {"anthropic-version": "2023-06-01"}
        try:
            async with (
                aiohttp.ClientSession(timeout=_CHECK) as client,
                client.get(
                    self.url("/v1/models", "limit=1"), headers=headers, allow_redirects=False
                ) as answer,
            ):
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return "unreachable"
        if status in {401, 403}:
            return "rejected"
        # A gateway need not list models: any answer but a failure shows that it is there.
        return "unreachable" if status >= 500 or 300 <= status < 400 else "ok"
