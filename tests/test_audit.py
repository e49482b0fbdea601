"""`scripts/audit` finds what is wrong with the locks, without a network."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [
    "pyproject.toml",
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-node.txt",
    "frontend/package-lock.json",
]


@pytest.fixture(scope="module")
def audit() -> Callable[[Path], list[str]]:
    found: Callable[[Path], list[str]] = runpy.run_path(str(ROOT / "scripts" / "audit"))["audit"]
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "frontend").mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_our_own_locks_are_sound(audit: Callable[[Path], list[str]]) -> None:
    assert audit(ROOT) == []


def test_a_pin_without_a_hash_is_found(audit: Callable[[Path], list[str]], copy: Path) -> None:
    lines = (copy / "requirements.txt").read_text().splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("anyio=="))
    end = next(n for n in range(first + 1, len(lines)) if not lines[n].startswith("    --hash"))
    lines[first] = lines[first].removesuffix(" \\")
    (copy / "requirements.txt").write_text("\n".join([*lines[: first + 1], *lines[end:]]))
    assert audit(copy) == ["requirements.txt: anyio has no hash"]


def test_a_range_in_place_of_a_version_is_found(
    audit: Callable[[Path], list[str]], copy: Path
) -> None:
    change(copy / "requirements.txt", "\nanyio==", "\nanyio>=")
    assert any("neither an exact version nor a hash" in problem for problem in audit(copy))
    assert "requirements.txt: anyio is needed and not locked" in audit(copy)


def test_a_dependency_that_is_not_locked_is_found(
    audit: Callable[[Path], list[str]], copy: Path
) -> None:
    change(copy / "pyproject.toml", '    "anyio>=', '    "ruff>=0.1",\n    "anyio>=')
    assert audit(copy) == ["requirements.txt: ruff is needed and not locked"]


def test_a_version_that_is_not_the_installed_one_is_found(
    audit: Callable[[Path], list[str]], copy: Path
) -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        change(copy / name, "\nanyio==", "\nanyio==0.")
    assert [problem.split(" is locked")[0][:30] for problem in audit(copy)] == [
        "requirements.txt: anyio 0.4.16"[:30],
        "requirements-dev.txt: anyio 0.4.16"[:30],
    ]


def test_what_nobody_needs_any_more_is_found(
    audit: Callable[[Path], list[str]], copy: Path
) -> None:
    change(copy / "pyproject.toml", '    "nh3>=0.3.8,<1",\n', "")
    assert audit(copy) == [
        "requirements.txt: nh3 is locked and nobody needs it",
        "requirements-dev.txt: nh3 is locked and nobody needs it",
    ]


def test_an_npm_package_without_its_hash_is_found(
    audit: Callable[[Path], list[str]], copy: Path
) -> None:
    change(copy / "frontend" / "package-lock.json", '"integrity": "sha512-', '"integrity": "md5-')
    (problem,) = audit(copy)
    assert problem.endswith("has no SHA-512")
