"""What an ask offers besides yes and no: a rule for the future, another input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopagent.domain.permissions import PATH_INPUTS
from loopagent.domain.rules import Rule
from loopagent.errors import InvalidRequestError

# What a person may write otherwise; where a call goes to stays as it was judged.
_EDITABLE = {"Bash": "command", "Write": "content", "Edit": "new_string"}
_NAMES = {"command": "The command", "content": "The content", "new_string": "The new text"}
# Approving a plan and its edits is to allow these always, in this session.
EDITS = (Rule(tool="Edit", kind="tool"), Rule(tool="Write", kind="tool"))


@dataclass(frozen=True, slots=True)
class Editable:
    """A text that may be changed before the call is allowed."""

    label: str
    text: str


def editable(tool: str, given: Mapping[str, Any]) -> Editable | None:
    """What of a call may be changed; None if nothing may."""
    field = _EDITABLE.get(tool)
    if field is not None:
        return Editable(_NAMES[field], str(given.get(field, "")))
    if tool in PATH_INPUTS or tool in {"AskUserQuestion", "ExitPlanMode"}:
        return None
    return Editable("The input", json.dumps(given, indent=2, ensure_ascii=False))


def edited_input(tool: str, given: Mapping[str, Any], text: str) -> dict[str, Any]:
    """The input of a call with what a person has changed; raises InvalidRequestError."""
    field = _EDITABLE.get(tool)
    if field is not None:
        return {**given, field: text}
    if editable(tool, given) is None:
        raise InvalidRequestError(f"The input of {tool} can't be changed. Deny it with a word.")
    try:
        changed = json.loads(text)
    except ValueError as error:
        raise InvalidRequestError(f"The input is not JSON: {error}. Mend it.") from None
    if not isinstance(changed, dict):
        raise InvalidRequestError("The input must be a JSON object in braces. Mend it.")
    return changed


def rule_words(rule: Rule) -> str:
    """A rule for people, after "always allow"."""
    match (rule.tool, rule.kind):
        case ("Bash", "exact"):
            return "exactly this command"
        case ("Bash", "prefix"):
            return f"every command that begins with {rule.subject}"
        case ("WebFetch", "exact"):
            return f"every page of {rule.subject}"
        case (_, "exact"):
            return f"{rule.tool} of exactly this file"
        case _:
            return f"every use of {rule.tool}"


def rule_line(rule: Rule) -> str:
    """A rule that stands alone."""
    if rule.tool == "Bash" and rule.kind == "exact":
        return f"the command {rule.subject}"
    if rule.kind == "exact" and rule.tool != "WebFetch":
        return f"{rule.tool} of {rule.subject}"
    return rule_words(rule)
