"""Routes: the page of a session, its stream, its earlier parts and its long outputs."""

from __future__ import annotations

import logging

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from loopagent.domain import events as e
from loopagent.domain.ids import EventId, SessionId, new_event_id
from loopagent.domain.session import Session
from loopagent.errors import LoopError, NotFoundError
from loopagent.web.pages import blocks as b
from loopagent.web.pages.cards import card, output, pretty
from loopagent.web.pages.contexts import (
    HistoryFragment,
    HistoryPage,
    OutputPage,
    SessionPage,
)
from loopagent.web.pages.drawing import blocks_html, page, part_html
from loopagent.web.pages.facts import dock_of, earlier_part, event_of, head_of, newest_part
from loopagent.web.pages.visit import Visit, number_of, session_id_of
from loopagent.web.sse import EventStream

router = APIRouter()
log = logging.getLogger(__name__)


async def _session(visit: Visit, text: str) -> Session:
    return await visit.services.sessions.get(visit.who, session_id_of(text))


@router.get("/sessions/{session_id}")
async def show(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    session = await _session(visit, session_id)
    await _warm(visit, session.id)
    part = await newest_part(visit.services, session.id)
    listing = await visit.listings.of(visit.who, session.id)
    context = SessionPage(
        shell=visit.shell(session.title or "Untitled", "session", listing),
        head=head_of(session, visit.services.settings.limits),
        blocks=blocks_html(session.id, part.blocks),
        seq=part.seq,
        older=part.older,
        dock=await dock_of(visit.services, visit.who, session.id),
        event_id=new_event_id(),
        models=visit.models,
    )
    return visit.page("session.html", context)


async def _warm(visit: Visit, session_id: SessionId) -> None:
    try:
        await visit.services.sessions.warm(visit.who, session_id)
    except LoopError as error:
        # The page is worth showing even where the agent cannot be started.
        log.warning("%s: could not be warmed: %s", session_id, error.message)


@router.get("/sessions/{session_id}/stream")
async def stream(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    session = await _session(visit, session_id)
    last = request.headers.get("last-event-id") or request.query_params.get("after")
    after = number_of(last, "after")
    feed = await visit.feeds.of(visit.who, session)
    return EventStream(feed.view(after))


@router.get("/sessions/{session_id}/history")
async def history(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    session = await _session(visit, session_id)
    before = number_of(request.query_params.get("before"), "before", session.seq + 1)
    part = await earlier_part(visit.services, session.id, before)
    html = blocks_html(session.id, part.blocks)
    if visit.is_fragment:
        fragment = HistoryFragment(session_id=session.id, blocks=html, older=part.older)
        return visit.fragment(page("earlier.html", fragment))
    context = HistoryPage(
        shell=visit.shell(session.title or "Untitled"),
        head=head_of(session, visit.services.settings.limits),
        blocks=html,
        older=part.older,
    )
    return visit.page("history.html", context)


@router.get("/sessions/{session_id}/events/{event_id}/output")
async def tool_output(request: Request, session_id: str, event_id: str) -> Response:
    visit = Visit(request)
    session = await _session(visit, session_id)
    block = await _call(visit, session.id, EventId(event_id))
    text = await _whole_text(visit, session.id, block)
    if request.query_params.get("raw"):
        return PlainTextResponse(text)
    body = output(block, text)
    shown = part_html("_outputs.html", "whole", block, body, _input(block), session.id)
    if visit.is_fragment:
        return visit.fragment(shown)
    words = card(block)
    context = OutputPage(
        shell=visit.shell(words.name),
        session_id=session.id,
        name=words.name,
        subject=words.title,
        output=shown,
    )
    return visit.page("output.html", context)


async def _call(visit: Visit, session_id: SessionId, event_id: EventId) -> b.ToolBlock:
    """The tool call that an event belongs to: the event itself, or the call of a result."""
    event = await event_of(visit.services, session_id, event_id)
    result: e.AgentToolResult | e.AgentMcpToolResult | None = None
    match event:
        case e.AgentToolResult():
            result, event = event, await event_of(visit.services, session_id, event.tool_use_id)
        case e.AgentMcpToolResult():
            result, event = event, await event_of(visit.services, session_id, event.mcp_tool_use_id)
        case _:
            pass
    if not isinstance(event, e.AgentToolUse | e.AgentMcpToolUse):
        raise NotFoundError("That event has no output. Reload the page.")
    block = b.tool_block(event, None)
    return block if result is None else b.with_result(block, result)


async def _whole_text(visit: Visit, session_id: SessionId, block: b.ToolBlock) -> str:
    if block.result is None:
        return ""
    if block.result.size is None:
        return block.result.text
    return await visit.services.sessions.blob(visit.who, session_id, block.result.id)


def _input(block: b.ToolBlock) -> str:
    """What a tool without a form of its own was given."""
    known = card(block).icon != "wrench"
    return "" if known else pretty(block.input)
