"""Requests to a server that may die at any moment: sent again, with the same id, until answered."""

from __future__ import annotations

from typing import Any

import anyio
import httpx

_AGAIN_AFTER = 0.1


async def post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> httpx.Response:
    """The answer of a server that lives; tries for as long as there is none.

    Bounded by the scope of the caller. An answer of 503 is none: the server is on its way out.
    """
    while True:
        try:
            answer = await client.post(path, json=body)
        except httpx.HTTPError:
            answer = None
        if answer is not None and answer.status_code != 503:
            return answer
        await anyio.sleep(_AGAIN_AFTER)


def sent_events(*events: dict[str, Any]) -> dict[str, Any]:
    return {"events": list(events)}


def user_message(event_id: str, text: str) -> dict[str, Any]:
    return {"type": "user.message", "id": event_id, "content": [{"type": "text", "text": text}]}
