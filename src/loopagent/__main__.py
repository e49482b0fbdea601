"""`python -m loopagent` is the `loop-agent` command."""

from __future__ import annotations

import sys

from loopagent.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
