"""What is allowed always is asked no more: in this process, in a later one, after a restart."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from loopagent.auth.principal import Principal
from loopagent.domain import events as e
from loopagent.domain.agent import PermissionPolicy, ToolDefaults, Toolset
from loopagent.domain.ids import SessionId, UserId, new_event_id
from loopagent.domain.rules import Rule
from loopagent.errors import AlreadyAnsweredError, InvalidRequestError, NotFoundError
from loopagent.services import Services
from loopagent.storage.asks import Ask
from tests.support.server import running_server

pytestmark = pytest.mark.slow

ANN = Principal(UserId("user_ann"), "Ann")
ASKS = Toolset(
    type="agent_toolset_20260401",
    default_config=ToolDefaults(permission_policy=PermissionPolicy(type="always_ask")),
)
ECHO = Rule(tool="Bash", kind="prefix", subject="echo")
PROMPT = '[[tool: Bash {"command":"echo %s"}]] [[text: done]]'


def bash(word: str) -> e.UserMessage:
    return e.UserMessage(content=[e.text_block(PROMPT % word)])


def yes(ask: Ask) -> e.UserToolConfirmation:
    return e.UserToolConfirmation(tool_use_id=ask.event_id, result="allow")


async def begun(services: Services, word: str = "one") -> SessionId:
    session = await services.sessions.create(
        ANN, overrides={"tools": [ASKS]}, messages=[bash(word)]
    )
    return session.id


async def asked(services: Services, session_id: SessionId) -> Ask | None:
    """The ask that the turn under way comes to; None if it ends without one."""
    with anyio.fail_after(30):
        while True:
            session = await services.sessions.get(ANN, session_id)
            found = await services.sessions.asks(ANN, session_id)
            if found or (session.status == "idle" and not session.asks):
                return found[0] if found else None
            await anyio.sleep(0.05)


async def test_a_rule_holds_at_once_and_after_a_restart(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        services = server.services
        session_id = await begun(services)
        ask = await asked(services, session_id)
        assert ask is not None
        await services.rules.allow(ANN, session_id, yes(ask), [ECHO])
        assert await asked(services, session_id) is None
        await services.sessions.send(ANN, session_id, [bash("two")])
        assert await asked(services, session_id) is None
        with pytest.raises(AlreadyAnsweredError):
            await services.rules.allow(ANN, session_id, yes(ask), [ECHO])
    async with running_server(tmp_path) as server:
        services = server.services
        await services.sessions.send(ANN, session_id, [bash("three")])
        assert await asked(services, session_id) is None
        other = await begun(services)
        assert await asked(services, other) is not None

        (stored,) = await services.rules.list(ANN, session_id)
        await services.rules.remove(ANN, session_id, stored.id)
        with pytest.raises(NotFoundError):
            await services.rules.remove(ANN, session_id, stored.id)
        await services.sessions.send(ANN, session_id, [bash("four")])
        assert await asked(services, session_id) is not None


async def test_a_rule_of_an_agent_holds_in_its_other_sessions(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        services = server.services
        session_id = await begun(services)
        ask = await asked(services, session_id)
        assert ask is not None
        await services.rules.allow(ANN, session_id, yes(ask), [ECHO], "agent")
        assert await asked(services, session_id) is None
        other = await begun(services)
        assert await asked(services, other) is None
        await services.sessions.delete(ANN, session_id)
        assert [stored.rule for stored in await services.rules.list(ANN, other)] == [ECHO]


async def test_a_question_to_the_person_is_always_asked(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        session = await server.services.sessions.create(ANN)
        answer = e.UserToolConfirmation(tool_use_id=new_event_id(), result="allow")
        rule = Rule(tool="AskUserQuestion", kind="tool")
        with pytest.raises(InvalidRequestError):
            await server.services.rules.allow(ANN, session.id, answer, [rule])
