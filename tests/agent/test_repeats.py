"""Calls that a cut turn has made to their end are answered from the log, and only once."""

from __future__ import annotations

from loopagent.agent.ports import DoneCall
from loopagent.agent.repeats import Repeats, told
from loopagent.domain.ids import EventId

DONE = DoneCall(
    event_id=EventId("sevt_1"), tool="Bash", tool_input={"command": "make"}, result="built"
)


def test_the_same_call_is_a_repeat_whoever_asks_about_it() -> None:
    repeats = Repeats([DONE])
    assert repeats.of("toolu_new", "Bash", {"command": "make"}) is DONE
    assert repeats.of("toolu_new", "Bash", {"command": "make"}) is DONE


def test_made_once_more_the_call_is_meant() -> None:
    repeats = Repeats([DONE])
    repeats.of("toolu_new", "Bash", {"command": "make"})
    assert repeats.of("toolu_newer", "Bash", {"command": "make"}) is None


def test_another_call_is_no_repeat() -> None:
    assert Repeats([DONE]).of("toolu_new", "Bash", {"command": "make test"}) is None


def test_after_the_turn_nothing_is_a_repeat() -> None:
    repeats = Repeats([DONE])
    repeats.clear()
    assert repeats.of("toolu_new", "Bash", {"command": "make"}) is None


def test_the_model_is_told_the_result_and_how_to_have_it_anew() -> None:
    assert "built" in told(DONE)
    assert "once more" in told(DONE)
