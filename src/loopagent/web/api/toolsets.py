"""An agent's model and tools as the wire has them, made into the domain's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from loopagent.domain.agent import WIRE_TO_SDK, ModelChoice, Toolset
from loopagent.web.api.fields import Body, printable

Effort = Literal["low", "medium", "high", "xhigh", "max"]


def _as_model(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


def _as_effort(value: Any) -> Any:
    return value.get("type") if isinstance(value, Mapping) else value


class ModelBody(Body):
    """A model: its id, or an object with effort and speed."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(printable)]
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


class ToolsetLoop(Body):
    """Configs of tools that the official clients don't know."""

    configs: list[ToolConfigBody] = Field(default_factory=list)


class ToolsetBody(Body):
    """The built-in tools; `custom` and `mcp_toolset` are not supported yet."""

    type: str
    default_config: ToolDefaultsBody | None = None
    configs: list[ToolConfigBody] = Field(default_factory=list)
    loop: ToolsetLoop = ToolsetLoop()

    @property
    def all_configs(self) -> list[ToolConfigBody]:
        return [*self.configs, *self.loop.configs]

    def toolset(self) -> Toolset:
        fields: dict[str, Any] = {
            "type": self.type,
            "configs": [_chosen(c) for c in self.all_configs],
        }
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
        for config in tool.all_configs:
            if config.name not in WIRE_TO_SDK:
                known = ", ".join(WIRE_TO_SDK)
                raise ValueError(f"There is no tool {config.name!r}. There are: {known}.")
    if len(tools) > 1:
        raise ValueError("One agent_toolset_20260401 is enough. Merge them.")
    return tools


Tools = Annotated[list[ToolsetBody], AfterValidator(_toolsets)]
