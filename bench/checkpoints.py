"""Checkpoints: what keeping a turn's changes costs in a large workspace."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from bench.report import Report, below
from loopagent.workspaces.checkpoints import Checkpoints
from loopagent.workspaces.folder import SessionFolder

_FOLDERS, _EACH = 140, 100
_TOUCHED = 10
_ROUNDS = 7


def readings(report: Report, home: Path) -> None:
    """Ten files touched among 14,000, and the first checkpoint of them all."""
    folder = SessionFolder(home / "checkpoints")
    for number in range(_FOLDERS):
        place = folder.workspace / f"package{number}" / "src"
        place.mkdir(parents=True)
        for name in range(_EACH):
            (place / f"module{name}.py").write_text(f"# {number} {name}\n" * 40)
    kept = Checkpoints(folder)
    began = time.perf_counter()
    kept.take("start", 0)
    first = time.perf_counter() - began
    waits = []
    for turn in range(_ROUNDS):
        for number in range(_TOUCHED):
            (folder.workspace / f"package{number}" / "src" / "module1.py").write_text(f"{turn}\n")
        time.sleep(0.1)
        began = time.perf_counter()
        kept.take("turn", turn)
        waits.append((time.perf_counter() - began) * 1000)
    report.row("checkpoint, 10 of 14,000 files", statistics.median(waits), below(300, "ms"))
    report.row("  the first one of all", first, below(10, "s"))
