from __future__ import annotations

import unittest

from wordcount import count_words, most_common


class CountingTest(unittest.TestCase):
    def test_case_does_not_matter(self) -> None:
        self.assertEqual(count_words("One one TWO"), {"one": 2, "two": 1})

    def test_an_apostrophe_belongs_to_its_word(self) -> None:
        self.assertEqual(count_words("it's its"), {"it's": 1, "its": 1})

    def test_the_most_frequent_come_first(self) -> None:
        self.assertEqual(most_common("b a b c", 2), [("b", 2), ("a", 1)])

    def test_an_empty_text_has_no_words(self) -> None:
        self.assertEqual(most_common(""), [])


if __name__ == "__main__":
    unittest.main()
