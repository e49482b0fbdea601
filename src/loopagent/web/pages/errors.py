"""Failures for people: a page, or a note on the page that they are on."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from loopagent.web.pages import partials
from loopagent.web.pages.contexts import ErrorPage
from loopagent.web.pages.visit import Visit

_HEADINGS = {
    400: "That did not work",
    401: "Please sign in",
    403: "That is not allowed",
    404: "Nothing is here",
    409: "That is not possible now",
    413: "That is too large",
    429: "Too much at once",
    503: "Not available right now",
}


def error_page(request: Request, status: int, message: str) -> Response:
    """The answer to a person's request that failed."""
    visit = Visit(request)
    if visit.is_fragment:
        return HTMLResponse(partials.toast(message), status)
    heading = _HEADINGS.get(status, "Something went wrong")
    context = ErrorPage(shell=visit.shell(heading), status=status, heading=heading, message=message)
    return visit.page("error.html", context, status)
