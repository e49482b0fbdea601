"""What a round will do, drawn from its seed alone: sessions, messages, viewers, blows. No I/O."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

BlowKind = Literal[
    "kill server", "end server", "kill at start", "kill CLI", "end CLI", "cut connections"
]

LEDGER = "ledger.txt"

_BLOWS: dict[BlowKind, int] = {
    "kill server": 20,
    "end server": 8,
    "kill at start": 8,
    "kill CLI": 30,
    "end CLI": 14,
    "cut connections": 20,
}
_FIRST_BLOW = 3.0
_BLOW_EVERY = 3.5  # seconds between two blows, on average
_MESSAGE_EVERY = 4.0  # seconds of a round per message of a session


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One prompt. Its marker begins the text that the model gets and ends the model's answer.

    lines: what its tools append to the ledger, one line per call.
    pause: seconds before it is sent. patience: how long to wait for the turn before it to end.
    copies: how often it is sent, at the same time and with the same id.
    interrupt_after: seconds after which its turn is interrupted, if at all.
    """

    id: str
    marker: str
    text: str
    lines: tuple[str, ...]
    pause: float
    patience: float
    copies: int
    interrupt_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """One session. asks: whether its commands ask first. viewers: a seed for each."""

    name: str
    asks: bool
    messages: tuple[Message, ...]
    viewers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """One thing that goes wrong.

    after: seconds since the one before, counted from when the server served again. On a slow
        machine a round takes longer, but no turn is struck down before it can begin.
    draw: 0 to 1, picks the victim.
    """

    after: float
    kind: BlowKind
    draw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan:
    number: int
    seconds: float
    sessions: tuple[SessionPlan, ...]
    blows: tuple[Blow, ...]


def make_round(seed: str, number: int, seconds: float, sessions: int) -> RoundPlan:
    """The plan of one round; the same arguments give the same plan."""
    return RoundPlan(
        number=number,
        seconds=seconds,
        sessions=tuple(_session(seed, number, index, seconds) for index in range(sessions)),
        blows=tuple(_blows(seed, number, seconds)),
    )


def drawn(*seed: object) -> Random:
    """A generator of its own for each actor: how fast one is changes no other's draws."""
    return Random("/".join(map(str, seed)))  # noqa: S311  it must be foreseeable


def _blows(seed: str, number: int, seconds: float) -> list[Blow]:
    draw = drawn(seed, number, "blows")
    kinds = list(get_args(BlowKind))
    blows: list[Blow] = []
    after = at = _FIRST_BLOW
    while at < seconds:
        kind = draw.choices(kinds, [_BLOWS[kind] for kind in kinds])[0]
        blows.append(Blow(after=after, kind=kind, draw=draw.random()))
        after = draw.expovariate(1 / _BLOW_EVERY)
        at += after
    return blows


def _session(seed: str, number: int, index: int, seconds: float) -> SessionPlan:
    name = f"r{number}s{index}"
    draw = drawn(seed, name)
    count = max(2, round(seconds / _MESSAGE_EVERY))
    return SessionPlan(
        name=name,
        asks=index % 2 == 0,
        messages=tuple(_message(draw, seed, f"{name}m{place}") for place in range(count)),
        viewers=tuple(f"{seed}/{name}/viewer {place}" for place in range(draw.randint(2, 3))),
    )


def _message(draw: Random, seed: str, marker: str) -> Message:
    text, lines = draw.choice(_SCRIPTS)(draw, marker)
    in_a_hurry = draw.random() < 0.3  # then it is queued behind the one before
    return Message(
        id=f"chaos_{seed}_{marker}",
        marker=marker,
        text=f"{marker}: {text} [[text: done {marker}.]]",
        lines=lines,
        pause=draw.uniform(0, 0.2) if in_a_hurry else draw.uniform(0, 2),
        patience=0 if in_a_hurry else draw.uniform(2, 15),
        copies=2 if draw.random() < 0.2 else 1,
        interrupt_after=draw.uniform(0, 4) if draw.random() < 0.12 else None,
    )


# -- scripts: what the model is made to do -------------------------------------------------------

Script = tuple[str, tuple[str, ...]]


def _bash(command: str) -> str:
    return f"[[tool: Bash {json.dumps({'command': command})}]]"


def _append(line: str) -> str:
    return f"echo {line} >> {LEDGER}"


def _words(draw: Random) -> str:
    return " ".join(f"word{number}" for number in range(draw.randint(5, 80)))


def _speak(draw: Random, _marker: str) -> Script:
    return f"[[pace: {draw.randint(15, 80)}]] [[text: {_words(draw)}]]", ()


def _think(draw: Random, _marker: str) -> Script:
    return f"[[pace: 40]] [[think: {_words(draw)}]]", ()


def _write(_draw: Random, marker: str) -> Script:
    given = json.dumps({"file_path": f"{marker}.txt", "content": marker})
    return f"[[text: a file]] [[tool: Write {given}]]", ()


def _run(_draw: Random, marker: str) -> Script:
    return _bash(_append(marker)), (marker,)


def _run_slowly(draw: Random, marker: str) -> Script:
    wait = f"python3 -c 'import time; time.sleep({draw.uniform(0.3, 2):.1f})'"
    return f"[[text: slowly]] {_bash(f'{wait}; {_append(marker)}')}", (marker,)


def _run_two(_draw: Random, marker: str) -> Script:
    lines = (f"{marker}-a", f"{marker}-b")
    calls = [{"name": "Bash", "input": {"command": _append(line)}} for line in lines]
    return f"[[tools: {json.dumps(calls)}]]", lines


def _run_in_turn(_draw: Random, marker: str) -> Script:
    lines = (f"{marker}-a", f"{marker}-b")
    return " [[text: then]] ".join(_bash(_append(line)) for line in lines), lines


def _ask(_draw: Random, marker: str) -> Script:
    return f"[[ask: Which way at {marker}? | left | right]]", ()


def _delegate(_draw: Random, marker: str) -> Script:
    return f"[[agent: {marker} below {_bash(_append(marker))} [[text: found]]]]", (marker,)


def _stumble(draw: Random, _marker: str) -> Script:
    fault = draw.choice(["[[error: 529 times=1]]", "[[cut: 4 times=1]]", "[[wait: 1]]"])
    return f"{fault} [[pace: 40]] [[text: {_words(draw)}]]", ()


_SCRIPTS: tuple[Callable[[Random, str], Script], ...] = (
    _speak,
    _speak,
    _think,
    _write,
    _run,
    _run_slowly,
    _run_two,
    _run_in_turn,
    _ask,
    _delegate,
    _stumble,
)
