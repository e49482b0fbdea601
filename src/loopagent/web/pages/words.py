"""Numbers, times and failures in the words that people read.

Owns wording that more than one page uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from loopagent.domain.budget import standing_of
from loopagent.domain.money import format_dollars, from_dollars

STATES = {
    "needs": "Needs your answer",
    "working": "Working",
    "failed": "Failed",
    "idle": "Idle",
    "archived": "Archived",
    "trash": "Trash",
}
ISOLATION = {
    "none": "Own folder and cleared environment, no sandbox: commands can reach the whole machine, "
    "so each one is asked for.",
    "confined": "The kernel keeps file access and system calls inside the session's folder.",
    "sandbox": "The agent runs in a sandbox that sees its own folder and a read-only system.",
    "container": "Every session runs in a container of its own.",
}


@dataclass(frozen=True, slots=True)
class ErrorWords:
    """What a failure is called, and what a person can do about it."""

    title: str
    next: str = ""


_GO_ON = "Continue: nothing of the conversation is lost."
_WAIT = "Wait a little, then continue: nothing of the conversation is lost."
_OTHER = "Send another message: the agent goes on from before this one."
_ERRORS = {
    "authentication_error": ErrorWords(
        "The API key was not accepted",
        "Set ANTHROPIC_API_KEY in the server's environment and start it again.",
    ),
    "permission_error": ErrorWords("The API key may not do this", "Use a key that may."),
    "billing_error": ErrorWords("The account cannot pay", "Add credit, then try again."),
    "model_overloaded_error": ErrorWords("The model is overloaded", _WAIT),
    "model_rate_limited_error": ErrorWords("The rate limit is reached", _WAIT),
    "model_request_failed_error": ErrorWords("The model's API failed", _GO_ON),
    "model_not_found_error": ErrorWords(
        "The model is not known", "Start a session with another model."
    ),
    "max_turns_error": ErrorWords("The turn reached its limit of steps", _GO_ON),
    "cli_not_found_error": ErrorWords("The agent program is missing", "Run `loop-agent doctor`."),
    "message_rejected_error": ErrorWords("The model's API refused this message", _OTHER),
    "resume_failed_error": ErrorWords("The agent's process did not come back", _GO_ON),
    "process_crashed_error": ErrorWords("The agent's process ended unexpectedly", _GO_ON),
    "process_start_error": ErrorWords(
        "The agent's process did not start", "Run `loop-agent doctor`."
    ),
    "turn_timeout_error": ErrorWords("The turn was stopped", _GO_ON),
    "workspace_gone_error": ErrorWords("The session's folder is gone", "Start a new session."),
}


def error_words(kind: str, message: str) -> ErrorWords:
    """The words for an error type; the next step is left out where the message names it."""
    known = _ERRORS.get(kind, ErrorWords("Something went wrong", ""))
    if known.next and _says_next_step(message):
        return ErrorWords(known.title)
    return known


def _says_next_step(message: str) -> bool:
    starts = ("Set ", "Check ", "Try ", "Send ", "Start ", "Choose ", "Wait ", "Install ", "Run ")
    return any(f". {start}" in message or message.startswith(start) for start in starts)


def budget_warning(facts: object) -> str:
    """That a budget is nearly spent."""
    standing = standing_of(facts)
    if standing is None:
        return "A budget is nearly spent"
    share = round(100 * standing.spent / max(1, standing.limit))
    return (
        f"{share} % of a budget is spent. {standing.whose}: {format_dollars(standing.spent)} of "
        f"{format_dollars(standing.limit)}"
    )


def ago(at: datetime, now: datetime | None = None) -> str:
    """How long ago, in one unit."""
    seconds = max(0, int(((now or datetime.now(UTC)) - at).total_seconds()))
    if seconds < 60:
        return "now"
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return "now"


def clock(at: datetime) -> str:
    """The time of day where no script knows the reader's own."""
    return at.astimezone(UTC).strftime("%H:%M")


def duration(milliseconds: float) -> str:
    """A time span: "0.8 s", "12 s", "3 min 20 s", "2 h 5 min"."""
    seconds = milliseconds / 1000
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def count(number: int) -> str:
    """A number for people: 950, 12.4k, 3.1M."""
    if number < 1000:
        return str(number)
    if number < 999_500:
        return f"{number / 1000:.1f}".removesuffix(".0") + "k"
    return f"{number / 1_000_000:.1f}".removesuffix(".0") + "M"


def size(number: int) -> str:
    """Bytes for people."""
    if number < 1_000_000:
        return f"{max(1, round(number / 1000))} kB"
    return f"{number / 1_000_000:.1f} MB"


def dollars(amount: float) -> str:
    return format_dollars(from_dollars(amount))


def model_name(model: str) -> str:
    """A model's id without what every id has: "claude-sonnet-5-5" is "Sonnet 5.5"."""
    family, _, version = model.removeprefix("claude-").partition("-")
    if not model.startswith("claude-") or not version.replace("-", "").isdigit():
        return model
    parts = [part for part in version.split("-") if len(part) < 8]
    return f"{family.capitalize()} {'.'.join(parts)}"
