"""What sessions cost, to the micro-dollar, with the real command line program of the SDK."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journeys.test_session import (
    assert_sound,
    create,
    events,
    last_reason,
    message,
    send,
    status,
)
from tests.support.process import ServerProcess, processes_of, server_process, until
from tests.support.stream import text_of

pytestmark = pytest.mark.slow

# Micro-dollars per token of claude-sonnet-5-5.
IN, OUT, READ, WRITE = 2, 10, 0.1, 2.5
READ_TOOL = '[[tool: Read {"file_path":"a"}]]'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path) as running:
        yield running


@pytest.fixture
def poor(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server where a session may cost five cents."""
    with server_process(tmp_path, LOOP_AGENT_BUDGET_SESSION="0.05") as running:
        yield running


def bill(client: httpx.Client, session: str) -> dict[str, Any]:
    answer = client.get(f"/v1/sessions/{session}/usage")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def start(client: httpx.Client, session: str, prompt: str) -> None:
    client.post(f"/v1/sessions/{session}/events", json={"events": [message(prompt)]})


def micro(amount: Any) -> int:
    return round(float(amount["amount"] if isinstance(amount, dict) else amount) * 1_000_000)


def test_a_turns_cost_is_exact_and_both_accounts_agree(server: ServerProcess) -> None:
    first = f"[[usage: in=1000 out=500 cache_read=2000 cache_write=100]] {READ_TOOL}"
    with server.client() as client:
        session = create(client)
        send(client, session, f"{first} [[usage: in=7 out=3]] [[text: done]]")
        send(client, session, "[[usage: in=50 out=5]] [[text: again]]")
        found = bill(client, session)
        rows = client.get("/api/usage", params={"by": "session"}).json()["data"]
        table = client.get("/api/usage", params={"by": "day,model", "format": "csv"})
    costs = [
        1000 * IN + 500 * OUT + 2000 * READ + 100 * WRITE + 7 * IN + 3 * OUT,
        50 * IN + 5 * OUT,
    ]
    assert [micro(turn["list_cost"]) for turn in reversed(found["turns"])] == costs
    assert [micro(turn["reported_cost"]) for turn in reversed(found["turns"])] == costs
    assert micro(found["list_cost"]) == micro(found["usage"]["cost_usd"]) == sum(costs)
    assert not found["differs"]
    assert (found["usage"]["input_tokens"], found["usage"]["requests"]) == (1057, 3)
    assert [(row["session"], micro(row["cost_usd"])) for row in rows] == [(session, sum(costs))]
    (line,) = csv.DictReader(io.StringIO(table.text))
    assert (line["model"], line["output_tokens"]) == ("claude-sonnet-5-5", "508")
    assert table.headers["content-disposition"].startswith("attachment")


def test_sub_agents_beside_each_other_are_paid_by_their_session(server: ServerProcess) -> None:
    task = {"description": "d", "run_in_background": False}
    calls = [
        {"name": "Agent", "input": {**task, "prompt": f"[[usage: in={n} out={n}]] [[text: {n}]]"}}
        for n in (100, 200)
    ]
    enabled = {"configs": [{"name": "agent", "enabled": True}]}
    toolset = {"type": "agent_toolset_20260401", "loop": enabled}
    with server.client() as client:
        agent = client.post(
            "/v1/agents",
            json={"name": "Lead", "model": "claude-sonnet-5-5", "tools": [toolset]},
        ).json()["id"]
        session = create(client, agent=agent)
        prompt = f"[[usage: in=10 out=10]] [[tools: {json.dumps(calls)}]]"
        got = send(client, session, f"{prompt} [[usage: in=1 out=1]] [[text: both done]]")
        found = bill(client, session)
    assert got[-1].data["stop_reason"]["type"] == "end_turn"
    assert micro(found["list_cost"]) == (10 + 100 + 200 + 1) * (IN + OUT)
    assert not found["differs"]
    assert found["usage"]["requests"] == 4


def test_an_interrupted_answer_costs_what_came_and_the_difference_is_told(
    server: ServerProcess,
) -> None:
    with server.client() as client:
        session = create(client)
        start(client, session, "[[usage: in=1000 out=9000]] [[stream: 2000 @ 100]]")
        until(lambda: rows_of(client, session))
        until(lambda: status(client, session)["status"] == "running")
        client.post(f"/api/sessions/{session}/interrupt")
        until(lambda: last_reason(client, session) == "interrupted")
        found = bill(client, session)
    cost = micro(found["list_cost"])
    assert 1000 * IN <= cost < 1000 * IN + 9000 * OUT
    assert found["models"][0]["estimated_requests"] == 1


def rows_of(client: httpx.Client, session: str) -> list[Any]:
    models: list[Any] = bill(client, session)["models"]
    return models


def test_killed_in_mid_turn_nothing_that_was_spent_is_forgotten(server: ServerProcess) -> None:
    with server.client() as client:
        session = create(client)
        prompt = f"[[usage: in=3000 out=30]] {READ_TOOL} [[usage: in=500 out=50]]"
        start(client, session, f"{prompt} [[stream: 100 @ 50]]")
        until(lambda: rows_of(client, session) and rows_of(client, session)[0]["requests"] == 2)
    server.kill()
    until(lambda: not processes_of(server.workspaces), 10)
    server.start()
    with server.client() as client:
        until(lambda: last_reason(client, session) == "end_turn", 20)
        found = bill(client, session)
        assert_sound(events(client, session))
    first, cut, again = 3000 * IN + 30 * OUT, 500 * IN, 500 * IN + 50 * OUT
    assert found["usage"]["requests"] == 3
    assert first + cut + again <= micro(found["list_cost"]) <= first + 2 * again
    assert micro(found["usage"]["cost_usd"]) == micro(found["list_cost"])
    assert found["differs"], "the agent program forgets what it spent before the kill"


def test_a_spent_budget_stops_the_turn_in_its_middle_and_a_raise_lets_it_go_on(
    poor: ServerProcess,
) -> None:
    script = f"[[usage: in=1000 out=4900]] {READ_TOOL} [[usage: in=10 out=1]] [[text: the end]]"
    with poor.client() as client:
        session = create(client)
        got = send(client, session, script)
        reason = got[-1].data["stop_reason"]
        assert reason["type"] == "budget_reached"
        assert reason["loop"] == {"scope": "session", "spent_usd": "0.051", "limit_usd": "0.05"}
        assert "session.error" not in {frame.event for frame in got}
        assert send(client, session, "[[text: no]]")[-1].data["stop_reason"]["type"] == (
            "budget_reached"
        ), "a new message does not get around it"

        refused = client.post(
            f"/v1/sessions/{session}/raise", json={"max_list_cost": {"amount": "0.05"}}
        )
        assert refused.status_code == 400
        raised = client.post(f"/v1/sessions/{session}/raise")
        assert raised.status_code == 200, raised.text
        assert raised.json()["budget"]["max_list_cost"]["amount"] == "0.11"
        until(lambda: last_reason(client, session) == "end_turn")
        assert client.post(f"/v1/sessions/{session}/raise").status_code == 409
        listed = events(client, session)
        assert_sound(listed)
        found = bill(client, session)
    assert found["turns"][0]["stop_reason"] == "end_turn"
    assert not found["differs"]


def test_a_cut_turn_goes_on_where_it_was_after_the_raise(poor: ServerProcess) -> None:
    script = f"[[usage: in=1000 out=4900]] {READ_TOOL} [[usage: in=10 out=1]] [[text: the end]]"
    with poor.client() as client:
        session = create(client)
        send(client, session, script)
        client.post(f"/v1/sessions/{session}/raise")
        until(lambda: last_reason(client, session) == "end_turn")
        listed = events(client, session)
    assert [event["type"] for event in listed].count("agent.tool_use") == 1
    assert text_of(listed) == "the end"


def test_near_its_limit_the_session_is_warned_once(poor: ServerProcess) -> None:
    with poor.client() as client:
        session = create(client)
        send(client, session, "[[usage: in=1000 out=3900]] [[text: most of it]]")
        send(client, session, "[[usage: in=1 out=1]] [[text: a little]]")
        until(lambda: warnings(client, session))
        send(client, session, "[[usage: in=1 out=1]] [[text: a little]]")
        (warning,) = warnings(client, session)
    assert warning["loop"]["budget"]["limit_usd"] == "0.05"
    assert micro(warning["loop"]["budget"]["spent_usd"]) == 41_000


def warnings(client: httpx.Client, session: str) -> list[dict[str, Any]]:
    return [event for event in events(client, session) if event["type"] == "session.usage"]


def test_messages_that_wait_are_not_spent_on_an_empty_purse(poor: ServerProcess) -> None:
    with poor.client() as client:
        session = create(client)
        start(client, session, f"[[usage: in=1 out=6000]] [[wait: 1]] {READ_TOOL} [[text: one]]")
        start(client, session, "[[text: two]]")
        until(lambda: last_reason(client, session) == "budget_reached")
        queued = client.get(f"/v1/sessions/{session}/queue").json()["data"]
        assert len(queued) == 1
        client.post(f"/v1/sessions/{session}/raise", json={"max_list_cost": {"amount": 1}})
        until(lambda: "two" in text_of(events(client, session)))
        until(lambda: last_reason(client, session) == "end_turn")
        assert client.get(f"/v1/sessions/{session}/queue").json()["data"] == []
    assert text_of(events_after(poor, session)) == "onetwo"


def events_after(server: ServerProcess, session: str) -> list[dict[str, Any]]:
    with server.client() as client:
        return events(client, session)


def test_a_turn_may_ask_the_model_only_so_often(server: ServerProcess) -> None:
    with server.client() as client:
        agent = {"type": "agent_with_overrides", "id": "agent_default", "max_turns": 2}
        session = create(client, agent=agent)
        assert status(client, session)["agent"]["max_turns"] == 2
        got = send(client, session, f"{READ_TOOL} {READ_TOOL} {READ_TOOL} [[text: never]]")
    assert [f.data["error"]["type"] for f in got if f.event == "session.error"] == [
        "max_turns_error"
    ]


@pytest.mark.parametrize(("name", "scope"), [("TURN", "turn"), ("USER", "user"), ("DAY", "day")])
def test_every_kind_of_budget_stops_a_turn_and_lets_it_go_on(
    tmp_path: Path, name: str, scope: str
) -> None:
    script = f"[[usage: in=1000 out=4900]] {READ_TOOL} [[usage: in=10 out=1]] [[text: the end]]"
    settings = {f"LOOP_AGENT_BUDGET_{name}": "0.05"}
    with server_process(tmp_path, **settings) as server, server.client() as client:
        session = create(client)
        got = send(client, session, script)
        reason = got[-1].data["stop_reason"]
        assert (reason["type"], reason["loop"]["scope"]) == ("budget_reached", scope)
        (budget,) = bill(client, session)["budgets"]
        assert (budget["scope"], micro(budget["spent"])) == (scope, 51_000)
        assert client.post(f"/v1/sessions/{session}/raise").status_code == 200
        until(lambda: last_reason(client, session) == "end_turn")
        assert text_of(events(client, session)) == "the end"
        (after,) = bill(client, session)["budgets"]
    assert micro(after["limit"]) == (50_000 if scope == "turn" else 110_000)


def test_a_budget_given_with_the_session_counts_before_the_servers(poor: ServerProcess) -> None:
    limit = {"type": "limit", "max_list_cost": {"amount": "1.5", "currency": "USD"}}
    with poor.client() as client:
        made = client.post("/v1/sessions", json={"budget": limit}).json()
        assert made["budget"] == {
            "type": "limit",
            "max_list_cost": {"amount": "1.50", "currency": "USD"},
        }
        got = send(client, made["id"], f"[[usage: in=1 out=9000]] {READ_TOOL} [[text: done]]")
        assert got[-1].data["stop_reason"]["type"] == "end_turn"
        changed = client.post(f"/v1/sessions/{made['id']}", json={"budget": None}).json()
        assert changed["budget"] is None
        got = send(client, made["id"], "[[text: no more]]")
        assert got[-1].data["stop_reason"]["type"] == "budget_reached"
