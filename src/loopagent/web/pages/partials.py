"""Fragments as the browser takes them: what goes where, and how, in one message of the stream.

Every fragment names the elements that it holds, so the same one may arrive twice without harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from loopagent.domain.ids import EventId, SessionId
from loopagent.web.pages.blocks import Block, TextBlock, ThinkingBlock
from loopagent.web.pages.contexts import Dock, Head, Models
from loopagent.web.pages.drawing import blocks_html, node_html, part_html
from loopagent.web.pages.streaming import Piece


def partial(target: str, swap: str, content: str = "") -> str:
    """One piece of a message. target: a CSS selector."""
    return (
        f'<hx-partial hx-target="{escape(target)}" hx-swap="{escape(swap)}">{content}</hx-partial>'
    )


def put(session_id: SessionId, blocks: Sequence[Block], *, prune: bool = False) -> str:
    """Put blocks in or change them; prune: drafts that aren't among them are gone."""
    if not blocks and not prune:
        return ""
    return partial(
        "#blocks", "upsert prune:true" if prune else "upsert", blocks_html(session_id, blocks)
    )


def replace_all(session_id: SessionId, blocks: Sequence[Block], older: int | None) -> str:
    """The whole transcript anew, for a reader who was away for long."""
    return partial("#blocks", "innerMorph", blocks_html(session_id, blocks)) + partial(
        "#older", "outerHTML", sentinel(session_id, older)
    )


def grow(event_id: EventId, pieces: Iterable[Piece]) -> str:
    """The nodes of a text that changed while it is written."""
    html = Markup("").join(node_html(event_id, piece.number, piece.html) for piece in pieces)
    return partial(f"#n-{event_id}", "upsert", html) if html else ""


def remove(event_id: EventId) -> str:
    return partial(f"#b-{event_id}", "delete")


def head(shown: Head, offered: Models) -> str:
    models = part_html("_choices.html", "models", shown, offered)
    named = partial("#model-name", "innerMorph", str(escape(shown.model)))
    named += partial("#models", "innerMorph", models)
    return (
        named
        + partial("#head", "innerMorph", part_html("_parts.html", "head", shown))
        + partial("#choices", "innerMorph", part_html("_choices.html", "choices", shown))
    )


def dock(session_id: SessionId, shown: Dock) -> str:
    """The messages that wait and the tasks that run."""
    queue = part_html("_parts.html", "queue", session_id, shown.queue)
    tasks = part_html("_parts.html", "tasks", session_id, shown.tasks)
    return partial("#queue", "innerMorph", queue) + partial("#tasks", "innerMorph", tasks)


def toast(text: str, tone: str = "bad") -> str:
    return partial("#toasts", "beforeend", part_html("_ui.html", "toast", text, tone))


def sentinel(session_id: SessionId, older: int | None) -> str:
    """What loads earlier events when it comes into view."""
    return part_html("_parts.html", "sentinel", session_id, older)


def message(html: str, seq: int) -> bytes:
    """An SSE message; `id` lets the browser resume. A carriage return would end a line of it."""
    lines = html.replace("\r", "&#13;").split("\n")
    data = "\n".join(f"data: {line}" for line in lines)
    return f"id: {seq}\n{data}\n\n".encode()


def is_growing(block: Block) -> bool:
    return isinstance(block, TextBlock | ThinkingBlock) and block.open
