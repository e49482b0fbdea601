"""Settings: every one with its name, default and help, read from the environment once.

Nothing else in the package reads the environment.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from loopagent.domain.budget import Limits
from loopagent.domain.money import MicroUSD, from_dollars
from loopagent.domain.values import parse_value
from loopagent.errors import SettingsError

PREFIX = "LOOP_AGENT_"
_BUILD_TIME = {"LOOP_AGENT_SKIP_FRONTEND"}
_HOST_NAME = re.compile(r"([A-Za-z0-9._-]+|[0-9A-Fa-f:.]+)\Z")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def _setting(name: str, default: Any, help_text: str, **extra: Any) -> Any:
    return field(default=default, metadata={"env": name, "help": help_text, **extra})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. Secrets never show in `repr`."""

    host: str = _setting("HOST", "127.0.0.1", "Address to listen on.")
    port: int = _setting("PORT", 8484, "Port to listen on; 0 picks a free one.", low=0, high=65535)
    api_key: str | None = _setting(
        "ANTHROPIC_API_KEY",
        None,
        "Key of the model's API. It never leaves the server process.",
        secret=True,
    )
    upstream: str = _setting(
        "ANTHROPIC_BASE_URL", "https://api.anthropic.com", "The model's API, or a gateway to it."
    )
    database_url: str = _setting(
        "DATABASE_URL", "file:./data/sessions.db", "file:PATH, sqlite:///PATH or postgresql://…"
    )
    workspace_root: Path = _setting(
        "WORKSPACE_ROOT", Path("./data/workspaces"), "Folder that holds one folder per session."
    )
    data_dir: Path = _setting(
        "LOOP_AGENT_DATA_DIR", Path("./data"), "Launchers, sockets and the server's own files."
    )
    templates_dir: Path = _setting(
        "LOOP_AGENT_TEMPLATES_DIR", Path("./templates"), "Folder of workspace templates."
    )
    model_source: Literal["auto", "scripted", "upstream"] = _setting(
        "LOOP_AGENT_MODEL_SOURCE", "auto", "auto: the model's API if there is a key, else scripted."
    )
    script: Path | None = _setting(
        "LOOP_AGENT_SCRIPT", None, "Script file (YAML or JSON) for the scripted model."
    )
    model: str = _setting("LOOP_AGENT_MODEL", "claude-sonnet-5-5", "Model of the default agent.")
    models: tuple[str, ...] = _setting(
        "LOOP_AGENT_MODELS",
        ("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5"),
        "Models offered on the new-session page, separated by commas.",
    )
    password: str | None = _setting(
        "LOOP_AGENT_PASSWORD",
        None,
        "Password, in place of the one set in the dashboard.",
        secret=True,
    )
    token: str | None = _setting(
        "LOOP_AGENT_TOKEN", None, "Token with all rights; the command sends it.", secret=True
    )
    trusted_hosts: tuple[str, ...] = _setting(
        "LOOP_AGENT_TRUSTED_HOSTS", (), "More host names, by commas. With them everybody signs in."
    )
    trusted_proxies: int = _setting(
        "LOOP_AGENT_TRUSTED_PROXIES", 0, "Proxies whose X-Forwarded headers count.", low=0, high=10
    )
    isolation: Literal["auto", "none", "confined", "sandbox", "container"] = _setting(
        "LOOP_AGENT_ISOLATION", "auto", "auto, or a level that is demanded."
    )
    session_memory_mib: int = _setting(
        "LOOP_AGENT_SESSION_MEMORY_MIB", 4096, "Memory of one isolated session.", low=512
    )
    session_disk_mib: int = _setting(
        "LOOP_AGENT_SESSION_DISK_MIB", 10240, "Disk space of one isolated session.", low=16
    )
    programs_dir: Path | None = _setting(
        "LOOP_AGENT_PROGRAMS_DIR",
        None,
        "Folder for unreadable copies of the agent program; by default among the workspaces.",
    )
    max_live: int = _setting(
        "LOOP_AGENT_MAX_LIVE", 8, "Live agent processes at once.", low=1, high=1000
    )
    idle_minutes: float = _setting(
        "LOOP_AGENT_IDLE_MINUTES", 10.0, "Minutes after which an idle process is ended.", low=0.0
    )
    turn_minutes: float = _setting(
        "LOOP_AGENT_TURN_MINUTES", 120.0, "Longest turn, waiting for answers not counted.", low=0.01
    )
    silence_seconds: float = _setting(
        "LOOP_AGENT_SILENCE_SECONDS", 600.0, "Longest silence of a running turn.", low=0.1
    )
    ask_minutes: float = _setting(
        "LOOP_AGENT_ASK_MINUTES",
        15.0,
        "Minutes after which a process that waits for an answer is ended; the ask stays open.",
        low=0.0,
    )
    recovery: Literal["never", "ask", "auto"] = _setting(
        "LOOP_AGENT_RECOVERY",
        "auto",
        "What new sessions do with a turn that a crash or restart cut: go on by themselves (auto), "
        "when somebody says so (ask), or stay interrupted (never).",
    )
    limit_hours: float = _setting(
        "LOOP_AGENT_LIMIT_HOURS",
        12.0,
        "Hours that a turn waits for rate limits and overload of the model's API to pass.",
        low=0.0,
    )
    limit_pause_seconds: float = _setting(
        "LOOP_AGENT_LIMIT_PAUSE_SECONDS",
        15.0,
        "First such wait where the API names no end; each further one takes twice as long.",
        low=0.1,
    )
    max_turns: int | None = _setting(
        "LOOP_AGENT_MAX_TURNS", None, "Most model requests of one turn.", low=1, high=10_000
    )
    budget_turn: float | None = _setting(
        "LOOP_AGENT_BUDGET_TURN", None, "Most dollars that one turn may cost.", low=0.0, high=1e9
    )
    budget_session: float | None = _setting(
        "LOOP_AGENT_BUDGET_SESSION",
        None,
        "Most dollars of a session, if it has none.",
        low=0.0,
        high=1e9,
    )
    budget_user: float | None = _setting(
        "LOOP_AGENT_BUDGET_USER",
        None,
        "Most dollars that a person may spend a day (UTC).",
        low=0.0,
        high=1e9,
    )
    budget_day: float | None = _setting(
        "LOOP_AGENT_BUDGET_DAY",
        None,
        "Most dollars that all may spend a day (UTC).",
        low=0.0,
        high=1e9,
    )
    prices: Path | None = _setting(
        "LOOP_AGENT_PRICES", None, "File of prices (TOML) in place of the list prices."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _setting(
        "LOOP_AGENT_LOG_LEVEL", "INFO", "Least severe message that is logged."
    )

    def __repr__(self) -> str:
        shown = (
            f"{f.name}={'…' if f.metadata.get('secret') else getattr(self, f.name)!r}"
            for f in fields(self)
        )
        return f"Settings({', '.join(shown)})"

    @property
    def is_scripted(self) -> bool:
        """True if sessions talk to the built-in scripted model."""
        if self.model_source == "auto":
            return not self.api_key
        return self.model_source == "scripted"

    @property
    def limits(self) -> Limits:
        """The budgets that hold for everybody."""

        def limit(dollars: float | None) -> MicroUSD | None:
            return None if dollars is None else from_dollars(dollars)

        return Limits(
            turn=limit(self.budget_turn),
            session=limit(self.budget_session),
            user=limit(self.budget_user),
            day=limit(self.budget_day),
        )

    @property
    def is_public(self) -> bool:
        """True if other machines can reach the server."""
        return self.host not in _LOOPBACK

    @property
    def is_exposed(self) -> bool:
        """True if others may come in: directly, or through a proxy with a name of its own."""
        return self.is_public or bool(self.trusted_hosts or self.trusted_proxies)

    @property
    def needs_sign_in(self) -> bool:
        """True if these settings alone ask for a password or token."""
        return bool(self.password or self.token)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from environment variables. Raises SettingsError with the next step."""
    known = {f.metadata["env"]: f for f in fields(Settings)}
    for name in environ:
        if name.startswith(PREFIX) and name not in known and name not in _BUILD_TIME:
            raise SettingsError(_unknown(name, list(known)))
    values: dict[str, Any] = {}
    for name, spec in known.items():
        raw = environ.get(name, "")
        if raw.strip():
            values[spec.name] = parse_value(name, spec, raw)
    return _checked(Settings(**values))


def _unknown(name: str, known: list[str]) -> str:
    # Without what they all share: else everything would look alike.
    tails = {one.removeprefix(PREFIX): one for one in known}
    close = difflib.get_close_matches(name.removeprefix(PREFIX), tails, n=1)
    hint = f" Did you mean {tails[close[0]]}?" if close else " See `loop-agent serve --help`."
    return f"Unknown setting {name}.{hint}"


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _checked(settings: Settings) -> Settings:
    if settings.model_source == "upstream" and not settings.api_key:
        raise SettingsError(
            "LOOP_AGENT_MODEL_SOURCE=upstream needs a key: set ANTHROPIC_API_KEY, "
            "or use LOOP_AGENT_MODEL_SOURCE=scripted."
        )
    if not _is_web_address(settings.upstream):
        raise SettingsError(
            f"ANTHROPIC_BASE_URL={settings.upstream!r} is no address. Write it as "
            "https://host or http://host:port, or leave it out for Anthropic's own API."
        )
    for name in settings.trusted_hosts:
        if not _HOST_NAME.match(name):
            raise SettingsError(
                f"LOOP_AGENT_TRUSTED_HOSTS: {name!r} is no host name. "
                "Give names alone, such as agents.example.org, separated by commas."
            )
    return settings
