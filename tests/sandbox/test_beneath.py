"""Files in an agent's folder, opened by the server: no trap there leads it astray."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

import pytest

from loopagent.sandbox.beneath import Mode, open_beneath

FILE = PurePath("projects", "workspace", "file")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base" / "projects" / "workspace").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("another's")
    return tmp_path / "base"


def test_a_regular_file_is_read_and_written(base: Path) -> None:
    (base / FILE).write_text("one")
    with open_beneath(base, FILE, "ab") as file:
        file.write(b" two")
    with open_beneath(base, FILE, "r+b") as file:
        file.truncate(5)
    with open_beneath(base, FILE, "rb") as file:
        assert file.read() == b"one t"


@pytest.mark.parametrize("mode", ["rb", "r+b", "ab"])
@pytest.mark.parametrize("trap", ["none", "link", "folder link", "upper link", "pipe", "folder"])
def test_a_trap_is_as_good_as_no_file(base: Path, trap: str, mode: Mode) -> None:
    place, other = base / FILE, base.parent / "other"
    match trap:
        case "link":
            place.symlink_to(other / "file")
        case "folder link":
            place.parent.rmdir()
            place.parent.symlink_to(other)
        case "upper link":
            place.parent.rmdir()
            place.parent.parent.rmdir()
            place.parent.parent.symlink_to(other.parent)
            (other.parent / "workspace").symlink_to(other)
        case "pipe":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case _:
            pass
    with pytest.raises(FileNotFoundError):
        open_beneath(base, FILE, mode)
    assert (other / "file").read_text() == "another's"
