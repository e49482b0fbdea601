"""Any session that can be: for properties that hold for all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from loopagent.domain.agent import Agent, ModelChoice, PermissionPolicy, ToolConfig, Toolset
from loopagent.domain.events import ErrorBody, StopReason
from loopagent.domain.ids import new_session_id
from loopagent.domain.session import Session
from loopagent.domain.usage import TokenUsage

text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
whole = st.integers(0, 2**53)
zones = st.sampled_from(
    [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))]
)
times = st.datetimes(datetime(1970, 1, 3), datetime(2999, 1, 1), timezones=zones)  # noqa: DTZ001
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
extras = st.dictionaries(st.text("xyz_", min_size=1, max_size=5).map("more_".__add__), json_values)
policies = st.builds(PermissionPolicy, type=st.sampled_from(["always_allow", "always_ask"]))
agents = st.builds(
    Agent,
    id=text,
    version=st.integers(1, 99),
    name=text,
    description=st.none() | text,
    system=st.none() | text,
    model=st.builds(ModelChoice, id=st.text(min_size=1, max_size=9), speed=st.none() | text),
    tools=st.lists(
        st.builds(
            Toolset,
            type=st.just("agent_toolset_20260401"),
            configs=st.lists(st.builds(ToolConfig, name=text, permission_policy=policies)),
        ),
        max_size=1,
    ),
    mcp_servers=st.lists(st.dictionaries(text, json_values, max_size=2), max_size=2),
    metadata=st.dictionaries(text, text, max_size=2),
    created_at=times,
    updated_at=times,
    archived_at=st.none() | times,
)
stop_reasons = st.builds(
    lambda kind, ids, more: StopReason.model_validate({"type": kind, **ids, **more}),
    text,
    st.fixed_dictionaries({}, optional={"event_ids": st.none() | st.lists(text, max_size=3)}),
    extras,
)
errors = st.builds(
    lambda kind, status, more: ErrorBody.model_validate(
        {"type": kind, "message": kind, "retry_status": {"type": status}, **more}
    ),
    text,
    st.sampled_from(["retrying", "exhausted", "terminal"]),
    extras,
)
any_session = st.builds(
    Session,
    id=st.builds(new_session_id),
    owner=text,
    agent=agents,
    environment_id=text,
    created_at=times,
    updated_at=times,
    title=st.none() | text,
    metadata=st.dictionaries(text, text, max_size=3),
    template=st.none() | text,
    isolation=text,
    sdk_session_id=text,
    status=st.sampled_from(["idle", "running", "rescheduling", "terminated"]),
    stop_reason=st.none() | stop_reasons,
    asks=st.lists(text, max_size=3).map(tuple),
    error=st.none() | errors,
    usage=st.builds(
        TokenUsage,
        input_tokens=whole,
        output_tokens=whole,
        cache_read_input_tokens=whole,
        cache_creation_input_tokens=whole,
    ),
    cost=whole,
    turns=st.integers(0, 2**31 - 1),
    active_ms=whole,
    running_since=st.none() | times,
    seq=whole,
    archived_at=st.none() | times,
)
