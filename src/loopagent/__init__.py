"""Loop Agent: a self-hosted home for Claude Agent SDK sessions."""

from __future__ import annotations

__version__ = "0.1.0"
