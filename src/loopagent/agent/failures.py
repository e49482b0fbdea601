"""What went wrong, in words that a person can act on."""

from __future__ import annotations

from claude_agent_sdk import (
    CLIConnectionError,
    CLIJSONDecodeError,
    CLINotFoundError,
    Message,
    ProcessError,
    ResultMessage,
    SystemMessage,
)

from loopagent.domain.events import ErrorBody, RetryStatusBody, SessionError
from loopagent.errors import AgentError, RetryStatus

_KEY_HELP = "Set a valid ANTHROPIC_API_KEY and restart the server, then send the message again."

# The CLI's error words -> the wire's error type and what to do.
_WORDS: dict[str, tuple[str, str]] = {
    "authentication_failed": (
        "authentication_error",
        f"The model's API rejected the key. {_KEY_HELP}",
    ),
    "billing_error": (
        "billing_error",
        "The account behind the key can't pay. Check its credit, then send the message again.",
    ),
    "model_not_found": (
        "model_not_found_error",
        "The model's API doesn't know this model. Choose another one for this session.",
    ),
    "rate_limit": (
        "model_rate_limited_error",
        "The model's API limits the rate of requests. Wait a little, then try again.",
    ),
    "overloaded": (
        "model_overloaded_error",
        "The model's API is overloaded. Wait a little, then try again.",
    ),
    "server_error": (
        "model_request_failed_error",
        "The model's API failed. Try again; if it stays so, look at the server's log.",
    ),
    "unknown": ("model_request_failed_error", "The model's API could not be asked. Try again."),
}
_BY_STATUS = {
    401: "authentication_failed",
    402: "billing_error",
    403: "authentication_failed",
    404: "model_not_found",
    429: "rate_limit",
    529: "overloaded",
}


def failure(error: AgentError) -> SessionError:
    """The log's event for a failure."""
    return SessionError(
        error=ErrorBody(
            type=error.kind,
            message=error.message,
            retry_status=RetryStatusBody(type=error.retry_status),
        )
    )


def from_word(
    word: str, detail: str = "", *, status: int | None = None, retry: RetryStatus = "exhausted"
) -> AgentError:
    """A failure from the CLI's word for it, or from the HTTP status where that says more."""
    if word in {"unknown", "server_error", "invalid_request"} and status in _BY_STATUS:
        word = _BY_STATUS[status]
    kind, advice = _WORDS.get(word, _WORDS["unknown"])
    if kind == "authentication_error":
        return AgentError(kind, advice, "terminal" if retry != "retrying" else retry)
    return AgentError(kind, f"{advice} ({detail})" if detail else advice, retry)


def from_result(message: ResultMessage, word: str | None) -> AgentError:
    """A failure from the result that ended a turn; `word` is the last error seen in it."""
    detail = message.result or "; ".join(message.errors or ()) or message.subtype
    if message.subtype == "error_max_turns":
        return AgentError("max_turns_error", f"The turn reached its limit of steps. {detail}")
    if is_refused(message, word):
        return AgentError(
            "message_rejected_error",
            f"The model's API refused this message ({detail}). The agent's memory goes on from "
            "before it. Send another message.",
        )
    return from_word(word or "unknown", detail, status=message.api_error_status)


def is_refused(message: ResultMessage, word: str | None) -> bool:
    """Whether the API refused the conversation itself, as it would each further time."""
    if not message.is_error or word not in {None, "unknown", "invalid_request"}:
        return False
    too_much = message.terminal_reason in {"image_error", "prompt_too_long"}
    return too_much or message.api_error_status in {400, 413}


def is_rejected_key(message: Message) -> bool:
    """Whether the CLI is about to retry what no retry can mend: the key was refused."""
    return (
        isinstance(message, SystemMessage)
        and message.subtype == "api_retry"
        and message.data.get("error") == "authentication_failed"
    )


def record_lost() -> AgentError:
    return AgentError(
        "record_lost_error",
        "The agent's own record of this conversation was lost or unreadable. It goes on with a "
        "summary of the log; its files are as they were.",
        "retrying",
    )


def from_exception(error: Exception, stderr: str, *, resuming: bool = False) -> AgentError:
    """A failure of the process itself; `stderr` is the end of what it wrote.

    resuming: it was about to read the record of an earlier process.
    """
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, AgentError):
        return error
    tail = f" It said: {stderr.strip()[-400:]}" if stderr.strip() else ""
    if isinstance(error, CLINotFoundError):
        return AgentError(
            "cli_not_found_error",
            "The Claude CLI is missing. Install the package again (`pip install loopagent`).",
            "terminal",
        )
    if isinstance(error, CLIJSONDecodeError):
        return AgentError("process_crashed_error", f"The agent's output was unreadable.{tail}")
    if isinstance(error, ProcessError):
        # A negative code, or one above 128, is a signal's: that says nothing about the record.
        refused = resuming and 0 < (error.exit_code or 0) <= 128
        return AgentError(
            "resume_failed_error" if refused else "process_crashed_error",
            f"The agent process ended with code {error.exit_code}.{tail}",
        )
    if isinstance(error, CLIConnectionError):
        return AgentError("process_start_error", f"The agent process did not start: {error}.{tail}")
    return AgentError("process_crashed_error", f"The agent process failed: {error}.{tail}")


def silent(seconds: float) -> AgentError:
    return AgentError(
        "turn_timeout_error",
        f"Nothing was heard from the agent for {seconds:g} s, so the turn was stopped. "
        "Send a message to go on.",
    )


def too_long(seconds: float) -> AgentError:
    return AgentError(
        "turn_timeout_error",
        f"The turn took longer than {seconds:g} s and was stopped. Send a message to go on.",
    )
