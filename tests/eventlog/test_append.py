"""What an append keeps: numbers, asks, large output, drafts; and what it refuses."""

from __future__ import annotations

import json

import pytest

from loopagent.domain import events as e
from loopagent.domain.ids import EventId, SessionId, new_event_id
from loopagent.errors import (
    AlreadyAnsweredError,
    ConflictError,
    NotFoundError,
    StaleSequenceError,
)
from loopagent.eventlog.log import EventLog
from loopagent.storage import asks, blobs, drafts, sessions
from loopagent.storage.database import Database
from tests.eventlog.watching import asked, new_session, said


async def open_ask(log: EventLog, session_id: SessionId) -> EventId:
    call = e.AgentToolUse(name="bash", input={"command": "ls"}, evaluated_permission="ask")
    reason = e.StopReason(type="requires_action", event_ids=[call.id])
    await log.append(session_id, [call, e.SessionStatusIdle(stop_reason=reason)])
    return call.id


def allow(call: EventId) -> e.UserToolConfirmation:
    return e.UserToolConfirmation(
        tool_use_id=call, result="allow", loop={"answered_by": "the first"}
    )


async def statuses(database: Database, session_id: SessionId) -> list[str]:
    found = await database.read(lambda conn: asks.of_session(conn, session_id))
    return [ask.status for ask in found]


async def test_rows_are_numbered_and_show_their_number_and_time(
    log: EventLog, session_id: SessionId
) -> None:
    rows = await log.append(session_id, [asked("a"), said("b")])
    bodies = [json.loads(row.body) for row in rows]
    assert [body["seq"] for body in bodies] == [row.seq for row in rows] == [1, 2]
    assert all(body["processed_at"] for body in bodies)
    assert await log.page(session_id) == rows


async def test_the_first_answer_wins(
    log: EventLog, database: Database, session_id: SessionId
) -> None:
    call = await open_ask(log, session_id)
    await log.append(session_id, [allow(call)])
    denial = e.UserToolConfirmation(tool_use_id=call, result="deny")
    with pytest.raises(AlreadyAnsweredError, match="the first"):
        await log.append(session_id, [asked("goes with it"), denial])
    assert await statuses(database, session_id) == ["allowed"]
    assert len(await log.page(session_id)) == 3


async def test_an_answer_to_nothing_is_not_found(log: EventLog, session_id: SessionId) -> None:
    with pytest.raises(NotFoundError):
        await log.append(session_id, [allow(new_event_id())])
    assert await log.page(session_id) == []


async def test_the_end_of_a_turn_closes_its_asks(
    log: EventLog, database: Database, session_id: SessionId
) -> None:
    call = await open_ask(log, session_id)
    end = e.SessionStatusIdle(stop_reason=e.StopReason(type="interrupted"))
    await log.append(session_id, [end])
    assert await statuses(database, session_id) == ["cancelled"]
    with pytest.raises(AlreadyAnsweredError, match="ended"):
        await log.append(session_id, [allow(call)])


async def test_a_large_result_is_kept_aside_and_shown_by_its_beginning(
    log: EventLog, database: Database, session_id: SessionId
) -> None:
    text = "ä" * 20_000
    result = e.AgentToolResult(tool_use_id=new_event_id(), content=[e.text_block(text)])
    (row,) = await log.append(session_id, [result])
    shown = row.event()
    assert isinstance(shown, e.AgentToolResult)
    assert text.startswith(e.plain_text(shown.content or []))
    assert len(row.body) < 10_000
    assert shown.loop == {"blob": True, "bytes": 40_000}
    assert await database.read(lambda conn: blobs.get(conn, session_id, row.id)) == text


async def test_a_result_at_the_limit_stays_in_its_row(
    log: EventLog, database: Database, session_id: SessionId
) -> None:
    content: list[e.Block] = [e.text_block("x" * 32_000)]
    result = e.AgentToolResult(tool_use_id=new_event_id(), content=content)
    (row,) = await log.append(session_id, [result])
    assert row.event() == e.processed(result, 1, row.event().processed_at or e.now())
    with pytest.raises(NotFoundError):
        await database.read(lambda conn: blobs.get(conn, session_id, row.id))


async def test_a_message_sent_twice_is_stored_once(log: EventLog, session_id: SessionId) -> None:
    message = asked("once")
    first = await log.append(session_id, [message])
    assert await log.append(session_id, [message]) == first
    assert await log.page(session_id) == first


async def test_the_event_id_of_another_session_is_refused(
    log: EventLog, database: Database, session_id: SessionId
) -> None:
    message, other = asked("mine"), await new_session(database)
    await log.append(session_id, [message])
    with pytest.raises(ConflictError):
        await log.append(other, [message])


async def test_who_expects_an_older_log_writes_nothing(
    log: EventLog, session_id: SessionId
) -> None:
    await log.append(session_id, [asked("a")], expected_seq=0)
    with pytest.raises(StaleSequenceError):
        await log.append(session_id, [asked("b")], expected_seq=0)
    assert len(await log.page(session_id)) == 1


async def test_a_log_without_a_session_is_not_found(log: EventLog) -> None:
    with pytest.raises(NotFoundError):
        await log.append(SessionId("sesn_none"), [asked("x")])


async def test_the_session_row_is_the_fold_of_its_log(
    log: EventLog, database: Database, session_id: SessionId
) -> None:
    await log.append(session_id, [asked("x"), e.SessionStatusRunning()])
    running = await database.read(lambda conn: sessions.get(conn, session_id))
    assert (running.status, running.seq) == ("running", 2)


async def test_a_draft_survives_a_new_start(database: Database, session_id: SessionId) -> None:
    event_id = new_event_id()
    async with EventLog(database) as log:
        live = log.live(session_id)
        live.open_draft(event_id, "agent.message")
        live.extend_draft("half a sen")
    async with EventLog(database) as again:
        saved = await again.take_draft(session_id)
    assert saved == drafts.SavedDraft(event_id, "agent.message", "half a sen")


async def test_a_complete_message_leaves_no_draft(
    log: EventLog, database: Database, session_id: SessionId
) -> None:
    event_id = new_event_id()
    draft = drafts.SavedDraft(event_id, "agent.message", "who")
    await database.write(lambda conn: drafts.save(conn, session_id, draft))
    await log.append(session_id, [said("whole", event_id)])
    assert await log.take_draft(session_id) is None


@pytest.mark.parametrize("ending", ["result", "mcp result", "terminated"])
async def test_an_ask_that_is_over_closes(
    log: EventLog, database: Database, session_id: SessionId, ending: str
) -> None:
    call = e.AgentToolUse(name="bash", input={}, evaluated_permission="ask")
    await log.append(session_id, [call])
    ends: dict[str, e.Event] = {
        "result": e.AgentToolResult(tool_use_id=call.id),
        "mcp result": e.AgentMcpToolResult(mcp_tool_use_id=call.id),
        "terminated": e.SessionStatusTerminated(),
    }
    await log.append(session_id, [ends[ending]])
    assert await database.read(lambda conn: asks.list_open(conn, session_id)) == []
