"""The author: sends one session's messages, some twice, and interrupts some turns."""

from __future__ import annotations

import anyio
import httpx
from anyio.abc import TaskGroup

from loopagent.cli.chaos.plan import Message
from loopagent.cli.chaos.requests import post, sent_events, user_message
from loopagent.cli.chaos.watch import Watch

_TRIES = 3  # of a message that the server refuses, which is a violation already


async def write(watch: Watch, client: httpx.AsyncClient, tasks: TaskGroup) -> None:
    """Send all messages of the plan, each until the server has acknowledged it."""
    for message in watch.plan.messages:
        await anyio.sleep(message.pause)
        await watch.until(lambda: watch.is_at_rest, message.patience)
        await send(watch, client, message.id, message.text, message.copies)
        if message.interrupt_after is not None:
            tasks.start_soon(_interrupt, watch, client, message)


async def send(
    watch: Watch, client: httpx.AsyncClient, event_id: str, text: str, copies: int = 1
) -> None:
    """Send a message as often as told, all with the same id."""
    path = f"/v1/sessions/{watch.session_id}/events"
    body = sent_events(user_message(event_id, text))

    async def one() -> None:
        for _ in range(_TRIES):
            answer = await post(client, path, body)
            if answer.is_success:
                if event_id not in watch.accepted:
                    watch.accepted.append(event_id)
                return
            watch.problems.append(
                f"message {event_id} was met with {answer.status_code}: {answer.text[:200]}"
            )

    async with anyio.create_task_group() as together:
        for _ in range(copies):
            together.start_soon(one)


async def _interrupt(watch: Watch, client: httpx.AsyncClient, message: Message) -> None:
    assert message.interrupt_after is not None
    await anyio.sleep(message.interrupt_after)
    watch.interrupts += 1
    interrupt = {"type": "user.interrupt", "id": f"{message.id}_stop"}
    path = f"/v1/sessions/{watch.session_id}/events"
    answer = await post(client, path, sent_events(interrupt))
    if not answer.is_success:
        watch.problems.append(
            f"an interrupt was met with {answer.status_code}: {answer.text[:200]}"
        )
