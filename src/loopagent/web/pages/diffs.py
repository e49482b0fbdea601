"""Changes to a file as lines with numbers and colour.

Owns how a change is worked out: from the patch that the tool reports, else from what it was asked.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from loopagent.web.pages.highlight import code_lines

# Comparing is quadratic: longer texts are shown as taken out and put in whole.
LONGEST = 2_000
CONTEXT = 3

Mark = Literal[" ", "+", "-", "@"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a diff; `@` marks a gap between two places in the file."""

    mark: Mark
    old: int | None
    new: int | None
    html: str

    @property
    def kind(self) -> str:
        return {"+": "add", "-": "del", "@": "gap", " ": "same"}[self.mark]


@dataclass(frozen=True, slots=True)
class Diff:
    lines: tuple[Line, ...]
    added: int
    removed: int


def from_patch(hunks: Sequence[Mapping[str, Any]], path: str) -> Diff:
    """A diff from hunks {oldStart, newStart, lines: [" a", "-b", "+c"]}."""
    lines: list[Line] = []
    for hunk in hunks:
        raw = [str(line) for line in hunk.get("lines") or () if not str(line).startswith("\\")]
        if lines:
            lines.append(Line("@", None, None, "⋯"))
        lines.extend(
            _numbered(raw, int(hunk.get("oldStart") or 1), int(hunk.get("newStart") or 1), path)
        )
    return _counted(lines)


def from_texts(old: str, new: str, path: str) -> Diff:
    """A diff between two texts whose place in the file is not known: numbers begin at 1."""
    before, after = _split(old), _split(new)
    if len(before) + len(after) > LONGEST:
        raw = [f"-{line}" for line in before] + [f"+{line}" for line in after]
        return _counted(_numbered(raw, 1, 1, path))
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    lines: list[Line] = []
    for group in matcher.get_grouped_opcodes(CONTEXT):
        raw = [line for step in group for line in _step(step, before, after)]
        if lines:
            lines.append(Line("@", None, None, "⋯"))
        lines.extend(_numbered(raw, group[0][1] + 1, group[0][3] + 1, path))
    return _counted(lines)


def _step(step: tuple[str, int, int, int, int], before: list[str], after: list[str]) -> list[str]:
    tag, a, b, c, d = step
    if tag == "equal":
        return [f" {line}" for line in before[a:b]]
    return [f"-{line}" for line in before[a:b]] + [f"+{line}" for line in after[c:d]]


def _split(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _numbered(raw: Sequence[str], old: int, new: int, path: str) -> Iterable[Line]:
    """Lines with their numbers; each side is coloured as one text, so that strings stay strings."""
    before = iter(code_lines("\n".join(line[1:] for line in raw if line[:1] != "+"), path))
    after = iter(code_lines("\n".join(line[1:] for line in raw if line[:1] != "-"), path))
    for line in raw:
        match line[:1]:
            case "+":
                yield Line("+", None, new, next(after, ""))
                new += 1
            case "-":
                yield Line("-", old, None, next(before, ""))
                old += 1
            case _:
                next(before, "")
                yield Line(" ", old, new, next(after, ""))
                old, new = old + 1, new + 1


def _counted(found: Iterable[Line]) -> Diff:
    lines = tuple(found)
    added = sum(line.mark == "+" for line in lines)
    removed = sum(line.mark == "-" for line in lines)
    return Diff(lines, added, removed)
