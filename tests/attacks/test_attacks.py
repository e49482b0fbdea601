"""Nothing gets through that the table in docs/attacks.md does not name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attacks.session import run_attacks
from tests.attacks.table import DOCS, read_table

pytestmark = pytest.mark.slow

LEVELS = ["none", pytest.param("sandbox", marks=pytest.mark.bubblewrap)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("level", LEVELS)
def test_what_gets_through_is_what_the_docs_say(tmp_path: Path, level: str) -> None:
    outcome = run_attacks(tmp_path, level)
    documented = {name: levels[level] for name, levels in read_table(DOCS).items()}
    assert {name: got for name, got in outcome.items() if got != documented.get(name)} == {}
    assert outcome.keys() == documented.keys()
