"""Our server as a client sees it: the same turns over HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx


async def new_session(client: httpx.AsyncClient) -> str:
    answer = await client.post("/api/sessions", json={})
    answer.raise_for_status()
    return str(answer.json()["id"])


async def turn(client: httpx.AsyncClient, session: str, prompt: str) -> tuple[float, float, str]:
    """Seconds to the first text and to the end of a turn, and the previewed text."""
    began = time.perf_counter()
    first = 0.0
    text = ""
    url = f"/api/sessions/{session}/message"
    async with client.stream("POST", url, json={"prompt": prompt}) as answer:
        async for line in answer.aiter_lines():
            if line.startswith('data: {"type":"event_delta"'):
                first = first or time.perf_counter() - began
                text += json.loads(line[6:])["delta"]["content"]["text"]
    return first, time.perf_counter() - began, text


async def viewers(url: str, session: str, count: int, prompt: str) -> dict[str, Any]:
    """`count` viewers of one turn: how many got all of it, the bytes each, the spread of ends."""
    limits = httpx.Limits(max_connections=None)
    timeout = httpx.Timeout(60)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=timeout) as client:
        ready = [asyncio.Event() for _ in range(count)]
        ends: list[float] = []
        sizes: list[int] = []
        texts: list[str] = []

        async def watch(number: int) -> None:
            address = f"/v1/sessions/{session}/events/stream?event_deltas[]=agent.message"
            size, text = 0, ""
            async with client.stream("GET", address) as answer:
                ready[number].set()
                async for line in answer.aiter_lines():
                    size += len(line) + 1
                    if line.startswith('data: {"type":"event_delta"'):
                        text += json.loads(line[6:])["delta"]["content"]["text"]
                    if line == "event: session.status_idle":
                        break
            ends.append(time.perf_counter())
            sizes.append(size)
            texts.append(text)

        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(watch(number), name=f"viewer {number}")
            for event in ready:
                await event.wait()
            body = {"type": "user.message", "content": [{"type": "text", "text": prompt}]}
            await client.post(f"/v1/sessions/{session}/events", json={"events": [body]})
        return {"ends": ends, "sizes": sizes, "whole": len(set(texts)) == 1, "text": texts[0]}
