"""What followers of a log see: replay, then live, each row once and in order."""

from __future__ import annotations

from contextlib import aclosing

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId, new_event_id
from loopagent.eventlog.frames import DraftDelta, DraftStart, Frame, Notice, StoredEvent
from loopagent.eventlog.live import Live
from loopagent.eventlog.log import EventLog
from loopagent.storage.database import Database
from tests.eventlog.watching import (
    WRITTEN,
    asked,
    delta_text,
    has_row,
    new_session,
    read_all,
    read_rows,
    read_until,
    said,
    seqs,
)


async def test_a_follower_gets_what_was_and_then_what_comes(
    log: EventLog, session_id: SessionId
) -> None:
    await log.append(session_id, [asked("one"), said("two")])
    async with aclosing(log.follow(session_id)) as frames:
        assert await read_rows(frames, 2) == [1, 2]
        await log.append(session_id, [said("three")])
        assert await read_rows(frames, 1) == [3]


@pytest.mark.parametrize("after", [0, 1, 4, 5])
async def test_a_follower_goes_on_after_any_row(
    log: EventLog, session_id: SessionId, after: int
) -> None:
    await log.append(session_id, [asked(str(number)) for number in range(5)])
    async with aclosing(log.follow(session_id, after)) as frames:
        await log.append(session_id, [asked("last")])
        assert await read_rows(frames, 6 - after) == list(range(after + 1, 7))


async def test_a_log_longer_than_a_page_is_replayed_whole(
    log: EventLog, session_id: SessionId
) -> None:
    await log.append(session_id, [asked("x") for _ in range(1203)])
    async with aclosing(log.follow(session_id)) as frames:
        assert await read_rows(frames, 1203) == list(range(1, 1204))


async def test_the_deltas_of_a_message_are_its_text(log: EventLog, session_id: SessionId) -> None:
    live, event_id = log.live(session_id), new_event_id()
    async with aclosing(log.follow(session_id, deltas=WRITTEN)) as frames:
        live.open_draft(event_id, "agent.message")
        (start,) = await read_until(frames, lambda seen: len(seen) == 1)
        assert isinstance(start, DraftStart)
        live.extend_draft("Hel")
        first = await read_until(frames, lambda seen: delta_text(seen) == "Hel")
        live.extend_draft("lo")
        await log.append(session_id, [said("Hello", event_id)])
        rest = await read_until(frames, has_row)
    assert delta_text([*first, *rest]) == "Hello"
    assert isinstance(rest[-1], StoredEvent)
    assert rest[-1].id == start.event_id == event_id


async def test_a_late_viewer_gets_the_draft_so_far(log: EventLog, session_id: SessionId) -> None:
    live, event_id = log.live(session_id), new_event_id()
    live.open_draft(event_id, "agent.message")
    live.extend_draft("so ")
    live.extend_draft("far")
    async with aclosing(log.follow(session_id, deltas=WRITTEN)) as frames:
        seen = await read_until(frames, lambda seen: delta_text(seen) == "so far")
        live.extend_draft(", so good")
        await log.append(session_id, [said("so far, so good", event_id)])
        seen += await read_until(frames, has_row)
    assert isinstance(seen[0], DraftStart)
    assert delta_text(seen) == "so far, so good"


async def test_a_slow_follower_gets_the_same_text_in_fewer_pieces(
    log: EventLog, session_id: SessionId
) -> None:
    live, event_id = log.live(session_id), new_event_id()
    words = [f"word{number} " for number in range(500)]
    async with aclosing(log.follow(session_id, deltas=WRITTEN)) as frames:
        live.open_draft(event_id, "agent.message")
        await read_until(frames, lambda seen: len(seen) == 1)
        for word in words:
            live.extend_draft(word)
        await log.append(session_id, [said("".join(words), event_id)])
        live.open_draft(new_event_id(), "agent.message")
        seen = await read_until(frames, has_row)
    assert delta_text(seen) == "".join(words)
    assert sum(isinstance(frame, DraftDelta) for frame in seen) < 10


async def test_who_asks_for_no_deltas_gets_rows_alone(log: EventLog, session_id: SessionId) -> None:
    live, event_id = log.live(session_id), new_event_id()
    async with aclosing(log.follow(session_id)) as frames:
        live.open_draft(event_id, "agent.message")
        live.extend_draft("text")
        await log.append(session_id, [said("text", event_id)])
        seen = await read_until(frames, has_row)
    assert len(seen) == 1


async def test_a_notice_reaches_those_who_look_now(log: EventLog, session_id: SessionId) -> None:
    live = log.live(session_id)
    live.notice("user.message", '{"id":"before"}')
    async with aclosing(log.follow(session_id)) as frames:
        await log.append(session_id, [asked("x")])
        await read_rows(frames, 1)
        live.notice("user.message", '{"id":"now"}')
        seen = await read_until(frames, bool)
    assert seen == [Notice("user.message", '{"id":"now"}')]


async def test_close_ends_all_followers(database: Database, session_id: SessionId) -> None:
    async with EventLog(database) as log:
        await log.append(session_id, [asked("x")])
        seen: list[list[Frame]] = []

        async def watch() -> None:
            seen.append(await read_all(log.follow(session_id)))

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(watch)
            await anyio.wait_all_tasks_blocked()
            await log.close()
    assert [seqs(frames) for frames in seen] == [[1]] * 3


async def test_the_end_of_a_session_ends_its_followers(
    log: EventLog, session_id: SessionId
) -> None:
    live = log.live(session_id)
    await log.append(session_id, [asked("x"), e.SessionDeleted()])
    assert seqs(await read_all(log.follow(session_id))) == [1, 2]
    assert live is log.live(session_id)


async def test_two_hundred_followers_each_get_everything(
    log: EventLog, session_id: SessionId
) -> None:
    live, event_id = log.live(session_id), new_event_id()
    seen: list[list[Frame]] = []

    async def watch() -> None:
        seen.append(await read_all(log.follow(session_id, deltas=WRITTEN)))

    # With a row in memory nobody has to ask the database.
    await log.append(session_id, [asked("go")])
    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(watch)
        live.open_draft(event_id, "agent.message")
        for _ in range(20):
            live.extend_draft("abc ")
            await anyio.lowlevel.checkpoint()
        await log.append(session_id, [said("abc " * 20, event_id), e.SessionDeleted()])
    assert len(seen) == 200
    assert all(seqs(frames) == [1, 2, 3] for frames in seen)
    # One that came to the draft only after its end gets the row alone.
    assert {delta_text(frames) for frames in seen} <= {"abc " * 20, ""}


STEPS = st.lists(
    st.sampled_from(["append", "append many", "write", "complete", "cut", "yield", "join"]),
    max_size=30,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
async def test_each_follower_gets_each_row_once_and_in_order(
    database: Database, steps: list[str]
) -> None:
    session_id = await new_session(database)
    texts: dict[str, str] = {}
    joined: list[tuple[int, list[Frame]]] = []
    async with EventLog(database) as log, anyio.create_task_group() as tasks:
        live = log.live(session_id)
        # With a row in memory nobody has to ask the database.
        last = (await log.append(session_id, [asked("first")]))[-1].seq

        async def watch(after: int) -> None:
            joined.append((after, await read_all(log.follow(session_id, after, deltas=WRITTEN))))

        tasks.start_soon(watch, 0)
        for step in [*steps, "end"]:
            if step == "yield":
                await anyio.lowlevel.checkpoint()
            elif step == "join":
                tasks.start_soon(watch, last // 2)
            elif new := _take(step, live, texts):
                last = (await log.append(session_id, new))[-1].seq
    assert len(joined) == 1 + steps.count("join")
    for after, frames in joined:
        assert seqs(frames) == list(range(after + 1, last + 1))
        _check_deltas(frames, texts)


def _take(step: str, live: Live, texts: dict[str, str]) -> list[e.Event]:
    """Do what a step says to the draft; gives the events to append."""
    draft = live.draft
    match step:
        case "append":
            return [asked("x")]
        case "append many":
            return [asked("y"), said("z"), asked("w")]
        case "complete" if draft is not None:
            texts[draft.event_id] = draft.text
            return [said(draft.text, draft.event_id)]
        case "end":
            return [e.SessionDeleted()]
        case "cut":
            live.close_draft()
        case "write":
            if draft is None:
                live.open_draft(new_event_id(), "agent.message")
            live.extend_draft("piece ")
        case _:
            pass
    return []


def _check_deltas(frames: list[Frame], texts: dict[str, str]) -> None:
    """Deltas come after their start, before their row, without a gap, and are its text."""
    heard: dict[str, str] = {}
    for frame in frames:
        match frame:
            case DraftStart():
                assert frame.event_id not in heard
                heard[frame.event_id] = ""
            case DraftDelta():
                assert frame.offset == len(heard[frame.event_id])
                heard[frame.event_id] += frame.text
            case StoredEvent() if frame.id in heard:
                assert heard.pop(frame.id) == texts[frame.id]
            case _:
                pass
