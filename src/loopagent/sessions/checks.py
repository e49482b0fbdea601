"""What is refused before anything is done: empty or huge messages, odd titles and models."""

from __future__ import annotations

from loopagent.domain import events as e
from loopagent.domain.agent import ModelChoice
from loopagent.errors import InvalidRequestError, TooLargeError

MAX_TEXT = 1_000_000  # characters of one message


def check_message(message: e.UserMessage) -> None:
    text = e.plain_text(message.content)
    others = [block for block in message.content if not isinstance(block, e.TextBlock)]
    if any(isinstance(block, e.OtherBlock) for block in others):
        raise InvalidRequestError("A message takes text, image and document blocks only.")
    if not text.strip() and not others:
        raise InvalidRequestError("The message is empty. Write what the agent should do.")
    if len(text) > MAX_TEXT:
        raise TooLargeError(
            f"The message has {len(text):,} characters; {MAX_TEXT:,} are allowed. "
            "Put long material into a file of the workspace and name the file."
        )


def clean_title(title: str | None) -> str | None:
    if title is None or not title.strip():
        return None
    line = " ".join(title.split())
    if len(line) > 500:
        raise InvalidRequestError("The title is longer than 500 characters. Shorten it.")
    return line


def model_choice(model: str) -> ModelChoice:
    name = model.strip()
    if not name or len(name) > 200 or not name.isprintable():
        raise InvalidRequestError("The model's name must be 1 to 200 printable characters.")
    return ModelChoice(id=name)
