"""The routes of environments."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
