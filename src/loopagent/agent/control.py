"""The SDK's private parts that we need, in one place.

The public client has no way to ask for the running cost or the process id; these control requests
are the CLI's own (measured with SDK 0.2.187).
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import anyio
from claude_agent_sdk import ClaudeSDKClient

from loopagent.agent.ports import Prompt
from loopagent.domain.ids import prompt_uuid

_WITHIN = 10.0


class Control:
    """Control requests of one connected client."""

    def __init__(self, client: ClaudeSDKClient) -> None:
        self._client: Any = client

    @property
    def pid(self) -> int | None:
        """The process id of the CLI (the launcher replaces itself by it)."""
        process = getattr(self._client._transport, "_process", None)  # noqa: SLF001
        return process.pid if process is not None else None

    def signal(self, number: signal.Signals) -> None:
        """Send the CLI a signal, if it still runs."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def total_cost(self) -> float:
        """Dollars that the CLI has counted for this session so far: the baseline of the first turn.

        The CLI's totals go on after a resume; only a graceful end saves them.
        """
        with anyio.fail_after(_WITHIN):
            answer = await self._client._query._send_control_request(  # noqa: SLF001
                {"subtype": "get_usage", "skip_behaviors": True}
            )
        return float(answer.get("session", {}).get("total_cost_usd") or 0.0)


async def as_input(prompt: Prompt) -> AsyncIterator[dict[str, Any]]:
    """A prompt as the CLI reads it; by its uuid the CLI knows one that it has seen."""
    yield {
        "type": "user",
        "message": {
            "role": "user",
            "content": [block.model_dump(exclude_none=True) for block in prompt.content],
        },
        "parent_tool_use_id": None,
        "uuid": prompt_uuid(prompt.event_id),
    }
