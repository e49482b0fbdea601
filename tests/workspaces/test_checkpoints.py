"""Checkpoints: what is kept, what differs, and the way back, against a plain copy of the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopagent.errors import NotFoundError, UnavailableError
from loopagent.workspaces import scan
from loopagent.workspaces.checkpoints import Checkpoints
from loopagent.workspaces.workspaces import SessionFolder


@pytest.fixture
def folder(tmp_path: Path) -> SessionFolder:
    folder = SessionFolder(tmp_path / "session")
    folder.workspace.mkdir(parents=True)
    return folder


@pytest.fixture
def kept(folder: SessionFolder) -> Checkpoints:
    return Checkpoints(folder)


def tree(root: Path) -> dict[str, object]:
    """All files below a folder: what is in them, whether they run, and where links lead."""
    found: dict[str, object] = {}
    for place, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != ".git"]
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in (*names, *links):
            path = Path(place, name)
            key = str(path.relative_to(root))
            if path.is_symlink():
                found[key] = ("link", str(path.readlink()))
            else:
                found[key] = (path.read_bytes(), bool(path.stat().st_mode & 0o100))
    return found


def test_each_checkpoint_says_what_has_changed_since_the_one_before(
    folder: SessionFolder, kept: Checkpoints
) -> None:
    root = folder.workspace
    assert kept.take("start", 0) is None
    (root / "a.txt").write_text("one\ntwo\n")
    (root / "b.txt").write_text("gone soon\n")
    first = kept.take("turn", 7)
    assert first is not None
    assert (first.number, first.seq, first.why, first.files) == (1, 7, "turn", 2)
    (root / "a.txt").write_text("one\nthree\n")
    (root / "b.txt").unlink()
    (root / "bin").mkdir()
    (root / "bin" / "x").write_bytes(b"\0\1")
    assert kept.take("turn", 9) is not None
    assert kept.take("turn", 11) is None
    assert [(c.path, c.kind, c.added, c.removed) for c in kept.changes(1, 2)] == [
        ("a.txt", "changed", 1, 1),
        ("b.txt", "deleted", 0, 1),
        ("bin/x", "added", None, None),
    ]
    assert "-two\n+three\n" in kept.patch(1, 2, "a.txt")
    assert "b.txt" not in kept.patch(1, 2, "a.txt")
    assert [c.path for c in kept.changes(0, 2)] == ["a.txt", "bin/x"]
    assert [c.number for c in kept.look()] == [1, 2]
    with pytest.raises(NotFoundError):
        kept.changes(1, 3)


def test_a_patch_applies(folder: SessionFolder, kept: Checkpoints, tmp_path: Path) -> None:
    (folder.workspace / "a.txt").write_text("one\n")
    kept.take("turn", 1)
    shutil.copytree(folder.workspace, tmp_path / "copy")
    (folder.workspace / "a.txt").write_text("two\n")
    (folder.workspace / "b.bin").write_bytes(bytes(range(256)))
    kept.take("turn", 2)
    subprocess.run(
        ["git", "apply"],
        input=kept.patch(1, 2, binary=True),
        text=True,
        cwd=tmp_path / "copy",
        check=True,
    )
    assert tree(tmp_path / "copy") == tree(folder.workspace)


def test_a_change_of_content_with_the_old_size_and_time_is_seen(
    folder: SessionFolder, kept: Checkpoints
) -> None:
    file = folder.workspace / "a.txt"
    file.write_text("one")
    os.utime(file, (1, 1))
    kept.take("turn", 1)
    file.write_text("two")
    os.utime(file, (1, 1))
    assert kept.take("turn", 2) is not None
    assert "+two" in kept.patch(1, 2)


def test_touching_a_file_is_no_change(folder: SessionFolder, kept: Checkpoints) -> None:
    (folder.workspace / "a.txt").write_text("one")
    kept.take("turn", 1)
    os.utime(folder.workspace / "a.txt", (1, 1))
    assert kept.take("turn", 2) is None


def test_a_lost_index_costs_time_and_nothing_else(folder: SessionFolder, kept: Checkpoints) -> None:
    (folder.workspace / "a.txt").write_text("one")
    (folder.workspace / "b.txt").write_text("one")
    kept.take("turn", 1)
    (folder.root / "checkpoints" / "index.json").write_text("{")
    (folder.workspace / "a.txt").unlink()
    kept.take("turn", 2)
    assert [(c.path, c.kind) for c in kept.changes(1, 2)] == [("a.txt", "deleted")]


def test_a_repository_is_seen_whole_or_not_at_all(
    folder: SessionFolder, kept: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (folder.workspace / "a.txt").write_text("one")
    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", fail)
        with pytest.raises(UnavailableError):
            kept.take("turn", 1)
    assert kept.look() == []
    assert kept.take("turn", 1) is not None


def test_ignored_files_and_nested_repositories_are_plain_files_and_run_nothing(
    folder: SessionFolder, kept: Checkpoints, tmp_path: Path
) -> None:
    inner = folder.workspace / "inner"
    inner.mkdir()
    trap = tmp_path / "trap"
    subprocess.run(["git", "init", "-q", str(inner)], check=True)
    (inner / ".git" / "config").write_text(
        f'[core]\n\tfsmonitor = "touch {trap}"\n[filter "x"]\n\tclean = "touch {trap}; cat"\n'
    )
    (inner / ".gitattributes").write_text("* filter=x diff=x -text\n")
    (inner / ".gitignore").write_text("*.log\n")
    (inner / "a.log").write_text("ignored, and kept\n")
    (folder.workspace / ".git").write_text("gitdir: /nowhere\n")
    kept.take("turn", 1)
    assert [c.path for c in kept.changes(0, 1)] == [
        "inner/.gitattributes",
        "inner/.gitignore",
        "inner/a.log",
    ]
    assert "+ignored, and kept" in kept.patch(0, 1)
    assert not trap.exists()


def test_rewinding_brings_back_and_can_itself_be_undone(
    folder: SessionFolder, kept: Checkpoints
) -> None:
    root = folder.workspace
    (root / "a.txt").write_text("one")
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o755)
    (root / "to").symlink_to("a.txt")
    kept.take("turn", 1)
    before = tree(root)
    (root / "a.txt").write_text("two")
    (root / "run").unlink()
    (root / "to").unlink()
    (root / "to").mkdir()
    (root / "to" / "deep.txt").write_text("x")
    later = tree(root)
    done = kept.rewind(1, 5)
    assert tree(root) == before
    assert set(done.written) == {"a.txt", "run", "to"}
    assert done.deleted == ("to/deep.txt",)
    assert [c.why for c in kept.look()] == ["turn", "hand", "rewind"]
    kept.rewind(2, 5)
    assert tree(root) == later


def test_what_is_in_no_checkpoint_is_left_as_it_is_and_named(
    folder: SessionFolder, kept: Checkpoints
) -> None:
    file = folder.workspace / "big"
    file.write_text("small")
    kept.take("turn", 1)
    file.write_bytes(b"x" * (scan.LARGEST_FILE + 1))
    assert kept.rewind(1, 2).kept == ("big",)
    assert file.stat().st_size == scan.LARGEST_FILE + 1


def test_rewinding_writes_through_no_link(folder: SessionFolder, kept: Checkpoints) -> None:
    outside = folder.root / "outside"
    outside.mkdir()
    (folder.workspace / "d").mkdir()
    (folder.workspace / "d" / "f").write_text("one")
    kept.take("turn", 1)
    shutil.rmtree(folder.workspace / "d")
    (folder.workspace / "d").symlink_to(outside)
    kept.rewind(1, 2)
    assert list(outside.iterdir()) == []
    assert (folder.workspace / "d" / "f").read_text() == "one"


def test_going_back_to_the_start_empties_the_workspace(
    folder: SessionFolder, kept: Checkpoints
) -> None:
    (folder.workspace / "d").mkdir()
    (folder.workspace / "d" / "f").write_text("one")
    kept.rewind(0, 2)
    assert list(folder.workspace.iterdir()) == []


NAMES = st.sampled_from(["a", "b", 'q"uote', "new\nline", " blank ", "ü", "back\\slash", "-x"])
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["write", "delete", "link", "run", "keep", "back"]),
        st.lists(NAMES, min_size=1, max_size=3),
        st.binary(max_size=8),
    ),
    max_size=12,
)


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _do(root: Path, deed: str, names: list[str], data: bytes) -> None:
    path = root.joinpath(*names)
    for parent in reversed(path.parents):
        if parent.is_relative_to(root) and (parent.is_symlink() or not parent.is_dir()):
            _clear(parent)
            parent.mkdir()
    _clear(path)
    if deed in {"write", "run"}:
        path.write_bytes(data)
        path.chmod(0o755 if deed == "run" else 0o644)
    elif deed == "link":
        path.symlink_to("a")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("places")


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(deeds=DEEDS)
def test_every_checkpoint_gives_back_the_tree_that_it_was_taken_of(
    places: Path, deeds: list[Any]
) -> None:
    folder = SessionFolder(places / os.urandom(6).hex())
    folder.workspace.mkdir(parents=True)
    kept = Checkpoints(folder)
    trees: dict[int, dict[str, object]] = {0: {}}
    for seq, (deed, names, data) in enumerate(deeds):
        if deed == "keep":
            kept.take("turn", seq)
            newest = len(kept.look())
            trees[newest] = tree(folder.workspace)
        elif deed == "back":
            number = sorted(trees)[len(data) % len(trees)]
            kept.rewind(number, seq)
            assert tree(folder.workspace) == trees[number]
        else:
            _do(folder.workspace, deed, names, data)
    for number, expected in trees.items():
        kept.rewind(number, 99)
        assert tree(folder.workspace) == expected
