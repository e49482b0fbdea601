"""The list of sessions: which group each is in, and what it is doing now in one line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.domain.money import format_dollars
from loopagent.domain.session import Session
from loopagent.storage.asks import Ask
from loopagent.storage.overview import Overview
from loopagent.web.pages.blocks import TextBlock, ThinkingBlock, ToolBlock, UserBlock
from loopagent.web.pages.cards import card
from loopagent.web.pages.markdown import plain
from loopagent.web.pages.questions import questions
from loopagent.web.pages.rows import Group, Row, Wish
from loopagent.web.pages.transcript import Transcript
from loopagent.web.pages.words import STATES, model_name

# Rows of each group at first sight; the rest is a click away.
SHOWN: Mapping[str, int] = {
    "needs": 100, "working": 100, "failed": 20, "idle": 40, "archived": 5, "trash": 0,
}  # fmt: skip
PER_PAGE = 100
_LINE = 160
_READ = 4_000  # characters of a message that are looked at for its line
_WHOLE = 1_500  # of a command that is shown to be allowed in a list
_PINNED = 10**15


def state_of(session: Session) -> str:
    """The group that a session belongs to."""
    if session.trashed_at is not None:
        return "trash"
    if session.archived_at is not None:
        return "archived"
    if session.asks:
        return "needs"
    if session.status in {"running", "rescheduling"}:
        return "working"
    return "failed" if session.error or session.status == "terminated" else "idle"


def row_of(overview: Overview, asks: Sequence[Ask]) -> Row:
    """A session's row; `asks` are those that it waits for."""
    session = overview.session
    state = state_of(session)
    title = session.title or "Untitled"
    at = _since(session, state)
    moment = int(at.timestamp() * 1000)
    # Who waits longest comes first, elsewhere the newest; what is pinned comes before both.
    place = moment if state == "needs" else -moment
    pinned = session.pinned_at is not None
    wishes = [wish_of(ask, title) for ask in asks] if state == "needs" else []
    return Row(
        id=session.id,
        title=title,
        state=state,
        now=_now(session, state, wishes, overview.newest),
        model=model_name(session.agent.model.id),
        cost=format_dollars(session.cost) if session.cost else "",
        isolation=session.isolation,
        at=at,
        place=place - _PINNED if pinned else place,
        is_pinned=pinned,
        is_held=session.held is not None,
        wishes=wishes,
    )


def _since(session: Session, state: str) -> datetime:
    """While a session works its place must not change with every event."""
    if state == "working" and session.running_since is not None:
        return session.running_since
    return session.trashed_at or session.updated_at


def _now(session: Session, state: str, wishes: Sequence[Wish], newest: str | None) -> str:
    if wishes:
        wish = wishes[0]  # what it is about stands below, in full
        return cut(wish.what) if wish.questions else f"Wants to {wish.wants}"
    if session.error is not None and state == "failed":
        return cut(session.error.message)
    if newest is None:
        return "Not started yet"
    return newest_line(e.parse_event(newest), state)


def newest_line(event: e.Event, state: str) -> str:
    """What a session is doing, by the newest event that says so."""
    transcript = Transcript()
    transcript.apply(event)
    for block in transcript.top():
        match block:
            case ToolBlock():
                shown = card(block)
                return cut(f"{shown.name}: {shown.title}" if shown.title else shown.name)
            case TextBlock():
                return cut(plain(block.text[:_READ]) or block.text)
            case ThinkingBlock():
                return "Thinking" if state == "working" else "Thought about it"
            case UserBlock():
                return "Thinking" if state == "working" else cut(f"You: {block.text}")
            case _:
                continue
    return ""


def wish_of(ask: Ask, session: str) -> Wish:
    """An ask in the words of its card."""
    block = ToolBlock(
        id=ask.event_id, first=0, last=0, tool=ask.tool, input=ask.tool_input, permission="ask"
    )
    shown = card(block)
    is_question = ask.tool == "AskUserQuestion"
    asked = questions(ask.tool_input) if is_question else []
    what = asked[0].text if asked else shown.title
    if not what and shown.icon == "wrench":
        what = json.dumps(ask.tool_input, ensure_ascii=False)
    return Wish(
        id=ask.event_id,
        session_id=ask.session_id,
        session=session,
        icon=shown.icon,
        wants=shown.wants,
        what=what[:_WHOLE],
        code=shown.code or shown.icon == "wrench",
        added=shown.added,
        removed=shown.removed,
        note=str(ask.tool_input.get("description") or "")[:_LINE],
        reason=ask.reason,
        at=ask.created_at,
        questions=ask.tool_input if is_question else None,
        choices=_choices(ask.tool_input) if is_question else (),
        # What can't be read here must not be allowed here.
        is_whole=len(what) <= _WHOLE and ask.tool != "ExitPlanMode",
    )


def _choices(given: Mapping[str, Any]) -> list[str]:
    """What can be answered by one click: the options of a single question with one answer."""
    asked = questions(given)
    if len(asked) != 1 or asked[0].several:
        return []
    return [option.label for option in asked[0].options]


def cut(text: str) -> str:
    """A text as one line that is not too long."""
    line = " ".join(text[: _LINE * 4].split())
    return line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"


def grouped(rows: Iterable[Row], state: str = "", page: int = 1) -> list[Group]:
    """The rows in their groups, each in its order; with `state` a page of that group alone."""
    of_state: dict[str, list[Row]] = {name: [] for name in STATES}
    for row in rows:
        of_state[row.state].append(row)
    groups = []
    for name in [state] if state else [name for name in STATES if SHOWN[name]]:
        found = sorted(of_state[name], key=lambda row: (row.place, row.id))
        first = (page - 1) * PER_PAGE if state else 0
        last = first + PER_PAGE if state else SHOWN[name]
        groups.append(Group(state=name, rows=found[first:last], total=len(found)))
    return groups


def by_session(asks: Iterable[Ask]) -> dict[SessionId, list[Ask]]:
    """Asks by the session that waits for them."""
    found: dict[SessionId, list[Ask]] = {}
    for ask in asks:
        found.setdefault(ask.session_id, []).append(ask)
    return found
