"""The file: what is said when it can't be used, and that a full disk is no end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from loopagent.domain.ids import new_event_id
from loopagent.errors import StorageError
from loopagent.storage import blobs, sessions
from loopagent.storage.database import Database
from tests.storage.records import a_session
from tests.support.disk import SmallDisk, small_disk


def test_the_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    Database.open(f"sqlite:///{tmp_path}/deep/down/x.db").close()
    assert (tmp_path / "deep/down/x.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "url",
    ["", "x.db", "mysql://user@host/name", "file:", "file::memory:", "sqlite://x", "file:a?b"],
)
def test_an_address_that_is_not_understood_is_told_with_what_would_be(url: str) -> None:
    with pytest.raises(StorageError, match="Write file:"):
        Database.open(url)


def test_a_password_in_a_wrong_address_is_not_shown() -> None:
    with pytest.raises(StorageError) as caught:
        Database.open("postgresql://user:hunter2@host:port/name")
    assert "hunter2" not in caught.value.message


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(StorageError, match="Check DATABASE_URL") as caught:
        Database.open("postgresql://user:hunter2@127.0.0.1:1/name")
    assert "postgresql://user:***@127.0.0.1:1/name" in caught.value.message


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Make its folder writable"):
        Database.open(f"file:{tmp_path}/file/x.db")


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Check that it is a file"):
        Database.open(f"file:{tmp_path}")


@pytest.mark.parametrize("size", [50, 5000])
def test_a_file_that_is_no_database_is_told_and_left_alone(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"not a database " * size)
    with pytest.raises(StorageError, match="Restore a backup"):
        Database.open(f"file:{path}")
    assert path.read_bytes() == b"not a database " * size


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with small_disk(2) as made:
        yield made


def test_a_read_only_disk_is_told(disk: SmallDisk) -> None:
    Database.open(f"file:{disk.place}/x.db").close()
    disk.make_read_only()
    with pytest.raises(StorageError, match=r"writable|Check"):
        Database.open(f"file:{disk.place}/x.db")
    with pytest.raises(StorageError, match="Make its folder writable"):
        Database.open(f"file:{disk.place}/new/x.db")


async def test_a_full_disk_is_told_and_room_cures_it(disk: SmallDisk) -> None:
    database, session = Database.open(f"file:{disk.place}/x.db"), a_session()
    ballast = disk.place / "ballast"
    ballast.write_bytes(b"x" * 1_000_000)

    def fill(conn: Connection) -> None:
        blobs.put(conn, session.id, new_event_id(), "x" * 1_500_000)

    with pytest.raises(StorageError, match="Free some"):
        await database.write(fill)
    ballast.unlink()
    await database.write(lambda conn: sessions.insert_row(conn, session))
    assert await database.read(lambda conn: sessions.get(conn, session.id)) == session
    database.close()
