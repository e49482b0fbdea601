"""What comes with a message besides its text: images, PDFs and text files, checked."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from loopagent.domain import events as e
from loopagent.errors import InvalidRequestError, TooLargeError

MOST = 10
LARGEST = 5_000_000  # bytes of one file; the model's API takes no larger image
LARGEST_TEXT = 500_000  # characters
_BEGINNINGS: Mapping[str, tuple[bytes, ...]] = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
    "application/pdf": (b"%PDF-",),
}


def blocks_of(values: Sequence[str]) -> list[e.Block]:
    """The content blocks of a form's `attachment` fields; InvalidRequestError, TooLargeError."""
    if len(values) > MOST:
        raise TooLargeError(f"A message takes {MOST} files at most. Send the rest in another.")
    return [_block(value) for value in values]


def _block(value: str) -> e.Block:
    try:
        item = json.loads(value)
        kind, name, data = str(item["kind"]), str(item["name"])[:200], str(item["data"])
        media_type = str(item["type"])
    except (ValueError, KeyError, TypeError):
        raise InvalidRequestError("A file did not arrive whole. Attach it again.") from None
    if kind == "text":
        if len(data) > LARGEST_TEXT:
            raise TooLargeError(f"{name} is too long. Put it into the session's folder instead.")
        source = {"type": "text", "media_type": "text/plain", "data": data}
        return _source("document", source, name)
    _check(name, media_type, data)
    source = {"type": "base64", "media_type": media_type, "data": data}
    is_pdf = media_type == "application/pdf"
    return _source("document" if is_pdf else "image", source, name if is_pdf else "")


def _check(name: str, media_type: str, data: str) -> None:
    """The content must be what it says it is."""
    if len(data) > LARGEST * 4 // 3 + 4:
        raise TooLargeError(f"{name} is larger than {LARGEST // 1_000_000} MB. Make it smaller.")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequestError(f"{name} did not arrive whole. Attach it again.") from None
    if not content.startswith(_BEGINNINGS.get(media_type, ())):
        raise InvalidRequestError(f"{name} is no PNG, JPEG, GIF, WebP or PDF. Convert it first.")


def _source(kind: str, source: Mapping[str, Any], title: str) -> e.Block:
    fields: dict[str, Any] = {"type": kind, "source": source}
    return e.SourceBlock.model_validate({**fields, "title": title} if title else fields)
