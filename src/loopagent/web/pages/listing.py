"""The list of sessions: which group each is in, and what it is doing now in one line."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from loopagent.auth.principal import Principal
from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.domain.money import format_dollars
from loopagent.domain.session import Session
from loopagent.eventlog.log import EventLog, StoredEvent
from loopagent.storage.sessions import SessionQuery
from loopagent.web.pages.blocks import TextBlock, ThinkingBlock, ToolBlock, UserBlock
from loopagent.web.pages.cards import card
from loopagent.web.pages.contexts import Group, Listing, Row
from loopagent.web.pages.transcript import Transcript
from loopagent.web.pages.words import STATES, model_name
from loopagent.web.services import Services

SHOWN = 200
_LINE = 160
_LOOK_BACK = 12  # events from which the one line is made
_REMEMBERED = 1_000


def state_of(session: Session) -> str:
    """The group that a session belongs to."""
    if session.archived_at is not None:
        return "archived"
    if session.asks:
        return "needs"
    if session.status in {"running", "rescheduling"}:
        return "working"
    return "failed" if session.error or session.status == "terminated" else "idle"


class Listings:
    """Makes lists; remembers the line of each session until its log grows."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lines: OrderedDict[SessionId, tuple[int, str]] = OrderedDict()

    async def of(self, who: Principal, here: SessionId | None = None) -> Listing:
        """The newest sessions of a person, grouped."""
        query = SessionQuery(include_archived=True, limit=SHOWN)
        sessions, _ = await self._services.sessions.list(who, query)
        rows = [await self._row(session) for session in sessions]
        rows.sort(key=lambda row: row.at, reverse=True)
        groups = [
            Group(state=state, rows=[row for row in rows if row.state == state]) for state in STATES
        ]
        return Listing(
            groups=[group for group in groups if group.rows],
            version=_version(rows, here),
            here=here,
        )

    async def _row(self, session: Session) -> Row:
        return Row(
            id=session.id,
            title=session.title or "Untitled",
            state=state_of(session),
            now=await self._line(session),
            model=model_name(session.agent.model.id),
            cost=format_dollars(session.cost) if session.cost else "",
            at=session.updated_at,
            is_held=session.held is not None,
        )

    async def _line(self, session: Session) -> str:
        if session.error is not None and not session.asks:
            return _cut(session.error.message)
        known = self._lines.get(session.id)
        if known is not None and known[0] == session.seq:
            self._lines.move_to_end(session.id)
            return known[1]
        line = await self._newest(self._services.log, session)
        self._lines[session.id] = (session.seq, line)
        while len(self._lines) > _REMEMBERED:
            self._lines.popitem(last=False)
        return line

    async def _newest(self, log: EventLog, session: Session) -> str:
        if not session.seq:
            return "Not started yet"
        rows = await log.page(session.id, limit=_LOOK_BACK, order="desc")
        return newest_line(rows, state_of(session))


def newest_line(rows: Sequence[StoredEvent], state: str) -> str:
    """What a session is doing, from its last events, newest first."""
    transcript = Transcript()
    for row in reversed(rows):
        transcript.apply(e.parse_event(row.body))
    for block in reversed(transcript.top()):
        match block:
            case ToolBlock():
                shown = card(block)
                what = f"{shown.name}: {shown.title}" if shown.title else shown.name
                return _cut(
                    f"Wants to {shown.wants}: {shown.title}".rstrip(": ")
                    if block.state == "asking"
                    else what
                )
            case TextBlock() if block.text.strip():
                return _cut(block.text)
            case ThinkingBlock():
                return "Thinking"
            case UserBlock():
                return _cut(block.text) if state != "working" else "Starting"
            case _:
                continue
    return ""


def _cut(text: str) -> str:
    line = " ".join(text.replace("**", "").replace("`", "").split())
    return line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"


def _version(rows: Sequence[Row], here: SessionId | None) -> str:
    # Ages grow by themselves in the browser: the version covers what else is seen.
    seen = [
        (row.id, row.title, row.state, row.now, row.model, row.cost, row.is_held) for row in rows
    ]
    order = hashlib.sha256(repr((seen, here)).encode())
    return order.hexdigest()[:16]
