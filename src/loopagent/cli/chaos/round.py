"""One round: sessions at work under blows, then calm, then the reckoning."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest

import anyio
import httpx

from loopagent.cli.chaos import author
from loopagent.cli.chaos.disk import Remains, database_fault, read_remains
from loopagent.cli.chaos.invariants import Story, violations
from loopagent.cli.chaos.killer import Killer, Strike
from loopagent.cli.chaos.plan import RoundPlan, SessionPlan, drawn
from loopagent.cli.chaos.requests import post
from loopagent.cli.chaos.server import ServerUnderTest
from loopagent.cli.chaos.timing import recoveries
from loopagent.cli.chaos.viewer import Viewer
from loopagent.cli.chaos.watch import Watch
from loopagent.cli.connection import checked
from loopagent.errors import UnavailableError

_REST_WITHIN = 120.0
_GONE_WITHIN = 10.0
_CAUGHT_UP_WITHIN = 20.0
_START_WITHIN = 60.0
_ROUND_LONGER = 400.0  # seconds for restarts under way and the calm after the last blow


@dataclass(kw_only=True)
class Outcome:
    """What a round came to. violations: lines that say what is wrong, and where."""

    violations: list[str] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    at_work: dict[str, list[float]] = field(default_factory=dict)
    sessions: int = 0
    prompts: int = 0
    events: int = 0
    visits: int = 0
    ends: Counter[str] = field(default_factory=Counter)


class Round:
    """Runs one plan on a server that serves already, and ends that server."""

    def __init__(self, plan: RoundPlan, server: ServerUnderTest) -> None:
        self._plan = plan
        self._server = server
        self._watches: list[Watch] = []
        self._viewers: dict[str, list[Viewer]] = {}

    async def run(self) -> Outcome:
        """The round's outcome; trouble with the server itself is a violation, too."""
        outcome = Outcome()
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=self._server.url, timeout=httpx.Timeout(30, read=25), limits=limits
        ) as client:
            for session in self._plan.sessions:
                self._watches.append(Watch(session, await _create(client, session)))
            killer = Killer(self._server, self._watches)
            try:
                with anyio.fail_after(self._plan.seconds + _ROUND_LONGER):
                    await self._play(client, killer, outcome)
            except* UnavailableError as errors:
                outcome.violations += map(str, errors.exceptions)
            except* TimeoutError:
                outcome.violations.append("the round did not come to its end: requests hang")
        outcome.violations += killer.problems
        outcome.strikes = killer.strikes
        await self._reckon(killer, outcome)
        return outcome

    async def _play(self, client: httpx.AsyncClient, killer: Killer, outcome: Outcome) -> None:
        async with anyio.create_task_group() as following:
            for watch in self._watches:
                self._viewers[watch.session_id] = [
                    Viewer(watch, client, seed.rpartition("/")[2].replace(" ", ""), drawn(seed))
                    for seed in watch.plan.viewers
                ]
            for viewer in self._all_viewers():
                following.start_soon(viewer.follow, following)
            async with anyio.create_task_group() as acting:
                for watch in self._watches:
                    acting.start_soon(author.write, watch, client, acting)
                acting.start_soon(killer.run, self._plan.blows, self._all_viewers())
            await self._calm(client, outcome)
            following.cancel_scope.cancel()

    def _all_viewers(self) -> list[Viewer]:
        return [viewer for viewers in self._viewers.values() for viewer in viewers]

    async def _calm(self, client: httpx.AsyncClient, outcome: Outcome) -> None:
        """No more blows: everything comes to rest, and the model says what it remembers."""
        for viewer in self._all_viewers():
            viewer.stays = True
        deadline = time.monotonic() + _REST_WITHIN
        await self._rest(deadline, outcome)
        async with anyio.create_task_group() as closing:
            for watch in self._watches:
                recall = (_closing_id(watch), "[[recall]]")
                closing.start_soon(author.send, watch, client, *recall)
        await self._rest(deadline, outcome)
        for watch in self._watches:
            viewers = self._viewers[watch.session_id]
            await watch.until(partial(_caught_up, watch, viewers), _CAUGHT_UP_WITHIN)

    async def _rest(self, deadline: float, outcome: Outcome) -> None:
        async with anyio.create_task_group() as waiting:
            for watch in self._watches:
                waiting.start_soon(self._rest_of, watch, deadline, outcome)

    async def _rest_of(self, watch: Watch, deadline: float, outcome: Outcome) -> None:
        """Until a session is at rest, its open asks are allowed one by one."""
        answerer = self._viewers[watch.session_id][0]
        while not watch.is_at_rest:
            if time.monotonic() > deadline:
                outcome.violations.append(
                    f"{_name(watch)}: not at rest {_REST_WITHIN:.0f} s after the last blow: "
                    f"{watch.status}, row {len(watch.rows)}, asks {list(watch.asks)}"
                )
                return
            if watch.status == "requires_action":
                for ask in list(watch.asks):
                    await answerer.answer(ask, allow=True)
            await watch.until(lambda: watch.is_at_rest, 0.3)

    # -- the reckoning ----------------------------------------------------------------------

    async def _reckon(self, killer: Killer, outcome: Outcome) -> None:
        """End the server, then look at what is left."""
        try:
            code = await self._server.end()
            if code != 0:
                outcome.violations.append(f"the server ended with code {code} after SIGTERM")
        except UnavailableError as error:
            outcome.violations.append(error.message)
        left = await _left_after(killer, _GONE_WITHIN)
        outcome.violations += [f"process {pid} of {session} is left" for pid, session in left]
        fault = await anyio.to_thread.run_sync(database_fault, self._server)
        if fault is not None:
            outcome.violations.append(f"the database is not sound: {fault}")
        remains = await read_remains(self._server, [watch.session_id for watch in self._watches])
        for watch, left_of in zip(self._watches, remains, strict=True):
            self._judge(watch, left_of, outcome)

    def _judge(self, watch: Watch, remains: Remains, outcome: Outcome) -> None:
        viewers = self._viewers[watch.session_id]
        story = Story(
            plan=watch.plan,
            remains=remains,
            accepted=watch.accepted,
            viewers={viewer.name: viewer.rows for viewer in viewers},
            closing=_closing_id(watch),
        )
        found = [*watch.problems, *violations(story)]
        outcome.violations += [f"{_name(watch)}: {text}" for text in found]
        outcome.sessions += 1
        outcome.prompts += len(watch.accepted)
        outcome.events += len(remains.bodies)
        outcome.visits += sum(viewer.visits for viewer in viewers)
        strikes = [
            strike
            for strike in outcome.strikes
            if strike.session in {None, watch.session_id} and strike.kind != "cut connections"
        ]
        for strike, following in zip_longest(strikes, strikes[1:]):
            times = outcome.at_work.setdefault(strike.kind, [])
            times += recoveries(strike, remains.bodies, following.at if following else None)


def _caught_up(watch: Watch, viewers: Sequence[Viewer]) -> bool:
    return all(len(viewer.rows) == len(watch.rows) for viewer in viewers)


async def _left_after(killer: Killer, seconds: float) -> Sequence[tuple[int, str]]:
    deadline = time.monotonic() + seconds
    while left := await anyio.to_thread.run_sync(killer.of_round):
        if time.monotonic() > deadline:
            return left
        await anyio.sleep(0.1)
    return []


async def _create(client: httpx.AsyncClient, plan: SessionPlan) -> str:
    policy = "always_ask" if plan.asks else "always_allow"
    tools = {
        "type": "agent_toolset_20260401",
        "configs": [
            {"name": "bash", "permission_policy": {"type": policy}},
            {"name": "agent", "enabled": True},
        ],
    }
    agent = {"type": "agent_with_overrides", "id": "agent_default", "tools": [tools]}
    with anyio.fail_after(_START_WITHIN):
        answer = await post(client, "/v1/sessions", {"agent": agent})
    return str(checked(answer).json()["id"])


def _closing_id(watch: Watch) -> str:
    return f"{watch.plan.messages[0].id}_recall"


def _name(watch: Watch) -> str:
    return f"{watch.plan.name} ({watch.session_id})"
