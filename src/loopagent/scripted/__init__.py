"""The built-in scripted model: a Messages API on loopback, for the demo and every test."""

from __future__ import annotations

from loopagent.scripted.model import ScriptedModel, SeenRequest
from loopagent.scripted.tour import SUGGESTED_PROMPTS

__all__ = ["SUGGESTED_PROMPTS", "ScriptedModel", "SeenRequest"]
