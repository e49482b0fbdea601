"""Chaos finds what is broken, draws the same from the same seed, and finds nothing in us."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from loopagent.cli.chaos.disk import Remains
from loopagent.cli.chaos.invariants import Story, violations
from loopagent.cli.chaos.killer import Strike
from loopagent.cli.chaos.plan import Message, SessionPlan, make_round
from loopagent.cli.chaos.timing import recoveries
from loopagent.domain.agent import Agent, ModelChoice
from loopagent.domain.ids import LOCAL_USER, AgentId, EnvironmentId, new_session_id
from loopagent.domain.session import Session

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
Row = dict[str, Any]


def test_the_same_seed_draws_the_same_round_and_another_one_another() -> None:
    assert make_round("a", 1, 60, 4) == make_round("a", 1, 60, 4)
    assert make_round("a", 1, 60, 4) != make_round("b", 1, 60, 4)
    assert make_round("a", 1, 60, 4) != make_round("a", 2, 60, 4)


def test_a_round_holds_every_kind_of_blow_sooner_or_later() -> None:
    kinds = {blow.kind for number in range(20) for blow in make_round("a", number, 60, 1).blows}
    assert len(kinds) == 6


# -- a sound story, and what each break of it is called ------------------------------------------


def row(kind: str, **fields: Any) -> Row:
    return {"type": kind, **fields}


def text(*said: str) -> list[Row]:
    return [{"type": "text", "text": part} for part in said]


def idle(reason: str = "end_turn") -> Row:
    return row("session.status_idle", stop_reason={"type": reason})


def sound_rows() -> list[Row]:
    call = row("agent.tool_use", id="call", name="bash", input={"command": "echo r1s0m0 >> l"})
    return [
        row("user.message", id="m0", content=text("r1s0m0: do it")),
        row("session.status_running"),
        call,
        row("agent.tool_result", tool_use_id="call", is_error=False, content=[]),
        row("agent.message", content=text("done r1s0m0.")),
        idle(),
        row("user.message", id="end", content=text("[[recall]]")),
        row("agent.message", content=text("1. r1s0m0: do it, done r1s0m0.")),
        idle(),
    ]


def bodies(rows: Sequence[Row]) -> tuple[str, ...]:
    moment = MOMENT.isoformat()
    numbered = [
        {"id": f"e{seq}", "seq": seq, "processed_at": moment} | row
        for seq, row in enumerate(rows, 1)
    ]
    return tuple(json.dumps(row) for row in numbered)


def session() -> Session:
    agent = Agent(
        id=AgentId("a"),
        name="a",
        model=ModelChoice(id="m"),
        created_at=MOMENT,
        updated_at=MOMENT,
    )
    made = Session(
        id=new_session_id(),
        owner=LOCAL_USER,
        agent=agent,
        environment_id=EnvironmentId("e"),
        created_at=MOMENT,
        updated_at=MOMENT,
        sdk_session_id="s",
    )
    return replace(made, stop_reason=None)


def story(rows: Sequence[Row], **changes: Any) -> Story:
    message = Message(
        id="m0",
        marker="r1s0m0",
        text="r1s0m0: do it",
        lines=("r1s0m0",),
        pause=0,
        patience=0,
        copies=1,
        interrupt_after=None,
    )
    plan = SessionPlan(name="r1s0", asks=False, messages=(message,), viewers=())
    log = bodies(rows)
    kept = json.loads(json.dumps({"type": "end_turn"}))
    resting = replace(session(), stop_reason=kept)
    remains = Remains(
        bodies=log, stored=resting, folded=resting, open_asks=(), queued=0, ledger=("r1s0m0",)
    )
    told = Story(
        plan=plan,
        remains=replace(remains, **changes.pop("remains", {})),
        accepted=("m0", "end"),
        viewers={"one": log},
        closing="end",
    )
    return replace(told, **changes)


def test_a_sound_story_has_no_violation() -> None:
    assert list(violations(story(sound_rows()))) == []


def swap(rows: list[Row]) -> None:
    rows[4]["id"] = "call"


def answer_twice(rows: list[Row]) -> None:
    rows.insert(5, row("agent.message", content=text("done r1s0m0.")))


def answer_late(rows: list[Row]) -> None:
    late = row("agent.message", content=text("done r1s0m0."))
    rows[6:6] = [row("user.message", id="m1", content=text("more")), late, idle()]


def record_lost(rows: list[Row]) -> None:
    rows.insert(7, row("session.error", error={"type": "record_lost_error"}))


def no_answer(rows: list[Row]) -> None:
    del rows[4]


def no_end(rows: list[Row]) -> None:
    del rows[5]


def no_result(rows: list[Row]) -> None:
    del rows[3]


def run_again(rows: list[Row]) -> None:
    again = dict(rows[2], id="again")
    rows[4:4] = [again, dict(rows[3], tool_use_id="again")]


def nobody_interrupted(rows: list[Row]) -> None:
    rows[5] = idle("interrupted")


def interrupt_was_lost(rows: list[Row]) -> None:
    rows.insert(2, row("user.interrupt"))


def given_up_early(rows: list[Row]) -> None:
    rows[5] = idle("retries_exhausted")


def forgotten(rows: list[Row]) -> None:
    rows[7]["content"] = text("Nothing was asked before this.")


def remembered_twice(rows: list[Row]) -> None:
    rows[7]["content"] = text("1. r1s0m0: do it\n2. r1s0m0: do it")


def confirmed_twice(rows: list[Row]) -> None:
    rows[3:3] = [row("user.tool_confirmation", tool_use_id="call")] * 2


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (swap, "event call is in the log 2 times"),
        (answer_twice, "answered 2 times"),
        (answer_late, "m0 was answered in the turn of m1"),
        (record_lost, "own record was lost"),
        (no_answer, "answered 0 times"),
        (no_end, "ended 0 times"),
        (no_result, "has 0 results"),
        (run_again, "was run again"),
        (nobody_interrupted, "interrupted by nobody"),
        (interrupt_was_lost, "although it was interrupted"),
        (given_up_early, "given up after 0 new starts"),
        (forgotten, "does not remember"),
        (remembered_twice, "got r1s0m0 2 times"),
        (confirmed_twice, "was answered 2 times"),
    ],
)
def test_each_break_in_the_log_is_found(spoil: Callable[[list[Row]], None], told: str) -> None:
    rows = sound_rows()
    spoil(rows)
    assert any(told in found for found in violations(story(rows)))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"viewers": {"one": bodies(sound_rows())[:-1]}}, "saw 8 of 9 rows"),
        ({"viewers": {"one": bodies(sound_rows()[1:])}}, "saw another row 1"),
        ({"accepted": ("m0", "m1", "end")}, "accepted messages are lost: m1"),
        ({"accepted": ("end", "m0")}, "in another order"),
        ({"remains": {"ledger": ()}}, "but it did not"),
        ({"remains": {"ledger": ("r1s0m0",) * 2}}, "ran 2 times in 1 starts"),
        ({"remains": {"queued": 1}}, "1 messages are queued"),
        ({"remains": {"open_asks": ("call",)}}, "open asks"),
        ({"remains": {"folded": session()}}, "differs from the fold of its log in: "),
    ],
)
def test_each_break_outside_the_log_is_found(changes: dict[str, Any], told: str) -> None:
    assert any(told in found for found in violations(story(sound_rows(), **changes)))


def test_recovery_is_timed_only_for_a_session_that_was_at_work() -> None:
    def at(second: int, kind: str) -> str:
        return json.dumps({"type": kind, "processed_at": f"2026-01-01T00:00:{second:02}+00:00"})

    log = [
        at(0, "session.status_running"),
        at(4, "session.status_rescheduled"),
        at(5, "session.status_running"),
        at(6, "session.status_idle"),
    ]
    strike = Strike(kind="kill server", at=datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC))
    assert list(recoveries(strike, log)) == [3.0]
    assert list(recoveries(replace(strike, at=MOMENT.replace(second=8)), log)) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_minutes_of_chaos_find_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "loopagent", "chaos", "--minutes", "2", "--seed", "delta"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == [], "what was sound is removed"
