"""Values in columns: text order is time order, and cursors come back as they went out."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopagent.errors import InvalidRequestError
from loopagent.storage.rows import decode_cursor, encode_cursor, maybe_time, to_json, to_text
from tests.storage.strategies import json_values, times

parts = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n")), min_size=1)


@given(first=times, second=times)
def test_times_as_text_sort_as_times_do(first: object, second: object) -> None:
    written = [to_text(first), to_text(second)]  # type: ignore[arg-type]
    assert (written[0] < written[1]) == (first < second)  # type: ignore[operator]
    assert len(written[0]) == len(written[1])
    assert maybe_time(written[0]) == first


@given(json_values)
def test_json_comes_back_as_it_was(value: object) -> None:
    assert json.loads(to_json(value)) == value


@given(parts)
def test_a_cursor_comes_back_as_it_was(given_parts: list[str]) -> None:
    assert decode_cursor(encode_cursor(*given_parts), len(given_parts)) == given_parts


@given(st.text(max_size=30))
def test_any_other_cursor_is_refused_or_has_its_parts(cursor: str) -> None:
    with suppress(InvalidRequestError):
        assert len(decode_cursor(cursor, 2)) == 2


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        decode_cursor(encode_cursor("one", "two", "three"), 2)
