"""Files of a workspace, found by a part of their path."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopagent.workspaces import search
from loopagent.workspaces.search import find_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("app.py", "src/app/main.py", "src/maps.py", ".git/app.py", "node_modules/app.js"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "a\nb.py").write_text("")
    (tmp_path / "out").symlink_to("/etc")
    return tmp_path


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("app", ["app.py", "src/app/main.py", "src/maps.py"]),
        ("MA", ["src/maps.py", "src/app/main.py"]),
        ("smp", ["src/maps.py", "src/app/main.py"]),
        ("passwd", []),
        ("", ["app.py", "src/maps.py", "src/app/main.py"]),
    ],
)
def test_the_best_comes_first_and_nothing_hidden_comes_at_all(
    folder: Path, query: str, found: list[str]
) -> None:
    assert find_files(folder, query) == found


def test_a_huge_folder_is_not_read_to_its_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_MOST_ENTRIES", 2)
    assert find_files(folder, "") == ["app.py"]
    assert find_files(folder / "nowhere", "") == []
