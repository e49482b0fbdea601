"""What a word is, and how often each one occurs."""

from __future__ import annotations

import re
from collections import Counter

_WORD = re.compile(r"\w+(?:'\w+)*")


def count_words(text: str) -> Counter[str]:
    """How often each word occurs, in lower case."""
    return Counter(word.lower() for word in _WORD.findall(text))


def most_common(text: str, number: int = 10) -> list[tuple[str, int]]:
    """The most frequent words, ties in the order of the alphabet."""
    return sorted(count_words(text).items(), key=lambda item: (-item[1], item[0]))[:number]
