"""The routes of sessions."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
