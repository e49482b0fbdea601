"""Request bodies of agents, environments and sessions, as the wire and the short form have them.

Fields that we don't know are ignored, as the hosted API does. Fields that we know but can't honour
yet are refused with a word: silence would promise something.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from loopagent.domain.events import SendMode
from loopagent.domain.session import RecoveryPolicy
from loopagent.web.api.fields import (
    NOT_YET,
    Body,
    Budget,
    Identifier,
    Metadata,
    MetadataChange,
    Name,
    Text,
    Unsupported,
)
from loopagent.web.api.input import Content, UserEventIn, UserMessageIn
from loopagent.web.api.toolsets import Model, Tools


def _as_agent(value: Any) -> Any:
    return {"type": "agent", "id": value} if isinstance(value, str) else value


MaxTurns = Annotated[int, Field(ge=1, le=10_000)]


class AgentFields(Body):
    """What both creating and updating an agent take, besides name and model.

    `max_turns` is ours: the most model requests of one turn.
    """

    description: Annotated[Text, StringConstraints(max_length=2048)] | None = None
    system: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    tools: Tools | None = None
    max_turns: MaxTurns | None = None
    mcp_servers: Unsupported = None
    skills: Unsupported = None
    multiagent: Unsupported = None


class AgentCreate(AgentFields):
    name: Name
    model: Model
    metadata: Metadata = Field(default_factory=dict)


class AgentUpdate(AgentFields):
    """Absent fields stay; `version` must be the newest if it is given."""

    name: Name = ""
    model: Model | None = None
    metadata: MetadataChange | None = None
    version: Annotated[int, Field(ge=1, le=2**31)] | None = None


class EnvironmentConfig(Body):
    """Where sessions run. Networks and packages can't be chosen yet."""

    type: Literal["cloud", "self_hosted"]
    networking: dict[str, Any] | None = None
    packages: dict[str, Any] | None = None


def _environment_config(config: EnvironmentConfig | None) -> EnvironmentConfig | None:
    if config is None:
        return None
    network = (config.networking or {}).get("type", "unrestricted")
    if network != "unrestricted":
        raise ValueError(f"networking {network!r} is {NOT_YET}")
    if any(value for name, value in (config.packages or {}).items() if name != "type"):
        raise ValueError(f"packages are {NOT_YET}")
    return config


class EnvironmentFields(Body):
    description: Annotated[Text, StringConstraints(max_length=2048)] | None = None
    config: Annotated[EnvironmentConfig | None, AfterValidator(_environment_config)] = None


class EnvironmentCreate(EnvironmentFields):
    name: Name
    metadata: Metadata = Field(default_factory=dict)


class EnvironmentUpdate(EnvironmentFields):
    name: Name | None = None
    metadata: MetadataChange | None = None


class AgentChoice(Body):
    """The agent of a session, pinned to a version, with fields replaced for this session alone."""

    type: Literal["agent", "agent_with_overrides"]
    id: Identifier
    version: Annotated[int, Field(ge=1, le=2**31)] | None = None
    model: Model | None = None
    system: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    tools: Tools | None = None
    max_turns: MaxTurns | None = None
    mcp_servers: Unsupported = None
    skills: Unsupported = None

    def overrides(self) -> dict[str, Any]:
        """Fields of domain.agent.Agent that this session has otherwise than its agent."""
        if self.type == "agent":
            return {}
        fields = self.given("system", "tools", "max_turns")
        if self.tools is not None:
            fields["tools"] = [tool.toolset() for tool in self.tools]
        if self.model is not None:
            fields["model"] = self.model.choice()
        return fields


Agent = Annotated[AgentChoice, BeforeValidator(_as_agent, json_schema_input_type=str | AgentChoice)]


class SessionCreate(Body):
    """Without `agent` or `environment_id` the defaults are used. `template`, `recovery` are ours."""

    agent: Agent | None = None
    environment_id: Identifier | None = None
    title: Text | None = None
    metadata: Metadata = Field(default_factory=dict)
    template: Name | None = None
    recovery: RecoveryPolicy | None = None
    initial_events: list[UserMessageIn] = Field(default_factory=list, max_length=50)
    resources: Unsupported = None
    vault_ids: Unsupported = None
    budget: Budget | None = None


class SessionUpdate(Body):
    title: Text | None = None
    metadata: MetadataChange | None = None
    model: Model | None = None
    recovery: RecoveryPolicy | None = None
    agent: Unsupported = None
    budget: Budget | None = None
    vault_ids: Unsupported = None


class EventsSend(Body):
    events: Annotated[list[UserEventIn], Field(min_length=1, max_length=50)]


class ShortCreate(Body):
    """Everything is optional: an empty body gives an empty session of the default agent."""

    prompt: str | None = None
    title: Text | None = None
    template: Name | None = None
    model: Model | None = None
    agent: Agent | None = None
    recovery: RecoveryPolicy | None = None


class ShortUpdate(Body):
    title: Text | None = None
    model: Model | None = None
    recovery: RecoveryPolicy | None = None


class ShortMessage(Body):
    """Give `prompt`, or `content` with blocks. `id` makes sending it again harmless.

    `mode` is what it does while a turn runs: wait in the queue, steer that turn (the agent sees it
    at its next tool call), or interrupt it.
    """

    prompt: str | None = None
    content: Content | None = None
    id: Identifier | None = None
    mode: SendMode = "queue"


class QueueUpdate(Body):
    """`order`: event ids, the next one first; those that it leaves out follow as they were."""

    order: Annotated[list[Identifier], Field(min_length=1, max_length=100)]


class QueuedUpdate(Body):
    """A message that waits: other words, or another mode."""

    content: Content | None = None
    mode: Literal["steer", "interrupt"] | None = None


class ShortConfirm(Body):
    """`event_id` may be left out where one tool call waits alone."""

    allow: bool
    event_id: Identifier | None = None
    message: Annotated[str, StringConstraints(max_length=10_000)] | None = None
