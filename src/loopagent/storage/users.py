"""Users: who there is, and the hash of each one's password."""

from __future__ import annotations

from sqlalchemy import Connection, select, text, update

from loopagent.domain.events import now
from loopagent.domain.ids import UserId
from loopagent.errors import ConflictError
from loopagent.storage.rows import to_text
from loopagent.storage.schema import users

# Both databases know the clause; SQLAlchemy has a construct of its own for each.
_INSERT = text(
    "INSERT INTO users (id, name, role, created_at) VALUES (:id, :name, :role, :created_at) "
    "ON CONFLICT (id) DO NOTHING"
)


def ensure(conn: Connection, user_id: UserId, name: str, role: str) -> None:
    """Make a user unless there is one of this id."""
    given = {"id": user_id, "name": name, "role": role, "created_at": to_text(now())}
    conn.execute(_INSERT, given)


def password_hash(conn: Connection, user_id: UserId) -> str | None:
    """The hash of a user's password; None without one."""
    wanted = select(users.c.password_hash).where(users.c.id == user_id)
    return conn.execute(wanted).scalar_one_or_none()


def set_password_hash(conn: Connection, user_id: UserId, hashed: str | None) -> None:
    """Give a user another password, or none."""
    conn.execute(update(users).where(users.c.id == user_id).values(password_hash=hashed))


def set_first_password_hash(conn: Connection, user_id: UserId, hashed: str) -> None:
    """Give a user a first password; raises ConflictError if there is one."""
    without = (users.c.id == user_id) & users.c.password_hash.is_(None)
    if not conn.execute(update(users).where(without).values(password_hash=hashed)).rowcount:
        raise ConflictError("There is a password already: sign in with it at /login.")
