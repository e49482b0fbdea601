"""The scripts of the repository, as far as a mistake in them would hide others."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH with the shell and git, and none of the other programs that tests need."""
    for name in ("bash", "env", "git", "id"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    return tmp_path


def tools(path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shutil.which("bash") or "bash", str(ROOT / "scripts" / "tools")],
        env={"PATH": str(path), **environ},
        capture_output=True,
        text=True,
        timeout=20,
    )


def test_without_its_programs_a_test_is_left_out_and_named(bare: Path) -> None:
    done = tools(bare)
    assert done.returncode == 0, done.stderr
    assert "browser" in done.stdout
    assert "install chromium" in done.stderr


def test_in_ci_no_test_is_left_out(bare: Path) -> None:
    done = tools(bare, CI="true")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "In CI every test must run" in done.stderr


def test_without_git_nothing_is_tested(bare: Path) -> None:
    (bare / "git").unlink()
    done = tools(bare)
    assert done.returncode == 1
    assert "install it and run again" in done.stderr
