"""A transcript as Markdown, for reading elsewhere."""

from __future__ import annotations

import re

from loopagent.domain.session import Session
from loopagent.web.pages import blocks as b
from loopagent.web.pages.cards import card, pretty
from loopagent.web.pages.contexts import Head
from loopagent.web.pages.words import error_words

_LONGEST = 4_000  # characters of a tool's output


def heading(head: Head, session: Session) -> str:
    """The beginning of the file."""
    facts = [head.model, head.cost, f"{head.tokens} tokens" if head.tokens else ""]
    begun = session.created_at.strftime("%Y-%m-%d %H:%M UTC")
    line = " · ".join([begun, *(fact for fact in facts if fact)])
    return f"# {head.title or 'Untitled'}\n\n{line}\n"


def markdown_of(block: b.Block, level: int = 2) -> str:
    """One block and what is in it."""
    match block:
        case b.UserBlock():
            images = "\n\n_With an image._" if block.images else ""
            return f"\n{'#' * level} You\n\n{block.text}{images}\n"
        case b.TextBlock():
            return f"\n{'#' * level} Claude\n\n{block.text}\n"
        case b.ThinkingBlock():
            return (
                f"\n<details><summary>Thought</summary>\n\n{block.text}\n\n</details>\n"
                if block.text
                else ""
            )
        case b.ToolBlock():
            return _tool(block, level)
        case b.ErrorBlock():
            title = error_words(block.type, block.message).title
            return f"\n> **{title}.** {block.message}\n" if not block.retrying else ""
        case b.TurnBlock():
            return "\n---\n"
        case b.NoteBlock():
            return f"\n_{block.text}_\n"
        case _:
            return ""


def _tool(block: b.ToolBlock, level: int) -> str:
    shown = card(block)
    title = f"**{shown.name}**" + (f" `{' '.join(shown.title.split())}`" if shown.title else "")
    parts = [f"\n{title} ({block.state})\n"]
    if shown.icon == "wrench" or "\n" in shown.title or not shown.title:
        parts.append(_fenced(shown.title if shown.code and shown.title else pretty(block.input)))
    if block.result is not None and block.result.text.strip():
        text = block.result.text
        rest = f"\n… {len(text) - _LONGEST:,} more characters" if len(text) > _LONGEST else ""
        parts.append(_fenced(text[:_LONGEST] + rest))
    parts += [markdown_of(child, min(level + 2, 6)) for child in block.children]
    return "".join(parts)


def _fenced(text: str) -> str:
    """A code block whose fence is longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"\n{fence}\n{text.rstrip()}\n{fence}\n"
