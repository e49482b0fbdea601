"""Routes: a whole session as a file: Markdown, a page of HTML that stands alone, or JSON."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from loopagent.domain import events as e
from loopagent.domain.session import Session
from loopagent.errors import NotFoundError
from loopagent.web.api.shapes import session_body
from loopagent.web.pages.blocks import Block
from loopagent.web.pages.contexts import ExportPage
from loopagent.web.pages.drawing import page, part_html
from loopagent.web.pages.exported import heading, markdown_of
from loopagent.web.pages.facts import head_of
from loopagent.web.pages.transcript import Transcript
from loopagent.web.pages.visit import FRESH, Visit, session_id_of

router = APIRouter()

_PAGE = 500
_KINDS = {
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
}


@router.get("/sessions/{session_id}/export.{kind}")
async def export(request: Request, session_id: str, kind: str) -> Response:
    visit = Visit(request)
    if kind not in _KINDS:
        raise NotFoundError("A session is exported as md, html or json. Choose one of these.")
    session = await visit.services.sessions.get(visit.who, session_id_of(session_id))
    write = {"md": _markdown, "html": _html, "json": _json}[kind]
    name = _file_name(session, kind)
    headers = {**FRESH, "content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(write(visit, session), media_type=_KINDS[kind], headers=headers)


def _file_name(session: Session, kind: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", session.title or "")
    return f"{'-'.join(words)[:60].lower() or session.id}.{kind}"


async def _rows(visit: Visit, session: Session) -> AsyncIterator[list[str]]:
    """The log as it is now, as JSON texts, some at a time."""
    after = 0
    while after < session.seq:
        rows = await visit.services.log.page(session.id, after=after, limit=_PAGE)
        if not rows:
            return
        after = rows[-1].seq
        yield [row.body for row in rows if row.seq <= session.seq]


async def _json(visit: Visit, session: Session) -> AsyncIterator[bytes]:
    yield b'{"session":' + orjson.dumps(session_body(session, "")) + b',"events":['
    separator = b"\n"
    async for bodies in _rows(visit, session):
        for body in bodies:
            yield separator + body.encode()
            separator = b",\n"
    yield b"\n]}\n"


async def _markdown(visit: Visit, session: Session) -> AsyncIterator[bytes]:
    yield heading(head_of(session, visit.services.settings.limits), session).encode()
    for block in await _blocks(visit, session):
        yield markdown_of(block).encode()


async def _html(visit: Visit, session: Session) -> AsyncIterator[bytes]:
    context = ExportPage(
        head=head_of(session, visit.services.settings.limits), begun=session.created_at
    )
    before, _, after = page("export.html", context).partition("<!-- blocks -->")
    yield before.encode()
    for block in await _blocks(visit, session):
        yield part_html("_export.html", "block", block).encode()
    yield after.encode()


async def _blocks(visit: Visit, session: Session) -> list[Block]:
    transcript = Transcript()
    async for bodies in _rows(visit, session):
        for body in bodies:
            transcript.apply(e.parse_event(body))
    return transcript.top()
