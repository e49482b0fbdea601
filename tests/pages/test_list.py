"""The list of sessions: read once and rendered once for all its viewers, and quick with many."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta

import anyio
import httpx

from loopagent.auth.principal import LOCAL_PRINCIPAL
from loopagent.domain import events as e
from loopagent.domain.ids import UserId
from loopagent.storage import sessions
from loopagent.storage.database import Connection
from loopagent.storage.events import EventRow, insert_rows
from loopagent.web.pages.listings import open_listings
from loopagent.web.pages.roll import Roll
from tests.domain import made
from tests.support.server import RunningServer

MANY = 1_000


async def next_of(stream: AsyncGenerator[bytes, None]) -> str:
    """The next message that is no ping."""
    with anyio.fail_after(10):
        while True:
            data = (await anext(stream)).decode()
            if not data.startswith("event: ping"):
                return data


async def roll_of(server: RunningServer, http: httpx.AsyncClient) -> Roll:
    """The list of the local user, as the app has it."""
    async with open_listings(server.services) as listings:
        return await listings.roll(LOCAL_PRINCIPAL)


async def test_all_viewers_of_a_form_get_the_very_same_bytes(server: RunningServer) -> None:
    async with open_listings(server.services) as listings:
        roll = await listings.roll(LOCAL_PRINCIPAL)
        after = roll.listing().after
        viewers = [roll.view(form, after) for form in ("wide", "wide", "narrow")]
        for viewer in viewers:
            assert (await next_of(viewer)).startswith("event: build")
        session = await server.services.sessions.create(LOCAL_PRINCIPAL, title="Seen by all")
        one, two, narrow = [await next_of(viewer) for viewer in viewers]
        assert one == two
        assert f'id="r-{session.id}"' in one
        assert f'id="s-{session.id}"' in narrow
        assert "Seen by all" in narrow
        for viewer in viewers:
            await viewer.aclose()


async def test_a_viewer_that_comes_back_gets_what_it_has_missed_or_is_told(
    server: RunningServer,
) -> None:
    async with open_listings(server.services) as listings:
        roll = await listings.roll(LOCAL_PRINCIPAL)
        after = roll.listing().after
        session = await server.services.sessions.create(LOCAL_PRINCIPAL, title="Missed")
        await roll.fresh()
        back = roll.view("wide", after)
        await next_of(back)
        assert session.id in await next_of(back)
        await back.aclose()
        for odd in ("", "other.1", f"{after.split('.')[0]}.99", "x.y"):
            stranger = roll.view("wide", odd)
            await next_of(stranger)
            assert (await next_of(stranger)).startswith("event: stale\nid: ")
            await stranger.aclose()


async def test_a_list_holds_ones_own_sessions_alone(server: RunningServer) -> None:
    foreign = made.session(owner=UserId("user_other"), title="Not yours")
    await server.services.database.write(lambda conn: sessions.insert_row(conn, foreign))
    async with open_listings(server.services) as listings:
        roll = await listings.roll(LOCAL_PRINCIPAL)
        server.services.log.ring(foreign.id)
        await roll.fresh()
        assert roll.row(foreign.id) is None


async def test_a_page_shows_at_once_what_its_form_has_changed(
    server: RunningServer, http: httpx.AsyncClient
) -> None:
    session = await server.services.sessions.create(LOCAL_PRINCIPAL, title="Before")
    for number in range(20):
        title = f"After {number}"
        await http.post(f"/sessions/{session.id}/rename", data={"title": title})
        assert title in (await http.get("/")).text


async def test_home_with_a_thousand_sessions_is_quick(
    server: RunningServer, http: httpx.AsyncClient
) -> None:
    first = made.session()
    all_of_them = [
        replace(
            made.session(agent=first.agent, title=f"Session number {n}"),
            seq=1,
            updated_at=first.updated_at + timedelta(minutes=n),
        )
        for n in range(MANY)
    ]

    def insert(conn: Connection) -> None:
        for session in all_of_them:
            sessions.insert_row(conn, session)
            said = e.processed(e.AgentMessage(content=[e.text_block("word " * 200)]), 1, e.now())
            row = EventRow(session.id, 1, said.id, said.type, e.now(), e.encode_event(said))
            insert_rows(conn, [row])

    await server.services.database.write(insert)
    async with open_listings(server.services) as listings:
        began = time.perf_counter()
        roll = await listings.roll(LOCAL_PRINCIPAL)
        assert sum(group.total for group in roll.listing().groups) >= MANY
    for session in all_of_them:
        server.services.log.ring(session.id)
    answer = await http.get("/")
    times = []
    for _ in range(4):
        began = time.perf_counter()
        answer = await http.get("/")
        times.append(time.perf_counter() - began)
    assert answer.text.count('class="item') < 200
    assert "Session number 999" in answer.text
    assert min(times) < 0.3
    assert "Session number 500" in (await http.get("/?state=idle&page=5")).text
