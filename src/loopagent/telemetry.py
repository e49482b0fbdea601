"""Logs: one format, set up once. No message content and no secret above DEBUG."""

from __future__ import annotations

import logging
import sys


def set_up_logging(level: str) -> None:
    """Log to standard error at `level`; third parties from WARNING on."""
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        force=True,
    )
    logging.getLogger("loopagent").setLevel(level)
