"""A tool call in words and lines: what its card says, and what an approval asks.

Owns the form of each known tool; tools that aren't known are shown by their input and output.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from loopagent.web.pages import diffs, todo
from loopagent.web.pages.ansi import ansi_lines
from loopagent.web.pages.blocks import ToolBlock
from loopagent.web.pages.found import Found, found_by
from loopagent.web.pages.highlight import code_lines
from loopagent.web.pages.tools import FORMS

Form = Literal["terminal", "diff", "code", "text", "files", "places", "links", "prose"]

# Lines that are shown before "show all".
PREVIEW: Mapping[Form, int] = {"terminal": 12, "diff": 24}
NEW_FILE_PREVIEW = 12
_HEAD = 3  # of the previewed lines of a terminal, so many are from its beginning
# A file or an output may have no line breaks at all.
LONGEST_LINE = 2_000

_NUMBERED = re.compile(r"^ *(\d+)[→\t](.*)$")
_EXIT = re.compile(r"\A(?:Error: )?Exit code (\d+)\n?")
_WRAPPED = re.compile(r"</?tool_use_error>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Lines of HTML (of a diff: `diffs.Line`). more: how many are left out; first: number of the
    first line where lines are numbered.
    """

    form: Form
    lines: Sequence[Any]
    more: int = 0
    first: int | None = None
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """icon, name: the tool; title: what it works on; note: its outcome in a word or two."""

    icon: str
    name: str
    title: str
    code: bool = False
    note: str = ""
    added: int = 0
    removed: int = 0
    body: Body | None = None
    wants: str = ""


def card(block: ToolBlock) -> Card:
    """What the card of a tool call says, its output cut to a preview."""
    form = FORMS.get("Agent" if block.tool == "Task" else block.tool)
    if form is None:
        return _generic(block)
    change = _change(block)
    body = _body(block, change, preview=True)
    return Card(
        icon=form.icon,
        name=form.name,
        title=_one_line(form.title(block.input)),
        code=form.code,
        note=_note(block, body),
        added=change.added if change else 0,
        removed=change.removed if change else 0,
        body=body,
        wants=form.wants,
    )


def _generic(block: ToolBlock) -> Card:
    name = f"{block.server} · {block.tool}" if block.server else block.tool
    return Card(
        icon="wrench",
        name=name,
        title=_one_line(", ".join(f"{key}: {value}" for key, value in block.input.items())),
        note=_note(block, None),
        body=_body(block, None, preview=True),
        wants=f"use the tool {name}",
    )


def output(block: ToolBlock, text: str) -> Body | None:
    """The whole output of a tool call; the block itself may hold only its beginning."""
    return _body(block, _change(block), text=text)


def _body(
    block: ToolBlock, change: diffs.Diff | None, *, preview: bool = False, text: str | None = None
) -> Body | None:
    has_failed = block.result is not None and block.result.failed
    if change is not None and not has_failed:
        return _cut("diff", change.lines, preview) if change.lines else None
    if block.tool == "Write" and not has_failed:
        return _new_file(block, preview)
    if block.result is None or (block.tool == "AskUserQuestion" and not has_failed):
        return None
    shown = tidy(block.result.text if text is None else text)
    if not shown.strip():
        return None
    if block.tool == "Read" and not block.result.failed:
        return _file(block, shown, preview)
    if not block.result.failed:
        special = found_by(block.tool, block.input, shown)
        if special is not None:
            return _special(special, preview)
        if block.tool in todo.TOOLS:
            return None
    if block.tool == "Bash":
        shown = _EXIT.sub("", shown)
    # What went wrong is worth its room.
    form: Form = "terminal" if block.tool == "Bash" or block.result.failed else "text"
    lines = ansi_lines("\n".join(map(_bounded, shown.split("\n"))))
    return _ends(lines) if form == "terminal" and preview else _cut(form, lines, preview)


def _special(special: Found, preview: bool) -> Body | None:
    """What was found waits behind the card's line until somebody wants it."""
    count = len(special.lines)
    if not count:
        return None
    form: Form = special.form  # type: ignore[assignment]  # one of ours
    shown = () if preview and form != "links" else special.lines
    return Body(form=form, lines=shown, more=count - len(shown), total=count)


def _ends(lines: Sequence[str]) -> Body:
    """Where an output begins, and where it ends: what went wrong mostly stands there."""
    limit = PREVIEW["terminal"]
    if len(lines) <= limit + 3:
        return Body(form="terminal", lines=lines, total=len(lines))
    left_out = len(lines) - limit
    gap = f'<span class="gap">⋯ {left_out:,} lines</span>'
    shown = [*lines[:_HEAD], gap, *lines[_HEAD - limit :]]
    return Body(form="terminal", lines=shown, more=left_out, total=len(lines))


def _new_file(block: ToolBlock, preview: bool) -> Body:
    """What is written into a file that wasn't there before."""
    content = str(block.input.get("content", "")).removesuffix("\n")
    lines = code_lines(content, str(block.input.get("file_path", "")))
    return _cut("code", lines, preview, NEW_FILE_PREVIEW)


def _file(block: ToolBlock, text: str, preview: bool) -> Body:
    """A file that was read, without the numbers that the tool writes before each line."""
    matches = [_NUMBERED.match(line) for line in text.split("\n")]
    numbered = [match for match in matches if match]
    first = int(numbered[0][1]) if numbered else 1
    source = "\n".join(match[2] for match in numbered) if numbered else text
    if preview:
        count = source.count("\n") + 1
        return Body(form="code", lines=(), more=count, first=first, total=count)
    lines = code_lines(source, str(block.input.get("file_path", "")))
    return Body(form="code", lines=lines, first=first, total=len(lines))


def _cut(form: Form, lines: Sequence[Any], preview: bool, shown: int | None = None) -> Body:
    limit = (PREVIEW.get(form, 0) if shown is None else shown) if preview else len(lines)
    # Leaving out a few lines costs as much room as showing them.
    limit = len(lines) if limit and len(lines) <= limit + 3 else limit
    return Body(form=form, lines=lines[:limit], more=max(0, len(lines) - limit), total=len(lines))


def _change(block: ToolBlock) -> diffs.Diff | None:
    """What Edit and Write change in a file that is there; exact once they have run."""
    if block.tool not in {"Edit", "Write"}:
        return None
    given, path = block.input, str(block.input.get("file_path", ""))
    details = block.result.details if block.result else None
    hunks = details.get("structuredPatch") if isinstance(details, Mapping) else None
    if isinstance(hunks, list) and hunks:
        return diffs.from_patch(hunks, path)
    if block.tool == "Write":
        return None
    return diffs.from_texts(
        str(given.get("old_string", "")), str(given.get("new_string", "")), path
    )


def _note(block: ToolBlock, body: Body | None) -> str:
    result = block.result
    if result is None and block.tool != "Write":
        return ""
    if result is not None and result.failed and block.tool != "Bash":
        return "" if block.state == "denied" else "failed"
    if result is not None and block.tool == "Bash":
        code = _EXIT.match(tidy(result.text))
        if code:
            return f"exit {code[1]}"
        return "" if body else "no output"
    if result is not None and not result.failed:
        special = found_by(block.tool, block.input, tidy(result.text))
        if special is not None:
            return special.note
    if body is not None and body.form in {"code", "text"}:
        return f"{body.total:,} line{'' if body.total == 1 else 's'}"
    return ""


def tidy(text: str) -> str:
    """A tool's text without the marks that are meant for the model."""
    return _WRAPPED.sub("", text).strip("\n")


def pretty(value: Any) -> str:
    """An input for people, when nothing better is known."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _one_line(text: str, limit: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _bounded(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"
