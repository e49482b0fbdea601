"""Text that can be stored and sent: without lone surrogates, which no UTF-8 can hold.

They come from programs that cut text in the middle of a character.
"""

from __future__ import annotations

import re
from typing import Any

_LONE = re.compile("[\ud800-\udfff]")


def well_formed(text: str) -> str:
    """`text` with U+FFFD in place of each lone surrogate; its length stays the same."""
    return text if text.isascii() else _LONE.sub("\ufffd", text)


def well_formed_json(value: Any) -> Any:
    """JSON data whose texts and keys are well formed."""
    match value:
        case str():
            return well_formed(value)
        case dict():
            return {well_formed(key): well_formed_json(part) for key, part in value.items()}
        case list():
            return [well_formed_json(part) for part in value]
        case _:
            return value
