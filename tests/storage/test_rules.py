"""Rules are stored once, found for a session and for its agent, and go with their session."""

from __future__ import annotations

from dataclasses import replace

from loopagent.domain.ids import AgentId, SessionId, UserId, new_rule_id, new_session_id
from loopagent.domain.rules import Rule
from loopagent.storage import rules, sessions
from loopagent.storage.database import Database
from loopagent.storage.rules import StoredRule
from tests.storage.records import minute

ANN, BERT = UserId("user_ann"), UserId("user_bert")
AGENT = AgentId("agent_a")
SESSION, OTHER = new_session_id(), new_session_id()
LS = Rule(tool="Bash", kind="exact", subject="ls")


def stored(owner: UserId = ANN, rule: Rule = LS, at: int = 1) -> StoredRule:
    return StoredRule(id=new_rule_id(), owner=owner, rule=rule, created_at=minute(at))


async def put(database: Database, rule: StoredRule) -> None:
    await database.write(lambda conn: rules.put(conn, rule))


async def found(database: Database, session_id: SessionId = SESSION) -> list[StoredRule]:
    return await database.read(lambda conn: rules.of_session(conn, ANN, session_id, AGENT))


async def test_a_session_has_its_own_rules_and_those_of_its_agent(database: Database) -> None:
    own = replace(stored(), session_id=SESSION)
    wide = replace(stored(rule=Rule(tool="Write", kind="tool"), at=2), agent_id=AGENT)
    foreign = replace(stored(BERT), agent_id=AGENT)
    for rule in (wide, own, foreign):
        await put(database, rule)
    assert await found(database) == [own, wide]
    assert await found(database, OTHER) == [wide]


async def test_the_same_rule_is_stored_once(database: Database) -> None:
    for _ in range(2):
        await put(database, replace(stored(), session_id=SESSION))
    assert len(await found(database)) == 1


async def test_a_rule_goes_alone_or_with_its_session(database: Database) -> None:
    first = replace(stored(), session_id=SESSION)
    second = replace(stored(rule=Rule(tool="Write", kind="tool")), session_id=SESSION)
    await put(database, first)
    await put(database, second)
    await database.write(lambda conn: rules.remove(conn, first.id))
    assert await found(database) == [second]
    await database.write(lambda conn: sessions.erase(conn, SESSION))
    assert await found(database) == []
