"""How turns begin and end in the log: small functions of one write transaction.

Each is handed the connection of a transaction; none commits. What they give is published to
followers by the caller after the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loopagent.agent.ports import Verdict
from loopagent.domain import events as e
from loopagent.domain.ids import EventId, SessionId, UserId
from loopagent.domain.session import Session
from loopagent.errors import ConflictError, SessionArchivedError
from loopagent.eventlog.log import EventLog, StoredEvent
from loopagent.sessions import beside, steering
from loopagent.sessions.changes import told_of_changes
from loopagent.sessions.outcome import Outcome
from loopagent.storage import asks, events, queue, sessions
from loopagent.storage.database import Connection

_TITLE = 80


def writable(conn: Connection, session_id: SessionId) -> Session:
    """The session, locked for this transaction; raises NotFoundError, SessionArchivedError."""
    session = sessions.get(conn, session_id, lock=True)
    if session.archived_at is not None:
        raise SessionArchivedError(
            "This session is archived, so it is read-only. Start a new session to go on."
        )
    return session


def send_message(
    log: EventLog, conn: Connection, session_id: SessionId, owner: UserId, message: e.UserMessage
) -> Outcome:
    """Begin a turn with `message`, or queue it while the session is busy; the same id only once.

    Its mode says what place it gets among those that wait.
    """
    session = writable(conn, session_id)
    known = events.by_id(conn, session_id, message.id)
    if known is not None:
        return Outcome(answer=known.body)
    waiting = queue.listed(conn, session_id)
    for queued in waiting:
        if queued.event_id == message.id:
            return Outcome(answer=queued.body)
    released = _let_go(log, conn, session)
    if session.is_busy or waiting:
        outcome = steering.enqueue(log, conn, session_id, owner, message)
        rows = [*released, *outcome.rows]
        if session.is_busy:
            return replace(outcome, rows=rows)
        # Something has kept the queue waiting; a person's word starts it again.
        following = next_queued(log, conn, sessions.get(conn, session_id))
        rows += following.rows
        return Outcome(rows=rows, answer=outcome.answer, prompt=following.prompt)
    message = told_of_changes(conn, session_id, message)
    begun = begin(log, conn, sessions.get(conn, session_id), message)
    prompt = steering.prompt_of(message, begun[0].seq)
    return Outcome(rows=[*released, *begun], answer=begun[0].body, prompt=prompt)


def go_on_with(
    log: EventLog, conn: Connection, session_id: SessionId, owner: UserId, message: e.UserMessage
) -> Outcome:
    """Begin a turn that goes on with the last one; nothing if somebody has begun one already."""
    if writable(conn, session_id).is_busy:
        return Outcome()
    return send_message(log, conn, session_id, owner, message)


def archive(log: EventLog, conn: Connection, session_id: SessionId) -> Outcome:
    """Make a session read-only; raises ConflictError while it is busy."""
    session = sessions.get(conn, session_id, lock=True)
    if session.archived_at is not None:
        return Outcome()
    if session.is_busy:
        raise ConflictError("The session is running. Interrupt it first, then archive it.")
    archived = e.SessionUpdated.model_validate({"archived_at": e.now().isoformat()})
    return Outcome(rows=log.append_in(conn, session_id, [archived]))


def end_turn(
    log: EventLog, conn: Connection, session_id: SessionId, ending: Sequence[e.Event]
) -> Outcome:
    """Append the end of a turn and begin the next queued message's, if there is one."""
    kept = beside.open_asks(conn, session_id)
    rows = log.append_in(conn, session_id, beside.with_open_asks(ending, kept))
    session = sessions.get(conn, session_id)
    if kept and session.status == "idle":
        rows += log.append_in(conn, session_id, [_requires_action(session.asks)])
    if session.is_busy or session.archived_at is not None or session.holds_queue:
        return Outcome(rows=rows)
    following = next_queued(log, conn, session)
    return Outcome(rows=[*rows, *following.rows], prompt=following.prompt)


def go_on(log: EventLog, conn: Connection, session_id: SessionId) -> Outcome:
    """Begin the next queued message of a session that rests."""
    session = sessions.get(conn, session_id, lock=True)
    if session.is_busy or session.archived_at is not None or session.holds_queue:
        return Outcome()
    return next_queued(log, conn, session)


def release(
    log: EventLog, conn: Connection, session_id: SessionId, go_on_with: e.UserMessage
) -> Outcome:
    """Let a held session go on: with `go_on_with` if a turn was stopped, else with its queue."""
    session = writable(conn, session_id)
    if session.held is None:
        return Outcome()
    was_stopped = session.held == "turn" and not session.is_busy
    rows = _let_go(log, conn, session)
    session = sessions.get(conn, session_id)
    if was_stopped:
        begun = begin(log, conn, session, go_on_with)
        prompt = steering.prompt_of(go_on_with, begun[0].seq)
        return Outcome(rows=[*rows, *begun], prompt=prompt)
    if session.is_busy:
        return Outcome(rows=rows)
    following = next_queued(log, conn, session)
    return Outcome(rows=[*rows, *following.rows], prompt=following.prompt)


def _let_go(log: EventLog, conn: Connection, session: Session) -> list[StoredEvent]:
    if session.held is None:
        return []
    return log.append_in(conn, session.id, [e.SessionUpdated.model_validate({"held": None})])


def next_queued(log: EventLog, conn: Connection, session: Session) -> Outcome:
    """Begin the turn of the first queued message, if there is one."""
    queued = queue.pop_first(conn, session.id)
    if queued is None:
        return Outcome()
    message = told_of_changes(conn, session.id, queued.message)
    rows = begin(log, conn, session, message)
    return Outcome(rows=rows, prompt=steering.prompt_of(message, rows[0].seq))


def take_up(log: EventLog, conn: Connection, session_id: SessionId, who: str) -> Outcome:
    """Reschedule a lost turn because somebody wants it to go on; nothing if none was lost."""
    session = writable(conn, session_id)
    last = events.page(conn, session_id, limit=1, order="desc", types=("session.status_idle",))
    ended = e.parse_event(last[0].body) if last else None
    if session.is_busy or ended is None or not (ended.loop or {}).get("cut"):
        return Outcome()
    again = e.SessionStatusRescheduled(loop={"reason": "resumed", "by": who})
    return Outcome(rows=log.append_in(conn, session_id, [again]))


def declare_waiting(log: EventLog, conn: Connection, session_id: SessionId) -> Outcome:
    """Say that the session waits for its open asks; nothing if none is open or it is said."""
    session = sessions.get(conn, session_id, lock=True)
    said = session.stop_reason.event_ids if session.stop_reason else None
    if not session.asks or (session.status == "idle" and said == list(session.asks)):
        return Outcome()
    return Outcome(rows=log.append_in(conn, session_id, [_requires_action(session.asks)]))


def answer_to(conn: Connection, session_id: SessionId, ask: EventId) -> Verdict | None:
    """What was answered to an ask; None while it is open."""
    for known in asks.of_session(conn, session_id):
        if known.event_id == ask and known.status in {"allowed", "denied"}:
            return Verdict(
                allow=known.status == "allowed",
                message=known.message,
                updated_input=known.updated_input,
            )
    return None


def confirm(
    log: EventLog, conn: Connection, session_id: SessionId, answer: e.UserToolConfirmation
) -> tuple[Outcome, Session]:
    """Append the answer to an ask and what the session does now.

    Raises NotFoundError for an unknown ask and AlreadyAnsweredError for one that is closed.
    """
    before = writable(conn, session_id)
    rows = log.append_in(conn, session_id, [answer])
    session = sessions.get(conn, session_id)
    answer_row = rows[0].body
    following = Outcome()
    if before.status == "idle":
        at_rest = beside.rest(conn, session_id)
        goes_on: e.Event = at_rest or e.SessionStatusRunning()
        follow = _requires_action(session.asks) if session.asks else goes_on
        rows += log.append_in(conn, session_id, [follow])
        if at_rest is not None:
            following = go_on(log, conn, session_id)
            rows += following.rows
    outcome = Outcome(rows=rows, answer=answer_row, prompt=following.prompt)
    return outcome, sessions.get(conn, session_id)


def is_under_way(conn: Connection, session_id: SessionId, seq: int) -> bool:
    """Whether the turn to which the row `seq` belongs has not ended yet."""
    session = sessions.get(conn, session_id, lock=True)
    if not session.is_busy:
        return False
    later = events.page(conn, session_id, after=seq, types=("user.message",))
    messages = (e.parse_event(row.body) for row in later)
    return not any(isinstance(m, e.UserMessage) and not m.joined for m in messages)


def begin(
    log: EventLog, conn: Connection, session: Session, message: e.UserMessage
) -> list[StoredEvent]:
    """Begin the turn of a message, in a session that rests."""
    begun: list[e.Event] = [message, e.SessionStatusRunning()]
    if session.title is None:
        begun.append(e.SessionUpdated.model_validate({"title": _title(message)}))
    return log.append_in(conn, session.id, begun)


def _title(message: e.UserMessage) -> str:
    """A title from the first prompt: its first line, shortened at a word."""
    lines = [line.strip() for line in e.plain_text(message.content).splitlines() if line.strip()]
    if not lines:
        return "Untitled"
    line = lines[0]
    if len(line) <= _TITLE:
        return line
    return line[:_TITLE].rsplit(" ", 1)[0] + "…"


def _requires_action(waiting: Sequence[EventId]) -> e.SessionStatusIdle:
    return e.SessionStatusIdle(
        stop_reason=e.StopReason(type="requires_action", event_ids=list(waiting))
    )
