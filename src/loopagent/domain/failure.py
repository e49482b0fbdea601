"""What a `session.error` says of a failure."""

from __future__ import annotations

from typing import Literal

from loopagent.domain.content import Record


class RetryStatusBody(Record):
    type: Literal["retrying", "exhausted", "terminal"]


class ErrorBody(Record):
    type: str
    message: str
    retry_status: RetryStatusBody
