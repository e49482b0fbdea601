"""The rules of the house that no other tool measures: sizes, names, locks and layers."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import loopagent

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "loopagent"
MODULE_LINES = 300
FUNCTION_LINES = 50
VAGUE_NAMES = {"helper", "helpers", "util", "utils", "manager", "handler", "common", "misc"}
REQUIREMENTS = ["requirements.txt", "requirements-dev.txt", "requirements-node.txt"]


def modules() -> list[Path]:
    return sorted([*PACKAGE.rglob("*.py"), ROOT / "hatch_build.py"])


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            yield (
                f"{path.relative_to(ROOT)}:{node.lineno} {node.name}",
                node.end_lineno - node.lineno + 1,
            )


def test_no_module_is_longer_than_300_lines() -> None:
    sources = [*modules(), *(ROOT / "frontend" / "src").rglob("*.ts")]
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources}
    assert {name: count for name, count in lines.items() if count > MODULE_LINES} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    lengths = dict(item for path in modules() for item in functions(path))
    assert {name: count for name, count in lengths.items() if count > FUNCTION_LINES} == {}


def test_every_module_says_what_it_owns() -> None:
    silent = [path for path in modules() if ast.get_docstring(ast.parse(path.read_text())) is None]
    assert silent == []


def test_modules_are_named_after_what_they_hold() -> None:
    assert [path for path in modules() if VAGUE_NAMES & set(path.stem.split("_"))] == []


def test_rooms_import_only_what_lies_below_them() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_requirements_name_hashes_and_no_addresses() -> None:
    for name in REQUIREMENTS:
        text = (ROOT / name).read_text()
        pins = re.findall(r"^[a-z0-9].*$", text, re.MULTILINE)
        assert pins
        assert all(re.search(r"==\S+.* \\$", pin) for pin in pins), name
        assert text.count("--hash=sha256:") >= len(pins)
        assert "://" not in text
        assert not re.search(r"^-", text, re.MULTILINE), f"{name} carries an installer's option"


def test_developers_run_the_versions_that_users_run() -> None:
    def versions(name: str) -> dict[str, str]:
        pins = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE)
        return dict(pins)

    assert versions("requirements.txt").items() <= versions("requirements-dev.txt").items()


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    wanted = [*project["project"]["dependencies"], *groups["dev"], *groups["build"]]
    names = {re.split(r"[\[<>=;]", line)[0] for line in wanted}
    pinned = re.findall(
        r"^([a-z0-9-]+)==", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE
    )
    assert names <= set(pinned), "run `make requirements`"


def test_the_front_end_lock_carries_integrity_and_no_addresses() -> None:
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert all("integrity" in package for package in packages.values())
    assert not any("resolved" in package for package in packages.values())


def test_the_change_log_begins_with_this_version_or_what_is_to_come() -> None:
    first = re.search(r"^## \[?([^\]\s]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first
    assert first[1] in {"Unreleased", loopagent.__version__}


def test_links_between_documents_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    dead = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert dead == []


def test_documents_name_only_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        named = set(re.findall(r"`make ([a-z-]+)`", page.read_text()))
        assert named <= targets, page.name


def test_the_package_names_its_version_without_importing_anything_heavy() -> None:
    code = "import sys, loopagent; print(loopagent.__version__, *sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    )
    version, *loaded = answer.stdout.split()
    assert version == loopagent.__version__
    assert not {"asyncio", "fastapi", "claude_agent_sdk", "sqlalchemy", "argparse"} & set(loaded)
