"""Identifiers: prefixed, sortable by time, safe in URLs and file names."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
import uuid
from typing import NewType

SessionId = NewType("SessionId", str)
EventId = NewType("EventId", str)
AgentId = NewType("AgentId", str)
EnvironmentId = NewType("EnvironmentId", str)
UserId = NewType("UserId", str)
TokenId = NewType("TokenId", str)
SignInId = NewType("SignInId", str)
RuleId = NewType("RuleId", str)

LOCAL_USER = UserId("user_local")

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32, lower case
_SESSION = re.compile(r"sesn_[0-9a-hjkmnp-tv-z]{26}\Z")
_PROMPTS = uuid.UUID("6f1de0a5-7d0c-4f0e-9d39-0f0d5f6f3c55")


def _unique() -> str:
    """26 characters: 48 bits of milliseconds, then 80 random bits (the ULID layout)."""
    return _spelled((time.time_ns() // 1_000_000) << 80 | secrets.randbits(80))


def _derived(seed: str) -> str:
    """26 characters that the same seed always gives, and that no other seed will."""
    return _spelled(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:16], "big"))


def _spelled(number: int) -> str:
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def session_id_from(seed: str) -> SessionId:
    return SessionId("sesn_" + _derived(f"session {seed}"))


def event_id_from(seed: str, place: int) -> EventId:
    """place: which one of the events that come from this seed."""
    return EventId("sevt_" + _derived(f"event {place} {seed}"))


def new_session_id() -> SessionId:
    return SessionId("sesn_" + _unique())


def new_event_id() -> EventId:
    return EventId("sevt_" + _unique())


def new_agent_id() -> AgentId:
    return AgentId("agent_" + _unique())


def new_environment_id() -> EnvironmentId:
    return EnvironmentId("env_" + _unique())


def new_token_id() -> TokenId:
    return TokenId("tok_" + _unique())


def new_sign_in_id() -> SignInId:
    return SignInId("sgn_" + _unique())


def new_rule_id() -> RuleId:
    return RuleId("rule_" + _unique())


def new_request_id() -> str:
    return "req_" + _unique()


def is_session_id(text: str) -> bool:
    """True for a well-formed session id: only such may become part of a path."""
    return _SESSION.match(text) is not None


def prompt_uuid(event_id: EventId) -> str:
    """The CLI's message uuid of a prompt: the same event always gives the same uuid.

    The CLI ignores a prompt whose uuid it has seen, also after a resume. Sending a prompt again
    after a crash is therefore harmless.
    """
    return str(uuid.uuid5(_PROMPTS, event_id))
