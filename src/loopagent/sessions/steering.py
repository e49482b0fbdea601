"""Messages that overtake the queue: for the turn under way, or in its place.

Functions of one write transaction, as in `turns`. A steering message waits in the queue like any
other until the agent takes it: then it gets its place in the log, in the middle of the turn. If
the turn ends first, it is the next one.
"""

from __future__ import annotations

from collections.abc import Sequence

from loopagent.agent.ports import Prompt, Steer
from loopagent.domain import events as e
from loopagent.domain.ids import EventId, SessionId, UserId
from loopagent.errors import NotFoundError
from loopagent.eventlog.log import EventLog
from loopagent.sessions.outcome import Outcome
from loopagent.storage import events, queue
from loopagent.storage.database import Connection
from loopagent.storage.queue import QueuedMessage

_IN_A_TURN = 100  # messages of one turn that are looked at


def enqueue(
    log: EventLog, conn: Connection, session_id: SessionId, owner: UserId, message: e.UserMessage
) -> Outcome:
    """Let a message wait, in the place that its mode gives it. Hold the session's lock."""
    body = e.encode_event(message)
    queue.push(conn, session_id, message.id, body, owner)
    if message.mode == "queue":
        return Outcome(answer=body, queued="queue")
    return hurry(log, conn, session_id, message)


def hurry(
    log: EventLog, conn: Connection, session_id: SessionId, message: e.UserMessage
) -> Outcome:
    """Let a waiting message go by its mode, steer or interrupt, before all that just wait."""
    waiting = queue.listed(conn, session_id)
    first, others = _split(waiting, message.id)
    wanted = message.mode
    if wanted == "interrupt" and first:
        # The agent may hold those already and goes on with them: this one joins them.
        message = with_loop(message, mode="steer")
    body = e.encode_event(message)
    queue.rewrite(conn, session_id, message.id, body)
    queue.arrange(conn, session_id, [*first, message.id, *others])
    rows = []
    if wanted == "interrupt":
        rows = log.append_in(conn, session_id, [e.UserInterrupt(loop={"for": message.id})])
    return Outcome(rows=rows, answer=body, queued=wanted)


def take(log: EventLog, conn: Connection, session_id: SessionId, event_id: EventId) -> Outcome:
    """The agent has taken a steering message into its turn: it gets its place in the log."""
    try:
        message = queue.find(conn, session_id, event_id).message
    except NotFoundError:
        return Outcome()  # it is in the log already, or being withdrawn
    queue.remove(conn, session_id, event_id)
    return Outcome(rows=log.append_in(conn, session_id, [with_loop(message, joined=True)]))


def to_hand_over(conn: Connection, session_id: SessionId, *, with_logged: bool) -> list[Steer]:
    """Steering messages for the agent, oldest first.

    with_logged: also those that have joined the present turn; a process before may have had them.
    """
    steers: list[Steer] = []
    if with_logged:
        rows = events.page(
            conn, session_id, types=("user.message",), order="desc", limit=_IN_A_TURN
        )
        for row in rows:
            message = e.parse_event(row.body)
            if not isinstance(message, e.UserMessage) or not message.joined:
                break
            steers.insert(0, Steer(prompt=prompt_of(message), is_logged=True))
    waiting = [queued.message for queued in queue.listed(conn, session_id)]
    return steers + [
        Steer(prompt=prompt_of(message), is_logged=False)
        for message in waiting
        if message.mode == "steer"
    ]


def prompt_of(message: e.UserMessage, seq: int = 0) -> Prompt:
    """What the agent is given: the message, after what it is told with it."""
    told = (message.loop or {}).get("told")
    first = [e.text_block(told)] if told else []
    return Prompt(event_id=message.id, content=[*first, *message.content], seq=seq)


def with_loop(message: e.UserMessage, **fields: object) -> e.UserMessage:
    return message.model_copy(update={"loop": {**(message.loop or {}), **fields}})


def _split(waiting: Sequence[QueuedMessage], but: EventId) -> tuple[list[EventId], list[EventId]]:
    """The steering messages and the others, without one."""
    first = [q.event_id for q in waiting if q.message.mode == "steer" and q.event_id != but]
    others = [q.event_id for q in waiting if q.event_id != but and q.event_id not in first]
    return first, others
