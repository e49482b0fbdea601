"""News: who watches many sessions is told which have changed."""

from __future__ import annotations

import anyio

from loopagent.domain.ids import new_session_id
from loopagent.eventlog.news import News


async def test_a_listener_hears_each_session_once_however_often_it_changes() -> None:
    news = News()
    one, two = new_session_id(), new_session_id()
    with news.listening() as listener:
        for session_id in (one, two, one):
            news.tell(session_id)
        await listener.wait(1)
        assert listener.take() == {one, two}
        await listener.wait(0.01)
        assert listener.take() == set()


async def test_one_that_waits_is_woken_though_somebody_took_in_between() -> None:
    news = News()
    session_id = new_session_id()
    with news.listening() as listener, anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            heard = []

            async def wait() -> None:
                await listener.wait(60)
                heard.append(listener.take())

            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert listener.take() == set()
            news.tell(session_id)
        assert heard == [{session_id}]


async def test_nothing_is_kept_for_one_who_has_left() -> None:
    news = News()
    with news.listening() as listener:
        pass
    news.tell(new_session_id())
    assert listener.take() == set()
