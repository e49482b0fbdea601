"""A viewer: follows one session's stream, leaves and comes back at random, answers what is asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import anyio
import httpx
from anyio.abc import TaskGroup

from loopagent.cli.chaos.requests import post, sent_events
from loopagent.cli.chaos.watch import Watch

_REFUSALS = {404, 409}  # somebody else was faster, or the turn has ended


class Viewer:
    """One viewer. `rows` is the text of each row it got, in the order in which it got them."""

    def __init__(self, watch: Watch, client: httpx.AsyncClient, name: str, draw: Random) -> None:
        self.name = name
        self.rows: list[str] = []
        self.visits = 0
        self.stays = False  # once true, it leaves no more and answers everything
        self._watch = watch
        self._client = client
        self._draw = draw
        self._scope = anyio.CancelScope()
        self._drafts: dict[str, str] = {}
        self._met: set[str] = set()

    def cut(self) -> None:
        """Lose the connection now."""
        self._scope.cancel()

    async def follow(self, tasks: TaskGroup) -> None:
        """Follow without end; bounded by the caller's scope."""
        while True:
            stay = self._draw.uniform(0.2, 12)
            with anyio.CancelScope() as self._scope:
                try:
                    await self._visit(tasks, stay)
                except httpx.HTTPError:
                    await anyio.sleep(self._draw.uniform(0.02, 0.3))
            if self._draw.random() < 0.3 and not self.stays:
                await anyio.sleep(self._draw.uniform(0, 1))

    async def _visit(self, tasks: TaskGroup, stay: float) -> None:
        path = f"/v1/sessions/{self._watch.session_id}/events/stream"
        query = {"event_deltas[]": "agent.message"}
        headers = {}
        if self._draw.random() < 0.5:
            headers["Last-Event-ID"] = str(len(self.rows))
        else:
            query["after"] = str(len(self.rows))
        self._drafts.clear()
        leave_at = anyio.current_time() + stay
        async with self._client.stream("GET", path, params=query, headers=headers) as answer:
            if answer.status_code == 503:
                await anyio.sleep(0.1)
                return
            if not answer.is_success:
                self._problem(f"its stream was refused with {answer.status_code}")
                await anyio.sleep(1)
                return
            self.visits += 1
            async for event, number, text in _frames(answer):
                self._take(event, number, text, tasks)
                if anyio.current_time() > leave_at and not self.stays:
                    return

    def _take(self, event: str, number: str | None, text: str, tasks: TaskGroup) -> None:
        if number is not None:
            self._row(int(number), text, tasks)
            return
        data = json.loads(text)
        if event == "event_start":
            self._drafts[data["event"]["id"]] = ""
        elif event == "event_delta" and data["event_id"] in self._drafts:
            self._drafts[data["event_id"]] += data["delta"]["content"]["text"]

    def _row(self, seq: int, text: str, tasks: TaskGroup) -> None:
        if seq != len(self.rows) + 1:
            self._problem(f"it got row {seq} after row {len(self.rows)}")
            return
        self.rows.append(text)
        row = json.loads(text)
        self._check_preview(row)
        self._watch.see(row)
        if row["type"] == "session.status_idle":
            for ask in row["stop_reason"].get("event_ids", ()):
                self._consider(ask, tasks)

    def _check_preview(self, row: dict[str, Any]) -> None:
        """What was shown while a message was written must be what was stored."""
        preview = self._drafts.pop(row["id"], None)
        if preview is None or row["type"] != "agent.message":
            return
        text = "".join(block["text"] for block in row["content"])
        if preview != text:
            self._problem(f"row {row['seq']} reads {text[-60:]!r}, its preview {preview[-60:]!r}")

    # -- asks -------------------------------------------------------------------------------

    def _consider(self, ask: str, tasks: TaskGroup) -> None:
        if ask in self._met:
            return
        self._met.add(ask)
        if self._draw.random() < 0.75:
            wait = self._draw.choice([0.0, 0.0, self._draw.uniform(0, 1.5)])
            tasks.start_soon(self.answer, ask, self._draw.random() < 0.75, wait)

    async def answer(self, ask: str, allow: bool, wait: float = 0.0) -> None:
        """Answer an ask, perhaps at the same time as another viewer, who says otherwise."""
        await anyio.sleep(wait)
        call = self._watch.asks.get(ask)
        if call is None:
            return
        answer: dict[str, Any] = {
            "type": "user.tool_confirmation",
            "id": f"answer_{ask}_{self.name}",
            "tool_use_id": ask,
            "result": "allow" if allow else "deny",
        }
        if allow and "questions" in call["input"]:
            answers = {asked["question"]: "left" for asked in call["input"]["questions"]}
            answer["loop"] = {"updated_input": {**call["input"], "answers": answers}}
        path = f"/v1/sessions/{self._watch.session_id}/events"
        got = await post(self._client, path, sent_events(answer))
        if not got.is_success and got.status_code not in _REFUSALS:
            self._problem(f"its answer to {ask} was met with {got.status_code}: {got.text[:200]}")

    def _problem(self, text: str) -> None:
        self._watch.problems.append(f"viewer {self.name}: {text}")


async def _frames(answer: httpx.Response) -> AsyncIterator[tuple[str, str | None, str]]:
    """Each whole frame: event, id, data. Bytes are split at line feeds alone, as the format says."""
    left = b""
    async for chunk in answer.aiter_bytes():
        *whole, left = (left + chunk).split(b"\n\n")
        for frame in whole:
            fields = dict(
                line.split(": ", 1) for line in frame.decode().split("\n") if ": " in line
            )
            if fields.get("event", "ping") != "ping":
                yield fields["event"], fields.get("id"), fields["data"]
