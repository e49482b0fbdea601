"""Two who act at the same moment, and writes that fail: no session is left in between."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from loopagent.auth.principal import LOCAL_PRINCIPAL as LOCAL
from loopagent.domain import events as e
from loopagent.domain.ids import SessionId, new_session_id
from loopagent.errors import ConflictError, LoopError
from loopagent.services import Services
from loopagent.sessions import turns
from loopagent.sessions.parked import Parked
from loopagent.sessions.recovery import read_cut_turn
from loopagent.storage import sessions
from tests.support.server import running_server


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with running_server(tmp_path) as server:
        yield server.services


def message(text: str = "hello") -> e.UserMessage:
    return e.UserMessage(content=[e.text_block(text)])


async def failed(services: Services) -> SessionId:
    """A session whose last turn ended because the key was refused."""
    session = await services.sessions.create(LOCAL)
    retry = e.RetryStatusBody(type="terminal")
    body = e.ErrorBody(type="authentication_error", message="no", retry_status=retry)
    stopped = e.SessionStatusIdle(stop_reason=e.StopReason(type="retries_exhausted"))
    began: list[e.Event] = [message(), e.SessionStatusRunning()]
    await services.log.append(session.id, [*began, e.SessionError(error=body), stopped])
    return session.id


async def test_of_archiving_and_sending_one_comes_first(services: Services) -> None:
    async def archive(session_id: SessionId) -> None:
        with contextlib.suppress(ConflictError):
            await services.sessions.archive(LOCAL, session_id)

    async def send(session_id: SessionId) -> None:
        with contextlib.suppress(LoopError):
            await services.sessions.send(LOCAL, session_id, [message("[[text: hi]]")])

    for _ in range(5):
        session = await services.sessions.create(LOCAL)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(archive, session.id)
            tasks.start_soon(send, session.id)
        after = await services.sessions.get(LOCAL, session.id)
        assert not (after.archived_at is not None and after.is_busy)
        await services.sessions.delete(LOCAL, session.id)


async def test_two_who_resume_send_one_message(services: Services) -> None:
    session_id = await failed(services)

    async def go_on(words: str) -> None:
        await services.database.write(
            lambda conn: turns.go_on_with(
                services.log, conn, session_id, LOCAL.user_id, message(words)
            )
        )

    await go_on("first")
    await go_on("second")
    rows = await services.log.page(session_id, types=("user.message",))
    said = [row.event() for row in rows]
    assert [e.plain_text(one.content) for one in said if isinstance(one, e.UserMessage)] == [
        "hello",
        "first",
    ]
    assert await services.queue.list(LOCAL, session_id) == []


async def test_a_session_that_is_gone_keeps_no_other_from_going_on(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await failed(services)
    listed = [new_session_id(), session_id]
    monkeypatch.setattr(sessions, "without_key", lambda _conn: listed)
    await Parked(services.database, services.log, services.supervisor).go_on()
    assert (await services.sessions.get(LOCAL, session_id)).is_busy


async def test_what_was_stopped_or_put_away_does_not_go_on_with_the_key(
    services: Services,
) -> None:
    session_id = await failed(services)
    await services.log.append(session_id, [e.SessionUpdated.model_validate({"held": "queue"})])
    await Parked(services.database, services.log, services.supervisor).go_on()
    assert not (await services.sessions.get(LOCAL, session_id)).is_busy


async def test_a_turn_of_many_rows_is_taken_up_from_its_message(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopagent.sessions.recovery._ROWS", 5)
    session = await services.sessions.create(LOCAL)
    said = [e.AgentMessage(content=[e.text_block(str(n))]) for n in range(20)]
    await services.log.append(session.id, [message("begin"), e.SessionStatusRunning(), *said])
    cut = await read_cut_turn(services.database, services.log, session.id)
    assert cut is not None
    assert e.plain_text(cut.prompt.content) == "begin"
    assert len(cut.events) == 6


async def test_a_session_that_is_busy_in_the_log_alone_is_found_at_the_second_look(
    services: Services,
) -> None:
    session = await services.sessions.create(LOCAL)
    await services.log.append(session.id, [message(), e.SessionStatusRunning()])
    comeback = services.supervisor._comeback
    assert await comeback.look_for_lost(lambda _: False) == []
    assert await comeback.look_for_lost(lambda _: False) == [session.id]
    assert await comeback.look_for_lost(lambda _: True) == []
