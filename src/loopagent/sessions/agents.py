"""The verbs of agents and environments. A default of each exists from the start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from loopagent.auth.principal import Principal
from loopagent.domain.agent import Agent, Environment, ModelChoice, Toolset
from loopagent.domain.events import now
from loopagent.domain.ids import (
    LOCAL_USER,
    AgentId,
    EnvironmentId,
    UserId,
    new_agent_id,
    new_environment_id,
)
from loopagent.errors import ConflictError, NotFoundError, PermissionDeniedError
from loopagent.storage import agents, environments
from loopagent.storage.agents import AgentQuery
from loopagent.storage.database import Database

# The verb `list` hides the built-in name inside the class.
Versions: TypeAlias = list[Agent]

DEFAULT_AGENT = AgentId("agent_default")
DEFAULT_ENVIRONMENT = EnvironmentId("env_default")


class Agents:
    """All verbs of agents. The default agent belongs to nobody and all may use it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ensure_default(self, model: str) -> None:
        """Make the default agent, or give it `model` where the setting has changed."""
        try:
            present = await self._database.read(lambda conn: agents.get(conn, DEFAULT_AGENT))
        except NotFoundError:
            await self._insert(
                Agent(
                    id=DEFAULT_AGENT,
                    name="Default",
                    description="Reads, writes and runs things in its workspace.",
                    model=ModelChoice(id=model),
                    tools=[Toolset(type="agent_toolset_20260401")],
                    created_at=now(),
                    updated_at=now(),
                ),
                LOCAL_USER,
            )
            return
        if present.model.id != model:
            await self._new_version(present, {"model": ModelChoice(id=model)})

    async def create(self, who: Principal, fields: Mapping[str, Any]) -> Agent:
        """A new agent, version 1. `fields` as domain.agent.Agent names them."""
        moment = now()
        agent = Agent(id=new_agent_id(), created_at=moment, updated_at=moment, **fields)
        await self._insert(agent, who.user_id)
        return agent

    async def get(self, who: Principal, agent_id: AgentId, version: int | None = None) -> Agent:
        """An agent's newest version, or the one asked for; raises NotFoundError."""
        return await self._database.read(
            lambda conn: agents.get(conn, agent_id, version, owner=_owner(who, agent_id))
        )

    async def list(self, who: Principal, query: AgentQuery) -> tuple[list[Agent], str | None]:
        """A page of agents, newest first, and the cursor of the next one."""
        return await self._database.read(lambda conn: agents.page(conn, who.user_id, query))

    async def versions(self, who: Principal, agent_id: AgentId) -> Versions:
        """All versions of an agent, newest first."""
        await self.get(who, agent_id)
        return await self._database.read(lambda conn: agents.versions(conn, agent_id))

    async def update(
        self,
        who: Principal,
        agent_id: AgentId,
        fields: Mapping[str, Any],
        version: int | None = None,
    ) -> Agent:
        """A new version with `fields` changed.

        Raises ConflictError if `version` isn't the newest, or the agent is archived.
        """
        if agent_id == DEFAULT_AGENT:
            _need_owner(who)
        present = await self.get(who, agent_id)
        if present.archived_at is not None:
            raise ConflictError("This agent is archived. Create a new one.")
        if version is not None and version != present.version:
            raise ConflictError(
                f"The agent is at version {present.version}, not {version}. Read it again."
            )
        return await self._new_version(present, fields)

    async def archive(self, who: Principal, agent_id: AgentId) -> Agent:
        """Keep an agent from being used by new sessions."""
        if agent_id == DEFAULT_AGENT:
            raise ConflictError("The default agent can't be archived. Create one of your own.")
        await self.get(who, agent_id)
        moment = now()
        await self._database.write(lambda conn: agents.archive(conn, agent_id, moment))
        return await self.get(who, agent_id)

    async def usable(
        self, who: Principal, agent_id: AgentId | None, version: int | None = None
    ) -> Agent:
        """The agent for a new session: the default if none is named."""
        agent = await self.get(who, agent_id or DEFAULT_AGENT, version)
        if agent.archived_at is not None:
            raise ConflictError(f"The agent {agent.name!r} is archived. Choose another one.")
        return agent

    async def _insert(self, agent: Agent, owner: UserId) -> None:
        await self._database.write(lambda conn: agents.insert_agent(conn, agent, owner))

    async def _new_version(self, present: Agent, fields: Mapping[str, Any]) -> Agent:
        changed = present.model_copy(
            update={**fields, "version": present.version + 1, "updated_at": now()}
        )
        await self._database.write(lambda conn: agents.add_version(conn, changed))
        return changed


class Environments:
    """All verbs of environments."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ensure_default(self) -> None:
        """Make the default environment if it isn't there."""
        try:
            await self._database.read(lambda conn: environments.get(conn, DEFAULT_ENVIRONMENT))
        except NotFoundError:
            environment = Environment(
                id=DEFAULT_ENVIRONMENT,
                name="Default",
                description="A folder of its own on this machine.",
                created_at=now(),
                updated_at=now(),
            )
            await self._database.write(
                lambda conn: environments.insert_environment(conn, environment, LOCAL_USER)
            )

    async def create(self, who: Principal, fields: Mapping[str, Any]) -> Environment:
        """A new environment. `fields` as domain.agent.Environment names them."""
        moment = now()
        environment = Environment(
            id=new_environment_id(), created_at=moment, updated_at=moment, **fields
        )
        await self._database.write(
            lambda conn: environments.insert_environment(conn, environment, who.user_id)
        )
        return environment

    async def get(self, who: Principal, environment_id: EnvironmentId) -> Environment:
        """Raises NotFoundError."""
        owner = None if environment_id == DEFAULT_ENVIRONMENT else who.user_id
        return await self._database.read(
            lambda conn: environments.get(conn, environment_id, owner=owner)
        )

    async def list(self, who: Principal, query: AgentQuery) -> tuple[list[Environment], str | None]:
        """A page of environments and the cursor of the next one."""
        return await self._database.read(lambda conn: environments.page(conn, who.user_id, query))

    async def update(
        self, who: Principal, environment_id: EnvironmentId, fields: Mapping[str, Any]
    ) -> Environment:
        """Change `fields` of an environment."""
        if environment_id == DEFAULT_ENVIRONMENT:
            _need_owner(who)
        present = await self.get(who, environment_id)
        changed = present.model_copy(update={**fields, "updated_at": now()})
        await self._database.write(lambda conn: environments.save(conn, changed))
        return changed

    async def archive(self, who: Principal, environment_id: EnvironmentId) -> Environment:
        """Keep an environment from being used by new sessions."""
        _keep_default(environment_id)
        return await self.update(who, environment_id, {"archived_at": now()})

    async def delete(self, who: Principal, environment_id: EnvironmentId) -> None:
        """Remove an environment; sessions that were made with it stay."""
        _keep_default(environment_id)
        await self.get(who, environment_id)
        await self._database.write(lambda conn: environments.remove(conn, environment_id))

    async def usable(self, who: Principal, environment_id: EnvironmentId | None) -> Environment:
        """The environment for a new session: the default if none is named."""
        environment = await self.get(who, environment_id or DEFAULT_ENVIRONMENT)
        if environment.archived_at is not None:
            raise ConflictError(
                f"The environment {environment.name!r} is archived. Choose another one."
            )
        return environment


def _owner(who: Principal, agent_id: AgentId) -> UserId | None:
    return None if agent_id == DEFAULT_AGENT else who.user_id


def _need_owner(who: Principal) -> None:
    if who.user_id != LOCAL_USER:
        raise PermissionDeniedError("The defaults are the server's owner's. Create your own.")


def _keep_default(environment_id: EnvironmentId) -> None:
    if environment_id == DEFAULT_ENVIRONMENT:
        raise ConflictError("The default environment stays. Create one of your own.")
