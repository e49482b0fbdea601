"""The tables as they are after all migrations; a test holds the two against each other.

Times are UTC text of fixed width, so that they sort; money is integer micro-dollars; `body` and
other structures are JSON text. Columns named worker, lease_until and fence are for several
machines.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from loopagent.storage import columns
from loopagent.storage.columns import number as _int
from loopagent.storage.columns import text as _text
from loopagent.storage.texts import search_texts

metadata = columns.metadata

schema_migrations = Table(
    "schema_migrations",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    _text("name"),
    _text("checksum"),
    _text("applied_at"),
)

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name"),
    _text("password_hash", nullable=True),
    _text("role"),
    _text("created_at"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    _text("owner"),
    _text("name"),
    Column("token_hash", Text, nullable=False, unique=True),
    _text("scopes"),
    _text("created_at"),
    _text("last_used_at", nullable=True),
    _text("revoked_at", nullable=True),
    Index("tokens_by_owner", "owner", "created_at"),
)

sign_ins = Table(
    "sign_ins",
    metadata,
    Column("id", Text, primary_key=True),
    _text("owner"),
    Column("token_hash", Text, nullable=False, unique=True),
    _text("client"),
    _text("browser"),
    _text("created_at"),
    _text("last_used_at"),
    _text("expires_at"),
    Index("sign_ins_by_owner", "owner", "created_at"),
)

agents = Table(
    "agents",
    metadata,
    Column("id", Text, primary_key=True),
    _text("owner"),
    _int("version"),
    _text("created_at"),
    _text("archived_at", nullable=True),
    Index("agents_by_owner", "owner", "created_at"),
)

agent_versions = Table(
    "agent_versions",
    metadata,
    _text("agent_id"),
    _int("version"),
    _text("body"),
    PrimaryKeyConstraint("agent_id", "version"),
)

environments = Table(
    "environments",
    metadata,
    Column("id", Text, primary_key=True),
    _text("owner"),
    _text("body"),
    _text("created_at"),
    _text("archived_at", nullable=True),
    Index("environments_by_owner", "owner", "created_at"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    _text("owner"),
    _text("agent_id"),
    _int("agent_version"),
    _text("agent"),
    _text("environment_id"),
    _text("title", nullable=True),
    _text("metadata"),
    _text("template", nullable=True),
    _text("isolation"),
    _text("sdk_session_id"),
    _text("status"),
    _text("stop_reason", nullable=True),
    _text("asks"),
    _text("error", nullable=True),
    _text("usage"),
    _int("cost"),
    _int("turns"),
    _int("active_ms"),
    _text("running_since", nullable=True),
    _int("seq"),
    _text("created_at"),
    _text("updated_at"),
    _text("archived_at", nullable=True),
    _text("worker", nullable=True),
    _text("lease_until", nullable=True),
    _int("fence"),
    Column("recovery", Text, nullable=False, server_default="auto"),
    _int("budget", nullable=True),
    Column("reported_cost", BigInteger, nullable=False, server_default="0"),
    _text("held", nullable=True),
    _text("pinned_at", nullable=True),
    _text("trashed_at", nullable=True),
    Index("sessions_by_owner", "owner", "created_at", "id"),
    Index("sessions_by_status", "status"),
)

events = Table(
    "events",
    metadata,
    _text("session_id"),
    _int("seq"),
    Column("id", Text, nullable=False, unique=True),
    _text("type"),
    _text("processed_at"),
    _text("body"),
    PrimaryKeyConstraint("session_id", "seq"),
)

blobs = Table(
    "blobs",
    metadata,
    _text("session_id"),
    _text("event_id"),
    _text("body"),
    PrimaryKeyConstraint("session_id", "event_id"),
)

drafts = Table(
    "drafts",
    metadata,
    Column("session_id", Text, primary_key=True),
    _text("event_id"),
    _text("kind"),
    _text("body"),
    _text("updated_at"),
)

queue = Table(
    "queue",
    metadata,
    _text("session_id"),
    _int("position"),
    Column("event_id", Text, nullable=False, unique=True),
    _text("owner"),
    _text("body"),
    _text("created_at"),
    PrimaryKeyConstraint("session_id", "position"),
)

asks = Table(
    "asks",
    metadata,
    Column("event_id", Text, primary_key=True),
    _text("session_id"),
    _text("tool"),
    _text("input"),
    _text("reason"),
    _text("status"),
    _text("message", nullable=True),
    _text("updated_input", nullable=True),
    _text("answered_by", nullable=True),
    _text("created_at"),
    _text("answered_at", nullable=True),
    Index("asks_by_session", "session_id", "status"),
)

tasks = Table(
    "tasks",
    metadata,
    _text("session_id"),
    _text("task_id"),
    _text("event_id"),
    _text("kind"),
    _text("description"),
    _text("command", nullable=True),
    _text("parent", nullable=True),
    _int("background"),
    _text("started_at"),
    PrimaryKeyConstraint("session_id", "task_id"),
)

rules = Table(
    "rules",
    metadata,
    Column("id", Text, primary_key=True),
    _text("owner"),
    _text("session_id", nullable=True),
    _text("agent_id", nullable=True),
    _text("tool"),
    _text("kind"),
    _text("subject"),
    _text("created_at"),
    Index("rules_by_session", "session_id"),
    Index("rules_by_agent", "owner", "agent_id"),
)

grants = Table(
    "grants",
    metadata,
    Column("token_hash", Text, primary_key=True),
    _text("session_id"),
    _text("created_at"),
    _text("revoked_at", nullable=True),
    Index("grants_by_session", "session_id"),
)

# Kept when its session is deleted: the money stays spent.
usage = Table(
    "usage",
    metadata,
    Column("id", Text, primary_key=True),
    _text("session_id"),
    _text("owner"),
    _text("agent_id"),
    _text("turn_id", nullable=True),
    _text("counted_in", nullable=True),
    _text("model"),
    _text("source"),
    _text("state"),
    _int("is_priced"),
    _text("day"),
    _text("at"),
    _int("input_tokens"),
    _int("output_tokens"),
    _int("cache_read_tokens"),
    _int("cache_write_tokens"),
    _int("cache_write_1h_tokens"),
    _int("web_searches"),
    _int("cost"),
    Index("usage_by_session", "session_id", "turn_id"),
    Index("usage_by_owner", "owner", "day"),
    Index("usage_by_day", "day"),
)

allowances = Table(
    "allowances",
    metadata,
    _text("scope"),
    _text("owner"),
    _text("day"),
    _int("amount"),
    _text("raised_by"),
    _text("raised_at"),
    PrimaryKeyConstraint("scope", "owner", "day"),
)

idempotency = Table(
    "idempotency",
    metadata,
    _text("owner"),
    _text("key"),
    _text("request_hash"),
    _int("status"),
    _text("response"),
    _text("created_at"),
    PrimaryKeyConstraint("owner", "key"),
)

# Tables whose rows go with their session.
OF_A_SESSION = (events, blobs, drafts, queue, asks, tasks, rules, grants, search_texts)
