"""The tour, chapter by chapter: what it does with each answer that a tool may give.

The real command line program runs it in test_real_cli; here are the answers that it seldom gives.
"""

from __future__ import annotations

import pytest

from loopagent.scripted import SUGGESTED_PROMPTS
from loopagent.scripted.reply import choose
from loopagent.scripted.request import Conversation, ToolResult
from loopagent.scripted.script import Round, Text, ToolCall

PROGRAM, WORKSPACE, PLAN = SUGGESTED_PROMPTS
FAILED = "Exit code 1\nRan 3 tests in 0.001s\n\nFAILED (failures=1)"


class Turn:
    """A turn of one chapter, in which the tools answer what a test wants."""

    def __init__(self, prompt: str, tools: frozenset[str] = frozenset()) -> None:
        self.conversation = Conversation(prompt=prompt, cwd="/ws", tools=tools)
        self.reply = choose(self.conversation)

    @property
    def text(self) -> str:
        texts = [s for s in self.reply.content if isinstance(s, Text) and s.kind == "text"]
        return "".join(step.text for step in texts)

    @property
    def calls(self) -> list[ToolCall]:
        return [step for step in self.reply.content if isinstance(step, ToolCall)]

    @property
    def names(self) -> list[str]:
        return [call.name for call in self.calls]

    def answer(self, *texts: str, error: bool = False) -> None:
        """Answer the calls of this round, in order."""
        results = [
            ToolResult(name=call.name, input=call.input, text=text, is_error=error)
            for call, text in zip(self.calls, texts, strict=True)
        ]
        before = self.conversation
        self.conversation = Conversation(
            prompt=before.prompt,
            cwd=before.cwd,
            tools=before.tools,
            round=before.round + 1,
            results=(*before.results, *results),
        )
        self.reply = choose(self.conversation)


def reply(prompt: str) -> Round:
    return choose(Conversation(prompt=prompt))


@pytest.mark.parametrize("prompt", ["hi", "Hello!", "help", "", " Hey there ", "What can you do?"])
def test_a_greeting_says_what_this_is_and_offers_the_three_prompts(prompt: str) -> None:
    turn = Turn(prompt)
    assert "No Claude is behind me" in turn.text
    assert all(offered in turn.text for offered in SUGGESTED_PROMPTS)
    assert len(SUGGESTED_PROMPTS) == 3


def test_a_prompt_is_known_by_its_number_and_in_any_case() -> None:
    for number, prompt in enumerate(SUGGESTED_PROMPTS, start=1):
        assert reply(f"{number}.") == reply(prompt.upper() + "!") == reply(prompt)


def test_every_chapter_thinks_first_and_paces_its_words() -> None:
    for prompt in SUGGESTED_PROMPTS:
        texts = [step for step in reply(prompt).content if isinstance(step, Text)]
        assert [step.kind for step in texts] == ["thinking", "text"]
        assert all(step.pace > 0 for step in texts)


def test_the_program_is_written_tested_mended_and_shown() -> None:
    turn = Turn(PROGRAM)
    assert [call.input["file_path"] for call in turn.calls] == [
        "/ws/word_count.py",
        "/ws/test_word_count.py",
    ]
    turn.answer("created", "created")
    assert turn.names == ["Bash"]
    turn.answer(FAILED, error=True)
    assert turn.names == ["Edit"]
    turn.answer("updated")
    assert turn.names == ["Bash"]
    turn.answer("Ran 3 tests in 0.001s\n\nOK")
    assert turn.calls[0].input["command"].startswith("diff -u")
    turn.answer("-old\n+new with ``` in it")
    assert turn.names == []
    assert "````diff\n-old\n+new with ``` in it\n````" in turn.text
    assert "| first | test_word_count | FAILED (failures=1) |" in turn.text
    assert "| after the fix | test_word_count | OK |" in turn.text


def test_a_denied_command_ends_the_turn_honestly() -> None:
    turn = Turn(PROGRAM)
    turn.answer("created", "created")
    turn.answer("Not on my machine", error=True)
    assert turn.names == []
    assert "> Not on my machine" in turn.text
    assert "2 of 2 files are written, nothing is tested" in turn.text


def test_a_denied_fix_is_not_passed_off_as_done() -> None:
    turn = Turn(PROGRAM)
    turn.answer("created", "created")
    turn.answer(FAILED, error=True)
    turn.answer("no", error=True)
    assert "the fix was not made" in turn.text


def test_a_mended_program_that_may_not_be_tested_is_not_called_tested() -> None:
    turn = Turn(PROGRAM)
    turn.answer("created", "created")
    turn.answer(FAILED, error=True)
    turn.answer("updated")
    turn.answer("no", error=True)
    assert "not tested to its end" in turn.text


def test_tests_that_do_not_run_are_not_passed_off_as_failing() -> None:
    turn = Turn(PROGRAM)
    turn.answer("created", "created")
    turn.answer("Exit code 127\npython3: command not found", error=True)
    assert turn.names == []
    assert "python3: command not found" in turn.text


def test_tests_that_still_fail_are_not_passed_off_as_passing() -> None:
    turn = Turn(PROGRAM)
    turn.answer("created", "created")
    turn.answer(FAILED, error=True)
    turn.answer("updated")
    turn.answer(FAILED, error=True)
    assert turn.names == []
    assert "The tests still fail" in turn.text


def test_a_session_without_the_tools_is_told_which() -> None:
    turn = Turn(PROGRAM, frozenset({"Read", "Write"}))
    assert turn.names == []
    assert "`Bash`, `Edit`" in turn.text


def test_an_empty_workspace_is_called_empty() -> None:
    turn = Turn(WORKSPACE)
    assert turn.names == ["Bash", "Glob"]
    turn.answer("total 0", "No files found")
    assert turn.names == []
    assert "no files" in turn.text


def test_the_file_that_says_most_is_read() -> None:
    turn = Turn(WORKSPACE)
    turn.answer("total 8", "src/deep/README.md\na.py\nlogo.png\n.git/README")
    assert turn.calls[0].input["file_path"] == "/ws/src/deep/README.md"
    turn.answer("     1\t# Title\n     2\twords")
    assert "```\n# Title\nwords\n```" in turn.text
    assert "| `.md` | 1 |" in turn.text


def test_a_file_that_cannot_be_read_is_said_so() -> None:
    turn = Turn(WORKSPACE)
    turn.answer("total 8", "a.py")
    turn.answer("too large", error=True)
    assert "`a.py` could not be read" in turn.text


def test_a_denied_listing_leaves_the_names() -> None:
    turn = Turn(WORKSPACE, frozenset({"Bash", "Glob"}))
    listing, names = turn.calls
    turn.conversation = Conversation(
        prompt=WORKSPACE,
        tools=turn.conversation.tools,
        round=1,
        results=(
            ToolResult(name="Bash", input=listing.input, text="no", is_error=True),
            ToolResult(name="Glob", input=names.input, text="a.py", is_error=False),
        ),
    )
    turn.reply = choose(turn.conversation)
    assert "The `ls` was not carried out" in turn.text
    assert "There is one file" in turn.text


def test_without_glob_the_listing_gives_the_names() -> None:
    turn = Turn(WORKSPACE, frozenset({"Bash", "Read"}))
    assert turn.names == ["Bash"]
    turn.answer(
        "total 4\ndrwx------ 5 me me 4096 Nov 25 06:52 src\n-rw-r--r-- 1 me me 1 Nov 25 06:53 my notes.txt"
    )
    assert turn.calls[0].input["file_path"] == "/ws/my notes.txt"


def test_a_look_around_that_is_denied_ends_honestly() -> None:
    turn = Turn(WORKSPACE)
    turn.answer("no", "no", error=True)
    assert "I have not seen the workspace" in turn.text


def test_the_plan_is_worked_through_task_by_task() -> None:
    turn = Turn(PLAN)
    assert turn.names == ["TaskCreate"] * 3
    turn.answer(*(f"Task #{n} created successfully: x" for n in (7, 8, 9)))
    seen = []
    while turn.calls:
        updates = [call.input for call in turn.calls if call.name == "TaskUpdate"]
        seen += [(update["taskId"], update["status"]) for update in updates]
        results = {"Bash": "| Nairobi | 24 | 75.2 |"}
        turn.answer(*(results.get(call.name, "ok") for call in turn.calls))
    assert seen == [
        ("7", "in_progress"),
        ("7", "completed"),
        ("8", "in_progress"),
        ("8", "completed"),
        ("9", "in_progress"),
        ("9", "completed"),
    ]
    assert "## Done" in turn.text


def test_without_a_task_list_the_plan_is_kept_in_words() -> None:
    turn = Turn(PLAN, frozenset({"Write", "Bash"}))
    assert turn.names == ["Write"]
    assert "- [ ] Collect the numbers" in turn.text
    turn.answer("created")
    turn.answer("created")
    turn.answer("| Nairobi | 24 | 75.2 |")
    assert "## Done" in turn.text


def test_a_wrong_table_leaves_its_task_open() -> None:
    turn = Turn(PLAN, frozenset({"Write", "Bash"}))
    turn.answer("created")
    turn.answer("created")
    turn.answer("Exit code 1\nTraceback", error=True)
    assert "The last task stays open" in turn.text


def test_a_denied_write_ends_the_plan_honestly() -> None:
    turn = Turn(PLAN, frozenset({"Write", "Bash"}))
    turn.answer("no", error=True)
    assert "0 of 2 files are written" in turn.text


def test_long_output_is_quoted_from_its_end() -> None:
    turn = Turn(PLAN, frozenset({"Write", "Bash"}))
    turn.answer("created")
    turn.answer("created")
    turn.answer("Exit code 1\n" + "\n".join(str(n) for n in range(100)), error=True)
    assert "… 71 lines before\n70\n" in turn.text
    assert turn.text.count("\n99\n") == 1
