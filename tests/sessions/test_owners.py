"""Every verb of the services, called by two people: neither sees or touches what is the other's."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from loopagent.auth.principal import Principal
from loopagent.domain import events as e
from loopagent.domain.agent import ModelChoice
from loopagent.domain.ids import AgentId, EnvironmentId, RuleId, SessionId, UserId, new_event_id
from loopagent.domain.rules import Rule
from loopagent.errors import NotFoundError, PermissionDeniedError
from loopagent.services import Services
from loopagent.sessions.agents import DEFAULT_AGENT, DEFAULT_ENVIRONMENT
from loopagent.storage.agents import AgentQuery
from loopagent.storage.sessions import SessionQuery
from tests.support.server import running_server

ANNA = Principal(UserId("user_anna"), "Anna")
BERT = Principal(UserId("user_bert"), "Bert")
YES = e.UserToolConfirmation(tool_use_id=new_event_id(), result="allow")
ANY = Rule(tool="Bash", kind="tool")
AGENT = {"name": "hers", "model": ModelChoice(id="m")}


@dataclass(frozen=True)
class Belongings:
    session: SessionId
    agent: AgentId
    environment: EnvironmentId


async def _seen(services: Services, who: Principal) -> tuple[list[Any], None]:
    return (await services.shelf.look(who, limit=9)).overviews, None


async def _found(services: Services, who: Principal) -> tuple[list[Any], None]:
    return (await services.shelf.search(who, "attic")).titled, None


Verb = Callable[[Services, Principal, Belongings], Awaitable[Any]]

# What each verb does with somebody's belongings.
FOREIGN: Mapping[str, Verb] = {
    "sessions.get": lambda s, who, of: s.sessions.get(who, of.session),
    "sessions.update": lambda s, who, of: s.sessions.update(who, of.session, title="x"),
    "sessions.send": lambda s, who, of: s.sessions.send(
        who, of.session, [e.UserMessage(content=[e.text_block("hello")])]
    ),
    "sessions.resume": lambda s, who, of: s.sessions.resume(who, of.session),
    "sessions.archive": lambda s, who, of: s.sessions.archive(who, of.session),
    "sessions.delete": lambda s, who, of: s.sessions.delete(who, of.session),
    "sessions.warm": lambda s, who, of: s.sessions.warm(who, of.session),
    "sessions.events": lambda s, who, of: s.sessions.events(who, of.session),
    "queue.list": lambda s, who, of: s.queue.list(who, of.session),
    "queue.edit": lambda s, who, of: s.queue.edit(
        who, of.session, new_event_id(), [e.text_block("x")]
    ),
    "queue.reorder": lambda s, who, of: s.queue.reorder(who, of.session, []),
    "queue.hurry": lambda s, who, of: s.queue.hurry(who, of.session, new_event_id(), "steer"),
    "queue.remove": lambda s, who, of: s.queue.remove(who, of.session, new_event_id()),
    "queue.clear": lambda s, who, of: s.queue.clear(who, of.session),
    "tasks.list": lambda s, who, of: s.tasks.list(who, of.session),
    "tasks.stop": lambda s, who, of: s.tasks.stop(who, of.session, "task"),
    "context.of": lambda s, who, of: s.context.of(who, of.session),
    "rules.list": lambda s, who, of: s.rules.list(who, of.session),
    "rules.allow": lambda s, who, of: s.rules.allow(who, of.session, YES, [ANY]),
    "rules.remove": lambda s, who, of: s.rules.remove(who, of.session, RuleId("rule_x")),
    "files.look": lambda s, who, of: s.files.look(who, of.session),
    "files.entry": lambda s, who, of: s.files.entry(who, of.session, "x"),
    "files.open": lambda s, who, of: s.files.open(who, of.session, "x"),
    "files.measure": lambda s, who, of: s.files.measure(who, of.session),
    "files.zip": lambda s, who, of: s.files.zip(who, of.session),
    "files.put": lambda s, who, of: s.files.put(who, of.session, "x", b"x"),
    "files.make_folder": lambda s, who, of: s.files.make_folder(who, of.session, "x"),
    "files.rename": lambda s, who, of: s.files.rename(who, of.session, "x", "y"),
    "files.delete": lambda s, who, of: s.files.delete(who, of.session, "x"),
    "checkpoints.look": lambda s, who, of: s.checkpoints.look(who, of.session),
    "checkpoints.compare": lambda s, who, of: s.checkpoints.compare(who, of.session, 0, 0),
    "checkpoints.patch": lambda s, who, of: s.checkpoints.patch(who, of.session, 0, 0),
    "checkpoints.rewind": lambda s, who, of: s.checkpoints.rewind(who, of.session, 0),
    "spending.bill": lambda s, who, of: s.spending.bill(who, of.session),
    "spending.set_budget": lambda s, who, of: s.spending.set_budget(who, of.session, None),
    "spending.raise_and_go_on": lambda s, who, of: s.spending.raise_and_go_on(who, of.session),
    "sessions.asks": lambda s, who, of: s.sessions.asks(who, of.session),
    "sessions.blob": lambda s, who, of: s.sessions.blob(who, of.session, new_event_id()),
    "sessions.create": lambda s, who, of: s.sessions.create(who, agent=of.agent),
    "shelf.pin": lambda s, who, of: s.shelf.pin(who, of.session, pinned=True),
    "shelf.unarchive": lambda s, who, of: s.shelf.unarchive(who, of.session),
    "shelf.trash": lambda s, who, of: s.shelf.trash(who, of.session),
    "shelf.restore": lambda s, who, of: s.shelf.restore(who, of.session),
    "shelf.erase": lambda s, who, of: s.shelf.erase(who, of.session),
    "agents.get": lambda s, who, of: s.agents.get(who, of.agent),
    "agents.versions": lambda s, who, of: s.agents.versions(who, of.agent),
    "agents.update": lambda s, who, of: s.agents.update(who, of.agent, {"name": "x"}),
    "agents.archive": lambda s, who, of: s.agents.archive(who, of.agent),
    "agents.usable": lambda s, who, of: s.agents.usable(who, of.agent),
    "environments.get": lambda s, who, of: s.environments.get(who, of.environment),
    "environments.update": lambda s, who, of: s.environments.update(
        who, of.environment, {"name": "x"}
    ),
    "environments.archive": lambda s, who, of: s.environments.archive(who, of.environment),
    "environments.delete": lambda s, who, of: s.environments.delete(who, of.environment),
    "environments.usable": lambda s, who, of: s.environments.usable(who, of.environment),
}
LISTS: Mapping[str, Verb] = {
    "sessions.list": lambda s, who, of: s.sessions.list(who, SessionQuery()),
    "shelf.look": lambda s, who, of: _seen(s, who),
    "shelf.search": lambda s, who, of: _found(s, who),
    "agents.list": lambda s, who, of: s.agents.list(who, AgentQuery()),
    "environments.list": lambda s, who, of: s.environments.list(who, AgentQuery()),
}
# They make something new, or are the server's own, at its start.
ELSE = {
    "spending.accounts",
    "spending.today",
    "halt.stop_all",
    "halt.resume_all",
    "shelf.pulse",
    "shelf.sweep",
    "spending.totals",
    "agents.create",
    "agents.ensure_default",
    "environments.create",
    "environments.ensure_default",
}


@pytest.fixture(scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    async with running_server(tmp_path_factory.mktemp("owners")) as server:
        yield server.services


@pytest.fixture(scope="module")
async def annas(services: Services) -> Belongings:
    agent = await services.agents.create(ANNA, AGENT)
    environment = await services.environments.create(ANNA, {"name": "hers"})
    session = await services.sessions.create(
        ANNA, agent=agent.id, environment_id=environment.id, title="her attic"
    )
    return Belongings(session.id, agent.id, environment.id)


async def test_every_verb_has_its_row(services: Services) -> None:
    verbs = {
        f"{room}.{name}"
        for room in (
            "sessions",
            "shelf",
            "queue",
            "tasks",
            "rules",
            "context",
            "halt",
            "spending",
            "files",
            "checkpoints",
            "agents",
            "environments",
        )
        for name, verb in inspect.getmembers(type(getattr(services, room)))
        if inspect.isfunction(verb) and not name.startswith("_")
    }
    assert verbs == FOREIGN.keys() | LISTS.keys() | ELSE


@pytest.mark.parametrize("verb", FOREIGN)
async def test_what_is_annas_is_not_there_for_bert(
    services: Services, annas: Belongings, verb: str
) -> None:
    with pytest.raises(NotFoundError):
        await FOREIGN[verb](services, BERT, annas)
    session = await services.sessions.get(ANNA, annas.session)
    assert (session.title, session.archived_at, session.status) == ("her attic", None, "idle")
    assert (await services.agents.get(ANNA, annas.agent)).version == 1
    assert (await services.environments.get(ANNA, annas.environment)).name == "hers"


@pytest.mark.parametrize("verb", LISTS)
async def test_lists_hold_ones_own_alone(services: Services, annas: Belongings, verb: str) -> None:
    assert len((await LISTS[verb](services, ANNA, annas))[0]) == 1
    assert (await LISTS[verb](services, BERT, annas))[0] == []


async def test_all_use_the_defaults_and_their_owner_alone_changes_them(services: Services) -> None:
    assert (await services.agents.usable(BERT, None)).id == DEFAULT_AGENT
    assert (await services.environments.usable(BERT, None)).id == DEFAULT_ENVIRONMENT
    with pytest.raises(PermissionDeniedError):
        await services.agents.update(BERT, DEFAULT_AGENT, {"name": "Bert's"})
    with pytest.raises(PermissionDeniedError):
        await services.environments.update(BERT, DEFAULT_ENVIRONMENT, {"name": "Bert's"})


async def test_one_stops_ones_own_sessions_alone(services: Services, annas: Belongings) -> None:
    started = e.TaskStarted(task_id="t", kind="local_bash", description="a job")
    await services.log.append(annas.session, [started])
    assert await services.halt.stop_all(BERT) == []
    assert (await services.sessions.get(ANNA, annas.session)).held is None
    assert await services.halt.stop_all(ANNA) == [annas.session]
    assert (await services.sessions.get(ANNA, annas.session)).held == "queue"
    assert await services.halt.resume_all(BERT) == []
    assert await services.halt.resume_all(ANNA) == [annas.session]
    assert (await services.sessions.get(ANNA, annas.session)).held is None
