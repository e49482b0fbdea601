"""A small client of the Messages API, and requests as the command line program writes them."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from loopagent.scripted import ScriptedModel

Message = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back: a JSON body, or the events of a stream."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def deltas(self) -> list[str]:
        return [
            event["delta"]["text"]
            for event in self.events
            if event["type"] == "content_block_delta" and event["delta"]["type"] == "text_delta"
        ]

    @property
    def text(self) -> str:
        whole = [block["text"] for block in self.body.get("content", ()) if "text" in block]
        return "".join([*whole, *self.deltas])

    @property
    def calls(self) -> list[tuple[str, Any]]:
        """The tool calls of a stream, put together from their pieces."""
        names = {
            event["index"]: event["content_block"]["name"]
            for event in self.events
            if event["type"] == "content_block_start"
            and event["content_block"]["type"] == "tool_use"
        }
        pieces: dict[int, str] = dict.fromkeys(names, "")
        for event in self.events:
            if event["type"] == "content_block_delta" and event["index"] in pieces:
                pieces[event["index"]] += event["delta"]["partial_json"]
        return [(name, json.loads(pieces[index])) for index, name in names.items()]

    @property
    def stop_reason(self) -> str | None:
        ends = [event for event in self.events if event["type"] == "message_delta"]
        return ends[-1]["delta"]["stop_reason"] if ends else self.body.get("stop_reason")


@dataclass(frozen=True)
class Client:
    """Asks one scripted model."""

    url: str
    http: aiohttp.ClientSession

    async def ask(
        self,
        prompt: str | Sequence[Message],
        *,
        stream: bool = True,
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> Answer:
        messages = [user(prompt)] if isinstance(prompt, str) else list(prompt)
        asked = {"model": "claude-x", "max_tokens": 100, "stream": stream, "messages": messages}
        # A file-like body, since aiohttp warns of large ones in one piece.
        data = io.BytesIO(json.dumps(asked | body).encode())
        request = self.http.post(f"{self.url}/v1/messages", data=data, headers=headers)
        async with request as response:
            return await read(response)


async def until_cut(client: Client, prompt: str) -> bytes:
    """Give what arrived of a stream before its connection was closed; it must be."""
    body = {"model": "m", "stream": True, "messages": [user(prompt)]}
    seen = b""
    async with client.http.post(f"{client.url}/v1/messages", json=body) as response:
        try:
            async for chunk in response.content.iter_any():
                seen += chunk
        except aiohttp.ClientPayloadError:
            return seen
    raise AssertionError("the stream came to its regular end")


async def read(response: aiohttp.ClientResponse) -> Answer:
    """Read an answer to its end; raises aiohttp's error if it is cut."""
    raw = (await response.read()).decode()
    if response.content_type != "text/event-stream":
        body = json.loads(raw) if raw else {}
        return Answer(status=response.status, headers=response.headers, body=body)
    return Answer(status=response.status, headers=response.headers, events=parse(raw))


def parse(raw: str) -> list[Mapping[str, Any]]:
    """Parse server-sent events; the name of each must be the type of its data."""
    events = []
    for frame in raw.split("\n\n")[:-1]:
        name, data = frame.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


@asynccontextmanager
async def connected(script: Path | None = None) -> AsyncIterator[tuple[ScriptedModel, Client]]:
    """Run a scripted model and a client of it."""
    model = ScriptedModel(script)
    url = await model.start()
    try:
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            yield model, Client(url, http)
    finally:
        await model.stop()


def user(*texts: str) -> Message:
    return {"role": "user", "content": [{"type": "text", "text": text} for text in texts]}


def system(text: str) -> Message:
    return {"role": "system", "content": text}


def said(text: str) -> Message:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def called(*calls: tuple[str, str, Mapping[str, Any]]) -> Message:
    """An assistant's message of tool calls: (id, name, input) each."""
    blocks = [
        {"type": "tool_use", "id": id, "name": name, "input": dict(given)}
        for id, name, given in calls
    ]
    return {"role": "assistant", "content": blocks}


def answered(*results: tuple[str, str], is_error: bool = False) -> Message:
    """A user message of tool results: (id, text) each."""
    blocks = [
        {"type": "tool_result", "tool_use_id": id, "content": text, "is_error": is_error}
        for id, text in results
    ]
    return {"role": "user", "content": blocks}
