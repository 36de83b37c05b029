#!/usr/bin/python3
"""docs/compat.md names tests that exist, and no socket type and no event of the sources is missing in it."""
import os
import re
import unittest

SOURCE = os.environ.get("SB_SOURCE", ".")


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8") as f:
        return f.read()


class Compat(unittest.TestCase):
    def setUp(self):
        self.page = read("docs/compat.md")

    def test_the_tests_it_names_exist(self):
        named = set(re.findall(r"`((?:unit|interop|nginx|standalone|embedding)\.[a-z_.0-9]+)`", self.page))
        self.assertGreater(len(named), 30)
        for name in named:
            folder, _, last = name.replace(".", "/").rpartition("/")
            there = [os.path.exists(os.path.join(SOURCE, "tests", folder, f"test_{last}{end}")) for end in (".c", ".py")]
            self.assertTrue(any(there), name)

    def test_every_yes_has_a_test(self):
        for line in self.page.splitlines():
            cells = [c.strip() for c in line.strip("|").split("|")]
            if line.startswith("| ") and len(cells) == 4 and cells[2].startswith("yes"):
                self.assertRegex(cells[3], r"^`", line)

    def test_no_type_and_no_event_is_missing(self):
        types = re.findall(r"^    X\(([A-Z]+), ", read("engine/session.h"), re.M)
        events = re.findall(r'\{SB_EVENT_\w+, "(\w+)"\}', read("engine/socket/monitor.c"))
        self.assertEqual(len(types), 21)
        self.assertGreater(len(events), 15)
        for word in types + events:
            self.assertRegex(self.page, rf"\b{word}\b")


if __name__ == "__main__":
    unittest.main()
