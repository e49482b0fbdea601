"""`python3 -m wordcount FILE` prints the most frequent words."""

from __future__ import annotations

import sys
from pathlib import Path

from wordcount import most_common


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python3 -m wordcount FILE", file=sys.stderr)
        return 2
    for word, times in most_common(Path(arguments[0]).read_text(encoding="utf-8")):
        print(f"{times:5} {word}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
