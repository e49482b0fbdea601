"""Routes: what one session has cost, turn by turn, and the form that sets its budget."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from loopagent.domain.budget import Standing
from loopagent.domain.events import SessionStatusIdle
from loopagent.domain.ids import SessionId
from loopagent.domain.money import MicroUSD, differs, format_dollars, to_dollars
from loopagent.domain.session import turn_costs
from loopagent.errors import InvalidRequestError
from loopagent.sessions.spending import Bill
from loopagent.web.pages import words
from loopagent.web.pages.contexts import Shell
from loopagent.web.pages.forms import read_form
from loopagent.web.pages.usage import UsageLine, line_of
from loopagent.web.pages.visit import Visit, session_id_of

router = APIRouter(prefix="/sessions/{session_id}")

_AMOUNT = re.compile(r"\$?\s*(\d{1,9}(?:[.,]\d{1,6})?)\Z")
_ENDINGS = {
    "end_turn": "Done",
    "interrupted": "Stopped",
    "budget_reached": "Budget reached",
    "retries_exhausted": "Failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledTurn:
    """One turn. reported: the agent program's account, where it is another."""

    at: datetime | None
    ending: str
    cost: str
    reported: str
    requests: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BillPage:
    """limit: the session's own budget as it is written in the form."""

    shell: Shell
    id: SessionId
    title: str
    cost: str
    reported: str
    tokens: str
    limit: str
    budgets: Sequence[tuple[Standing, str]]
    models: Sequence[UsageLine]
    turns: Sequence[BilledTurn]
    is_archived: bool


@router.get("/usage")
async def show(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    bill = await visit.services.spending.bill(visit.who, session_id_of(session_id))
    return visit.page("bill.html", _page(visit.shell("Usage of a session"), bill))


@router.post("/budget")
async def set_budget(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    amount = amount_of((await read_form(request)).line("amount"))
    await visit.services.spending.set_budget(visit.who, known, amount)
    return visit.leave(f"/sessions/{known}/usage")


def amount_of(text: str) -> MicroUSD | None:
    """Dollars as a person writes them; nothing is no limit."""
    if not text:
        return None
    match = _AMOUNT.match(text)
    if match is None:
        raise InvalidRequestError(
            "The budget must be dollars, such as 2.50. Leave it empty for none."
        )
    return MicroUSD(int(Decimal(match[1].replace(",", ".")) * 1_000_000))


def _page(shell: Shell, bill: Bill) -> BillPage:
    session = bill.session
    same = not differs(session.cost, session.reported_cost, session.turns)
    return BillPage(
        shell=shell,
        id=session.id,
        title=session.title or "Untitled",
        cost=f"${to_dollars(session.cost)}",
        reported="" if same else f"${to_dollars(session.reported_cost)}",
        tokens=words.count(sum(total.tokens.total_tokens for total in bill.models)),
        limit="" if session.budget is None else to_dollars(session.budget),
        budgets=[
            (s, f"{format_dollars(s.spent)} of {format_dollars(s.limit)}") for s in bill.standings
        ],
        models=[
            line_of(total, words.model_name(total.keys[0]), bill.models) for total in bill.models
        ],
        turns=[_turn(end) for end in bill.turns],
        is_archived=session.archived_at is not None,
    )


def _turn(end: SessionStatusIdle) -> BilledTurn:
    turn = (end.loop or {}).get("turn") or {}
    metered, reported = turn_costs(turn)
    return BilledTurn(
        at=end.processed_at,
        ending=_ENDINGS.get(end.stop_reason.type, end.stop_reason.type),
        cost=f"${to_dollars(metered)}",
        reported=f"${to_dollars(reported)}" if differs(metered, reported) else "",
        requests=str(turn.get("model_requests") or ""),
    )
