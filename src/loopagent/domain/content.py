"""Content blocks of messages and tool results, as the Messages API has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Tag

Json = dict[str, Any]


class Record(BaseModel):
    """A frozen record that keeps fields that this version doesn't know."""

    model_config = ConfigDict(frozen=True, extra="allow")


class TextBlock(Record):
    type: Literal["text"]
    text: str


class SourceBlock(Record):
    """An image or a document; `source` as the Messages API defines it."""

    type: Literal["image", "document"]
    source: Json


class OtherBlock(Record):
    """A content block of a type that this version doesn't know."""

    type: str


def _block_tag(value: Any) -> str:
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    if kind == "text":
        return "text"
    return "source" if kind in {"image", "document"} else "other"


Block = Annotated[
    Annotated[TextBlock, Tag("text")]
    | Annotated[SourceBlock, Tag("source")]
    | Annotated[OtherBlock, Tag("other")],
    Discriminator(_block_tag),
]


def text_block(text: str) -> TextBlock:
    return TextBlock(type="text", text=text)


def plain_text(content: list[Block]) -> str:
    """All text of the blocks, joined."""
    return "".join(block.text for block in content if isinstance(block, TextBlock))
