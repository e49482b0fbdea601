"""What followers see when things happen at awkward moments."""

from __future__ import annotations

import json
from contextlib import aclosing

import anyio
import pytest

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId, new_event_id, new_session_id
from loopagent.errors import NotFoundError
from loopagent.eventlog.frames import DraftDelta, DraftStart, Notice, StoredEvent
from loopagent.eventlog.log import EventLog
from loopagent.storage import sessions
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


async def test_a_cursor_beyond_the_end_harms_nobody(log: EventLog, session_id: SessionId) -> None:
    await log.append(session_id, [asked("x")])
    async with (
        aclosing(log.follow(session_id, 999)) as far,
        aclosing(log.follow(session_id)) as near,
        anyio.create_task_group() as tasks,
    ):
        got: list[int] = []

        async def watch() -> None:
            got.extend(await read_rows(far, 1))

        tasks.start_soon(watch)
        await anyio.wait_all_tasks_blocked()
        await anyio.sleep(0.05)
        await log.append(session_id, [asked("y")])
        assert await read_rows(near, 2) == [1, 2]
    assert got == [2]


async def test_the_end_of_a_message_comes_before_its_row_though_the_database_was_faster(
    log: EventLog, database: Database, session_id: SessionId
) -> None:
    live, event_id = log.live(session_id), new_event_id()
    live.open_draft(event_id, "agent.message")
    live.extend_draft("one ")
    async with aclosing(log.follow(session_id, deltas=WRITTEN)) as frames:
        seen = await read_until(frames, lambda seen: delta_text(seen) == "one ")
        live.extend_draft("two")
        first = await database.write(lambda conn: log.append_in(conn, session_id, [asked("x")]))
        second = await database.write(
            lambda conn: log.append_in(conn, session_id, [said("one two", event_id)])
        )
        third = await database.write(lambda conn: log.append_in(conn, session_id, [asked("z")]))
        log.published(session_id, third)
        seen += await read_until(frames, lambda seen: len(seqs(seen)) == 3)
        log.published(session_id, first)
        log.published(session_id, second)
        await log.append(session_id, [asked("end")])
        seen += await read_until(frames, has_row)
    kinds = [frame.id if isinstance(frame, StoredEvent) else type(frame) for frame in seen]
    assert kinds.count(DraftStart) == 1
    assert delta_text(seen) == "one two"
    assert max(i for i, kind in enumerate(kinds) if kind is DraftDelta) < kinds.index(event_id)


async def test_rows_told_of_in_the_wrong_order_arrive_in_the_right_one(
    log: EventLog, database: Database, session_id: SessionId
) -> None:
    live, event_id = log.live(session_id), new_event_id()
    await log.append(session_id, [asked("x")])
    async with aclosing(log.follow(session_id, deltas=WRITTEN)) as frames:
        assert await read_rows(frames, 1) == [1]
        live.open_draft(event_id, "agent.message")
        live.extend_draft("text")
        second = await database.write(
            lambda conn: log.append_in(conn, session_id, [said("text", event_id)])
        )
        third = await database.write(lambda conn: log.append_in(conn, session_id, [asked("z")]))
        log.published(session_id, third)
        log.published(session_id, second)
        seen = await read_until(frames, lambda seen: len(seqs(seen)) == 2)
    assert seqs(seen) == [2, 3]
    assert live.draft is None


async def test_a_message_sent_again_hides_no_row(
    log: EventLog, database: Database, session_id: SessionId
) -> None:
    message = asked("once")
    await log.append(session_id, [message, asked("b"), asked("c")])
    live = log.live(session_id)
    await log.append(session_id, [message])
    async with aclosing(log.follow(session_id, 1)) as frames:
        assert await read_rows(frames, 2) == [2, 3]
    assert live.draft is None


async def test_half_a_character_harms_nobody(log: EventLog, session_id: SessionId) -> None:
    live = log.live(session_id)
    live.open_draft(new_event_id(), "agent.message")
    live.extend_draft("ok \ud83d")
    async with aclosing(log.follow(session_id, deltas=WRITTEN)) as frames:
        seen = await read_until(frames, lambda seen: len(delta_text(seen)) == 4)
    assert "ok \ufffd".encode() in seen[1].sse()


async def test_a_queued_message_is_told_of_before_its_row(
    log: EventLog, session_id: SessionId
) -> None:
    await log.append(session_id, [asked("x")])
    message = asked("queued")
    async with aclosing(log.follow(session_id)) as frames:
        await read_rows(frames, 1)
        log.live(session_id).notice("user.message", json.dumps({"id": message.id}))
        await log.append(session_id, [message])
        seen = await read_until(frames, lambda seen: len(seen) == 2)
        log.live(session_id).notice("user.message", json.dumps({"id": message.id}))
        await log.append(session_id, [asked("y")])
        seen += await read_until(frames, has_row)
    assert [type(frame) for frame in seen] == [Notice, StoredEvent, StoredEvent]


async def test_what_was_voided_is_no_lost_draft(database: Database, session_id: SessionId) -> None:
    async with EventLog(database) as log:
        live = log.live(session_id)
        live.open_draft(new_event_id(), "agent.message")
        live.extend_draft("void")
        await log._keeper.save()
        assert await log.take_draft(session_id) is not None
        live.close_draft()
        assert await log.take_draft(session_id) is None
        await log._keeper.save()
        # Not at once: a row with its text may be on its way.
        assert await EventLog(database).take_draft(session_id) is not None
        await log._keeper.save()
        assert await EventLog(database).take_draft(session_id) is None


async def test_text_written_while_the_server_ends_is_kept(
    database: Database, session_id: SessionId
) -> None:
    async with EventLog(database) as log:
        live = log.live(session_id)
        live.open_draft(new_event_id(), "agent.message")
        live.extend_draft("before ")
        await log.close()
        live.extend_draft("after")
    async with EventLog(database) as log:
        draft = await log.take_draft(session_id)
    assert draft is not None
    assert draft.text == "before after"


async def test_a_row_whose_writer_gave_up_is_shown(log: EventLog, session_id: SessionId) -> None:
    await log.append(session_id, [asked("x")])
    async with aclosing(log.follow(session_id)) as frames:
        await read_rows(frames, 1)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await log.append(session_id, [asked("y")])
        assert await read_rows(frames, 1) == [2]


async def test_rows_of_another_process_are_found(
    log: EventLog, database: Database, session_id: SessionId
) -> None:
    await log.append(session_id, [asked("x")])
    async with aclosing(log.follow(session_id)) as frames:
        await read_rows(frames, 1)
        await EventLog(database).append(session_id, [asked("y")])
        await log._keeper.look()
        assert await read_rows(frames, 1) == [2]


async def test_one_who_was_far_behind_hears_of_the_end(log: EventLog, database: Database) -> None:
    session_id = await new_session(database)
    await log.append(session_id, [asked("x")])
    async with aclosing(log.follow(session_id)) as near, aclosing(log.follow(session_id)) as far:
        await read_rows(near, 1)
        await read_rows(far, 1)
        await log.append(session_id, [asked("y") for _ in range(300)])
        await log.append(session_id, [e.SessionDeleted()])
        await database.write(lambda conn: sessions.erase(conn, session_id))
        assert seqs(await read_all(far)) == [302]


async def test_a_session_that_is_not_there_cannot_be_followed(log: EventLog) -> None:
    async with aclosing(log.follow(new_session_id())) as frames:
        with pytest.raises(NotFoundError):
            await anext(frames)


async def test_who_goes_away_leaves_no_rows_in_memory(log: EventLog, session_id: SessionId) -> None:
    live = log.live(session_id)
    await log.append(session_id, [asked("x")])
    async with aclosing(log.follow(session_id)) as frames:
        await read_rows(frames, 1)
        await log.append(session_id, [asked("y")])
        assert await read_rows(frames, 1) == [2]
        assert live.tail.has((await log.page(session_id))[1].id)
        assert live.is_followed
    assert live.tail.after(2) is None
    assert not live.is_followed
