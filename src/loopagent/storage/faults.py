"""What a database's error means for people: an error of ours that ends with the next step."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from loopagent.errors import ConflictError, InvalidRequestError, StorageError

_UNREACHABLE = "The database server {place} can't be reached. Check DATABASE_URL and that it runs."
_UNKNOWN = "The database {place} refused a statement. Look at the server's log."

_NOT_UNIQUE = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}

# By SQLite's primary result code.
_SQLITE = {
    sqlite3.SQLITE_FULL: "No space is left for the database {place}. Free some, then try again.",
    sqlite3.SQLITE_READONLY: "The database {place} is read-only. Make file and folder writable.",
    sqlite3.SQLITE_PERM: "The database {place} may not be opened. Check who owns it.",
    sqlite3.SQLITE_CANTOPEN: "The database {place} can't be opened. Check that it is a file and "
    "that its folder is writable.",
    sqlite3.SQLITE_NOTADB: "{place} is not a database, or damaged. Restore a backup, or move it "
    "away to begin anew.",
    sqlite3.SQLITE_CORRUPT: "The database {place} is damaged. Restore a backup, or move it away "
    "to begin anew.",
    sqlite3.SQLITE_BUSY: "Another program holds the database {place}. Stop it, then try again.",
    sqlite3.SQLITE_IOERR: "The disk of the database {place} fails. Check it and its free space.",
}

# By the beginning of PostgreSQL's SQLSTATE; the first that fits counts.
_POSTGRES = (
    ("08", _UNREACHABLE),
    ("57P", _UNREACHABLE),
    ("42501", "The user of {place} may not do that. Grant CREATE on the schema and its tables."),
    ("25006", "The database {place} is read-only. Use the address of the primary server."),
    ("53", "The database server {place} is out of room or connections. Free some, try again."),
    ("57014", "The database {place} took too long. Look for what keeps it busy, then try again."),
    ("55P03", "Another program holds rows of {place}. Stop it, then try again."),
)


def explained(error: Exception, place: str) -> Exception:
    """The error that the waiter gets: the driver's are put into words, others are left alone."""
    if isinstance(error, DataError | UnicodeEncodeError):
        return InvalidRequestError(
            "The text holds a character that can't be stored (a NUL or half a surrogate pair). "
            "Remove it and send again."
        )
    if isinstance(error, IntegrityError) and is_taken(error):
        return ConflictError(
            "Something of this id or number is stored already, perhaps by somebody else at the "
            "same moment. Read it again, then decide."
        )
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(error, DBAPIError) or isinstance(cause, sqlite3.Error):
        reason = " ".join(str(cause).split())
        return StorageError(f"{_advice(cause).format(place=place)} ({reason})")
    return error


def is_taken(error: IntegrityError) -> bool:
    """Whether a value that must be unique was there before."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return cause.sqlite_errorcode in _NOT_UNIQUE
    return getattr(cause, "sqlstate", None) == "23505"


def _advice(cause: BaseException | None) -> str:
    if isinstance(cause, sqlite3.Error):
        # Extended codes carry the primary one in their lowest byte.
        code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        return _SQLITE.get(code, _UNKNOWN)
    state = getattr(cause, "sqlstate", None)
    if state is None:
        return _UNREACHABLE  # the connection broke, or never was
    return next((advice for start, advice in _POSTGRES if state.startswith(start)), _UNKNOWN)
