"""What was spent: of one session, and of all the caller's by day, model, session or agent."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, get_args

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from loopagent.domain.budget import Standing
from loopagent.domain.events import SessionStatusIdle
from loopagent.domain.money import MicroUSD, differs, to_dollars
from loopagent.domain.session import turn_costs
from loopagent.domain.usage import TokenUsage
from loopagent.errors import InvalidRequestError
from loopagent.sessions.spending import Bill
from loopagent.storage.usage import Group, Total
from loopagent.web.api.fields import MoneyBody
from loopagent.web.api.given import Caller, SessionPath, Use
from loopagent.web.api.route import json_router
from loopagent.web.api.sessions import shown
from loopagent.web.api.shapes import answer, budget_body, money_body

router = json_router("", "Usage")

_TOKENS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation_1h_input_tokens",
    "web_search_requests",
)
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class UsageQuery(BaseModel):
    """`by`: one or two of day, model, session, agent, user, by comma. Days are UTC, included."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    by: Annotated[str, Field(max_length=40)] = "day"
    first: Annotated[date | None, Field(alias="from")] = None
    last: Annotated[date | None, Field(alias="to")] = None
    format: Annotated[str, Field(pattern="^(json|csv)?$")] = ""

    def groups(self) -> list[Group]:
        """What the sums are grouped by; raises InvalidRequestError."""
        names = [name.strip() for name in self.by.split(",") if name.strip()]
        known = get_args(Group)
        if not 1 <= len(names) <= 2 or any(name not in known for name in names):
            raise InvalidRequestError(f"by: give one or two of {', '.join(known)}.")
        return [name for name in known if name in names]

    def bounds(self) -> dict[str, str | None]:
        return {
            "first": self.first.isoformat() if self.first else None,
            "last": self.last.isoformat() if self.last else None,
        }


class RaiseBody(BaseModel):
    """`max_list_cost`: the new limit; without it there is as much again."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    max_list_cost: MoneyBody | None = None


@router.get("/api/usage", summary="Cost and tokens by day, model, session, agent or user")
async def totals(
    request: Request, use: Use, who: Caller, query: Annotated[UsageQuery, Query()]
) -> Response:
    """`format=csv`, or `Accept: text/csv`, gives a table for spreadsheets."""
    by = query.groups()
    found = await use.spending.totals(who, by, **query.bounds())
    rows = [total_body(total, by) for total in found]
    if query.format == "csv" or (
        not query.format and "text/csv" in request.headers.get("accept", "")
    ):
        return csv_answer(rows, by, f"usage-by-{'-'.join(by)}.csv")
    return answer({"data": rows, "total": _sum(found)})


@router.get("/v1/sessions/{session_id}/usage", summary="What a session has cost, turn by turn")
async def of_session(use: Use, who: Caller, session_id: SessionPath) -> Response:
    return answer(bill_body(await use.spending.bill(who, session_id)))


@router.post("/v1/sessions/{session_id}/raise", summary="Raise the spent budget and go on")
async def raise_budget(
    use: Use, who: Caller, session_id: SessionPath, body: RaiseBody | None = None
) -> Response:
    limit = body.max_list_cost.micro() if body and body.max_list_cost else None
    return answer(shown(use, await use.spending.raise_and_go_on(who, session_id, limit)))


def total_body(total: Total, by: Sequence[Group]) -> dict[str, Any]:
    """One row of sums."""
    return {
        **dict(zip(by, total.keys, strict=True)),
        **_tokens(total.tokens),
        "requests": total.requests,
        "estimated_requests": total.estimated,
        "unpriced_requests": total.unpriced,
        "cost_usd": to_dollars(total.cost),
    }


def csv_answer(rows: Sequence[Mapping[str, Any]], by: Sequence[str], name: str) -> Response:
    """The rows as CSV, to be saved as `name`."""
    fields = [*by, *_TOKENS, "requests", "estimated_requests", "unpriced_requests", "cost_usd"]
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({key: _cell(row[key]) for key in fields} for row in rows)
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text.getvalue(), media_type="text/csv", headers=headers)


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def bill_body(bill: Bill) -> dict[str, Any]:
    session = bill.session
    return {
        "session_id": session.id,
        "usage": _sum(bill.models),
        "list_cost": money_body(session.cost),
        "reported_cost": money_body(session.reported_cost),
        "differs": differs(session.cost, session.reported_cost, session.turns),
        "budget": budget_body(session.budget),
        "budgets": [_standing(standing) for standing in bill.standings],
        "models": [total_body(total, ["model"]) for total in bill.models],
        "turns": [_turn(end) for end in bill.turns],
    }


def _turn(end: SessionStatusIdle) -> dict[str, Any]:
    turn = (end.loop or {}).get("turn") or {}
    metered, reported = turn_costs(turn)
    return {
        "event_id": end.id,
        "seq": end.seq,
        "at": end.processed_at,
        "stop_reason": end.stop_reason.type,
        "list_cost": money_body(metered),
        "reported_cost": money_body(reported) if "cost_usd" in turn else None,
        "differs": differs(metered, reported),
        "model_requests": turn.get("model_requests"),
        "usage": turn.get("usage"),
    }


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "scope": standing.scope,
        "spent": money_body(standing.spent),
        "limit": money_body(standing.limit),
        "reached": standing.is_reached,
    }


def _tokens(usage: TokenUsage) -> dict[str, int]:
    return {name: getattr(usage, name) for name in _TOKENS}


def _sum(totals: Sequence[Total]) -> dict[str, Any]:
    tokens = sum((total.tokens for total in totals), TokenUsage())
    cost = MicroUSD(sum(total.cost for total in totals))
    requests = sum(total.requests for total in totals)
    return {**_tokens(tokens), "requests": requests, "cost_usd": to_dollars(cost)}
