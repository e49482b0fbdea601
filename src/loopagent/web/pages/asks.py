"""Routes: what a person answers to a tool call that asks, and what is always allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from loopagent.domain import events as e
from loopagent.domain.ids import EventId, RuleId, SessionId
from loopagent.domain.rules import Rule, proposed
from loopagent.errors import InvalidRequestError
from loopagent.storage.asks import Ask
from loopagent.web.pages import wishes
from loopagent.web.pages.contexts import Shell
from loopagent.web.pages.forms import Form, event_id_of, read_form
from loopagent.web.pages.questions import answered_input
from loopagent.web.pages.visit import Visit, number_of, session_id_of

router = APIRouter(prefix="/sessions/{session_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    id: RuleId
    words: str
    where: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesPage:
    shell: Shell
    session_id: SessionId
    title: str
    rules: Sequence[RuleLine]


@router.post("/asks/{event_id}")
async def answer(request: Request, session_id: str, event_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    form = await read_form(request)
    result = form.line("result")
    asks = await visit.services.sessions.asks(visit.who, known)
    ask = next((ask for ask in asks if ask.event_id == event_id), None)
    reply = e.UserToolConfirmation(
        id=event_id_of(form),
        tool_use_id=EventId(event_id),
        result="deny" if result == "deny" else "allow",
        deny_message=form.line("message") or None if result == "deny" else None,
        loop=_changed(ask, form) if ask is not None and result != "deny" else None,
    )
    if result not in {"allow", "edited", "always", "accept", "deny"}:
        raise InvalidRequestError("Choose one of the buttons below the question.")
    if ask is None or result not in {"always", "accept"}:
        await visit.services.sessions.send(visit.who, known, [reply])
    else:
        agent_wide = form.line("scope") == "agent" and result == "always"
        await visit.services.rules.allow(
            visit.who, known, reply, _rules(ask, form), "agent" if agent_wide else "session"
        )
    return visit.done(f"/sessions/{known}")


def _changed(ask: Ask, form: Form) -> dict[str, object] | None:
    """The answers to a question, or an input that was edited; None if it stays as it was."""
    if ask.tool == "AskUserQuestion":
        return {"updated_input": answered_input(ask.tool_input, form.fields)}
    if form.line("result") == "edited":
        text = form.text("input")
        return {"updated_input": wishes.edited_input(ask.tool, ask.tool_input, text)}
    return None


def _rules(ask: Ask, form: Form) -> tuple[Rule, ...]:
    if form.line("result") == "accept":
        return wishes.EDITS if ask.tool == "ExitPlanMode" else ()
    offered = proposed(ask.tool, ask.tool_input)
    number = number_of(form.line("rule"), "rule")
    if number >= len(offered):
        raise InvalidRequestError("That can't be allowed always. Reload the page.")
    return (offered[number],)


@router.get("/rules")
async def rules(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    session = await visit.services.sessions.get(visit.who, known)
    found = await visit.services.rules.list(visit.who, known)
    context = RulesPage(
        shell=visit.shell("Always allowed", "session", await visit.listings.of(visit.who, known)),
        session_id=known,
        title=session.title or "Untitled",
        rules=[
            RuleLine(
                id=stored.id,
                words=wishes.rule_line(stored.rule),
                where="this session" if stored.session_id else f"agent {session.agent.name}",
                at=stored.created_at,
            )
            for stored in found
        ],
    )
    return visit.page("rules.html", context)


@router.post("/rules/{rule_id}/remove")
async def remove(request: Request, session_id: str, rule_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    await visit.services.rules.remove(visit.who, known, RuleId(rule_id))
    return visit.leave(f"/sessions/{known}/rules")
