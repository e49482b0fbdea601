"""What is printed: a line per round, then the sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from loopagent.cli.chaos.round import Outcome


def round_line(number: int, outcome: Outcome) -> str:
    """One round in one line."""
    blows = Counter(strike.kind for strike in outcome.strikes)
    struck = ", ".join(f"{count} x {kind}" for kind, count in sorted(blows.items()))
    found = f"{len(outcome.violations)} violations" if outcome.violations else "sound"
    return (
        f"round {number}: {outcome.sessions} sessions, {outcome.prompts} prompts, "
        f"{outcome.events} events; {struck or 'no blows'}; {found}"
    )


def summary(seed: str, outcomes: Sequence[Outcome]) -> str:
    """The sums of all rounds."""
    strikes = [strike for outcome in outcomes for strike in outcome.strikes]
    counts = Counter(strike.kind for strike in strikes)
    ready = [strike.ready for strike in strikes if strike.ready is not None]
    lines = [
        f"seed                {seed}",
        f"sessions            {sum(outcome.sessions for outcome in outcomes)}",
        f"prompts             {sum(outcome.prompts for outcome in outcomes)}",
        f"events              {sum(outcome.events for outcome in outcomes)}",
        f"viewer connections  {sum(outcome.visits for outcome in outcomes)}",
        *(f"{kind:19} {count}" for kind, count in sorted(counts.items())),
        f"worst, kill to ready            {_worst(ready)}",
        *(
            f"worst, {kind + ' to work':25}{_worst(_times(outcomes, kind))}"
            for kind in sorted(counts)
            if kind != "cut connections"
        ),
    ]
    return "\n".join(lines)


def _times(outcomes: Sequence[Outcome], kind: str) -> list[float]:
    return [time for outcome in outcomes for time in outcome.at_work.get(kind, ())]


def _worst(times: Sequence[float]) -> str:
    return f"{max(times):.2f} s of {len(times)}" if times else "-"
