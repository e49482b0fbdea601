"""What DATABASE_URL names, in all its spellings."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopagent.errors import StorageError
from loopagent.storage.address import file_path, is_server, server_url
from loopagent.storage.database import Database


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:./data/sessions.db", "data/sessions.db"),
        ("file:sessions.db", "sessions.db"),
        ("file:/var/lib/sessions.db", "/var/lib/sessions.db"),
        ("file:///var/lib/sessions.db", "/var/lib/sessions.db"),
        ("sqlite:///data/sessions.db", "data/sessions.db"),
        ("sqlite:////var/lib/sessions.db", "/var/lib/sessions.db"),
        ("file:./my folder/ä#1%.db", "my folder/ä#1%.db"),
    ],
)
def test_a_file_is_named_in_three_ways(url: str, path: str) -> None:
    assert not is_server(url)
    assert file_path(url) == Path(path)


@pytest.mark.parametrize(
    "url", ["postgresql://ann:pw@db/name", "postgres://db/name", "postgresql+psycopg://db/name"]
)
def test_a_server_is_named_in_three_ways(url: str) -> None:
    assert is_server(url)
    assert server_url(url).drivername == "postgresql+psycopg"
    assert server_url(url).database == "name"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sessions.db",
        "mysql://ann:secret@db/name",
        "sqlite:",
        "sqlite:sessions.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "file:",
        "file::memory:",
        "file:sessions.db?mode=memory",
        "file:a\0b",
        "postgresql://ann:secret@db:port/name",
    ],
)
def test_anything_else_is_refused_with_the_spellings_and_without_secrets(url: str) -> None:
    with pytest.raises(StorageError, match=r"file:\./data/sessions\.db") as caught:
        Database.open(url)
    assert "secret" not in str(caught.value)
