"""Numbers, times and names as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from loopagent.web.pages import words

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "now"), (59, "now"), (60, "1m"), (3599, "59m"), (7200, "2h"), (86_400 * 3, "3d")],
)
def test_how_long_ago_is_told_in_one_unit(seconds: int, shown: str) -> None:
    assert words.ago(NOW - timedelta(seconds=seconds), NOW) == shown


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (840, "0.8 s"),
        (9_960, "10 s"),
        (59_400, "59 s"),
        (120_000, "2 min"),
        (200_000, "3 min 20 s"),
        (7_500_000, "2 h 5 min"),
    ],
)
def test_a_span_is_as_exact_as_it_is_short(milliseconds: float, shown: str) -> None:
    assert words.duration(milliseconds) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (999, "999"), (1000, "1k"), (12_400, "12.4k"), (999_500, "1M"), (3_100_000, "3.1M")],
)
def test_a_count_has_three_digits_or_so(number: int, shown: str) -> None:
    assert words.count(number) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(1, "1 kB"), (32_400, "32 kB"), (1_500_000, "1.5 MB")]
)
def test_a_size_is_in_kilobytes_or_megabytes(number: int, shown: str) -> None:
    assert words.size(number) == shown


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("claude-sonnet-5-5", "Sonnet 5.5"),
        ("claude-opus-5-20260101", "Opus 5"),
        ("claude-next", "claude-next"),
        ("some/other-model-3", "some/other-model-3"),
    ],
)
def test_a_model_is_called_by_its_family_and_version(model: str, shown: str) -> None:
    assert words.model_name(model) == shown


def test_a_failure_names_the_next_step_once() -> None:
    told = words.error_words("billing_error", "The account is empty.")
    assert told.next == "Add credit, then try again."
    assert words.error_words("billing_error", "It is empty. Try another key.").next == ""
    assert words.error_words("a_new_error", "Odd.").title == "Something went wrong"
