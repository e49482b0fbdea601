"""Routes: what makes the dashboard an app on a phone or a desk, and how it looks."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from loopagent.web.pages.account import safe_target
from loopagent.web.pages.assets import asset
from loopagent.web.pages.forms import read_form
from loopagent.web.pages.visit import Visit

router = APIRouter()

_YEAR = 31_536_000


@router.get("/manifest.webmanifest")
async def manifest(_request: Request) -> Response:
    """The description by which a browser installs the dashboard."""
    icons = [
        {"src": asset("icon.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "any"},
        *(
            {"src": asset(f"icon-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png",
             "purpose": purpose}
            for size in (192, 512)
            for purpose in ("any", "maskable")
        ),
    ]  # fmt: skip
    body = {
        "name": "Loop Agent",
        "short_name": "Loop Agent",
        "description": "Claude agents on your own machine",
        "id": "/",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#fbfaf8",
        "theme_color": "#a8451f",
        "icons": icons,
        "shortcuts": [
            {"name": "New session", "url": "/new"},
            {"name": "Needs your answer", "url": "/?state=needs"},
        ],
    }
    return JSONResponse(body, media_type="application/manifest+json")


@router.post("/theme")
async def theme(request: Request) -> Response:
    """Light, dark, or as the system has it: a cookie, so that pages are drawn in it at once."""
    visit = Visit(request)
    form = await read_form(request)
    chosen = form.line("theme")
    answer: Response
    if visit.is_fragment:
        answer = Response(None, 204)
    else:
        answer = RedirectResponse(safe_target(form.line("next") or "/settings"), 303)
    if chosen in {"light", "dark"}:
        answer.set_cookie("theme", chosen, max_age=_YEAR, path="/", samesite="lax")
    else:
        answer.delete_cookie("theme", path="/")
    return answer
