"""Counts the words of a text."""

from __future__ import annotations

from wordcount.counting import count_words, most_common

__all__ = ["count_words", "most_common"]
