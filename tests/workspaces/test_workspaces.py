"""Folders of sessions: whole or not at all, removed only if they are ours."""

from __future__ import annotations

import json
import os
import resource
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from loopagent.domain.ids import SessionId, new_session_id
from loopagent.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
    UnknownTemplateError,
)
from loopagent.workspaces import templates
from loopagent.workspaces.workspaces import MARKER, SessionFolder, Workspaces

SHIPPED = Path(__file__).parents[2] / "templates"


@pytest.fixture
def workspaces(tmp_path: Path) -> Workspaces:
    return Workspaces(tmp_path / "root", tmp_path / "templates")


@pytest.fixture
def template(tmp_path: Path) -> Path:
    folder = tmp_path / "templates" / "small"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.py").write_text("print('hello')\n")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o4755)
    (folder / "template.json").write_text(json.dumps({"name": "Small", "description": "Tiny."}))
    return folder


def trash(root: Path) -> list[Path]:
    return list((root / ".trash").glob("*"))


async def test_a_new_folder_is_the_owners_alone_and_carries_our_marker(
    workspaces: Workspaces,
) -> None:
    session_id = new_session_id()
    folder = await workspaces.create(session_id)
    assert workspaces.exists(session_id)
    assert (folder.root / MARKER).read_text().strip() == session_id
    for place in (folder.root, *folder.all):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert place.is_absolute()
    assert list(folder.workspace.iterdir()) == []


async def test_a_template_is_copied_without_its_description(
    workspaces: Workspaces, template: Path
) -> None:
    folder = await workspaces.create(new_session_id(), "small")
    assert (folder.workspace / "src" / "main.py").read_text() == "print('hello')\n"
    assert not (folder.workspace / "template.json").exists()
    assert stat.S_IMODE((folder.workspace / "run").stat().st_mode) == 0o755


async def test_links_that_leave_the_template_and_special_files_stay_behind(
    workspaces: Workspaces, template: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    (template / "out").symlink_to("../../secret")
    (template / "absolute").symlink_to(template / "src")
    (template / "inner").symlink_to("src/main.py")
    (template / "src" / "up").symlink_to("../run")
    (template / ".git").mkdir()
    os.mkfifo(template / "pipe")
    folder = await workspaces.create(new_session_id(), "small")
    names = {path.name for path in folder.workspace.iterdir()}
    assert names == {"src", "run", "inner"}
    assert (folder.workspace / "inner").readlink() == Path("src/main.py")
    assert (folder.workspace / "src" / "up").resolve() == folder.workspace / "run"


@pytest.mark.parametrize("name", ["missing", "..", ".", "a/b", "small/src", "/etc", "", "a\0"])
async def test_an_unknown_template_names_those_that_there_are(
    workspaces: Workspaces, template: Path, tmp_path: Path, name: str
) -> None:
    if not name:
        assert list((await workspaces.create(new_session_id(), name)).workspace.iterdir()) == []
        return
    session_id = new_session_id()
    with pytest.raises(UnknownTemplateError, match=r"Choose one of: small\."):
        await workspaces.create(session_id, name)
    assert not workspaces.exists(session_id)


async def test_without_templates_the_error_says_to_start_empty(workspaces: Workspaces) -> None:
    assert workspaces.templates() == []
    with pytest.raises(UnknownTemplateError, match="empty workspace"):
        await workspaces.create(new_session_id(), "small")


async def test_templates_are_listed_with_title_and_description(
    workspaces: Workspaces, template: Path
) -> None:
    (template.parent / "broken").mkdir()
    (template.parent / "broken" / "template.json").write_text("[1,")
    (template.parent / ".hidden").mkdir()
    (template.parent / "a file").touch()
    listed = [(t.name, t.title, t.description) for t in workspaces.templates()]
    assert listed == [("broken", "broken", ""), ("small", "Small", "Tiny.")]


async def test_too_large_a_template_leaves_nothing_behind(
    workspaces: Workspaces, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "_MAX_FILES", 2)
    with pytest.raises(InvalidRequestError, match="more than 2 files"):
        await workspaces.create(new_session_id(), "small")
    assert list((tmp_path / "root").iterdir()) == []


async def test_a_root_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    workspaces = Workspaces(tmp_path / "file" / "root", tmp_path)
    with pytest.raises(UnavailableError, match="WORKSPACE_ROOT"):
        await workspaces.create(new_session_id())


async def test_a_failed_write_leaves_nothing_behind(
    workspaces: Workspaces, template: Path, tmp_path: Path
) -> None:
    (template / "large").write_bytes(bytes(200_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(UnavailableError, match="File too large"):
            await workspaces.create(new_session_id(), "small")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "root").iterdir()) == []


@pytest.mark.parametrize("text", ["", "..", "sesn_x", "sesn_" + "0" * 26 + "/..", "/etc"])
def test_only_well_formed_ids_become_paths(workspaces: Workspaces, text: str) -> None:
    with pytest.raises(NotFoundError):
        workspaces.folder(SessionId(text))


async def test_a_folder_is_never_made_twice(workspaces: Workspaces) -> None:
    session_id = new_session_id()
    folder = await workspaces.create(session_id)
    (folder.workspace / "work").touch()
    with pytest.raises(ConflictError):
        await workspaces.create(session_id)
    assert (folder.workspace / "work").exists()
    assert [path.name for path in folder.root.parent.iterdir()] == [session_id]


async def test_a_removed_folder_is_in_the_trash(workspaces: Workspaces, tmp_path: Path) -> None:
    session_id = new_session_id()
    folder = await workspaces.create(session_id)
    (folder.workspace / "work").write_text("kept")
    await workspaces.remove(session_id)
    assert not workspaces.exists(session_id)
    (found,) = trash(tmp_path / "root")
    assert found.name.startswith(f"{session_id}-")
    assert (found / "workspace" / "work").read_text() == "kept"
    await workspaces.remove(session_id)
    assert trash(tmp_path / "root") == [found]


def _unmark(folder: SessionFolder) -> None:
    (folder.root / MARKER).unlink()


def _mark_another(folder: SessionFolder) -> None:
    (folder.root / MARKER).write_text(new_session_id())


def _link_the_marker(folder: SessionFolder) -> None:
    other = folder.workspace / "marker"
    (folder.root / MARKER).rename(other)
    (folder.root / MARKER).symlink_to(other)


def _link_the_folder(folder: SessionFolder) -> None:
    moved = folder.root.with_name("elsewhere")
    folder.root.rename(moved)
    folder.root.symlink_to(moved)


@pytest.mark.parametrize("spoil", [_unmark, _mark_another, _link_the_marker, _link_the_folder])
async def test_what_is_not_marked_as_ours_stays(
    workspaces: Workspaces,
    tmp_path: Path,
    spoil: Callable[[SessionFolder], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    session_id = new_session_id()
    folder = await workspaces.create(session_id)
    spoil(folder)
    await workspaces.remove(session_id)
    assert folder.root in (tmp_path / "root").iterdir()
    assert trash(tmp_path / "root") == []
    assert "stays where it is" in caplog.text


async def test_the_trash_is_emptied_after_its_days_and_no_link_is_followed(tmp_path: Path) -> None:
    session_id = new_session_id()
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    workspaces = Workspaces(tmp_path / "root", tmp_path, trash_days=7)
    folder = await workspaces.create(session_id)
    (folder.workspace / "link").symlink_to(kept)
    (folder.workspace / "closed").mkdir(mode=0o000)
    await workspaces.remove(session_id)
    (entry,) = trash(tmp_path / "root")
    (entry.parent / "somebody's").mkdir()
    assert await workspaces.empty_trash() == 0
    old = entry.rename(entry.with_name(f"{session_id}-20200101T000000Z"))
    assert await workspaces.empty_trash() == 1
    assert not old.exists()
    assert (kept / "file").exists()
    assert [path.name for path in trash(tmp_path / "root")] == ["somebody's"]


async def test_unfinished_folders_of_a_crash_go_after_a_day(tmp_path: Path) -> None:
    workspaces = Workspaces(tmp_path / "root", tmp_path)
    assert await workspaces.empty_trash() == 0
    for name in ("old", "new"):
        (tmp_path / "root" / f".new-{name}").mkdir(parents=True)
    os.utime(tmp_path / "root" / ".new-old", (0, 0))
    await workspaces.empty_trash()
    assert [path.name for path in (tmp_path / "root").iterdir()] == [".new-new"]


async def test_the_shipped_templates_work(tmp_path: Path) -> None:
    workspaces = Workspaces(tmp_path / "root", SHIPPED)
    assert [template.name for template in workspaces.templates()] == ["python-starter"]
    assert all(template.description for template in workspaces.templates())
    folder = await workspaces.create(new_session_id(), "python-starter")
    done = await anyio.run_process(
        [sys.executable, "-m", "unittest"], cwd=folder.workspace, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
