"""The live side of one session: its bounds, its joining, what it remembers."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import anyio
import pytest

from loopagent.domain import events as e
from loopagent.domain.ids import EventId, SessionId, new_event_id
from loopagent.errors import StorageError
from loopagent.eventlog import draft as drafting
from loopagent.eventlog import keeper as keeping
from loopagent.eventlog.draft import Draft
from loopagent.eventlog.frames import Ping, StoredEvent
from loopagent.eventlog.live import FEW, JOIN_SECONDS, JOIN_SECONDS_FOR_FEW, Live
from loopagent.eventlog.log import EventLog
from loopagent.eventlog.tail import MAX_CHARS, MAX_ROWS, Tail
from loopagent.storage import drafts, sessions
from loopagent.storage.database import Database
from tests.eventlog.watching import WRITTEN, asked, delta_text, read_until, said


def row(seq: int, body: str = "{}") -> StoredEvent:
    return StoredEvent(seq, EventId(f"sevt_{seq}"), "agent.message", body)


def alone() -> Live:
    return Live(SessionId("sesn_1"), lambda _: None)


def known(head: int = 0) -> Tail:
    tail = Tail()
    tail.learn(head)
    return tail


def test_the_tail_keeps_the_newest_rows_alone() -> None:
    tail = known()
    tail.add([row(seq) for seq in range(1, MAX_ROWS + 11)])
    assert tail.after(9) is None
    assert tail.after(10) == [row(seq) for seq in range(11, MAX_ROWS + 11)]
    assert tail.after(MAX_ROWS + 10) == []


def test_the_tail_is_bounded_in_size_and_keeps_its_last_row() -> None:
    tail = known()
    tail.add([row(1, "x" * MAX_CHARS), row(2), row(3, "x" * (MAX_CHARS + 1))])
    assert tail.after(1) is None
    assert tail.after(2) == [row(3, "x" * (MAX_CHARS + 1))]


def test_a_hole_sends_followers_to_the_database() -> None:
    tail = known()
    tail.add([row(1)])
    tail.add([row(3)])
    assert tail.after(0) is None
    assert tail.after(1) is None
    assert tail.after(2) == [row(3)]


def test_nothing_is_kept_before_somebody_looks() -> None:
    tail = Tail()
    tail.add([row(7)])
    assert tail.after(6) is None
    tail.learn(5)  # read before row 7 was there
    assert tail.after(5) is None
    assert tail.after(7) == []


def test_rows_of_others_are_noticed_once() -> None:
    tail = known(3)
    assert tail.skip_to(5)
    assert not tail.skip_to(5)
    assert tail.after(3) is None


def test_a_preview_that_is_too_long_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafting, "MAX_CHARS", 10)
    draft = Draft(new_event_id(), "agent.message")
    for piece in ["12345", "", "67890", "!", "?"]:
        draft.extend(piece)
        draft.show()
    assert draft.text == "1234567890"
    assert draft.visible == 10


def test_the_same_piece_is_made_once_for_all() -> None:
    draft = Draft(new_event_id(), "agent.message")
    for number in range(40):
        draft.extend(f"{number} ")
        draft.show()
        first = draft.since(0)
        assert first is draft.since(0)
        assert first is not None
        assert first.text == draft.text
    assert draft.since(draft.visible) is None
    middle = draft.since(4)
    assert middle is not None
    assert middle.text == draft.text[4:]


async def test_the_first_piece_goes_at_once_and_further_ones_together() -> None:
    live, event_id = alone(), new_event_id()
    live.extend_draft("lost: nothing is being written")
    live.open_draft(event_id, "agent.message")
    rung = live.bell.rings
    live.extend_draft("a")
    assert live.bell.rings == rung + 1
    for piece in "bcd":
        live.extend_draft(piece)
    assert live.bell.rings == rung + 1
    with anyio.fail_after(5):
        await live.bell.wait(rung + 1)
    assert live.draft is not None
    assert live.draft.visible == 4


@pytest.mark.parametrize(
    ("followers", "joined"), [(1, JOIN_SECONDS_FOR_FEW), (FEW + 1, JOIN_SECONDS)]
)
async def test_text_waits_longer_where_many_follow(followers: int, joined: float) -> None:
    live, clock = alone(), asyncio.get_running_loop().time
    for _ in range(followers):
        live.enter()
    live.open_draft(new_event_id(), "agent.message")
    live.extend_draft("a")
    begun, rung = clock(), live.bell.rings
    live.extend_draft("b")
    with anyio.fail_after(5):
        await live.bell.wait(rung)
    assert clock() - begun >= joined - 0.005
    live.leave()
    assert live.is_followed == (followers > 1)


async def test_text_waits_from_its_own_arrival_on() -> None:
    live, clock = alone(), asyncio.get_running_loop().time
    for _ in range(FEW + 1):
        live.enter()
    live.open_draft(new_event_id(), "agent.message")
    live.extend_draft("a")
    live._shown_at = clock() - JOIN_SECONDS / 4
    begun, rung = clock(), live.bell.rings
    live.extend_draft("b")
    with anyio.fail_after(5):
        await live.bell.wait(rung)
    assert clock() - begun >= JOIN_SECONDS - 0.005


async def test_a_new_draft_ends_the_one_before() -> None:
    live, first, second = alone(), new_event_id(), new_event_id()
    live.open_draft(first, "agent.message")
    live.extend_draft("a")
    live.extend_draft("b")
    live.open_draft(second, "agent.message")
    before = live.find_draft(first)
    assert before is not None
    assert before.visible == 2
    assert live.draft is live.find_draft(second)
    assert live.find_draft(new_event_id()) is None


async def test_a_draft_is_forgotten_after_eight_others() -> None:
    live = alone()
    ids = [new_event_id() for _ in range(10)]
    for event_id in ids:
        live.open_draft(event_id, "agent.message")
    assert [event_id for event_id in ids if live.find_draft(event_id) is None] == ids[:1]


async def test_old_notices_are_forgotten(log: EventLog, session_id: SessionId) -> None:
    live = log.live(session_id)
    for number in range(100):
        live.notice("user.message", f'{{"id":"{number}"}}')
    assert len(live.notices_after(0)) == 64
    notice = live.notices_after(99)[0]
    assert notice.sse() is notice.sse()
    assert notice.sse() == b'event: user.message\ndata: {"id":"99"}\n\n'


async def test_a_silent_log_gives_signs_of_life(
    database: Database, session_id: SessionId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "PING_SECONDS", 0.02)
    async with EventLog(database) as log, aclosing(log.follow(session_id)) as frames:
        with anyio.fail_after(5):
            first = await anext(frames)
            assert isinstance(first, Ping)
            assert first.sse() == b'event: ping\ndata: {"type":"ping"}\n\n'
            assert isinstance(await anext(frames), Ping)


async def test_a_draft_is_saved_once_while_it_does_not_grow(
    database: Database, session_id: SessionId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "SAVE_SECONDS", 0.02)
    async with EventLog(database) as log:
        log.live(session_id).open_draft(new_event_id(), "agent.message")
        log.live(session_id).extend_draft("kept")
        with anyio.fail_after(5):
            while await database.read(lambda conn: drafts.get(conn, session_id)) is None:
                await anyio.sleep(0.01)
        await database.write(lambda conn: drafts.remove(conn, session_id))
        await log._keeper.save()
        assert await database.read(lambda conn: drafts.get(conn, session_id)) is None
        assert log.live(session_id).draft is not None


async def test_a_draft_that_could_not_be_saved_is_tried_again(
    log: EventLog, database: Database, session_id: SessionId, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageError("No space is left. Free some, then try again.")

    live = log.live(session_id)
    live.open_draft(new_event_id(), "agent.message")
    live.extend_draft("kept")
    with monkeypatch.context() as broken:
        broken.setattr(keeping, "_save", full)
        await log._keeper.save()
        broken.setattr(keeping, "_head", full)
        async with aclosing(log.follow(session_id, deltas=WRITTEN)) as frames:
            await read_until(frames, lambda seen: delta_text(seen) == "kept")
            await log._keeper.look()
    assert await database.read(lambda conn: drafts.get(conn, session_id)) is None
    await log._keeper.save()
    assert await database.read(lambda conn: drafts.get(conn, session_id)) is not None


async def test_the_draft_of_what_is_complete_or_gone_is_not_saved(
    log: EventLog, database: Database, session_id: SessionId
) -> None:
    live, event_id = log.live(session_id), new_event_id()
    live.open_draft(event_id, "agent.message")
    live.extend_draft("text")
    # On disk, but not told of yet.
    await database.write(lambda conn: log.append_in(conn, session_id, [said("text", event_id)]))
    await log._keeper.save()
    assert await database.read(lambda conn: drafts.get(conn, session_id)) is None
    live.extend_draft("more")
    await database.write(lambda conn: sessions.erase(conn, session_id))
    async with aclosing(log.follow(session_id)):
        live.enter()
        await log._keeper.save()
        await log._keeper.look()
    assert await database.read(lambda conn: drafts.get(conn, session_id)) is None


async def test_another_message_leaves_the_saved_draft_alone(
    log: EventLog, database: Database, session_id: SessionId
) -> None:
    live, event_id = log.live(session_id), new_event_id()
    live.open_draft(event_id, "agent.message")
    live.extend_draft("text")
    await log._keeper.save()
    await log.append(session_id, [said("of a sub-agent")])
    assert await database.read(lambda conn: drafts.get(conn, session_id)) is not None
    live.close_draft()
    await log._keeper.save()
    await database.write(lambda conn: drafts.remove(conn, session_id))
    await log._keeper.save()
    await log.append(session_id, [asked("x"), e.SessionStatusTerminated()])
    assert await log.take_draft(session_id) is None


async def test_what_happens_beside_the_log_wakes_followers(
    log: EventLog, session_id: SessionId
) -> None:
    log.ring(session_id)  # nobody there
    live = log.live(session_id)
    heard = live.bell.rings
    log.ring(session_id)
    live.publish([])
    assert live.bell.rings == heard + 1
    with anyio.fail_after(1):
        await live.bell.wait(heard)


async def test_who_hears_something_needs_no_sign_of_life(
    log: EventLog, session_id: SessionId
) -> None:
    live = log.live(session_id)
    async with aclosing(log.follow(session_id)) as frames:
        first = asyncio.ensure_future(anext(frames))  # noqa: TID251  one step, awaited below
        await anyio.sleep(0.05)
        (row,) = await log.append(session_id, [asked("x")])
        live.ping()
        assert await first == row
        live.ping()
        with anyio.fail_after(1):
            assert isinstance(await anext(frames), Ping)


async def test_frames_are_made_of_bytes_once(log: EventLog, session_id: SessionId) -> None:
    live, event_id = log.live(session_id), new_event_id()
    (row,) = await log.append(session_id, [asked("hé\n\u2028")])
    live.open_draft(event_id, "agent.message")
    live.extend_draft("a\nb")
    async with aclosing(log.follow(session_id, deltas=WRITTEN)) as frames:
        seen = await read_until(frames, lambda seen: delta_text(seen) == "a\nb")
    assert [frame.sse().decode().split("\n")[-3] for frame in seen] == [
        f"data: {row.body}",
        f'data: {{"type":"event_start","event":{{"type":"agent.message","id":"{event_id}"}}}}',
        (
            f'data: {{"type":"event_delta","event_id":"{event_id}","delta":{{"type":"content_delta",'
            '"index":0,"content":{"type":"text","text":"a\\nb"}}}'
        ),
    ]
    assert all(frame.sse() is frame.sse() for frame in seen)
    stored = await log.event(session_id, row.id)
    assert stored is not None
    assert stored.event() == row.event()
    assert await log.event(session_id, event_id) is None
