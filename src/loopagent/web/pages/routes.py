"""All routes of the dashboard."""

from __future__ import annotations

from fastapi import APIRouter

from loopagent.web.pages import (
    account,
    bill,
    home,
    queue,
    reference,
    security,
    session,
    usage,
    verbs,
)
from loopagent.web.pages.visit import lifespan

router = APIRouter(lifespan=lifespan)
for part in (home, session, verbs, queue, account, security, reference, usage, bill):
    router.include_router(part.router)
