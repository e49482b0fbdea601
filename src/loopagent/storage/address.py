"""What DATABASE_URL names: a file, or a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from loopagent.errors import StorageError

_SPELLINGS = (
    "Write file:./data/sessions.db, sqlite:////absolute/path or postgresql://user@host/name."
)
_SERVERS = ("postgresql://", "postgres://", "postgresql+psycopg://")


def is_server(url: str) -> bool:
    """Whether `url` names a PostgreSQL server."""
    return url.startswith(_SERVERS)


def server_url(url: str) -> URL:
    """The address of a server as SQLAlchemy takes it; raises StorageError."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        # Not shown: it may hold a password that can't be told from the rest. Not chained either.
        raise StorageError(f"The server in DATABASE_URL is not understood. {_SPELLINGS}") from None
    return address.set(drivername="postgresql+psycopg")


def file_path(url: str) -> Path:
    """The file that a `file:` or `sqlite:` URL names; raises StorageError for any other."""
    scheme, _, rest = url.partition(":")
    path = ""
    if scheme == "file":
        path = rest.removeprefix("//")
    elif scheme == "sqlite" and rest.startswith("///"):
        path = rest.removeprefix("///")
    else:
        shown = f"{scheme}:…" if rest else "without a scheme"
        raise StorageError(f"DATABASE_URL ({shown}) is not understood. {_SPELLINGS}")
    if not path or path == ":memory:" or "?" in path or "\0" in path:
        raise StorageError(f"DATABASE_URL must name a file, without options. {_SPELLINGS}")
    return Path(path)
