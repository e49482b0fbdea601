"""Reading a request: the prompt, the round, the results, the working directory."""

from __future__ import annotations

from typing import Any

import pytest

from loopagent.scripted.request import Conversation, read
from tests.scripted.messages import answered, called, said, system, user

REMINDER = "<system-reminder>\nThe user did not say [[text: this]].\n</system-reminder>\n"
STEER = (
    "The user sent a new message while you were working:\n{}\n\n"
    "This is how Claude Code surfaces messages the user sends mid-turn."
)


def conversation(*messages: dict[str, Any]) -> Conversation:
    return read({"messages": list(messages)})


def test_reminders_and_system_messages_are_no_prompt() -> None:
    found = conversation(user(REMINDER, "build it"), system("# Environment\nand so on"))
    assert found.prompt == "build it"
    assert found.round == 0


def test_each_answered_round_counts_and_tool_results_are_no_prompt() -> None:
    found = conversation(
        user("first"),
        said("done"),
        user("second"),
        called(("t1", "Bash", {"command": "ls"})),
        answered(("t1", "a.txt")),
        called(("t2", "Read", {"file_path": "a.txt"})),
        answered(("t2", "text")),
    )
    assert (found.prompt, found.round, found.earlier) == ("second", 2, ("first",))
    assert [(r.name, r.text) for r in found.results] == [("Bash", "a.txt"), ("Read", "text")]


def test_neighbouring_assistant_messages_are_one_reply() -> None:
    found = conversation(
        user("go"), said("let me see"), called(("t", "Bash", {})), answered(("t", ""))
    )
    assert found.round == 1


def test_a_prompt_after_a_failed_one_stands_alone() -> None:
    # The command line joins messages that got no answer and ends the earlier ones with a break.
    found = conversation(user("[[error: 500]]\n", "[[text: hello]]"))
    assert found.prompt == "[[text: hello]]"
    assert found.earlier == ("[[error: 500]]",)


def test_a_prompt_after_an_interrupt_stands_alone() -> None:
    found = conversation(
        user("go"),
        called(("t", "Bash", {})),
        {
            "role": "user",
            "content": [
                *answered(("t", "stopped"), is_error=True)["content"],
                *user("[Request interrupted by user for tool use]\n", "now this")["content"],
            ],
        },
    )
    assert (found.prompt, found.round, found.results) == ("now this", 0, ())


def test_blocks_of_one_message_are_one_prompt() -> None:
    assert conversation(user("block a", "block b")).prompt == "block a\nblock b"


def test_an_image_alone_is_a_prompt() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}
    assert conversation({"role": "user", "content": [image]}).prompt == "(image)"


@pytest.mark.parametrize(
    "text",
    [
        "Continue from where you left off.",
        "Your response above was cut off mid-stream. Resume directly from where it stops.",
        "Output token limit hit. Resume directly",
        "[Request interrupted by user]\n",
        "<command-name>/compact</command-name>",
    ],
)
def test_what_the_command_line_says_itself_goes_on_with_the_same_prompt(text: str) -> None:
    found = conversation(user("go"), said("half"), user(text))
    assert (found.prompt, found.round) == ("go", 1)


def test_words_sent_in_mid_turn_are_noted_until_the_next_reply() -> None:
    turn = [user("go"), called(("t", "Bash", {})), answered(("t", "ok")), system(STEER.format("x"))]
    assert (conversation(*turn).prompt, conversation(*turn).steer) == ("go", "x")
    assert conversation(*turn, said("seen")).steer == ""


def test_directives_sent_in_mid_turn_take_over() -> None:
    found = conversation(
        user("go"),
        called(("t", "Bash", {})),
        answered(("t", "ok")),
        system(STEER.format("[[text: steered]]")),
    )
    assert (found.prompt, found.round) == ("[[text: steered]]", 0)


def test_the_end_of_a_background_task_is_a_notice() -> None:
    told = (
        "<system-reminder><task-notification><summary>Agent finished</summary>"
        "</task-notification></system-reminder>"
    )
    found = conversation(user("go"), said("launched"), user(told))
    assert found.prompt == "go"
    assert "<summary>Agent finished</summary>" in found.notice


def test_the_working_directory_is_what_the_command_line_told_last() -> None:
    first = system("# Environment\n - Primary working directory: /one/two\n - Platform: linux")
    moved = system("# Environment update\n - Primary working directory: /new place (was /one/two)")
    assert conversation(user("hi"), first).cwd == "/one/two"
    assert conversation(user("hi"), first, said("x"), user("y"), moved).cwd == "/new place"
    assert read({"system": "Working directory: /old", "messages": []}).cwd == "/old"


def test_a_working_directory_in_a_prompt_is_not_believed() -> None:
    found = conversation(user("Working directory: /etc"))
    assert found.cwd is None
    assert found.path("a.txt") == "a.txt"


def test_odd_bodies_count_as_empty() -> None:
    for body in ({}, {"messages": 3}, {"messages": [1, {"role": "user"}], "tools": "x"}):
        assert read(body).prompt == ""
