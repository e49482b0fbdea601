"""Blocks and pages as HTML, by the templates.

Owns the Jinja environment and its filters. What is on a page is decided by the context records.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup

from loopagent.domain.ids import SessionId
from loopagent.domain.money import format_dollars
from loopagent.domain.rules import proposed
from loopagent.web.pages import stops, todo, wishes, words
from loopagent.web.pages.assets import asset
from loopagent.web.pages.blocks import (
    Block,
    ErrorBlock,
    TextBlock,
    ThinkingBlock,
    UnknownBlock,
)
from loopagent.web.pages.cards import card, pretty
from loopagent.web.pages.markdown import markdown_nodes, visible
from loopagent.web.pages.questions import answers, questions
from loopagent.web.pages.streaming import heal

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parents[1] / "templates"
_PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_LARGEST_PICTURE = 3_000_000


def page(name: str, context: Any) -> str:
    """A whole page or fragment from its context record."""
    values = {part.name: getattr(context, part.name) for part in fields(context)}
    return _ENVIRONMENT.get_template(name).render(values)


def blocks_html(session_id: SessionId, blocks: Iterable[Block]) -> Markup:
    """The elements of these blocks, one after the other."""
    return Markup("").join(_block(session_id, block) for block in blocks)


def _block(session_id: SessionId, block: Block) -> Markup:
    try:
        return _macro("_blocks.html", "block", block, session_id)
    except Exception:  # One odd event must not take the whole page with it.
        log.exception("%s: the block %s cannot be shown", session_id, block.id)
        odd = UnknownBlock(
            id=block.id,
            first=block.first,
            last=block.last,
            parent=block.parent,
            type=block.kind,
            body="This cannot be shown. The server's log says why.",
        )
        return _macro("_blocks.html", "block", odd, session_id)


def rehearse_drawing() -> None:
    """Compile the templates and draw a text with code: the first page is as fast as the next."""
    for name in _ENVIRONMENT.list_templates():
        _ENVIRONMENT.get_template(name)
    markdown_nodes("A word, `code` and a list:\n\n- one\n\n```python\nx = 1\n```\n")


def node_html(event_id: str, number: int, html: str) -> Markup:
    """One node of a text, as it stands inside its block."""
    return _macro("_blocks.html", "node", event_id, number, Markup(html))  # noqa: S704


def part_html(template: str, macro: str, *arguments: object) -> Markup:
    """What a macro of a template gives."""
    return _macro(template, macro, *arguments)


def _macro(template: str, name: str, *arguments: object) -> Markup:
    macro = getattr(_ENVIRONMENT.get_template(template).module, name)
    result: Markup = macro(*arguments)
    return Markup(result.strip())  # noqa: S704 -- it came from an escaping template


def _nodes(block: TextBlock | ThinkingBlock) -> list[Markup]:
    text = heal(block.text) if block.open else block.text
    return [Markup(html) for html in markdown_nodes(text)]  # noqa: S704 -- cleaned there


def _md(text: object) -> Markup:
    return Markup("\n").join(Markup(html) for html in markdown_nodes(str(text or "")))  # noqa: S704


def _picture(source: Mapping[str, Any]) -> str:
    """The address of an inline image that is safe and small enough to show; else empty."""
    kind, data = source.get("media_type"), str(source.get("data", ""))
    shown = source.get("type") == "base64" and kind in _PICTURES and len(data) < _LARGEST_PICTURE
    return f"data:{kind};base64,{data}" if shown and data.isascii() else ""


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _output_url(block: Any, session_id: SessionId) -> str:
    result = block.result
    place = f"{result.id}/output?seq={result.seq}" if result else f"{block.id}/output"
    return f"/sessions/{session_id}/events/{place}"


def _error_words(block: ErrorBlock) -> words.ErrorWords:
    return words.error_words(block.type, block.message)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True, default_for_string=True),
        # Tool inputs are whatever a model wrote: a missing field is no failure.
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(asset=asset, output_url=_output_url)
    environment.filters.update(
        ago=words.ago,
        answers=lambda answer: answers(answer.input),
        capitalize_first=lambda text: text[:1].upper() + text[1:],
        card=card,
        clock=words.clock,
        count=words.count,
        duration=words.duration,
        editable=lambda block: wishes.editable(block.tool, block.input),
        error_words=_error_words,
        is_slim=lambda block: block.tool in todo.TOOLS and not block.todo and block.state == "done",
        iso=_iso,
        md=_md,
        money=format_dollars,
        model_name=words.model_name,
        nodes=_nodes,
        picture=_picture,
        pause_words=stops.pause_words,
        pretty=pretty,
        questions=questions,
        raised=stops.raised,
        rule_words=wishes.rule_words,
        rules=lambda block: proposed(
            block.tool if not block.server else f"mcp__{block.server}__{block.tool}", block.input
        ),
        size=words.size,
        spent_words=stops.spent_words,
        state_name=words.STATES.__getitem__,
        turn_facts=stops.turn_facts,
        visible=visible,
    )
    return environment


_ENVIRONMENT = _environment()
