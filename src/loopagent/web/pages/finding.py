"""Routes: finding a session again by words, going to an event, and the palette of commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from loopagent.domain.ids import EventId, SessionId, is_session_id
from loopagent.storage.search import Text, phrases
from loopagent.web.pages.contexts import FoundFragment, PaletteFragment
from loopagent.web.pages.drawing import page
from loopagent.web.pages.facts import event_of, newest_part
from loopagent.web.pages.palette import commands
from loopagent.web.pages.rows import Find, Hit
from loopagent.web.pages.visit import FRESH, Visit, session_id_of

router = APIRouter()

QUERY_LENGTH = 200
_HITS = 3  # of one session that are shown
_BEFORE, _AFTER = 60, 140  # characters around the words that were found
_FOLDER = re.compile(r"\S*/sesn_[0-9a-z]+/workspace/?")  # says nothing to a reader
_AHEAD = 40  # events behind the one that a reader wants to see


@router.get("/search")
async def search(request: Request) -> Response:
    visit = Visit(request)
    query = request.query_params.get("q", "").strip()[:QUERY_LENGTH]
    if not visit.is_fragment:
        return RedirectResponse(f"/?{urlencode({'q': query})}", 303)
    found = await found_by(visit, query) if query else []
    return HTMLResponse(page("found.html", FoundFragment(query=query, found=found)), headers=FRESH)


@router.get("/palette")
async def palette(request: Request) -> Response:
    visit = Visit(request)
    query = request.query_params.get("q", "").strip()[:QUERY_LENGTH]
    here = request.query_params.get("here", "")
    session_id = SessionId(here) if is_session_id(here) else None
    roll = await visit.listings.roll(visit.who)
    row = roll.row(session_id) if session_id else None
    found = await found_by(visit, query) if query else []
    sections = commands(query, roll.listing(), found, row)
    return visit.fragment(page("palette.html", PaletteFragment(query=query, sections=sections)))


@router.get("/sessions/{session_id}/at/{event_id}")
async def at(request: Request, session_id: str, event_id: str) -> Response:
    """The permalink of an event: the part of the transcript in which it is."""
    visit = Visit(request)
    session = await visit.services.sessions.get(visit.who, session_id_of(session_id))
    event = await event_of(visit.services, session.id, EventId(event_id))
    mark = quote(f"b-{event.id}")
    part = await newest_part(visit.services, session.id)
    seq = event.seq or 0
    if part.older is None or seq >= part.blocks[0].first:
        return RedirectResponse(f"/sessions/{session.id}#{mark}", 303)
    before = seq + _AHEAD
    return RedirectResponse(f"/sessions/{session.id}/history?before={before}#{mark}", 303)


async def found_by(visit: Visit, query: str) -> list[Find]:
    """The sessions in whose title or words `query` is, the best first."""
    hits = await visit.services.shelf.search(visit.who, query)
    roll = await visit.listings.roll(visit.who)
    of_session: dict[SessionId, list[Text]] = {known: [] for known in hits.titled}
    for text in hits.texts:
        of_session.setdefault(text.session_id, []).append(text)
    words = [word for term in phrases(query) for word in term]
    found = []
    for session_id, texts in of_session.items():
        row = roll.row(session_id)
        if row is not None:
            shown = [_hit(text, words) for text in texts[:_HITS]]
            title = marked(row.title, words)
            found.append(Find(row=row, title=title, hits=shown, more=max(0, len(texts) - _HITS)))
    return found


def _hit(text: Text, words: Sequence[str]) -> Hit:
    return Hit(
        event_id=text.event_id, kind=text.kind, text=marked(_around(text.body, words), words)
    )


def _around(body: str, words: Sequence[str]) -> str:
    """The part of a text in which the first of the words is, as one line."""
    body = _FOLDER.sub("", body)
    found = _pattern(words).search(body)
    middle = found.start() if found else 0
    first, last = max(0, middle - _BEFORE), middle + _AFTER
    part = " ".join(body[first:last].split())
    return ("…" if first else "") + part + ("…" if last < len(body) else "")


def marked(text: str, words: Sequence[str]) -> Markup:
    """A text with the words that were looked for marked."""
    pieces = []
    done = 0
    for found in _pattern(words).finditer(text):
        pieces += [escape(text[done : found.start()]), Markup("<mark>{}</mark>").format(found[0])]
        done = found.end()
    return Markup("").join([*pieces, escape(text[done:])])


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    # A text may hold a word in the middle of another only where the index would find it, too.
    longest_first = sorted({*words}, key=len, reverse=True)
    return re.compile(
        r"(?<![^\W_])(?:" + "|".join(map(re.escape, longest_first)) + ")", re.IGNORECASE
    )
