"""What a tool has changed, line by line."""

from __future__ import annotations

from loopagent.web.pages.diffs import LONGEST, Diff, from_patch, from_texts


def drawn(diff: Diff) -> list[tuple[str, int | None, int | None]]:
    return [(line.mark, line.old, line.new) for line in diff.lines]


def test_a_patch_keeps_its_numbers_and_marks_its_gaps() -> None:
    hunks = [
        {"oldStart": 3, "newStart": 3, "lines": [" a", "-b", "+c", "\\ No newline"]},
        {"oldStart": 9, "newStart": 9, "lines": ["+d"]},
    ]
    diff = from_patch(hunks, "a.py")
    assert drawn(diff) == [
        (" ", 3, 3),
        ("-", 4, None),
        ("+", None, 4),
        ("@", None, None),
        ("+", None, 9),
    ]
    assert (diff.added, diff.removed) == (2, 1)


def test_two_texts_show_only_what_is_near_a_change() -> None:
    before = [f"line {n}" for n in range(40)]
    after = [*before[:5], "new", *before[5:30], *before[31:]]
    diff = from_texts("\n".join(before), "\n".join(after), "notes.txt")
    marks = [line.mark for line in diff.lines]
    assert (marks.count("+"), marks.count("-"), marks.count("@")) == (1, 1, 1)
    assert len(marks) < 25


def test_texts_that_are_too_long_to_compare_are_shown_one_after_the_other() -> None:
    diff = from_texts("a\n" * LONGEST, "b\n", "notes.txt")
    assert (diff.added, diff.removed) == (1, LONGEST)
