"""The table of results in the docs: `python -m tests.attacks.table` tries and writes it anew."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "attacks.md"
LEVELS = ("none", "confined", "sandbox")
_HEAD = "| what the agent tries to get | "
_WORDS = {True: "**gets it**", False: "stopped"}


def read_table(path: Path) -> dict[str, dict[str, bool]]:
    """Each attack's outcomes by level: whether it gets through."""
    lines = path.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(_HEAD))
    levels = [cell.strip("` ") for cell in lines[start].strip("|").split("|")[1:]]
    table = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        table[name] = {
            level: cell == _WORDS[True] for level, cell in zip(levels, cells, strict=True)
        }
    return table


def table_text(outcomes: Mapping[str, Mapping[str, bool]]) -> str:
    """The table as it stands in the docs. outcomes: by level, then by attack."""
    levels = list(outcomes)
    lines = [
        _HEAD + " | ".join(f"`{level}`" for level in levels) + " |",
        "|---" * (len(levels) + 1) + "|",
    ]
    for name in outcomes[levels[0]]:
        cells = " | ".join(_WORDS[outcomes[level][name]] for level in levels)
        lines.append(f"| {name} | {cells} |")
    counts = (f"`{level}` {sum(outcomes[level].values())}" for level in levels)
    lines += ["", f"Of {len(lines) - 2} attacks get through: {', '.join(counts)}."]
    return "\n".join(lines)


def main() -> None:
    from tests.attacks.session import run_attacks
    from tests.support.process import reachable_folder

    outcomes = {}
    for level in LEVELS:
        with reachable_folder() as home:
            outcomes[level] = run_attacks(home, level)
    text = DOCS.read_text()
    head = text[: text.index(_HEAD)]
    DOCS.write_text(head + table_text(outcomes) + "\n")
    sys.stdout.write(table_text(outcomes) + "\n")


if __name__ == "__main__":
    main()
