"""The tour's first chapter: a small program with a bug, its tests, the fix and the diff."""

from __future__ import annotations

from loopagent.scripted.narration import fenced, lacking, refused, say, stopped
from loopagent.scripted.request import Conversation, ToolResult
from loopagent.scripted.script import Round, ToolCall

PROMPT = "Write a small program and test it"

_PROGRAM = "word_count.py"
_TESTS = "test_word_count.py"
_FIRST = "word_count.first"
_BUG = "    for word in text.split():\n"
_FIX = "    for word in text.lower().split():\n"
_PROGRAM_TEXT = f'''"""Counts the words of a text."""


def count_words(text):
    """Give each word with the number of times it occurs, whatever its case."""
    counts = {{}}
{_BUG}        counts[word] = counts.get(word, 0) + 1
    return counts


if __name__ == "__main__":
    import sys

    for word, count in sorted(count_words(sys.stdin.read()).items()):
        print(count, word)
'''
_TESTS_TEXT = '''"""Tests of word_count."""

import unittest

from word_count import count_words


class CountWords(unittest.TestCase):
    def test_nothing_has_no_words(self):
        self.assertEqual(count_words(""), {})

    def test_repeated_words_are_counted(self):
        self.assertEqual(count_words("tea or tea"), {"tea": 2, "or": 1})

    def test_case_makes_no_difference(self):
        self.assertEqual(count_words("The the THE"), {"the": 3})


if __name__ == "__main__":
    unittest.main()
'''
# -B leaves no __pycache__ behind, which could hide an edit made within the same second.
_UNITTEST = "python3 -B -m unittest -v test_word_count"
_KEEP_AND_TEST = f"cp {_PROGRAM} {_FIRST} && {_UNITTEST}"
_DIFF = f"diff -u {_FIRST} {_PROGRAM}; rm -f {_FIRST}"


def reply(conversation: Conversation) -> Round:
    """Give the next round, as the tools' real answers call for."""
    if result := refused(conversation):
        return stopped(result, _so_far(conversation))
    first = conversation.result("Bash", _KEEP_AND_TEST)
    again = _second_run(conversation)
    diff = conversation.result("Bash", _DIFF)
    if diff:
        return _summary(first, again, diff)
    if again:
        return _show_diff(again)
    if conversation.result("Edit", _PROGRAM):
        return say("Once more, the same tests:", _bash(_UNITTEST, "Run the tests again"))
    if first:
        return _mend(conversation, first)
    if conversation.result("Write", _TESTS):
        return say(
            "Both files are there. I keep a copy of the first version for the diff and run the "
            "tests:",
            _bash(_KEEP_AND_TEST, "Keep a copy and run the tests"),
        )
    return lacking(conversation, {"Write", "Edit", "Bash"}) or _write(conversation)


def _second_run(conversation: Conversation) -> ToolResult | None:
    """The second run of the tests: the same command without the copying."""
    return next((r for r in conversation.results if r.input.get("command") == _UNITTEST), None)


def _write(conversation: Conversation) -> Round:
    return say(
        "I write a word counter and its tests. (I am scripted, but the files are real.)",
        ToolCall(
            name="Write",
            input={"file_path": conversation.path(_PROGRAM), "content": _PROGRAM_TEXT},
        ),
        ToolCall(
            name="Write", input={"file_path": conversation.path(_TESTS), "content": _TESTS_TEXT}
        ),
        thought=(
            "A small program that can be tested: counting words will do. "
            "Three tests: nothing, repeated words, and words that differ in case only."
        ),
    )


def _mend(conversation: Conversation, first: ToolResult) -> Round:
    if "Ran 3 tests" not in first.text or "FAILED" not in first.text:
        return say(
            f"I expected one of three tests to fail, but got this:\n\n{fenced(first.text)}\n\n"
            "My script ends here. Is `python3` installed on this machine?"
        )
    return say(
        "One test fails: `The` and `the` are counted apart. The text must be put into lower case "
        "before it is split:",
        ToolCall(
            name="Edit",
            input={
                "file_path": conversation.path(_PROGRAM),
                "old_string": _BUG,
                "new_string": _FIX,
            },
        ),
        thought=(
            "test_case_makes_no_difference fails. The loop takes the words as they are; "
            "the docstring promises that case does not matter, so the program is wrong, not the "
            "test."
        ),
    )


def _show_diff(again: ToolResult) -> Round:
    if again.is_error:
        return say(
            f"The tests still fail:\n\n{fenced(again.text)}\n\n"
            f"Somebody else may have changed `{_PROGRAM}` meanwhile. I stop here."
        )
    return say("All pass. This is what changed:", _bash(_DIFF, "Show the difference"))


def _summary(first: ToolResult | None, again: ToolResult | None, diff: ToolResult) -> Round:
    return say(
        "## What happened\n\n"
        "| run | tests | result |\n|---|---|---|\n"
        f"| first | {_UNITTEST.rsplit(' ', maxsplit=1)[-1]} | {_verdict(first)} |\n"
        f"| after the fix | {_UNITTEST.rsplit(' ', maxsplit=1)[-1]} | {_verdict(again)} |\n\n"
        f"The fix is one line:\n\n{fenced(diff.text, 'diff')}\n\n"
        f"- [x] wrote `{_PROGRAM}` and `{_TESTS}`\n"
        "- [x] ran the tests and saw one fail\n"
        "- [x] mended the program and ran them again\n"
        "- [ ] your turn: open the files, or ask for the next part of the tour\n\n"
        "Every word of this was scripted; the files, the commands and their output are real."
    )


def _verdict(run: ToolResult | None) -> str:
    lines = run.text.splitlines() if run else []
    return next((line for line in reversed(lines) if line.strip()), "unknown").replace("|", "/")


def _so_far(conversation: Conversation) -> str:
    """What is true of the work so far, for a turn that ends early."""
    if edit := conversation.result("Edit", _PROGRAM):
        if edit.refused:
            return f"`{_PROGRAM}` and its tests are written; the fix was not made."
        return f"`{_PROGRAM}` is mended, but that is not tested to its end."
    written = [r for r in conversation.results if r.name == "Write" and not r.is_error]
    return f"{len(written)} of 2 files are written, nothing is tested."


def _bash(command: str, description: str) -> ToolCall:
    return ToolCall(name="Bash", input={"command": command, "description": description})
