"""All routes of the dashboard."""

from __future__ import annotations

from fastapi import APIRouter

from loopagent.web.pages import (
    account,
    asks,
    bill,
    changes,
    comeback,
    composing,
    export,
    files,
    finding,
    home,
    install,
    queue,
    reference,
    security,
    session,
    shelving,
    usage,
    verbs,
)
from loopagent.web.pages.visit import lifespan

router = APIRouter(lifespan=lifespan)
for part in (home, finding, session, verbs, asks, comeback, composing, queue, shelving, export):
    router.include_router(part.router)
for part in (files, changes):
    router.include_router(part.router)
for part in (account, security, reference, install, usage, bill):
    router.include_router(part.router)
