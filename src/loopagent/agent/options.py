"""From a run plan to the SDK's options. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from claude_agent_sdk import CanUseTool, ClaudeAgentOptions, HookCallback, HookMatcher

from loopagent.agent.ports import RunPlan
from loopagent.domain.agent import WIRE_TO_SDK

MAX_MESSAGE_BYTES = 64 << 20  # one reply larger than the SDK's default of 1 MiB kills the client


def build_options(
    plan: RunPlan,
    *,
    can_use_tool: CanUseTool,
    pre_tool_use: HookCallback,
    stderr: Callable[[str], None],
) -> ClaudeAgentOptions:
    """The SDK's options for one process of a session."""
    session = plan.session
    agent = session.agent
    toolset = agent.toolset()
    identity: dict[str, Any] = (
        {"resume": session.sdk_session_id}
        if plan.resume
        else {"session_id": session.sdk_session_id}
    )
    system: dict[str, Any] = {"type": "preset", "preset": "claude_code"}
    if agent.system:
        system["append"] = agent.system
    if agent.model.effort:
        identity["effort"] = agent.model.effort.get("type")
    return ClaudeAgentOptions(
        cwd=plan.cwd,
        cli_path=plan.cli,
        model=agent.model.id,
        system_prompt=system,  # type: ignore[arg-type]  # a TypedDict, built in two steps
        tools=[WIRE_TO_SDK[name] for name in toolset.enabled()] if toolset else [],
        # A repository's own settings may run commands before the model says a word.
        setting_sources=[],
        strict_mcp_config=True,
        # Without this, `@/abs/path` in a prompt ships any file to the model unasked.
        verbatim_prompts=True,
        include_partial_messages=True,
        extra_args={"replay-user-messages": None},
        can_use_tool=can_use_tool,
        hooks={"PreToolUse": [HookMatcher(hooks=[pre_tool_use])]},
        max_turns=plan.max_turns,
        max_buffer_size=MAX_MESSAGE_BYTES,
        stderr=stderr,
        **identity,
    )
