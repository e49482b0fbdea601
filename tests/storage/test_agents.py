"""Agents with their versions, and environments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection

from loopagent.domain.agent import Agent, Environment
from loopagent.domain.ids import LOCAL_USER, UserId
from loopagent.errors import ConflictError, NotFoundError
from loopagent.storage import agents, environments
from loopagent.storage.agents import AgentQuery
from loopagent.storage.database import Database
from tests.storage.records import an_agent, an_environment, minute

OTHER = UserId("user_other")


async def add(database: Database, *new: Agent, owner: UserId = LOCAL_USER) -> None:
    def write(conn: Connection) -> None:
        for agent in new:
            agents.insert_agent(conn, agent, owner)

    await database.write(write)


async def add_environments(
    database: Database, *new: Environment, owner: UserId = LOCAL_USER
) -> None:
    def write(conn: Connection) -> None:
        for made in new:
            environments.insert_environment(conn, made, owner)

    await database.write(write)


T = TypeVar("T")
Page = Callable[[Connection, UserId, AgentQuery], tuple[list[T], str | None]]


async def listed(
    database: Database, page: Page[T], owner: UserId = LOCAL_USER, **asked: Any
) -> list[T]:
    """All pages, one behind the other."""

    def read(conn: Connection) -> list[T]:
        query = AgentQuery(**asked)
        found, cursor = page(conn, owner, query)
        while cursor is not None:
            more, cursor = page(conn, owner, replace(query, page=cursor))
            found.extend(more)
        return found

    return await database.read(read)


async def test_an_agent_keeps_all_its_versions(database: Database) -> None:
    first = an_agent(system="Be brief.")
    second = first.model_copy(update={"version": 2, "system": "Be long.", "updated_at": minute(1)})
    await add(database, first)
    await database.write(lambda conn: agents.add_version(conn, second))
    assert await database.read(lambda conn: agents.get(conn, first.id)) == second
    assert await database.read(lambda conn: agents.get(conn, first.id, 1)) == first
    assert await database.read(lambda conn: agents.versions(conn, first.id)) == [second, first]


async def test_a_version_is_stored_once(database: Database) -> None:
    first = an_agent()
    await add(database, first)
    with pytest.raises(ConflictError, match="Read it again"):
        await database.write(lambda conn: agents.add_version(conn, first))
    with pytest.raises(ConflictError, match="Read it again"):
        await add(database, first)


async def test_an_agent_is_found_by_its_owner_alone(database: Database) -> None:
    agent = an_agent()
    await add(database, agent)
    assert await database.read(lambda c: agents.get(c, agent.id, owner=LOCAL_USER)) == agent
    with pytest.raises(NotFoundError, match=f"{agent.id}\\."):
        await database.read(lambda conn: agents.get(conn, agent.id, owner=OTHER))
    with pytest.raises(NotFoundError, match="with version 7"):
        await database.read(lambda conn: agents.get(conn, agent.id, 7))


async def test_an_archived_agent_keeps_its_first_date_in_all_versions(database: Database) -> None:
    agent = an_agent()
    await add(database, agent)
    await database.write(lambda conn: agents.archive(conn, agent.id, minute(1)))
    await database.write(lambda conn: agents.archive(conn, agent.id, minute(2)))
    archived = await database.read(lambda conn: agents.get(conn, agent.id, 1))
    assert archived.archived_at == minute(1)
    assert await listed(database, agents.page) == []
    assert await listed(database, agents.page, include_archived=True) == [archived]


async def test_agents_are_listed_newest_first_in_pages(database: Database) -> None:
    new = [an_agent(created_at=minute(min(number, 3))) for number in range(5)]
    await add(database, *new)
    await add(database, an_agent(), owner=OTHER)
    newest_first = sorted(new, key=lambda agent: (agent.created_at, agent.id), reverse=True)
    assert await listed(database, agents.page, limit=2) == newest_first
    assert await listed(database, agents.page, created={"lt": minute(1)}) == [new[0]]


async def test_an_environment_can_be_changed_archived_and_removed(database: Database) -> None:
    made = an_environment()
    await add_environments(database, made)
    assert await database.read(lambda conn: environments.get(conn, made.id)) == made
    changed = made.model_copy(update={"name": "Other", "archived_at": minute(1)})
    await database.write(lambda conn: environments.save(conn, changed))
    assert await database.read(lambda c: environments.get(c, made.id, owner=LOCAL_USER)) == changed
    assert await listed(database, environments.page) == []
    assert await listed(database, environments.page, include_archived=True) == [changed]
    await database.write(lambda conn: environments.remove(conn, made.id))
    with pytest.raises(NotFoundError):
        await database.read(lambda conn: environments.get(conn, made.id))


async def test_an_environment_is_found_by_its_owner_alone(database: Database) -> None:
    made = an_environment()
    await add_environments(database, made)
    with pytest.raises(NotFoundError):
        await database.read(lambda conn: environments.get(conn, made.id, owner=OTHER))
    assert await listed(database, environments.page, OTHER) == []


async def test_environments_are_listed_newest_first_in_pages(database: Database) -> None:
    new = [an_environment(created_at=minute(min(number, 3))) for number in range(5)]
    await add_environments(database, *new)
    newest_first = sorted(new, key=lambda made: (made.created_at, made.id), reverse=True)
    assert await listed(database, environments.page, limit=2) == newest_first
    assert await listed(database, environments.page, created={"gte": minute(3)}) == newest_first[:2]
