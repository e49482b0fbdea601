"""Request bodies of agents, environments and sessions, as the wire and the short form have them.

Fields that we don't know are ignored, as the hosted API does. Fields that we know but can't honour
yet are refused with a word: silence would promise something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from loopagent.domain.agent import WIRE_TO_SDK, ModelChoice, Toolset
from loopagent.web.api.input import Content, UserEventIn, UserMessageIn

_MAX_PAIRS, _MAX_KEY, _MAX_VALUE = 16, 64, 512
_NOT_YET = "not supported yet. Leave it out."

Effort = Literal["low", "medium", "high", "xhigh", "max"]


class Body(BaseModel):
    """A request body: frozen, unknown fields ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def given(self, *names: str) -> dict[str, Any]:
        """Those of the named fields that the request holds, null included."""
        return {name: getattr(self, name) for name in names if name in self.model_fields_set}


def _printable(text: str) -> str:
    if any(char < " " or char == "\x7f" for char in text if char not in "\n\t"):
        raise ValueError("It holds a control character. Remove it.")
    return text


def _metadata(pairs: Mapping[str, str | None]) -> dict[str, str | None]:
    if len(pairs) > _MAX_PAIRS:
        raise ValueError(f"{len(pairs)} pairs; {_MAX_PAIRS} are allowed.")
    for key, value in pairs.items():
        if not 0 < len(key) <= _MAX_KEY:
            raise ValueError(f"The key {key[:80]!r} must have 1 to {_MAX_KEY} characters.")
        if value is not None and len(value) > _MAX_VALUE:
            raise ValueError(f"The value of {key!r} is longer than {_MAX_VALUE} characters.")
        _printable(key + (value or ""))
    return dict(pairs)


def _unsupported(value: Any) -> None:
    if value:
        raise ValueError(_NOT_YET)


def _as_model(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


def _as_effort(value: Any) -> Any:
    return value.get("type") if isinstance(value, Mapping) else value


def _as_agent(value: Any) -> Any:
    return {"type": "agent", "id": value} if isinstance(value, str) else value


Text = Annotated[str, AfterValidator(_printable)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_printable)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
Metadata = Annotated[dict[str, str], AfterValidator(_metadata)]
MetadataChange = Annotated[dict[str, str | None], AfterValidator(_metadata)]
Unsupported = Annotated[Any, AfterValidator(_unsupported)]


class ModelBody(Body):
    """A model: its id, or an object with effort and speed."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_printable)]
    effort: Annotated[Effort | None, BeforeValidator(_as_effort)] = None
    speed: Literal["standard", "fast"] | None = None

    def choice(self) -> ModelChoice:
        effort = {"type": self.effort} if self.effort else None
        return ModelChoice(id=self.id, effort=effort, speed=self.speed)


Model = Annotated[ModelBody, BeforeValidator(_as_model, json_schema_input_type=str | ModelBody)]


class PolicyBody(Body):
    """`auto` leaves the decision to the server's own rules."""

    type: Literal["always_allow", "always_ask", "always_deny", "auto"]


class ToolDefaultsBody(Body):
    enabled: bool | None = None
    permission_policy: PolicyBody | None = None


class ToolConfigBody(ToolDefaultsBody):
    name: str


class ToolsetBody(Body):
    """The built-in tools; `custom` and `mcp_toolset` are not supported yet."""

    type: str
    default_config: ToolDefaultsBody | None = None
    configs: list[ToolConfigBody] = []

    def toolset(self) -> Toolset:
        fields: dict[str, Any] = {"type": self.type, "configs": [_chosen(c) for c in self.configs]}
        if self.default_config is not None:
            fields["default_config"] = _chosen(self.default_config)
        return Toolset.model_validate(fields)


def _chosen(config: ToolDefaultsBody) -> dict[str, Any]:
    fields = config.model_dump(exclude_none=True)
    if fields.get("permission_policy", {}).get("type") == "auto":
        del fields["permission_policy"]
    return fields


def _toolsets(tools: list[ToolsetBody]) -> list[ToolsetBody]:
    for tool in tools:
        if tool.type in {"custom", "mcp_toolset"}:
            raise ValueError(f"Tools of type {tool.type!r} are not supported yet. Leave them out.")
        if tool.type != "agent_toolset_20260401":
            raise ValueError(f"{tool.type!r} is no type of tools. Use agent_toolset_20260401.")
        for config in tool.configs:
            if config.name not in WIRE_TO_SDK:
                known = ", ".join(WIRE_TO_SDK)
                raise ValueError(f"There is no tool {config.name!r}. There are: {known}.")
    if len(tools) > 1:
        raise ValueError("One agent_toolset_20260401 is enough. Merge them.")
    return tools


Tools = Annotated[list[ToolsetBody], AfterValidator(_toolsets)]


class AgentFields(Body):
    """What both creating and updating an agent take, besides name and model."""

    description: Annotated[Text, StringConstraints(max_length=2048)] | None = None
    system: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    tools: Tools | None = None
    mcp_servers: Unsupported = None
    skills: Unsupported = None
    multiagent: Unsupported = None


class AgentCreate(AgentFields):
    name: Name
    model: Model
    metadata: Metadata = {}


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
        raise ValueError(f"networking {network!r} is {_NOT_YET}")
    if any(value for name, value in (config.packages or {}).items() if name != "type"):
        raise ValueError(f"packages are {_NOT_YET}")
    return config


class EnvironmentFields(Body):
    description: Annotated[Text, StringConstraints(max_length=2048)] | None = None
    config: Annotated[EnvironmentConfig | None, AfterValidator(_environment_config)] = None


class EnvironmentCreate(EnvironmentFields):
    name: Name
    metadata: Metadata = {}


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
    mcp_servers: Unsupported = None
    skills: Unsupported = None

    def overrides(self) -> dict[str, Any]:
        """Fields of domain.agent.Agent that this session has otherwise than its agent."""
        if self.type == "agent":
            return {}
        fields = self.given("system", "tools")
        if self.tools is not None:
            fields["tools"] = [tool.toolset() for tool in self.tools]
        if self.model is not None:
            fields["model"] = self.model.choice()
        return fields


Agent = Annotated[AgentChoice, BeforeValidator(_as_agent, json_schema_input_type=str | AgentChoice)]


class SessionCreate(Body):
    """Without `agent` or `environment_id` the defaults are used. `template` is ours."""

    agent: Agent | None = None
    environment_id: Identifier | None = None
    title: Text | None = None
    metadata: Metadata = {}
    template: Name | None = None
    initial_events: Annotated[list[UserMessageIn], Field(max_length=50)] = []
    resources: Unsupported = None
    vault_ids: Unsupported = None
    budget: Unsupported = None


class SessionUpdate(Body):
    title: Text | None = None
    metadata: MetadataChange | None = None
    model: Model | None = None
    agent: Unsupported = None
    budget: Unsupported = None
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


class ShortUpdate(Body):
    title: Text | None = None
    model: Model | None = None


class ShortMessage(Body):
    """Give `prompt`, or `content` with blocks. `id` makes sending it again harmless."""

    prompt: str | None = None
    content: Content | None = None
    id: Identifier | None = None


class ShortConfirm(Body):
    """`event_id` may be left out where one tool call waits alone."""

    allow: bool
    event_id: Identifier | None = None
    message: Annotated[str, StringConstraints(max_length=10_000)] | None = None
