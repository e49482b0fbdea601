"""The live page: what is streamed, with whatever breaks, equals what a fresh page shows."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

import anyio
import httpx
import pytest

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId, new_event_id
from loopagent.eventlog.log import EventLog
from tests.pages.tree import Page
from tests.support.server import RunningServer

ANSWER = """# What I did

Some **bold** words, `code` and [a link](https://example.org/x).

- one
- two

  with more

```python
def f(x):
    return x + 1
```

| a | b |
|---|--:|
| 1 | 2 |

The end.
"""


class Watcher:
    """A page that follows its session over HTTP, and can be cut off."""

    def __init__(self, http: httpx.AsyncClient, session_id: SessionId) -> None:
        self._http = http
        self._address = f"/sessions/{session_id}"
        self.page = Page("")

    async def open(self) -> None:
        answer = await self._http.get(self._address)
        assert answer.status_code == 200
        self.page = Page(answer.text)

    async def follow(self) -> None:
        """Take messages until cancelled."""
        headers = {"last-event-id": str(self.page.seq)}
        async with self._http.stream("GET", f"{self._address}/stream", headers=headers) as answer:
            assert answer.status_code == 200
            buffer = ""
            async for text in answer.aiter_text():
                buffer += text
                *messages, buffer = buffer.split("\n\n")
                for message in messages:
                    self.page.take(message)

    async def fresh(self) -> Page:
        return Page((await self._http.get(self._address)).text)


class Story:
    """Writes a session's log as a runner does: drafts first, then their rows."""

    def __init__(self, log: EventLog, session_id: SessionId, chance: random.Random) -> None:
        self._log = log
        self._id = session_id
        self._chance = chance
        self._live = log.live(session_id)

    async def add(self, *new: e.Event) -> None:
        await self._log.append(self._id, new)

    async def turn(self, number: int) -> None:
        await self.add(
            e.UserMessage(content=[e.text_block(f"Do <it> {number}")]), e.SessionStatusRunning()
        )
        await self._write("agent.thinking", "Let me think.\n\nAbout **this**.")
        if self._chance.random() < 0.5:
            await self.add(_retry(1), _retry(2))
        await self._tools()
        if self._chance.random() < 0.5:
            await self.add(_lost(), e.SessionStatusRunning())
        await self._write("agent.message", ANSWER)
        await self._end()

    async def _end(self) -> None:
        reason = self._chance.choice(("end_turn", "interrupted", "retries_exhausted"))
        loop: e.Json = {"turn": {"duration_ms": 1200, "cost_usd": 0.01}}
        if reason == "retries_exhausted":
            await self.add(_retry(1, "exhausted"))
        if reason == "interrupted" and self._chance.random() < 0.5:
            loop["cut"] = {"reason": "server_stopped", "message": "The server was stopped."}
        await self.add(e.SessionStatusIdle(stop_reason=e.StopReason(type=reason), loop=loop))

    async def _write(self, kind: str, text: str) -> None:
        event_id = new_event_id()
        self._live.open_draft(event_id, kind)
        at = 0
        while at < len(text):
            step = self._chance.randint(1, 40)
            self._live.extend_draft(text[at : at + step])
            at += step
            await anyio.sleep(0.004)
        if self._chance.random() < 0.15:
            self._live.close_draft()
            return
        done: e.Event = e.AgentMessage(id=event_id, content=[e.text_block(text)])
        if kind == "agent.thinking":
            done = e.AgentThinking(id=event_id, loop={"text": text})
        await self.add(done)

    async def _tools(self) -> None:
        ask = _call("Bash", {"command": "make test"}, "ask")
        edit = _call("Edit", {"file_path": "a.py", "old_string": "a\nb", "new_string": "a\nc"})
        agent = _call("Agent", {"description": "look around"})
        child = _call("Read", {"file_path": "b.py"}, parent=agent.id)
        started = e.TaskStarted(
            task_id=agent.id, kind="local_agent", description="look", loop={"parent": agent.id}
        )
        task = _call("TaskCreate", {"subject": "Look around"})
        update = _call("TaskUpdate", {"taskId": "1", "status": "completed"})
        await self.add(agent, started, ask, edit, task, _result(task, "Task #1 created"))
        await self.add(update, _result(update, "ok"))
        waiting = e.StopReason(type="requires_action", event_ids=[ask.id])
        await self.add(e.SessionStatusIdle(stop_reason=waiting))
        await self.add(child, _result(child, "1\tx\n2\ty"), _result(edit, "changed"))
        await anyio.sleep(0.05)
        allow = self._chance.random() < 0.5
        yes = {"result": "allow", "loop": {"answered_by": "Ann"}}
        no = {"result": "deny", "deny_message": "not now"}
        answer = {"tool_use_id": ask.id, **(yes if allow else no)}
        await self.add(e.UserToolConfirmation.model_validate(answer), e.SessionStatusRunning())
        output = "\n".join(f"\x1b[32mok\x1b[0m {n}\r" for n in range(40))
        await self.add(_result(ask, output, is_error=not allow))
        if self._chance.random() < 0.7:
            await self.add(_result(agent, "It is there."))
        ended = {"parent": agent.id, "background": False}
        await self.add(
            e.TaskEnded(task_id=agent.id, status="completed", summary="look", loop=ended)
        )


def _call(tool: str, given: e.Json, permission: str = "allow", **loop: str) -> e.AgentToolUse:
    return e.AgentToolUse.model_validate(
        {
            "name": tool.lower(),
            "input": given,
            "evaluated_permission": permission,
            "loop": {"tool": tool, "reason": "Because.", **loop},
        }
    )


def _result(call: e.AgentToolUse, text: str, *, is_error: bool = False) -> e.AgentToolResult:
    return e.AgentToolResult(tool_use_id=call.id, content=[e.text_block(text)], is_error=is_error)


def _lost() -> e.SessionStatusRescheduled:
    cause = {"reason": "process_crashed_error", "message": "Gone.", "attempt": 1, "max_attempts": 3}
    return e.SessionStatusRescheduled(loop=cause)


def _retry(attempt: int, retry: Literal["retrying", "exhausted"] = "retrying") -> e.SessionError:
    status = e.RetryStatusBody(type=retry)
    error = e.ErrorBody(type="model_overloaded_error", message="Busy.", retry_status=status)
    return e.SessionError(error=error, loop={"attempt": attempt, "retry_in_ms": 10})


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(15):
        while not condition():
            await anyio.sleep(0.01)


@asynccontextmanager
async def following(watcher: Watcher) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(watcher.follow)
        yield
        group.cancel_scope.cancel()


@pytest.mark.parametrize("seed", range(4))
async def test_a_page_that_was_streamed_with_breaks_equals_a_fresh_one(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId, seed: int
) -> None:
    chance = random.Random(seed)
    log = server.services.log
    watchers = [Watcher(http, session_id) for _ in range(3)]
    story = Story(log, session_id, chance)
    for watcher in watchers:
        await watcher.open()

    async def watch_with_breaks(watcher: Watcher, luck: random.Random) -> None:
        while True:
            with anyio.move_on_after(luck.uniform(0.02, 0.3)):
                await watcher.follow()
            await anyio.sleep(luck.uniform(0, 0.1))

    async with anyio.create_task_group() as group:
        for number, watcher in enumerate(watchers[1:]):
            group.start_soon(watch_with_breaks, watcher, random.Random(seed * 10 + number))
        async with following(watchers[0]):
            for number in range(4):
                await story.turn(number)
            last = (await log.page(session_id, limit=1, order="desc"))[0].seq
            await until(lambda: all(watcher.page.seq == last for watcher in watchers))
        group.cancel_scope.cancel()
    fresh = await watchers[0].fresh()
    for watcher in watchers:
        assert watcher.page.part("blocks").shown() == fresh.part("blocks").shown()
        assert watcher.page.part("head").shown() == fresh.part("head").shown()


async def test_a_late_viewer_gets_the_draft_so_far_and_then_its_rest(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    live = server.services.log.live(session_id)
    live.open_draft(new_event_id(), "agent.message")
    live.extend_draft("One **two")
    watcher = Watcher(http, session_id)
    await watcher.open()
    assert "One two" in watcher.page.part("blocks").text()
    async with following(watcher):
        live.extend_draft(" three** four")
        await until(lambda: "One two three four" in watcher.page.part("blocks").text())


async def test_a_draft_that_is_given_up_goes_from_the_page(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    log = server.services.log
    await log.append(session_id, [e.UserMessage(content=[e.text_block("go")])])
    watcher = Watcher(http, session_id)
    await watcher.open()
    async with following(watcher):
        live = log.live(session_id)
        live.open_draft(new_event_id(), "agent.message")
        live.extend_draft("Never finished")
        await until(lambda: "Never finished" in watcher.page.part("blocks").text())
        live.close_draft()
        ending = e.SessionStatusIdle(stop_reason=e.StopReason(type="interrupted"))
        await log.append(session_id, [ending])
        await until(lambda: "Stopped" in watcher.page.part("blocks").text())
        assert "Never finished" not in watcher.page.part("blocks").text()


async def test_a_viewer_who_was_away_for_long_gets_the_newest_part_whole(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    log = server.services.log
    await log.append(session_id, [e.UserMessage(content=[e.text_block("first")])])
    watcher = Watcher(http, session_id)
    await watcher.open()
    messages = [e.AgentMessage(content=[e.text_block(f"Number {n}")]) for n in range(700)]
    await log.append(session_id, messages)
    async with following(watcher):
        await until(lambda: watcher.page.seq == 701)
    fresh = await watcher.fresh()
    assert watcher.page.part("blocks").shown() == fresh.part("blocks").shown()
    assert watcher.page.part("older").shown() == fresh.part("older").shown()


async def test_a_result_finds_its_call_however_long_ago_that_was(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    log = server.services.log
    call = _call("Bash", {"command": "make everything"})
    await log.append(session_id, [call])
    await log.append(session_id, [e.AgentContextCompacted() for _ in range(400)])
    watcher = Watcher(http, session_id)
    await watcher.open()
    assert "make everything" not in watcher.page.part("blocks").text()
    async with following(watcher):
        await log.append(session_id, [_result(call, "all made")])
        await until(lambda: "all made" in watcher.page.part("blocks").text())


async def test_deleting_a_session_sends_its_viewers_away(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    log = server.services.log
    async with http.stream("GET", f"/sessions/{session_id}/stream?after=0") as answer:
        await log.append(session_id, [e.SessionDeleted()])
        with anyio.fail_after(10):
            text = (await answer.aread()).decode()
    assert text.endswith('event: gone\ndata: {"type":"gone"}\n\n')


async def test_all_viewers_get_the_same_bytes(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    log = server.services.log
    got: list[bytes] = []
    watching: list[int] = []

    async def read() -> None:
        address = f"/sessions/{session_id}/stream?after=0"
        async with http.stream("GET", address) as answer:
            parts = answer.aiter_bytes()
            first = await anext(parts)
            watching.append(len(first))
            got.append(first + b"".join([part async for part in parts]))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(read)
        await until(lambda: len(watching) == 3)
        await log.append(session_id, [e.AgentMessage(content=[e.text_block("hello")])])
        await log.append(session_id, [e.SessionDeleted()])
    assert len(got) == 3
    assert len(set(got)) == 1
    assert b"<p>hello</p>" in got[0]
