"""Sessions to watch, and watchers whose every wait has an end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import anyio

from loopagent.domain import events as e
from loopagent.domain.ids import EventId, SessionId
from loopagent.eventlog.frames import DraftDelta, Frame, Ping, StoredEvent
from loopagent.storage import sessions
from loopagent.storage.database import Database
from tests.domain import made

WRITTEN = frozenset({"agent.message"})


async def new_session(database: Database) -> SessionId:
    session = made.session()
    await database.write(lambda conn: sessions.insert_row(conn, session))
    return session.id


def said(text: str, event_id: EventId | None = None) -> e.AgentMessage:
    message = e.AgentMessage(content=[e.text_block(text)])
    return message if event_id is None else message.model_copy(update={"id": event_id})


def asked(text: str) -> e.UserMessage:
    return e.UserMessage(content=[e.text_block(text)])


async def read_until(
    frames: AsyncIterator[Frame], enough: Callable[[list[Frame]], bool]
) -> list[Frame]:
    """Frames up to the one that is enough."""
    seen: list[Frame] = []
    with anyio.fail_after(10):
        while not enough(seen):
            frame = await anext(frames)
            if not isinstance(frame, Ping):
                seen.append(frame)
    return seen


async def read_rows(frames: AsyncIterator[Frame], count: int) -> list[int]:
    """The numbers of the next rows."""
    return seqs(await read_until(frames, lambda seen: len(seqs(seen)) == count))


async def read_all(frames: AsyncIterator[Frame]) -> list[Frame]:
    """Frames of a follower that ends."""
    with anyio.fail_after(10):
        return [frame async for frame in frames]


def seqs(frames: list[Frame]) -> list[int]:
    return [frame.seq for frame in frames if isinstance(frame, StoredEvent)]


def delta_text(frames: list[Frame]) -> str:
    return "".join(frame.text for frame in frames if isinstance(frame, DraftDelta))


def has_row(frames: list[Frame]) -> bool:
    return bool(seqs(frames))
