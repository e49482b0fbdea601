"""When a limit is over, as the API's answers say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from loopagent.credentials.limits import Limits
from loopagent.domain.events import now
from loopagent.domain.ids import new_session_id

SESSION = new_session_id()
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=10)
LATER = SOON + timedelta(hours=1)


def reset_by(**headers: str) -> datetime | None:
    limits = Limits()
    limits.note(SESSION, {name.replace("_", "-"): value for name, value in headers.items()})
    return limits.reset_of(SESSION)


def test_retry_after_counts_from_now() -> None:
    reset = reset_by(retry_after="60")
    assert reset is not None
    assert timedelta(seconds=55) < reset - now() <= timedelta(seconds=60)


def test_the_latest_reset_of_a_limit_that_is_used_up_counts() -> None:
    reset = reset_by(
        anthropic_ratelimit_requests_remaining="0",
        anthropic_ratelimit_requests_reset=SOON.isoformat(),
        anthropic_ratelimit_tokens_remaining="0",
        anthropic_ratelimit_tokens_reset=SOON.isoformat().replace("+00:00", "Z"),
        anthropic_ratelimit_input_tokens_remaining="7",
        anthropic_ratelimit_input_tokens_reset=LATER.isoformat(),
    )
    assert reset == SOON


def test_the_unified_limit_is_given_in_seconds_since_1970() -> None:
    assert reset_by(anthropic_ratelimit_unified_reset=str(int(LATER.timestamp()))) == LATER


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"retry_after": "soon"},
        {"retry_after": "99999999"},
        {"retry_after": "0"},
        {"anthropic_ratelimit_unified_reset": "9" * 30},
        {"anthropic_ratelimit_unified_reset": "yesterday"},
        {"anthropic_ratelimit_unified_reset": "1000"},
    ],
)
def test_what_makes_no_sense_says_nothing(headers: dict[str, str]) -> None:
    assert reset_by(**headers) is None


def test_a_later_answer_replaces_an_earlier_one() -> None:
    limits = Limits()
    limits.note(SESSION, {"retry-after": "60"})
    limits.note(SESSION, {})
    assert limits.reset_of(SESSION) is None
