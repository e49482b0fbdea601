"""The state of the key: as the API answers, and told anew only when it has changed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
from aiohttp import web

from loopagent.credentials.keywatch import KeyWatch
from loopagent.credentials.upstream import Upstream
from loopagent.domain.ids import new_session_id


class Api:
    """A model's API that takes the key or not."""

    def __init__(self) -> None:
        self.takes = True
        self.url = ""
        self.asked = 0

    async def models(self, _request: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response({"data": []}, status=200 if self.takes else 401)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    api = Api()
    app = web.Application()
    app.router.add_get("/v1/models", api.models)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield api
    await runner.cleanup()


@pytest.fixture
async def watch(api: Api) -> KeyWatch:
    return KeyWatch(Upstream(base_url=api.url, api_key="k"), every=0.01)


async def asked(api: Api, times: int) -> None:
    with anyio.fail_after(10):
        while api.asked < times:
            await anyio.sleep(0.005)


async def test_a_key_that_is_taken_at_the_start_is_told_once(api: Api, watch: KeyWatch) -> None:
    told = anyio.Event()

    async def accepted() -> None:
        told.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch.run, accepted)
        with anyio.fail_after(10):
            await told.wait()
        assert str(watch.state) == "ok"
        tasks.cancel_scope.cancel()


async def test_a_refused_key_is_asked_about_until_it_is_taken(api: Api, watch: KeyWatch) -> None:
    api.takes = False
    told = anyio.Event()

    async def accepted() -> None:
        told.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch.run, accepted)
        await asked(api, 3)
        assert str(watch.state) == "rejected"
        assert not told.is_set()
        api.takes = True
        with anyio.fail_after(10):
            await told.wait()
        assert str(watch.state) == "ok"
        tasks.cancel_scope.cancel()


async def test_a_key_that_is_refused_in_use_only_is_not_told_again(
    api: Api, watch: KeyWatch
) -> None:
    told = 0

    async def accepted() -> None:
        nonlocal told
        told += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch.run, accepted)
        await asked(api, 1)
        for number in (2, 3):
            watch.rejected(new_session_id())
            await asked(api, number)
        tasks.cancel_scope.cancel()
    assert told == 1
