"""Routes: what was spent, drawn and as tables; raising a budget from a session's page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from loopagent.domain.budget import Standing
from loopagent.domain.events import now
from loopagent.domain.money import MicroUSD, differs, format_dollars, to_dollars
from loopagent.storage.usage import Account, Total
from loopagent.web.pages import words
from loopagent.web.pages.charts import Chart, Column, stacked
from loopagent.web.pages.contexts import Shell
from loopagent.web.pages.visit import Visit, number_of

router = APIRouter()

_DAYS = (7, 30, 90)
_MODELS = 5  # series with a colour of their own; the rest is summed
_OTHERS = "Others"
_KINDS = ("Input", "Written to cache", "Read from cache", "Output")
_SESSIONS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageLine:
    """A row of a table. note: what is odd about its numbers; share: of the dearest, in percent."""

    name: str
    href: str
    cost: str
    requests: int
    tokens: Sequence[str]
    note: str
    share: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTable:
    """What is summed by one thing. export: its address as CSV."""

    id: str
    heading: str
    first: str
    export: str
    lines: Sequence[UsageLine]
    chart: Chart | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePage:
    shell: Shell
    days: int
    choices: Sequence[int]
    cost: str
    tokens: str
    requests: str
    budgets: Sequence[tuple[Standing, str]]
    tables: Sequence[UsageTable]


@router.get("/usage")
async def show(request: Request) -> Response:
    visit = Visit(request)
    days = number_of(request.query_params.get("days"), "days", 30)
    days = days if days in _DAYS else 30
    today = now().date()
    first = today - timedelta(days=days - 1)
    span = {"first": first.isoformat(), "last": today.isoformat()}
    spending = visit.services.spending
    by_day = await spending.totals(visit.who, ["day", "model"], **span)
    by_model = await spending.totals(visit.who, ["model"], **span)
    by_session = (await spending.totals(visit.who, ["session"], **span))[:_SESSIONS]
    known = await spending.accounts(visit.who, [total.keys[0] for total in by_session])
    cost = MicroUSD(sum(total.cost for total in by_model))
    context = UsagePage(
        shell=visit.shell("Usage", "usage"),
        days=days,
        choices=_DAYS,
        cost=format_dollars(cost),
        tokens=words.count(sum(total.tokens.total_tokens for total in by_model)),
        requests=f"{sum(total.requests for total in by_model):,}",
        budgets=_budgets(await spending.today(visit.who)),
        tables=[
            _cost_by_day(by_day, by_model, first, days),
            _tokens_by_day(by_day, first, days),
            _by_model(by_model, first),
            _by_session(by_session, known, first),
        ],
    )
    return visit.page("usage.html", context)


def _budgets(found: Sequence[Standing]) -> list[tuple[Standing, str]]:
    return [(s, f"{format_dollars(s.spent)} of {format_dollars(s.limit)}") for s in found]


def _cost_by_day(
    by_day: Sequence[Total], by_model: Sequence[Total], first: date, days: int
) -> UsageTable:
    own = [total.keys[0] for total in by_model[:_MODELS]]
    series = own + ([_OTHERS] if len(by_model) > _MODELS else [])
    amounts: dict[str, dict[str, float]] = {}
    for total in by_day:
        day, model = total.keys
        name = model if model in own else _OTHERS
        here = amounts.setdefault(day, {})
        here[name] = here.get(name, 0) + total.cost / 1_000_000
    columns = [
        Column(
            title=f"{day}: {format_dollars(_micro(amounts.get(day, {})))}",
            label=_day_label(day, number, days),
            amounts=amounts.get(day, {}),
        )
        for number, day in enumerate(_span(first, days))
    ]
    spent = MicroUSD(sum(total.cost for total in by_day))
    says = f"Bars of the cost of each of {days} days, {format_dollars(spent)} together."
    names = [words.model_name(model) for model in series]
    renamed = [_renamed(column, series, names) for column in columns]
    return UsageTable(
        id="cost",
        heading="Cost by day",
        first="Day",
        export=_export("day,model", first),
        lines=[line_of(total, total.keys[0], _merged(by_day)) for total in _merged(by_day)],
        chart=stacked("cost", says, names, renamed, "$"),
    )


def _renamed(column: Column, series: Sequence[str], names: Sequence[str]) -> Column:
    amounts = {
        name: column.amounts.get(model, 0) for model, name in zip(series, names, strict=True)
    }
    return Column(title=column.title, label=column.label, amounts=amounts)


def _micro(amounts: dict[str, float]) -> MicroUSD:
    return MicroUSD(round(sum(amounts.values()) * 1_000_000))


def _tokens_by_day(by_day: Sequence[Total], first: date, days: int) -> UsageTable:
    merged = {total.keys[0]: total for total in _merged(by_day)}
    columns = []
    for number, day in enumerate(_span(first, days)):
        counts = _kinds(merged[day]) if day in merged else (0, 0, 0, 0)
        columns.append(
            Column(
                title=f"{day}: {words.count(sum(counts))} tokens",
                label=_day_label(day, number, days),
                amounts=dict(zip(_KINDS, counts, strict=True)),
            )
        )
    every = sum(total.tokens.total_tokens for total in merged.values())
    says = f"Bars of the tokens of each of {days} days, {words.count(every)} together."
    return UsageTable(
        id="tokens",
        heading="Tokens by day",
        first="Day",
        export=_export("day", first),
        lines=[line_of(total, day, merged.values()) for day, total in merged.items()],
        chart=stacked("tokens", says, _KINDS, columns, ""),
    )


def _by_model(by_model: Sequence[Total], first: date) -> UsageTable:
    return UsageTable(
        id="models",
        heading="By model",
        first="Model",
        export=_export("model", first),
        lines=[line_of(total, words.model_name(total.keys[0]), by_model) for total in by_model],
    )


def _by_session(by_session: Sequence[Total], known: dict[str, Account], first: date) -> UsageTable:
    lines = []
    for total in by_session:
        (session_id,) = total.keys
        account = known.get(session_id)
        if account is None:
            lines.append(line_of(total, "A deleted session", by_session))
            continue
        line = line_of(total, account.title or "Untitled", by_session, f"/sessions/{session_id}")
        lines.append(replace(line, note="; ".join(filter(None, (line.note, _other(account))))))
    return UsageTable(
        id="sessions-cost",
        heading="By session",
        first="Session",
        export=_export("session", first),
        lines=lines,
    )


def _merged(by_day: Sequence[Total]) -> list[Total]:
    """Days without regard to models, in order."""
    days: dict[str, Total] = {}
    for total in by_day:
        day = total.keys[0]
        before = days.get(day)
        days[day] = total if before is None else _added(before, total)
    return list(days.values())


def _added(one: Total, other: Total) -> Total:
    return replace(
        one,
        tokens=one.tokens + other.tokens,
        cost=MicroUSD(one.cost + other.cost),
        requests=one.requests + other.requests,
        estimated=one.estimated + other.estimated,
        unpriced=one.unpriced + other.unpriced,
    )


def line_of(total: Total, name: str, all_of_them: Iterable[Total], href: str = "") -> UsageLine:
    """A row; its bar is long as the dearest of `all_of_them` is dear."""
    most = max((other.cost for other in all_of_them), default=0)
    return UsageLine(
        name=name,
        href=href,
        cost=f"${total.cost / 1_000_000:,.4f}",
        requests=total.requests,
        tokens=[words.count(number) for number in _kinds(total)],
        note=_note(total),
        share=min(100, round(100 * total.cost / most)) if most else 0,
    )


def _other(account: Account) -> str:
    """What the agent program says, where it is something else."""
    if not differs(account.cost, account.reported, account.turns):
        return ""
    return f"the agent program reports ${to_dollars(account.reported)} of it"


def _note(total: Total) -> str:
    """What a reader must know about these numbers."""
    notes = []
    if total.estimated:
        notes.append(f"{total.estimated} cut, its output estimated")
    if total.unpriced:
        notes.append(f"{total.unpriced} of an unknown model, at the dearest price")
    return "; ".join(notes)


def _kinds(total: Total) -> tuple[int, int, int, int]:
    t = total.tokens
    return (
        t.input_tokens,
        t.cache_creation_input_tokens,
        t.cache_read_input_tokens,
        t.output_tokens,
    )


def _span(first: date, days: int) -> list[str]:
    return [(first + timedelta(days=number)).isoformat() for number in range(days)]


def _day_label(day: str, number: int, days: int) -> str:
    """Under about seven of the bars, the last one among them."""
    every = max(1, days // 7)
    if (days - 1 - number) % every:
        return ""
    at = date.fromisoformat(day)
    return f"{at:%b} {at.day}"


def _export(by: str, first: date) -> str:
    return f"/api/usage?by={by}&from={first.isoformat()}&format=csv"
