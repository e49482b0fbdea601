"""Directives in a prompt, and the rounds that they fall into."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopagent.scripted.directives import build, find
from loopagent.scripted.request import Conversation
from loopagent.scripted.script import (
    Cut,
    Pause,
    Round,
    Status,
    StreamError,
    Text,
    ToolCall,
    Usage,
    split_rounds,
)
from loopagent.scripted.steps import NAMES, StepError
from loopagent.scripted.stream import pieces

CLOSING = Text(text="Done.")


def steps(prompt: str, conversation: Conversation | None = None) -> list[Any]:
    return list(build(find(prompt), conversation or Conversation()))


def rounds(prompt: str) -> tuple[Round, ...]:
    return split_rounds(steps(prompt), CLOSING)


def test_directives_are_found_in_order_among_other_words() -> None:
    assert steps("please [[think: hm]] and then [[text: hello world]], thanks") == [
        Text(text="hm", kind="thinking"),
        Text(text="hello world"),
    ]


def test_other_double_brackets_are_not_directives() -> None:
    assert find("if [[ -f x ]]; then echo [[wiki link]] [[nosuch: 3]]; fi") == []


def test_a_nested_directive_belongs_to_the_sub_agents_prompt() -> None:
    (call,) = steps("[[agent: look [[tool: Bash {}]] [[text: below]] ]]")
    assert call.name == "Agent"
    assert call.input["prompt"] == "look [[tool: Bash {}]] [[text: below]]"
    assert call.input["run_in_background"] is False


def test_the_agent_tool_is_called_by_the_name_that_the_request_offers() -> None:
    old = Conversation(tools=frozenset({"Task"}))
    assert steps("[[agent: x]]", old)[0].name == "Task"


def test_brackets_inside_a_tools_input_do_not_end_it() -> None:
    (call,) = steps('[[tool: Bash {"command":"[[ -f a ]] && echo ]] [[ b[0]"}]]')
    assert call.input == {"command": "[[ -f a ]] && echo ]] [[ b[0]"}
    (listed,) = steps('[[tools: [{"name":"X","input":{"a":[[1]]}}]]]')
    assert listed == ToolCall(name="X", input={"a": [[1]]})


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("[[text: a[0]]]", "a[0]"),
        ("[[text: see [[1]] ]]", "see [[1]]"),
        ("[[text: never closed", "never closed"),
        ("[[text: two\nlines]]", "two\nlines"),
        ("[[ text : spaced ]]", "spaced"),
    ],
)
def test_text_may_hold_brackets(prompt: str, text: str) -> None:
    assert [step.text for step in steps(prompt)] == [text]


def test_a_stream_has_as_many_numbered_words_as_were_asked_for() -> None:
    (step,) = steps("[[stream: 400 @ 50]]")
    assert step.pace == 50
    assert step.text.split() == [f"w{number}" for number in range(400)]


def test_pace_holds_for_what_follows() -> None:
    assert [step.pace for step in steps("[[text: a]] [[pace: 30]] [[text: b]] [[think: c]]")] == [
        0,
        30,
        30,
    ]


def test_each_tool_call_ends_its_round() -> None:
    first, second, last = rounds('[[text: one]] [[tool: A]] [[tool: B {"x":1}]] [[text: end]]')
    assert [type(step) for step in first.steps] == [Text, ToolCall]
    assert first.stop_reason == second.stop_reason == "tool_use"
    assert last == Round(steps=(Text(text="end"),))
    assert last.stop_reason == "end_turn"


def test_parallel_joins_calls_into_one_round() -> None:
    joined = rounds("[[tool: A]] [[parallel]] [[tool: B]] [[tool: C]]")
    assert [[c.name for c in r.content if isinstance(c, ToolCall)] for r in joined] == [
        ["A", "B"],
        ["C"],
        [],
    ]
    listed = rounds('[[tools: [{"name":"A","input":{}},{"name":"B"}]]] [[text: x]]')
    assert len(list(listed[0].content)) == 2


def test_a_script_that_says_nothing_at_the_end_gets_the_closing_word() -> None:
    assert rounds("[[tool: A]]")[-1].steps == (CLOSING,)
    assert rounds("[[error: 529 times=2]]")[0].steps[-1] == CLOSING


def test_a_cut_alone_gets_a_stream_to_cut() -> None:
    (only,) = rounds("[[cut: 5]]")
    assert [len(step.text.split()) for step in only.content if isinstance(step, Text)] == [25]


def test_faults_take_their_options() -> None:
    assert steps('[[error: 429 retry-after=3 times=2]] [[error: 400 message="too long now"]]') == [
        Status(code=429, retry_after=3, times=2),
        Status(code=400, message="too long now"),
    ]
    assert steps("[[cut: 5 times=1]] [[cut]] [[sse_error]] [[silence: 1.5 times=1]]") == [
        Cut(after=5, times=1),
        Cut(),
        StreamError(),
        Pause(seconds=1.5, times=1),
    ]
    assert steps("[[silence: 2 before]] [[wait: 2]]") == [Pause(seconds=2, before=True)] * 2
    assert steps("[[usage: in=1000 out=500 cache_read=7]]") == [
        Usage(input=1000, output=500, cache_read=7)
    ]


def test_a_question_has_its_options() -> None:
    (call,) = steps("[[ask: Which one? | red | blue]]")
    (question,) = call.input["questions"]
    assert question["question"] == "Which one?"
    assert [option["label"] for option in question["options"]] == ["red", "blue"]


def test_a_sub_agent_may_run_in_the_background() -> None:
    (call,) = steps("[[background: look [[text: below]] ]]")
    assert call.name == "Agent"
    assert call.input["run_in_background"] is True
    assert call.input["prompt"] == "look [[text: below]]"


def test_several_words_may_share_a_delta() -> None:
    (step,) = steps("[[words: 2]] [[text: a b c]]")
    assert list(pieces(step)) == ["a b ", "c"]


def test_a_tool_may_be_written_as_one_object() -> None:
    assert steps('[[tool: {"name":"Bash","input":{"command":"ls"}}]]') == [
        ToolCall(name="Bash", input={"command": "ls"})
    ]


def test_relative_paths_and_cwd_in_inputs_become_the_workspaces() -> None:
    here = Conversation(cwd="/ws")
    write, bash = steps(
        '[[tool: Write {"file_path":"a.txt","content":"x"}]][[tool: Bash {"command":"ls {cwd}"}]]',
        here,
    )
    assert write.input["file_path"] == "/ws/a.txt"
    assert bash.input["command"] == "ls /ws"


def test_recall_lists_the_prompts_before() -> None:
    (step,) = steps("[[recall]]", Conversation(earlier=("one", "two")))
    assert step.text == "1. one\n2. two"


@pytest.mark.parametrize(
    "prompt",
    [
        "[[tool: Bash {broken]]",
        "[[tools: 3]]",
        "[[error: 200]]",
        "[[error: soon]]",
        "[[stream: many]]",
        "[[stream: 99999999]]",
        "[[ask: only a question]]",
        "[[usage: up=3]]",
        "[[pace: x]] [[text: a]]",
        "[[pace: -1]] [[text: a]]",
    ],
)
def test_a_directive_that_cannot_be_read_is_named(prompt: str) -> None:
    with pytest.raises(StepError, match=r"^\[\["):
        steps(prompt)


@given(st.text(alphabet='[]{}: \n"abtextoolscut@=3,'))
def test_no_prompt_breaks_the_reading(prompt: str) -> None:
    with contextlib.suppress(StepError):
        steps(prompt)


def test_every_directive_is_described() -> None:
    page = (Path(__file__).parents[2] / "docs" / "scripted-model.md").read_text()
    described = set(re.findall(r"^\| `\[\[([a-z_]+)", page, re.MULTILINE))
    assert described == {*NAMES, "pace", "words", "parallel"}
