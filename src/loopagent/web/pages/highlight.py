"""Source code as HTML: few classes, no inline styles, lines that can stand alone.

Owns the colouring of code. Where code is shown, and in what frame, is for others.
"""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import Any

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import (
    Comment,
    Generic,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    String,
    Token,
)
from pygments.util import ClassNotFound

# Colouring a long text takes tens of milliseconds and helps nobody who skims it.
LONGEST = 60_000

# Pygments gives some token types per word; only those that a reader tells apart get a class.
_CLASSES: dict[Any, str] = {
    Keyword: "k-key",
    Keyword.Constant: "k-num",
    Keyword.Type: "k-type",
    Operator.Word: "k-key",
    String: "k-str",
    String.Doc: "k-com",
    Number: "k-num",
    Literal: "k-num",
    Comment: "k-com",
    Comment.Preproc: "k-key",
    Name.Function: "k-fun",
    Name.Class: "k-type",
    Name.Builtin: "k-type",
    Name.Builtin.Pseudo: "k-num",
    Name.Exception: "k-type",
    Name.Decorator: "k-fun",
    Name.Tag: "k-key",
    Name.Attribute: "k-fun",
    Name.Constant: "k-num",
    Generic.Deleted: "k-del",
    Generic.Inserted: "k-add",
    Generic.Heading: "k-fun",
    Generic.Subheading: "k-fun",
    Generic.Prompt: "k-com",
}


@lru_cache(maxsize=256)
def code_lines(code: str, language: str) -> tuple[str, ...]:
    """The lines of `code` as HTML, each complete in itself; escaped only if it can't be coloured.

    language: a name or a file name, such as "python" or "src/app.py"; unknown ones are plain.
    """
    lexer = _lexer(language) if len(code) <= LONGEST else None
    if lexer is None:
        return tuple(escape(line, quote=False) for line in code.split("\n"))
    lines = [""]
    for kind, text in _merged(lexer, code):
        for number, piece in enumerate(text.split("\n")):
            if number:
                lines.append("")
            if piece:
                shown = escape(piece, quote=False)
                lines[-1] += f'<span class="{kind}">{shown}</span>' if kind else shown
    return tuple(lines)


def code_html(code: str, language: str) -> str:
    """`code_lines`, joined."""
    return "\n".join(code_lines(code, language))


def _merged(lexer: Lexer, code: str) -> list[tuple[str, str]]:
    """Neighbours of one class as one piece: a third of the spans, a third of the page."""
    pieces: list[tuple[str, str]] = []
    for token, text in lexer.get_tokens(code):
        kind = "" if text.isspace() and not pieces else _class(token)
        if pieces and (pieces[-1][0] == kind or text.isspace()):
            pieces[-1] = (pieces[-1][0], pieces[-1][1] + text)
        else:
            pieces.append((kind, text))
    return pieces


def _class(token: Any) -> str:
    while token is not Token:
        if token in _CLASSES:
            return _CLASSES[token]
        token = token.parent
    return ""


@lru_cache(maxsize=256)
def _lexer(language: str) -> Lexer | None:
    options: dict[str, Any] = {"ensurenl": False, "stripnl": False}
    try:
        if "." in language or "/" in language:
            return get_lexer_for_filename(language.rsplit("/", 1)[-1], **options)
        return get_lexer_by_name(language, **options) if language else None
    except ClassNotFound:
        return None
