"""Routes: a person lets a turn go on, and says how far a session may go by itself."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from loopagent.domain.session import RecoveryPolicy
from loopagent.errors import InvalidRequestError
from loopagent.web.pages.bill import amount_of
from loopagent.web.pages.forms import Form, read_form
from loopagent.web.pages.visit import Visit, session_id_of

router = APIRouter(prefix="/sessions/{session_id}")


@router.post("/resume")
async def resume(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    await visit.services.sessions.resume(visit.who, known)
    return visit.done(f"/sessions/{known}")


@router.post("/raise")
async def raise_budget(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    amount = amount_of((await read_form(request)).line("amount"))
    await visit.services.spending.raise_and_go_on(visit.who, known, amount)
    return visit.done(f"/sessions/{known}")


@router.post("/recovery")
async def set_recovery(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    policy = recovery_of(await read_form(request))
    await visit.services.sessions.update(visit.who, known, recovery=policy)
    return visit.done(f"/sessions/{known}")


def recovery_of(form: Form) -> RecoveryPolicy | None:
    """What becomes of a lost turn, as a form says; None if it leaves that to the settings."""
    match form.line("recovery"):
        case "never":
            return "never"
        case "ask":
            return "ask"
        case "auto":
            return "auto"
        case "":
            return None
        case _:
            raise InvalidRequestError("A lost turn goes on: auto, ask or never. Choose one.")
