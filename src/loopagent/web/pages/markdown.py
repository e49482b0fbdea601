"""Markdown as safe HTML, one piece per top-level node.

The text comes from a model or a tool: no HTML of it is let through, images of other hosts become
links, and what comes out passes an allow-list without styles, ids or attributes that scripts obey.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from html import escape
from typing import Any, NamedTuple

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from mdit_py_plugins.tasklists import tasklists_plugin

from loopagent.web.pages.highlight import code_html

_CACHED = 20_000
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TAGS = {
    "a", "blockquote", "br", "button", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2",
    "h3", "h4", "h5", "h6", "hr", "input", "li", "ol", "p", "pre", "s", "span", "strong", "sub",
    "sup", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {
    "*": {"class"},
    "a": {"href", "title", "target"},
    "button": {"type", "data-copy", "aria-label"},
    "input": {"type", "checked", "disabled", "aria-label"},
    "ol": {"start"},
    "pre": {"tabindex"},
}


Tokens = Sequence[Token]
Colour = Callable[[str, str], str]


class Node(NamedTuple):
    """A top-level node: the line where it begins, and its HTML."""

    line: int
    html: str


def markdown_nodes(text: str) -> Sequence[str]:
    """The HTML of each top-level node of `text`."""
    if len(text) > _CACHED:
        return [node.html for node in parse(text)]
    return _remembered(text)


@lru_cache(maxsize=512)
def _remembered(text: str) -> tuple[str, ...]:
    return tuple(node.html for node in parse(text))


def parse(text: str, colour: Colour = code_html) -> list[Node]:
    """The top-level nodes of `text`, parsed anew; `colour` makes HTML of code and its language."""
    env: dict[str, Any] = {"colour": colour}
    tokens = _PARSER.parse(visible(text), env)
    nodes = []
    start = 0
    for position, token in enumerate(tokens):
        if token.level == 0 and token.nesting <= 0:
            piece = tokens[start : position + 1]
            first = piece[0].map
            html = _PARSER.renderer.render(piece, _PARSER.options, env)
            nodes.append(Node(first[0] if first else 0, _clean(html)))
            start = position + 1
    return nodes


def plain(text: str) -> str:
    """The words of `text` without its markup, block after block; code in blocks is left out."""
    tokens = _PARSER.parse(visible(text), {"colour": code_html})
    blocks = ("".join(c.content or " " for c in t.children) for t in tokens if t.children)
    return " ".join(" ".join(blocks).split())


def visible(text: str) -> str:
    """The text without control characters, which browsers show as boxes."""
    return _CONTROLS.sub("", text)


def _clean(html: str) -> str:
    return nh3.clean(
        # The box of a task has no words of its own; in text quotation marks are escaped.
        html.replace('type="checkbox"', 'type="checkbox" aria-label="Task"'),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    ).rstrip("\n")


def _link_open(renderer: RendererHTML, tokens: Tokens, at: int, options: Any, env: Any) -> str:
    tokens[at].attrSet("target", "_blank")
    return renderer.renderToken(tokens, at, options, env)


def _image(_renderer: RendererHTML, tokens: Tokens, at: int, _options: Any, _env: Any) -> str:
    source = str(tokens[at].attrGet("src") or "")
    label = tokens[at].content or source
    return f'<a class="image" href="{escape(source)}" target="_blank">{escape(label)}</a>'


def _fence(_renderer: RendererHTML, tokens: Tokens, at: int, _options: Any, env: Any) -> str:
    language = (tokens[at].info.strip().split() or [""])[0]
    return code_block(tokens[at].content, language, env["colour"])


def _cell_open(renderer: RendererHTML, tokens: Tokens, at: int, options: Any, env: Any) -> str:
    style = str(tokens[at].attrs.pop("style", ""))
    if style:
        tokens[at].attrSet("class", f"ta-{style.rsplit(':', 1)[-1]}")
    return renderer.renderToken(tokens, at, options, env)


def _table_open(*_: object) -> str:
    return '<div class="table"><table>\n'


def _table_close(*_: object) -> str:
    return "</table></div>\n"


def code_block(code: str, language: str, colour: Colour = code_html) -> str:
    """A block of code with its language and a button that copies it."""
    shown = colour(code.removesuffix("\n"), language)
    return (
        f'<div class="code"><div class="code-bar"><span>{escape(language) or "text"}</span>'
        '<button type="button" class="copy" data-copy="" aria-label="Copy code">Copy</button></div>'
        f'<pre tabindex="0"><code>{shown}</code></pre></div>\n'
    )


def _build() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
    parser.enable(["table", "strikethrough"])
    parser.use(tasklists_plugin)
    rules: dict[str, Callable[..., str]] = {
        "link_open": _link_open,
        "image": _image,
        "fence": _fence,
        "code_block": _fence,
        "th_open": _cell_open,
        "td_open": _cell_open,
        "table_open": _table_open,
        "table_close": _table_close,
    }
    for name, rule in rules.items():
        parser.add_render_rule(name, rule)
    return parser


_PARSER = _build()
