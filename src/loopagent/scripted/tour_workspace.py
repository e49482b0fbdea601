"""The tour's second chapter: what lies in the workspace."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath

from loopagent.scripted.narration import fenced, lacking, say, stopped
from loopagent.scripted.request import Conversation, ToolResult
from loopagent.scripted.script import Round, ToolCall

PROMPT = "Look around this workspace"

_LIST = "ls -la"
_READABLE = {".md", ".txt", ".rst", ".py", ".ts", ".js", ".go", ".rs", ".toml", ".json", ".yaml"}


def reply(conversation: Conversation) -> Round:
    """Give the next round, as the tools' real answers call for."""
    listing = conversation.result("Bash", _LIST)
    if listing is None:
        return lacking(conversation, {"Bash"}) or _look(conversation)
    found = conversation.result("Glob")
    if listing.refused and (found is None or found.refused):
        return stopped(listing, "I have not seen the workspace.")
    names = _names(listing, found)
    page = conversation.result("Read")
    chosen = _choose(names)
    if page is None and chosen and (not conversation.tools or "Read" in conversation.tools):
        return say(
            f"{_count(len(names))}. I read `{chosen}`:",
            ToolCall(name="Read", input={"file_path": conversation.path(chosen), "limit": 60}),
        )
    return _summary(listing, names, page)


def _look(conversation: Conversation) -> Round:
    calls = [ToolCall(name="Bash", input={"command": _LIST, "description": "List the workspace"})]
    if not conversation.tools or "Glob" in conversation.tools:
        calls.append(ToolCall(name="Glob", input={"pattern": "**/*"}))
    where = f" at `{conversation.cwd}`" if conversation.cwd else ""
    return say(
        f"I look at the workspace{where}. (I am scripted, but what I find is real.)",
        *calls,
        thought="First the listing and all file names, then the file that says most.",
    )


def _names(listing: ToolResult, found: ToolResult | None) -> list[str]:
    """The files that were seen, by both tools; only the top folder if there was no Glob."""
    if found is not None and not found.is_error:
        # Beside the names come the tool's own remarks: none found, or the list was shortened.
        others = ("No files", "(", ".git/")
        return [line for line in found.text.splitlines() if line and not line.startswith(others)]
    rows = re.findall(
        r"^-\S+\s+\d+\s+\S+\s+\S+\s+\d+\s+\S+\s+\S+\s+\S+\s(.+)$", listing.text, re.MULTILINE
    )
    return [] if listing.is_error else [str(name) for name in rows]


def _choose(names: list[str]) -> str | None:
    """The file that tells most: a read-me, else the first text file, nearest to the top."""
    texts = [n for n in names if PurePosixPath(n).suffix.lower() in _READABLE or _is_readme(n)]
    return min(texts, key=lambda n: (not _is_readme(n), n.count("/"), n), default=None)


def _is_readme(name: str) -> bool:
    return PurePosixPath(name).name.lower().startswith("readme")


def _summary(listing: ToolResult, names: list[str], page: ToolResult | None) -> Round:
    parts = ["## What is here\n", f"{_count(len(names))}."]
    if names:
        kinds = Counter(PurePosixPath(name).suffix or "(none)" for name in names)
        rows = "\n".join(f"| `{kind}` | {count} |" for kind, count in kinds.most_common(8))
        parts.append(f"\n| kind | files |\n|---|---|\n{rows}")
    if listing.refused:
        parts.append("\nThe `ls` was not carried out, so I know the names alone.")
    else:
        parts.append(f"\n{fenced(listing.text)}")
    if page is not None:
        parts.append(f"\n{_page(page)}")
    if not names:
        parts.append("\nNothing yet: ask me to write a small program and test it.")
    return say("\n".join(parts))


def _page(page: ToolResult) -> str:
    name = PurePosixPath(str(page.input.get("file_path"))).name
    if page.is_error:
        return f"`{name}` could not be read."
    lines = [re.sub(r"^\s*\d+\t", "", line) for line in page.text.splitlines()]
    first = "\n".join(lines[:8])
    return f"`{name}` begins like this:\n\n{fenced(first)}"


def _count(number: int) -> str:
    if number == 0:
        return "The workspace holds no files"
    return "There is one file" if number == 1 else f"There are {number} files"
