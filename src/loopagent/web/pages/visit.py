"""A request for a page: who asks, with what at hand, and how the answer goes back.

Owns what all page routes share. Whether the caller may come in is settled before (`web.security`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from loopagent.auth.principal import Principal
from loopagent.domain.ids import LOCAL_USER, SessionId, is_session_id
from loopagent.errors import InvalidRequestError, NotFoundError
from loopagent.web.pages.assets import ASSETS, HOW_TO_BUILD
from loopagent.web.pages.contexts import Models, Shell, models_of
from loopagent.web.pages.drawing import page
from loopagent.web.pages.feeds import Feeds, open_feeds
from loopagent.web.pages.listings import Listings, open_listings
from loopagent.web.pages.rows import Listing
from loopagent.web.services import Services

# A page holds what may change at any moment: going back must ask anew, not show an old copy.
FRESH = {"cache-control": "no-store"}


class Visit:
    """One request, with the services and the caller."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.services: Services = request.app.state.services
        self._who: Principal | None = getattr(request.state, "principal", None)

    @property
    def who(self) -> Principal:
        assert self._who is not None, "the gate lets nobody in without a principal"
        return self._who

    @property
    def is_fragment(self) -> bool:
        """True if a script on one of our pages asks, not a person's browser for a whole page."""
        return "hx-request" in self.request.headers

    @property
    def feeds(self) -> Feeds:
        feeds: Feeds = self.request.app.state.feeds
        return feeds

    @property
    def listings(self) -> Listings:
        listings: Listings = self.request.app.state.listings
        return listings

    @property
    def theme(self) -> str:
        chosen = self.request.cookies.get("theme", "")
        return chosen if chosen in {"light", "dark"} else ""

    @property
    def models(self) -> Models:
        """The models on offer."""
        return models_of(self.services.settings)

    @property
    def is_https(self) -> bool:
        return self.request.url.scheme == "https"

    def shell(self, title: str, active: str = "", listing: Listing | None = None) -> Shell:
        """What is around a page."""
        person = self._who
        if listing is None and person is not None:
            listing = self.listings.known(person)
        return Shell(
            title=title,
            active=active,
            theme=self.theme,
            is_scripted=self.services.settings.is_scripted,
            key=self.services.key.state,
            person=person.name if person and person.user_id != LOCAL_USER else "",
            can_sign_out=bool(person and person.credential),
            listing=listing,
            build=ASSETS.version(),
        )

    def page(self, template: str, context: Any, status: int = 200) -> Response:
        """A whole page; without the built files, how to build them."""
        if not ASSETS.are_built():
            return PlainTextResponse(HOW_TO_BUILD, 503)
        return HTMLResponse(page(template, context), status, FRESH)

    def fragment(self, html: str) -> Response:
        """Part of a page for a script; nothing at all is said by 204."""
        return HTMLResponse(html, 200, FRESH) if html else Response(None, 204, FRESH)

    def done(self, where: str, html: str = "") -> Response:
        """After a form: a fragment for a script, the way to a page for a browser."""
        return self.fragment(html) if self.is_fragment else RedirectResponse(where, 303)

    def leave(self, where: str) -> Response:
        """After a form that ends on another page."""
        if self.is_fragment:
            return Response(None, 204, {"hx-redirect": where})
        return RedirectResponse(where, 303)


def session_id_of(text: str) -> SessionId:
    """The session id in an address; raises NotFoundError if it can't be one."""
    if not is_session_id(text):
        raise NotFoundError("There is no such session. It may have been deleted.")
    return SessionId(text)


def number_of(text: str | None, name: str, default: int = 0) -> int:
    """A number in an address; raises InvalidRequestError."""
    if text is None or text == "":
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise InvalidRequestError(f"{name} must be a number. Reload the page.")
    return int(text)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """What the pages keep while the app runs."""
    services: Services = app.state.services
    async with open_feeds(services) as feeds, open_listings(services) as listings:
        app.state.feeds = feeds
        app.state.listings = listings
        yield
