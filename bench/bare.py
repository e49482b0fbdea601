"""The floor: the bare SDK client, with the same options, against the same scripted model."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, ResultMessage, StreamEvent


def options(home: Path, url: str) -> ClaudeAgentOptions:
    """What our own sessions use, as far as it costs time."""
    (home / "workspace").mkdir(parents=True, exist_ok=True)
    env = {
        "HOME": str(home),
        "CLAUDE_CONFIG_DIR": str(home / "config"),
        "CLAUDE_CODE_TMPDIR": str(home),
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "invented",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    return ClaudeAgentOptions(
        cwd=home / "workspace",
        env=env,
        include_partial_messages=True,
        setting_sources=[],
        system_prompt={"type": "preset", "preset": "claude_code"},
        tools=["Read", "Write", "Edit", "Bash", "Glob", "Grep", "TaskCreate", "TaskUpdate"],
        permission_mode="default",
        stderr=lambda _line: None,
    )


async def turn(client: ClaudeSDKClient, prompt: str) -> tuple[float, float]:
    """Seconds to the first text and to the result of one prompt."""
    began = time.monotonic()
    first = 0.0

    async def one() -> AsyncIterator[dict[str, Any]]:
        message = {"role": "user", "content": prompt}
        yield {
            "type": "user",
            "message": message,
            "parent_tool_use_id": None,
            "uuid": str(uuid.uuid4()),
        }

    await client.query(one())
    async for message in client.receive_messages():
        if isinstance(message, StreamEvent) and message.event["type"] == "content_block_delta":
            first = first or time.monotonic() - began
        if isinstance(message, ResultMessage):
            return first, time.monotonic() - began
    raise RuntimeError("the client ended")


async def cold(home: Path, url: str, prompt: str) -> float:
    """Seconds from nothing to the first text of a new session."""
    began = time.monotonic()
    client = ClaudeSDKClient(options(home / os.urandom(4).hex(), url))
    await client.connect()
    connected = time.monotonic() - began
    first, _ = await turn(client, prompt)
    await client.disconnect()
    return connected + first
