"""The agent: a named, versioned set-up. Each change makes a new immutable version."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from loopagent.domain.ids import AgentId, EnvironmentId

PolicyName = Literal["always_allow", "always_ask", "always_deny"]

# The wire's names of the built-in tools and the CLI's. Task-list tools are ours on the wire.
WIRE_TO_SDK = {
    "bash": "Bash",
    "edit": "Edit",
    "read": "Read",
    "write": "Write",
    "glob": "Glob",
    "grep": "Grep",
    "web_fetch": "WebFetch",
    "web_search": "WebSearch",
    "task_create": "TaskCreate",
    "task_update": "TaskUpdate",
    "task_list": "TaskList",
    "agent": "Agent",
    "ask_user_question": "AskUserQuestion",
}
SDK_TO_WIRE = {sdk: wire for wire, sdk in WIRE_TO_SDK.items()} | {"Task": "agent"}
OFF_BY_DEFAULT = frozenset({"web_fetch", "web_search", "agent"})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PermissionPolicy(_Part):
    type: PolicyName


class ToolDefaults(_Part):
    enabled: bool = True
    permission_policy: PermissionPolicy | None = None


class ToolConfig(_Part):
    """One tool's switch and policy; absent values come from the toolset's defaults."""

    name: str
    enabled: bool | None = None
    permission_policy: PermissionPolicy | None = None


class Toolset(_Part):
    """The built-in tools. A tool without a policy follows the default rules of `permissions`."""

    type: Literal["agent_toolset_20260401"]
    default_config: ToolDefaults = ToolDefaults()
    configs: list[ToolConfig] = []

    def enabled(self) -> list[str]:
        """Wire names of the tools that the model sees, in a fixed order."""
        by_name = {config.name: config for config in self.configs}
        names = []
        for name in WIRE_TO_SDK:
            config = by_name.get(name)
            default = self.default_config.enabled and name not in OFF_BY_DEFAULT
            chosen = config.enabled if config is not None else None
            if default if chosen is None else chosen:
                names.append(name)
        return names

    def policy(self, name: str) -> PolicyName | None:
        """The policy that the agent's author chose for a tool, or None."""
        for config in reversed(self.configs):  # the last word counts, as in `enabled`
            if config.name == name and config.permission_policy is not None:
                return config.permission_policy.type
        default = self.default_config.permission_policy
        return default.type if default is not None else None


class ModelChoice(_Part):
    id: Annotated[str, Field(min_length=1, max_length=200)]
    effort: dict[str, Any] | None = None
    speed: str | None = None


class Agent(BaseModel):
    """One version of an agent, also the snapshot that a session keeps.

    max_turns: the most model requests of one turn, as the SDK counts; None leaves it to the server.
    """

    model_config = ConfigDict(frozen=True)

    id: AgentId
    type: Literal["agent"] = "agent"
    version: int = 1
    name: str
    description: str | None = None
    system: str | None = None
    model: ModelChoice
    tools: list[Toolset] = []
    mcp_servers: list[dict[str, Any]] = []
    skills: list[dict[str, Any]] = []
    metadata: dict[str, str] = {}
    max_turns: int | None = None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None

    def toolset(self) -> Toolset | None:
        """The built-in tools of this agent; None if it has none."""
        return self.tools[0] if self.tools else None


class Environment(BaseModel):
    """A reusable recipe for sessions: today a template folder and a name."""

    model_config = ConfigDict(frozen=True)

    id: EnvironmentId
    type: Literal["environment"] = "environment"
    name: str
    description: str | None = None
    config: dict[str, Any] = {"type": "self_hosted"}
    metadata: dict[str, str] = {}
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None
