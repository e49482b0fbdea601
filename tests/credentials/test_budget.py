"""Budgets at the proxy: what is spent stops the next request, near a limit they wait in line."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import aiohttp
import anyio
from aiohttp import web

from loopagent.credentials.budget import standings
from loopagent.credentials.grants import Grants
from loopagent.credentials.ledger import Ledger
from loopagent.credentials.upstream import Upstream
from loopagent.domain.budget import Limits, Standing, refused
from loopagent.domain.events import now
from loopagent.domain.ids import SessionId
from loopagent.domain.money import MicroUSD
from loopagent.domain.usage import TokenUsage
from loopagent.errors import StorageError
from loopagent.storage import usage
from loopagent.storage.database import Connection, Database
from loopagent.storage.schema import usage as table
from loopagent.storage.usage import Place, Sums, UsageRow
from tests.credentials.conftest import KEY, PRICES, Agent, agent_behind
from tests.credentials.upstream import DELTA, END, SSE, START, FakeApi

# What an answer of the stand-in costs, its model being unknown: the dearest price counts.
COST = MicroUSD(3260)  # 7 at 15, 3 at 1.5 and 42 at 75, rounded
SMALL: dict[str, Any] = {"model": "claude-x", "stream": True, "max_tokens": 100}


def upstream(api: FakeApi) -> Upstream:
    return Upstream(base_url=api.url, api_key=KEY)


async def spend(agent: Agent) -> tuple[int, dict[str, str], Any]:
    async with agent.post(SMALL) as answer:
        text = await answer.text()
        return answer.status, dict(answer.headers), text


async def rows(database: Database) -> list[Any]:
    def read(conn: Connection) -> list[Any]:
        return list(conn.execute(table.select().order_by(table.c.at)))

    return await database.read(read)


async def test_each_answer_becomes_a_row_with_its_exact_cost(agent: Agent) -> None:
    await spend(agent)
    await agent.settled()
    (row,) = await rows(agent.database)
    assert (row.session_id, row.model, row.state) == (agent.session_id, "claude-x", "done")
    assert (row.input_tokens, row.output_tokens, row.cache_read_tokens) == (7, 42, 3)
    assert row.cost == COST
    assert not row.is_priced, "an unknown model has the dearest price and is marked"


async def test_a_spent_budget_refuses_the_next_request_and_says_which(
    grants: Grants, api: FakeApi
) -> None:
    limits = Limits(session=MicroUSD(1000))
    async with agent_behind(grants, upstream(api), limits) as (_, agent):
        assert (await spend(agent))[0] == 200
        status, headers, text = await spend(agent)
        assert (status, headers["x-should-retry"]) == (402, "false")
        assert '"billing_error"' in text
        assert refused(text) == Standing(scope="session", spent=COST, limit=MicroUSD(1000))
    assert len(api.seen) == 1, "nothing was asked that nobody pays for"


async def test_counting_tokens_is_free(grants: Grants, api: FakeApi) -> None:
    async with agent_behind(grants, upstream(api), Limits(day=MicroUSD(0))) as (_, agent):
        async with agent.post(SMALL, path="/v1/messages/count_tokens") as answer:
            assert answer.status == 200
        assert (await spend(agent))[0] == 402


async def test_near_the_limit_parallel_requests_wait_for_each_other(
    grants: Grants, api: FakeApi
) -> None:
    """Six at once, with room for one: the limit is passed by one answer, and not by six."""
    most = 0

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal most
        response = web.StreamResponse(headers=SSE)
        await response.prepare(request)
        await response.write(START)
        most = max(most, sum(call.state == "open" for call in agent.ledger.calls))
        await asyncio.sleep(0.02)
        await response.write(DELTA + END)
        return response

    api.behave = slow
    limits = Limits(session=MicroUSD(COST + 1))
    async with agent_behind(grants, upstream(api), limits) as (_, agent):
        got: list[int] = []

        async def one() -> None:
            got.append((await spend(agent))[0])

        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(one)
        await agent.settled()
        assert sorted(got) == [200, 200, 402, 402, 402, 402]
        assert sum(row.cost for row in await rows(agent.database)) == 2 * COST
    assert most == 1


async def test_far_from_the_limit_they_run_side_by_side(grants: Grants, api: FakeApi) -> None:
    together = asyncio.Event()

    async def meet(request: web.BaseRequest) -> web.StreamResponse:
        if len(agent.ledger.calls) == 3:
            together.set()
        await together.wait()
        response = web.StreamResponse(headers=SSE)
        await response.prepare(request)
        await response.write(START + DELTA + END)
        return response

    api.behave = meet
    limits = Limits(session=MicroUSD(10**9), day=MicroUSD(10**9))
    async with agent_behind(grants, upstream(api), limits) as (_, agent):
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(spend, agent)


async def test_a_cut_answer_costs_what_has_flowed_by(agent: Agent, api: FakeApi) -> None:
    long = DELTA.replace(b'"hi"', b'"' + b"word " * 80 + b'"')

    async def cut(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers=SSE)
        await response.prepare(request)
        await response.write(START + long * 3)
        assert request.transport is not None
        request.transport.close()
        return response

    api.behave = cut
    async with agent.post(SMALL) as answer:
        with contextlib.suppress(aiohttp.ClientError):
            await answer.read()
    await agent.settled()
    (row,) = await rows(agent.database)
    assert row.state == "cut"
    assert row.input_tokens == 7
    assert 250 <= row.output_tokens <= 350, "three times 400 characters are about 300 tokens"


async def test_a_row_is_there_while_the_answer_still_flows(agent: Agent, api: FakeApi) -> None:
    async def hang(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers=SSE)
        await response.prepare(request)
        await response.write(START)
        await asyncio.Event().wait()
        return response

    api.behave = hang
    async with agent.post(SMALL) as answer:
        await answer.content.readany()
        with anyio.fail_after(5):
            while not (found := await rows(agent.database)):
                await anyio.sleep(0.01)
        assert (found[0].state, found[0].input_tokens) == ("open", 7)


async def test_what_the_database_would_not_take_is_written_later(
    agent: Agent, database: Database, monkeypatch: Any
) -> None:
    real, failures = usage.save, [0]

    def fail_once(conn: Connection, given: Any) -> None:
        failures[0] += 1
        if failures[0] == 1:
            raise StorageError("The disk is full.")
        real(conn, given)

    monkeypatch.setattr("loopagent.credentials.ledger._PAUSE", 0.01)
    monkeypatch.setattr(usage, "save", fail_once)
    assert (await spend(agent))[0] == 200, "the stream never waits for the database"
    with anyio.fail_after(5):
        while not await rows(database):
            await anyio.sleep(0.01)
    assert [row.cost for row in await rows(database)] == [COST]


def test_a_sessions_own_budget_and_a_days_allowance_count_first() -> None:
    place = Place(owner="user_1", agent_id="agent_1", budget=MicroUSD(5), turn_id=None)  # type: ignore[arg-type]
    sums = Sums(
        turn=MicroUSD(1),
        session=MicroUSD(2),
        user=MicroUSD(3),
        day=MicroUSD(4),
        user_allowance=MicroUSD(50),
        day_allowance=MicroUSD(1),
    )
    limits = Limits(session=MicroUSD(100), user=MicroUSD(10), day=MicroUSD(20))
    found = {s.scope: s.limit for s in standings(limits, place, sums)}
    assert found == {"session": 5, "user": 50, "day": 20}
    without = standings(limits, replace(place, budget=None), sums)
    assert next(s.limit for s in without if s.scope == "session") == 100
    assert standings(Limits(), replace(place, budget=None), sums) == []


async def test_a_person_and_a_day_have_budgets_over_all_sessions(
    grants: Grants, api: FakeApi, database: Database
) -> None:
    async with agent_behind(grants, upstream(api), Limits(user=MicroUSD(600))) as (_, agent):
        place = await database.read(lambda conn: usage.place_of(conn, agent.session_id))
        assert place is not None
        elsewhere = UsageRow(
            id="req_1",
            session_id=SessionId("sesn_deleted"),
            owner=place.owner,
            agent_id=place.agent_id,
            turn_id=None,
            model="claude-x",
            at=now(),
            tokens=TokenUsage(input_tokens=1),
            cost=MicroUSD(600),
        )
        await database.write(lambda conn: usage.save(conn, [elsewhere]))
        status, _, text = await spend(agent)
        standing = refused(text)
        assert status == 402
        assert standing is not None
        assert standing.scope == "user"


async def test_rows_of_a_killed_server_are_closed_at_the_next_start(database: Database) -> None:
    row = UsageRow(
        id="req_1",
        session_id=SessionId("sesn_1"),
        owner="user_1",  # type: ignore[arg-type]
        agent_id="agent_1",  # type: ignore[arg-type]
        turn_id=None,
        model="claude-x",
        at=now(),
        tokens=TokenUsage(input_tokens=1),
        cost=MicroUSD(600),
        state="open",
    )
    await database.write(lambda conn: usage.save(conn, [row]))
    async with Ledger(database, PRICES).open():
        (found,) = await rows(database)
    assert found.state == "cut"
