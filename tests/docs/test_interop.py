#!/usr/bin/python3
"""docs/interop.md is what tests/interop/cells.py prints of the lists that the tests walk; each test it names is there and
takes its list from there."""
import os
import re
import subprocess
import sys
import unittest

SOURCE = os.path.abspath(os.environ.get("SB_SOURCE", "."))
FOLDER = os.path.join(SOURCE, "tests", "interop")
sys.path.insert(0, FOLDER)
import cells  # noqa: E402


class Interop(unittest.TestCase):
    def test_the_page_is_what_is_printed(self):
        printed = subprocess.run([sys.executable, os.path.join(FOLDER, "cells.py")], capture_output=True, text=True,
                                 timeout=60, check=True).stdout
        with open(os.path.join(SOURCE, "docs", "interop.md"), encoding="utf-8") as f:
            self.assertTrue(f.read() == printed, "run: python3 tests/interop/cells.py > docs/interop.md")

    def test_the_tests_are_there_and_walk_these_lists(self):
        for _, _, _, pairs, test in cells.CELLS:
            with open(os.path.join(FOLDER, f"test_{test.partition('.')[2]}.py"), encoding="utf-8") as f:
                text = f.read()
            if "from cells import" not in text and "test_cells import" not in text:
                for pair in {kind for pair in pairs for kind in pair}:
                    self.assertRegex(text, rf'"{pair}"', test)

    def test_no_type_is_missing(self):
        with open(os.path.join(SOURCE, "engine", "session.h"), encoding="utf-8") as f:
            types = set(re.findall(r"^    X\(([A-Z]+), ", f.read(), re.M))
        met = {ours for _, _, _, pairs, _ in cells.CELLS for ours, _ in pairs}
        self.assertEqual(types - met, set())


if __name__ == "__main__":
    unittest.main()
