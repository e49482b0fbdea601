"""Script files: rules in YAML or JSON that say which prompt gets which reply.

    - when: deploy            # part of the prompt, in any case; /…/ is a regular expression
      model: haiku            # optional: part of the model's name
      reply:                  # steps, or a text (which may hold directives)
        - think: Let me see.
        - tool: {name: Bash, input: {command: ls}}
        - text: That was it.
          pace: 50

The first rule that fits answers. Every step is read when the file is, so a mistake shows at the
start and not in the middle of a session.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopagent.errors import SettingsError
from loopagent.scripted import directives, steps
from loopagent.scripted.request import Conversation
from loopagent.scripted.script import Step

_RULE_KEYS = {"when", "model", "reply"}


class ScriptFileError(SettingsError):
    """The script file cannot be used; the text names the place and what is to be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One reply and the prompts that it answers."""

    when: re.Pattern[str]
    model: str
    reply: str | tuple[Mapping[str, Any], ...]

    def fits(self, conversation: Conversation) -> bool:
        """Whether this rule answers the conversation's prompt."""
        of_model = self.model.lower() in conversation.model.lower()
        return of_model and self.when.search(conversation.prompt) is not None

    def steps(self, conversation: Conversation) -> list[Step]:
        """Give the reply's steps, or raise StepError."""
        if isinstance(self.reply, str):
            found = directives.find(self.reply)
            if found:
                return directives.build(found, conversation)
            return steps.build("text", self.reply, {}, conversation)
        return [step for given in self.reply for step in _build(given, conversation)]


def load(path: Path) -> tuple[Rule, ...]:
    """Read a script file, or raise ScriptFileError."""
    import yaml  # noqa: PLC0415  hardly any server is given a script

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScriptFileError(f"The script {path} cannot be read: {error}.") from error
    try:
        parsed = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        kind = "JSON" if path.suffix == ".json" else "YAML"
        raise ScriptFileError(f"The script {path} is not valid {kind}: {error}.") from error
    rules = parsed.get("rules") if isinstance(parsed, Mapping) else parsed
    if not isinstance(rules, list) or not rules:
        raise ScriptFileError(f"The script {path} must be a list of rules with when and reply.")
    return tuple(_rule(rule, f"The script {path}, rule {n}") for n, rule in enumerate(rules, 1))


def _rule(rule: Any, place: str) -> Rule:
    if not isinstance(rule, Mapping) or "reply" not in rule:
        raise ScriptFileError(f"{place} needs a reply.")
    if unknown := rule.keys() - _RULE_KEYS:
        names = ", ".join(sorted(map(str, unknown)))
        raise ScriptFileError(f"{place} has {names}; a rule has when, model and reply only.")
    reply = rule["reply"]
    made = Rule(
        when=_pattern(str(rule.get("when", "")), place),
        model=str(rule.get("model", "")),
        reply=reply if isinstance(reply, str) else tuple(_given(reply, place)),
    )
    try:
        made.steps(Conversation())
    except steps.StepError as error:
        raise ScriptFileError(f"{place}: {error}") from error
    return made


def _pattern(when: str, place: str) -> re.Pattern[str]:
    literal = len(when) < 2 or not (when.startswith("/") and when.endswith("/"))
    try:
        return re.compile(re.escape(when) if literal else when[1:-1], re.IGNORECASE)
    except re.error as error:
        raise ScriptFileError(f"{place}: {when} is no regular expression: {error}.") from error


def _given(reply: Any, place: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(reply, list) or not reply:
        raise ScriptFileError(f"{place}: reply must be a text or a list of steps.")
    given = []
    for number, step in enumerate(reply, start=1):
        if isinstance(step, str):
            step = {"text": step} if step not in steps.NAMES else {step: None}  # noqa: PLW2901
        if not isinstance(step, Mapping):
            raise ScriptFileError(f"{place}, step {number} must be a name with its value.")
        given.append(step)
    return given


def _build(given: Mapping[str, Any], conversation: Conversation) -> list[Step]:
    names = [name for name in given if name in steps.NAMES]
    if len(names) != 1:
        raise steps.StepError(
            f"a step needs exactly one of {', '.join(steps.NAMES)}; this one has: "
            f"{', '.join(map(str, given))}."
        )
    options = {key: value for key, value in given.items() if key != names[0]}
    return steps.build(names[0], given[names[0]], options, conversation)
