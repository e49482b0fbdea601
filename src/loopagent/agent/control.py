"""What a runner asks of one SDK client, each with a limit of time.

The SDK's private parts that we need are here and nowhere else: its public client has no way to ask
for the running cost or the process id (measured with SDK 0.2.187).
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import anyio
from claude_agent_sdk import ClaudeSDKClient

from loopagent.agent.ports import Prompt
from loopagent.domain.ids import prompt_uuid
from loopagent.errors import AgentError
from loopagent.sandbox.processes import program_below
from loopagent.sandbox.program import cli_path

log = logging.getLogger(__name__)

_WITHIN = 10.0
_CONTEXT_WITHIN = 30.0  # the first time, the model is asked for fifteen counts
_INTERRUPT_WITHIN = 3.0


class Control:
    """Requests to one client."""

    def __init__(self, client: ClaudeSDKClient) -> None:
        self._client: Any = client
        self._is_connected = False

    async def connect(self) -> float:
        """Start the process; gives the dollars that it has counted for the session so far."""
        await self._client.connect()
        self._is_connected = True
        return await self._total_cost()

    async def end(self, *, at_work: bool) -> None:
        """End the process. In the middle of a turn by SIGTERM first: the CLI ends its tools and
        saves the cost, while the SDK's own way takes five seconds."""
        if at_work and self._is_connected:
            self.signal(signal.SIGTERM)
        with anyio.move_on_after(_WITHIN):
            try:
                await self._client.disconnect()
            except Exception:  # the process is ended by the sweep that follows, whatever this was
                log.debug("disconnect failed", exc_info=True)

    async def query(self, prompt: Prompt, **more: str) -> None:
        """Give the CLI a message."""
        await self._client.query(as_input(prompt, **more))

    async def interrupt(self) -> None:
        """Stop the turn. This is answered only while somebody reads; the runner's watch ends the
        process otherwise."""
        with anyio.move_on_after(_INTERRUPT_WITHIN):
            await self._client.interrupt()

    async def set_model(self, model: str) -> None:
        """Use another model from the next request on."""
        with anyio.move_on_after(_WITHIN):
            await self._client.set_model(model)

    @property
    def pid(self) -> int | None:
        """The process id of what the launcher has become: the CLI, or its sandbox."""
        process = getattr(self._client._transport, "_process", None)  # noqa: SLF001
        return process.pid if process is not None else None

    def signal(self, number: signal.Signals) -> None:
        """Send the CLI a signal, if it still runs; SIGKILL goes to its sandbox, which ends it."""
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                aim = pid if number == signal.SIGKILL else program_below(pid, cli_path().name)
                os.kill(aim, number)

    async def cancel_message(self, uuid: str) -> bool:
        """Withdraw a prompt that the CLI holds; False if it has taken it."""
        answer = await self._ask({"subtype": "cancel_async_message", "message_uuid": uuid})
        return bool(answer.get("cancelled"))

    async def stop_task(self, task_id: str) -> None:
        """End one sub-agent or background command."""
        await self._ask({"subtype": "stop_task", "task_id": task_id})

    async def context(self) -> dict[str, Any]:
        """What the model's context holds: categories, totalTokens, maxTokens. Costs requests."""
        with anyio.fail_after(_CONTEXT_WITHIN):
            return dict(await self._client.get_context_usage())

    async def _total_cost(self) -> float:
        """The baseline of the first turn: the CLI's totals go on after a resume, and only a
        graceful end saves them."""
        answer = await self._ask({"subtype": "get_usage", "skip_behaviors": True})
        return float(answer.get("session", {}).get("total_cost_usd") or 0.0)

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with anyio.move_on_after(_WITHIN):
            answer: dict[str, Any] = await self._client._query._send_control_request(  # noqa: SLF001
                request
            )
            return answer
        raise AgentError(
            "process_hung_error", "The agent process does not react. Stop the session's turn."
        )


async def as_input(prompt: Prompt, **more: str) -> AsyncIterator[dict[str, Any]]:
    """A prompt as the CLI reads it; by its uuid the CLI knows one that it has seen."""
    yield {
        "type": "user",
        "message": {
            "role": "user",
            "content": [block.model_dump(exclude_none=True) for block in prompt.content],
        },
        "parent_tool_use_id": None,
        "uuid": prompt_uuid(prompt.event_id),
        **more,
    }
