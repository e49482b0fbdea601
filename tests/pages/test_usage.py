"""What was spent, on the page of usage and on a session's page."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree as ET

import httpx
import pytest

from loopagent.domain import events as e
from loopagent.domain.budget import Standing
from loopagent.domain.ids import AgentId, SessionId, UserId
from loopagent.domain.money import MicroUSD
from loopagent.domain.usage import TokenUsage
from loopagent.storage import sessions, usage
from loopagent.storage.usage import UsageRow
from loopagent.web.pages.charts import HEIGHT, LEFT, WIDTH, Column, stacked
from tests.domain import made
from tests.support.server import RunningServer


@pytest.fixture
async def spent(server: RunningServer, session_id: SessionId) -> SessionId:
    """A session that has cost something on two days, once with a model that nobody knows."""
    rows = [
        a_row(session_id, 0, "claude-sonnet-5-5", 250_000),
        a_row(session_id, 3, "odd", 500_000),
    ]
    await server.services.database.write(lambda conn: usage.save(conn, rows))
    return session_id


def a_row(session_id: SessionId, days: int, model: str, cost: int) -> UsageRow:
    return UsageRow(
        id=f"{session_id}-{days}",
        session_id=session_id,
        owner=UserId("user_local"),
        agent_id=AgentId("agent_default"),
        turn_id=None,
        model=model,
        at=e.now() - timedelta(days=days),
        tokens=TokenUsage(input_tokens=1000, output_tokens=200),
        cost=MicroUSD(cost),
        is_priced=model != "odd",
    )


async def test_the_page_has_a_chart_and_the_same_numbers_as_a_table(
    http: httpx.AsyncClient, spent: SessionId
) -> None:
    text = (await http.get("/usage")).text
    charts = re.findall(r"<svg viewBox.*?</svg>", text, re.DOTALL)
    parsed = [ET.fromstring(chart) for chart in charts]
    roles = [chart.attrib for chart in parsed if chart.get("role") == "img"]
    assert len(roles) == 2
    assert all(f'id="{chart["aria-labelledby"]}"' in text for chart in roles)
    assert len(re.findall(r"<table", text)) == 4
    assert text.count("$0.5000") >= 3
    assert "of an unknown model, at the dearest price" in text
    assert f'href="/sessions/{spent}"' in text


async def test_its_tables_go_out_as_csv(http: httpx.AsyncClient, spent: SessionId) -> None:
    text = (await http.get("/usage")).text
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="(/api/usage\?[^"]+)"', text)]
    assert len(links) == 4
    for link in links:
        answer = await http.get(link)
        assert answer.headers["content-type"].startswith("text/csv")
        assert len(answer.text.splitlines()) > 1
    by_session = await http.get("/api/usage?by=session&format=csv")
    assert f"{spent},2000,400,0,0,0,0,2,0,1,0.75" in by_session.text


@pytest.mark.parametrize(
    "query", ["by=planet", "by=day,model,session", "by=", "from=yesterday", "format=xml"]
)
async def test_what_cannot_be_summed_is_refused(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.get(f"/api/usage?{query}", headers={"accept": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_other_peoples_spending_is_not_shown(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    strange = replace(
        a_row(session_id, 1, "claude-of-a-stranger", 1), id="strange", owner=UserId("user_2")
    )
    await server.services.database.write(lambda conn: usage.save(conn, [strange]))
    assert "of-a-stranger" not in (await http.get("/usage")).text
    assert "of-a-stranger" not in (await http.get("/api/usage?by=model")).text


async def test_a_spent_budget_can_be_raised_from_the_page(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    standing = Standing(scope="session", spent=MicroUSD(1_020_000), limit=MicroUSD(1_000_000))
    reason = {"type": "budget_reached", "loop": standing.facts()}
    end = e.SessionStatusIdle(
        stop_reason=e.StopReason.model_validate(reason),
        loop={"turn": {"cost_usd": 1.02, "metered_usd": 1.03}},
    )
    await server.services.log.append(session_id, [e.SessionStatusRunning(), end])
    page = (await http.get(f"/sessions/{session_id}")).text
    assert "Budget reached" in page
    assert "Raise and go on" in page
    assert 'value="2.02"' in page
    assert "$1.02 by the agent program" in page, "the two accounts differ"
    answer = await http.post(f"/sessions/{session_id}/raise")
    assert answer.status_code == 303
    raised = await server.services.database.read(lambda conn: sessions.get(conn, session_id))
    assert raised.budget == 2_020_000
    assert raised.status == "running"
    page = (await http.get(f"/sessions/{session_id}")).text
    assert "The turn goes on" in page
    assert "<meter" in page


async def test_a_warning_is_a_note_in_the_transcript(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    near = Standing(scope="day", spent=MicroUSD(850_000), limit=MicroUSD(1_000_000))
    warning = e.SessionUsage(usage={}, loop={"budget": near.facts()})
    await server.services.log.append(session_id, [warning, e.SessionUsage(usage={})])
    page = (await http.get(f"/sessions/{session_id}")).text
    assert page.count("85 % of a budget is spent. Everybody today (UTC): $0.85 of $1.00") == 1


async def test_two_accounts_that_differ_are_told_where_the_cost_is(
    server: RunningServer, http: httpx.AsyncClient
) -> None:
    session = made.session(cost=MicroUSD(20_000), reported_cost=MicroUSD(10_000), turns=1)
    await server.services.database.write(lambda conn: sessions.insert_row(conn, session))
    page = (await http.get(f"/sessions/{session.id}")).text
    assert "Metered by this server: $0.02. The agent program reports $0.01" in page


async def test_a_session_s_bill_shows_both_accounts_and_sets_its_budget(
    http: httpx.AsyncClient, server: RunningServer, spent: SessionId
) -> None:
    def end(metered: float, reported: float) -> e.Event:
        turn = {"cost_usd": reported, "metered_usd": metered, "model_requests": 3}
        return e.SessionStatusIdle(stop_reason=e.StopReason(type="end_turn"), loop={"turn": turn})

    await server.services.log.append(spent, [end(0.75, 0.75), end(0.25, 0.125)])
    address = f"/sessions/{spent}/usage"
    text = (await http.get(address)).text
    assert text.count("the same") == 1
    assert "$0.125" in text
    assert "The agent program reports" in text
    answer = await http.post(f"/sessions/{spent}/budget", data={"amount": "$2,50"})
    assert (answer.status_code, answer.headers["location"]) == (303, address)
    text = (await http.get(address)).text
    assert 'value="2.50"' in text
    assert "$0.75 of $2.50" in text, "what its requests have cost"
    assert (await http.post(f"/sessions/{spent}/budget", data={"amount": "x"})).status_code == 400
    await http.post(f"/sessions/{spent}/budget", data={"amount": ""})
    assert "$2.50" not in (await http.get(address)).text


def test_bars_stand_on_the_line_inside_the_picture() -> None:
    columns = [
        Column(title="a", label="", amounts={"x": 3.0, "y": 1.0}),
        Column(title="b", label="b", amounts={}),
        Column(title="c", label="c", amounts={"y": 2.0}),
    ]
    chart = stacked("id", "says", ["x", "y"], columns, "$")
    first, empty, last = chart.bars
    assert [segment.kind for segment in first.segments] == [0, 1]
    assert first.segments[0].height == pytest.approx(3 * first.segments[1].height, rel=0.01)
    assert first.segments[1].y + first.segments[1].height == pytest.approx(first.segments[0].y)
    assert empty.segments == []
    assert all(
        s.x >= LEFT and s.x + s.width <= WIDTH and 0 <= s.y <= HEIGHT
        for bar in chart.bars
        for s in bar.segments
    )
    assert last.middle > empty.middle > first.middle
    assert chart.ticks[0].label == "$0.00"
    assert chart.ticks[-1].label == "$5.00"


@pytest.mark.parametrize(
    ("most", "label"), [(0.0, "1"), (7.0, "10"), (950.0, "1k"), (2_400_000.0, "2.5M"), (10.0, "10")]
)
def test_the_scale_ends_at_a_round_number(most: float, label: str) -> None:
    chart = stacked("id", "", ["x"], [Column(title="", label="", amounts={"x": most})], "")
    assert chart.ticks[-1].label == label
