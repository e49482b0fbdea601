"""One turn as a stream: from a user's message to the idle event that ends its turn.

The turn doesn't depend on its stream: a client may go away and come back. Sending the same message
id again never runs it twice; it opens the stream again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import orjson
from starlette.responses import Response

from loopagent.auth.principal import Principal
from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.errors import KeyRejectedError, NotFoundError
from loopagent.eventlog.frames import Frame, Notice, Ping, Row
from loopagent.web.api.events import is_thinking_text
from loopagent.web.services import Services
from loopagent.web.sse import EventStream

DELTAS = frozenset({"agent.message", "agent.thinking"})
_ENDS = frozenset({"session.status_idle", "session.status_terminated", "session.deleted"})
_GONE = frozenset({"session.status_terminated", "session.deleted"})
# Events that tell nothing yet about how the turn will go.
_PREAMBLE = frozenset(
    {
        "user.message",
        "session.status_running",
        "session.status_rescheduled",
        "session.updated",
        "session.usage",
        "span.model_request_start",
        "span.model_request_end",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Where a message's turn is in the log.

    begun: seq of its message; None while it is queued.
    after: seq after which the stream goes on.
    """

    session_id: SessionId
    message: e.UserMessage
    begun: int | None
    after: int


async def send_and_follow(
    use: Services,
    who: Principal,
    session_id: SessionId,
    message: e.UserMessage,
    resume: int | None,
) -> Response:
    """Send a message and answer with its turn's events; with `resume`, those after that seq.

    Raises KeyRejectedError if the model's API refuses the key before anything else happens.
    """
    before = await use.sessions.get(who, session_id)
    sent = (await use.sessions.send(who, session_id, [message]))[0]
    begun = orjson.loads(sent).get("seq")
    if begun is None:
        turn = Turn(session_id=session_id, message=message, begun=None, after=before.seq)
        return EventStream(_queued(use, who, turn, sent))
    after = begun - 1 if resume is None else max(resume, begun - 1)
    turn = Turn(session_id=session_id, message=message, begun=begun, after=after)
    if resume is not None:
        if await _end_of(use, who, turn) <= after:
            return EventStream(_bytes((), _nothing()))
        return EventStream(_bytes((), _frames(use, who, turn)))
    frames = _frames(use, who, turn)
    held = await _until_it_tells(frames)
    return EventStream(_bytes(held, frames))


async def _until_it_tells(frames: AsyncGenerator[Frame, None]) -> list[Frame]:
    """The first frames, up to one that shows that the model's API answers.

    A ping ends the wait at the latest: then the answer begins without that knowledge.
    """
    held: list[Frame] = []
    try:
        async for frame in frames:
            _raise_if_key_rejected(frame)
            held.append(frame)
            if not (isinstance(frame, Row) and frame.type in _PREAMBLE):
                break
    except BaseException:
        await frames.aclose()
        raise
    return held


def _raise_if_key_rejected(frame: Frame) -> None:
    if not isinstance(frame, Row) or frame.type != "session.error":
        return
    error = orjson.loads(frame.body)["error"]
    if error["type"] == "authentication_error" and error["retry_status"]["type"] != "retrying":
        raise KeyRejectedError(error["message"])


async def _frames(use: Services, who: Principal, turn: Turn) -> AsyncGenerator[Frame, None]:
    """The turn's frames; other turns' are left out while this one waits in the queue."""
    inside = turn.begun is not None and turn.after >= turn.begun
    follower = use.log.follow(turn.session_id, turn.after, deltas=DELTAS)
    async with aclosing(follower) as following:
        async for frame in following:
            if isinstance(frame, Row):
                inside = inside or frame.id == turn.message.id
                if inside or frame.type in _GONE:
                    yield frame
                if frame.type in (_ENDS if inside else _GONE):
                    return
            elif isinstance(frame, Ping):
                yield frame
                if not inside and turn.begun is None:
                    await _check_still_queued(use, who, turn)
            elif inside and not isinstance(frame, Notice) and not is_thinking_text(frame):
                yield frame


async def _queued(
    use: Services, who: Principal, turn: Turn, sent: str
) -> AsyncGenerator[bytes, None]:
    """As `_frames`, after the message itself with `processed_at` null."""
    yield f"event: user.message\ndata: {sent}\n\n".encode()
    async with aclosing(_frames(use, who, turn)) as frames:
        async for frame in frames:
            yield frame.sse()


async def _check_still_queued(use: Services, who: Principal, turn: Turn) -> None:
    waiting = await use.queue.list(who, turn.session_id)
    if any(queued.event_id == turn.message.id for queued in waiting):
        return
    begun = await use.sessions.events(
        who, turn.session_id, after=turn.after, types=("user.message",), limit=1000
    )
    if all(row.id != turn.message.id for row in begun):
        raise NotFoundError("The message was taken out of the queue. Send it again if it matters.")


async def _end_of(use: Services, who: Principal, turn: Turn) -> float:
    """The seq of the event that ended the turn; infinity while it goes on."""
    assert turn.begun is not None
    ends = await use.sessions.events(
        who, turn.session_id, after=turn.begun, types=tuple(_ENDS), limit=1000
    )
    for row in ends:
        if '"requires_action"' not in row.body:
            return float(row.seq)
    return float("inf")


async def _nothing() -> AsyncGenerator[Frame, None]:
    return
    yield


async def _bytes(
    held: Sequence[Frame], frames: AsyncGenerator[Frame, None]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(frames):
        for frame in held:
            yield frame.sse()
        async for frame in frames:
            yield frame.sse()
