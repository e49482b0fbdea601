"""A person's hands in a workspace: inside the root alone, through no link, whatever is swapped."""

from __future__ import annotations

import io
import os
import threading
import zipfile
from pathlib import Path

import pytest

from loopagent.errors import (
    ConflictError,
    InvalidRequestError,
    LoopError,
    NotFoundError,
)
from loopagent.workspaces import files
from loopagent.workspaces.zipped import zipped


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "workspace"
    (root / "src").mkdir(parents=True)
    (root / "src" / "main.py").write_text("print('hello')\n")
    (root / "notes.md").write_text("# Notes\n")
    (root / "out").symlink_to(tmp_path)
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    return root


def content(root: Path, path: str) -> bytes:
    return b"".join(files.open_file(root, path).pieces())


def test_a_folder_lists_folders_first_and_says_where_links_lead(root: Path) -> None:
    found = files.look(root)
    assert [(e.name, e.kind) for e in found.entries] == [
        ("src", "folder"),
        ("link.txt", "link"),
        ("notes.md", "file"),
        ("out", "link"),
    ]
    assert found.entries[1].target == str(root.parent / "secret.txt")
    assert [e.path for e in files.look(root, "src").entries] == ["src/main.py"]


@pytest.mark.parametrize(
    "path", ["link.txt", "out/secret.txt", "../secret.txt", "/etc/passwd", "src/../../secret.txt"]
)
def test_no_path_leads_out(root: Path, path: str) -> None:
    for deed in (
        lambda: files.open_file(root, path),
        lambda: files.rename(root, path + "/x", "taken"),
        lambda: files.look(root, path),
        lambda: files.make_folder(root, path + "/deep"),
        lambda: files.put(root, path + "/new", b"x"),
        lambda: files.delete(root, path + "/x"),
    ):
        with pytest.raises(InvalidRequestError):
            deed()
    assert (root.parent / "secret.txt").read_text() == "secret"


def test_a_link_is_deleted_and_not_what_it_leads_to(root: Path) -> None:
    files.delete(root, "link.txt")
    files.delete(root, "out")
    assert (root.parent / "secret.txt").read_text() == "secret"
    assert [e.name for e in files.look(root).entries] == ["src", "notes.md"]


def test_deleting_a_folder_leaves_what_its_links_lead_to(root: Path) -> None:
    (root / "src" / "out").symlink_to(root.parent)
    files.delete(root, "src")
    assert not (root / "src").exists()
    assert (root.parent / "secret.txt").read_text() == "secret"


def test_what_is_written_is_there_whole_and_replaced_only_on_demand(root: Path) -> None:
    assert files.put(root, "a/b/c.txt", b"one") is True
    with pytest.raises(ConflictError):
        files.put(root, "a/b/c.txt", b"two")
    assert files.put(root, "a/b/c.txt", b"two", replace=True) is False
    assert content(root, "a/b/c.txt") == b"two"
    assert [path.name for path in (root / "a" / "b").iterdir()] == ["c.txt"]
    with pytest.raises(ConflictError):
        files.put(root, "link.txt", b"two", replace=True)


def test_renaming_takes_no_name_that_is_taken(root: Path) -> None:
    files.rename(root, "notes.md", "docs/notes.md")
    assert content(root, "docs/notes.md") == b"# Notes\n"
    with pytest.raises(ConflictError):
        files.rename(root, "docs/notes.md", "src/main.py")
    with pytest.raises(NotFoundError):
        files.rename(root, "notes.md", "x")
    with pytest.raises(InvalidRequestError, match="into itself"):
        files.rename(root, "src", "src/inner")


def test_a_named_pipe_is_refused_and_waited_for_by_nobody(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(InvalidRequestError):
        files.open_file(root, "pipe")


def test_a_part_of_a_file_can_be_read(root: Path) -> None:
    assert b"".join(files.open_file(root, "notes.md").pieces(2, 3)) == b"Not"


def test_a_zip_holds_the_files_and_nothing_behind_a_link(root: Path) -> None:
    (root / "empty").mkdir()
    (root / "日本.txt").write_text("words")
    os.utime(root / "notes.md", (0, 0))
    with zipfile.ZipFile(io.BytesIO(b"".join(zipped(root, "")))) as archive:
        assert sorted(archive.namelist()) == [
            "empty/",
            "notes.md",
            "src/",
            "src/main.py",
            "日本.txt",
        ]
        assert archive.read("src/main.py") == b"print('hello')\n"
        assert archive.testzip() is None


def test_no_swap_of_a_folder_for_a_link_leads_out(root: Path) -> None:
    """Somebody puts a link in the folder's place all the time; it never shows the other side."""
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "file").write_text("secret")
    (outside / "other").write_text("secret")
    (root / "real").mkdir()
    (root / "real" / "file").write_text("mine")
    (root / "trap").symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for old, new in (
                ("real", "door"),
                ("door", "real"),
                ("trap", "door"),
                ("door", "trap"),
            ):
                (root / old).rename(root / new)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    try:
        for _ in range(2000):
            try:
                seen.add(content(root, "door/file"))
                files.delete(root, "door/other")
            except LoopError:
                seen.add(b"")
    finally:
        stop.set()
        swapper.join()
    assert seen <= {b"mine", b""}
    assert {path.name for path in outside.iterdir()} == {"file", "other"}


def test_the_size_counts_files_and_not_what_links_lead_to(root: Path) -> None:
    size = files.measure(root)
    assert size.files == 4
    assert 23 <= size.bytes < 400


def test_names_that_are_no_unicode_are_shown_and_zipped(root: Path) -> None:
    os.close(os.open(os.fsencode(root) + b"/odd\xff", os.O_CREAT | os.O_WRONLY))
    assert "odd\ufffd" in [e.name for e in files.look(root).entries]
    assert b"".join(zipped(root, ""))


def test_what_a_root_server_makes_is_its_folders_owners(root: Path) -> None:
    owner = 12345 if os.geteuid() == 0 else os.geteuid()
    if os.geteuid() == 0:
        os.chown(root, owner, owner)
    files.put(root, "made/by/hand.txt", b"x")
    files.make_folder(root, "folder")
    for path in ("made", "made/by", "made/by/hand.txt", "folder"):
        assert (root / path).stat().st_uid == owner
