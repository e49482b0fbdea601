"""Nothing gets through that the table in docs/attacks.md does not name."""

from __future__ import annotations

import pytest

from tests.attacks.session import run_attacks
from tests.attacks.table import DOCS, read_table
from tests.support.process import reachable_folder

pytestmark = pytest.mark.slow

LEVELS = [
    "none",
    pytest.param("confined", marks=pytest.mark.landlock),
    pytest.param("sandbox", marks=pytest.mark.bubblewrap),
]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("level", LEVELS)
def test_what_gets_through_is_what_the_docs_say(level: str) -> None:
    with reachable_folder() as home:
        outcome = run_attacks(home, level)
    documented = {name: levels[level] for name, levels in read_table(DOCS).items()}
    assert outcome.keys() == documented.keys()
    assert {name for name, got in outcome.items() if got and not documented[name]} == set()
    if level != "none":  # without walls it depends on the machine, and on whose the server is
        assert outcome == documented
