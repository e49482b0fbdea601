"""Events that a client may send: what the wire allows of them, made into domain events.

A client can't set what the log sets: only the fields named here are taken over.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StringConstraints,
    Tag,
    model_validator,
)

from loopagent.domain import events as e
from loopagent.domain.ids import EventId, new_event_id

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")


class _In(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


def _decodable(data: str) -> str:
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("This is not base64. Encode the file's bytes.") from None
    if not data:
        raise ValueError("The file is empty.")
    return data


def _tag(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    # In brackets, so that an error message can leave it out of the field's path.
    return f"({kind})" if isinstance(kind, str) else None


def _by_type(message: str) -> Discriminator:
    return Discriminator(_tag, custom_error_type="unknown_type", custom_error_message=message)


Base64 = Annotated[str, AfterValidator(_decodable)]
WebAddress = Annotated[str, StringConstraints(pattern=r"^https?://\S+$", max_length=4096)]


class ImageData(_In):
    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: Base64


class DocumentData(_In):
    type: Literal["base64"]
    media_type: Literal["application/pdf"]
    data: Base64


class DocumentText(_In):
    type: Literal["text"]
    media_type: Literal["text/plain"] = "text/plain"
    data: str


class Address(_In):
    type: Literal["url"]
    url: WebAddress


ImageSource = Annotated[
    Annotated[ImageData, Tag("(base64)")] | Annotated[Address, Tag("(url)")],
    _by_type("type must be base64 or url; files are not supported yet"),
]
DocumentSource = Annotated[
    Annotated[DocumentData, Tag("(base64)")]
    | Annotated[DocumentText, Tag("(text)")]
    | Annotated[Address, Tag("(url)")],
    _by_type("type must be base64, text or url; files are not supported yet"),
]


class TextIn(_In):
    type: Literal["text"]
    text: str


class ImageIn(_In):
    type: Literal["image"]
    source: ImageSource


class DocumentIn(_In):
    type: Literal["document"]
    source: DocumentSource
    title: str | None = None
    context: str | None = None


BlockIn = Annotated[
    Annotated[TextIn, Tag("(text)")]
    | Annotated[ImageIn, Tag("(image)")]
    | Annotated[DocumentIn, Tag("(document)")],
    _by_type("type must be text, image or document"),
]


def _as_blocks(value: Any) -> Any:
    return [{"type": "text", "text": value}] if isinstance(value, str) else value


Content = Annotated[
    list[BlockIn],
    Field(min_length=1, max_length=100),
    BeforeValidator(_as_blocks, json_schema_input_type=str | list[BlockIn]),
]


class _EventIn(_In):
    """`id` may be made by the client: the same id is stored once, however often it is sent.

    Where it is not, `event` takes one that was made here.
    """

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,100}$")] | None = None

    def event_id(self, made: EventId) -> EventId:
        return EventId(self.id) if self.id else made


class MessageLoop(_In):
    """Ours: what the message does while a turn runs: wait, steer that turn, or interrupt it."""

    mode: e.SendMode = "queue"


class UserMessageIn(_EventIn):
    type: Literal["user.message"]
    content: Content
    loop: MessageLoop = MessageLoop()

    def event(self, made: EventId) -> e.UserMessage:
        return message(self.content, self.event_id(made), self.loop.mode)


class UserInterruptIn(_EventIn):
    type: Literal["user.interrupt"]

    def event(self, made: EventId) -> e.UserInterrupt:
        return e.UserInterrupt(id=self.event_id(made))


class ConfirmationLoop(_In):
    """Ours: the tool runs with this input in place of the model's."""

    updated_input: dict[str, JsonValue] | None = None


class UserToolConfirmationIn(_EventIn):
    type: Literal["user.tool_confirmation"]
    tool_use_id: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    result: Literal["allow", "deny"]
    deny_message: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    loop: ConfirmationLoop | None = None

    @model_validator(mode="after")
    def _message_needs_deny(self) -> UserToolConfirmationIn:
        if self.deny_message is not None and self.result != "deny":
            raise ValueError("deny_message goes with result deny only")
        return self

    def event(self, made: EventId) -> e.UserToolConfirmation:
        return e.UserToolConfirmation(
            id=self.event_id(made),
            tool_use_id=EventId(self.tool_use_id),
            result=self.result,
            deny_message=self.deny_message,
            loop=self.loop.model_dump(exclude_none=True) if self.loop else None,
        )


UserEventIn = Annotated[
    Annotated[UserMessageIn, Tag("(user.message)")]
    | Annotated[UserInterruptIn, Tag("(user.interrupt)")]
    | Annotated[UserToolConfirmationIn, Tag("(user.tool_confirmation)")],
    _by_type(
        "type must be user.message, user.interrupt or user.tool_confirmation; "
        "other events are not supported yet"
    ),
]


def message(
    content: list[BlockIn], event_id: EventId | None = None, mode: e.SendMode = "queue"
) -> e.UserMessage:
    """The domain's message of these blocks."""
    blocks = [block.model_dump(exclude_none=True) for block in content]
    fields: dict[str, Any] = {"id": event_id or new_event_id(), "content": blocks}
    return e.UserMessage.model_validate(fields | _loop(mode))


def text_message(
    text: str, event_id: EventId | None = None, mode: e.SendMode = "queue"
) -> e.UserMessage:
    """The domain's message of a plain prompt."""
    fields: dict[str, Any] = {"id": event_id or new_event_id(), "content": [e.text_block(text)]}
    return e.UserMessage(**fields, **_loop(mode))


def _loop(mode: e.SendMode) -> dict[str, Any]:
    return {} if mode == "queue" else {"loop": {"mode": mode}}
