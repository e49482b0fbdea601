"""The error tree: every failure a caller can meet, with its wire type and HTTP status.

    LoopError
    ├ InvalidRequestError 400   UnsafePathError, UnknownTemplateError
    │ ├ TooLargeError 413
    │ └ KeyReusedError 422
    ├ NotAuthenticatedError 401
    ├ PermissionDeniedError 403
    ├ NotFoundError 404
    ├ ConflictError 409         SessionArchivedError, AlreadyAnsweredError, StaleSequenceError
    ├ LimitReachedError 429
    ├ UnavailableError 503      StorageError, ShuttingDownError
    ├ SettingsError             wrong configuration: ends the command
    └ AgentError                never an HTTP answer: it becomes a `session.error` event
      └ WorkspaceGoneError

Every message ends with the next step for the person who reads it.
"""

from __future__ import annotations

from typing import Literal

RetryStatus = Literal["retrying", "exhausted", "terminal"]


class LoopError(Exception):
    """Base of all; `wire_type` and `status` decide how the HTTP surface shows it."""

    wire_type = "api_error"
    status = 500
    code: str | None = None

    @property
    def message(self) -> str:
        return str(self.args[0]) if self.args else type(self).__name__


class InvalidRequestError(LoopError):
    """The request can't be understood or asks for something that isn't allowed."""

    wire_type = "invalid_request_error"
    status = 400


class UnsafePathError(InvalidRequestError):
    """A path leaves its root, or isn't a path at all."""

    code = "unsafe_path"


class UnknownTemplateError(InvalidRequestError):
    """There is no template folder of that name."""

    code = "unknown_template"


class TooLargeError(InvalidRequestError):
    """The body or one of its parts is over its limit."""

    wire_type = "request_too_large"
    status = 413


class KeyReusedError(InvalidRequestError):
    """An Idempotency-Key came again with another request."""

    status = 422
    code = "idempotency_key_reused"


class NotAuthenticatedError(LoopError):
    """No credentials, or wrong ones."""

    wire_type = "authentication_error"
    status = 401


class KeyRejectedError(NotAuthenticatedError):
    """The model's API refused our key, or there is none."""

    code = "api_key_rejected"


class PermissionDeniedError(LoopError):
    """Known caller, forbidden deed."""

    wire_type = "permission_error"
    status = 403


class NotFoundError(LoopError):
    """The thing named in the request doesn't exist (or not for this caller)."""

    wire_type = "not_found_error"
    status = 404


class ConflictError(LoopError):
    """The request doesn't fit the present state."""

    wire_type = "invalid_request_error"
    status = 409


class SessionArchivedError(ConflictError):
    """The session is read-only."""

    code = "session_archived"


class AlreadyAnsweredError(ConflictError):
    """The ask was answered before, or isn't needed any more."""

    code = "already_answered"


class StaleSequenceError(ConflictError):
    """Somebody else has written to this log in between."""

    code = "stale_sequence"


class LimitReachedError(LoopError):
    """A bound of ours is reached; trying again later helps."""

    wire_type = "rate_limit_error"
    status = 429


class UnavailableError(LoopError):
    """The server can't do it now."""

    wire_type = "overloaded_error"
    status = 503


class StorageError(UnavailableError):
    """The database can't be read or written."""

    wire_type = "api_error"
    code = "storage"


class ShuttingDownError(UnavailableError):
    """The server is ending."""

    code = "shutting_down"


class SettingsError(LoopError):
    """The configuration is wrong; the command ends with this text."""


class AgentError(LoopError):
    """A failure of a run. `kind` is the wire's error type in `session.error`.

    kind: e.g. `model_overloaded_error`, `authentication_error`, `unknown_error`.
    retry_status: whether somebody still tries (`retrying`), gave up (`exhausted`) or never will.
    """

    def __init__(self, kind: str, message: str, retry_status: RetryStatus = "exhausted") -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_status: RetryStatus = retry_status

    @property
    def is_limit(self) -> bool:
        """True if the model's API has no room just now: to wait helps."""
        return self.kind in {"model_rate_limited_error", "model_overloaded_error"}


class WorkspaceGoneError(AgentError):
    """Somebody has removed the session's folder."""

    def __init__(self) -> None:
        super().__init__(
            "workspace_gone_error",
            "This session's workspace folder is gone. Delete the session and start a new one.",
            "terminal",
        )
