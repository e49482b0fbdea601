"""The file of prices: the package's own, or one that a setting names."""

from __future__ import annotations

from pathlib import Path

from loopagent.domain.prices import Prices, parse_prices
from loopagent.errors import SettingsError

_OWN = Path(__file__).with_name("prices.toml")


def load_prices(file: Path | None = None) -> Prices:
    """The prices in `file`; raises SettingsError with the next step. Blocks."""
    try:
        return parse_prices((file or _OWN).read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"The prices in {file} can't be used: {error} "
            "Mend the file, or leave LOOP_AGENT_PRICES away."
        ) from error
