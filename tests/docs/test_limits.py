#!/usr/bin/python3
"""docs/limits.md and docs/security.md name tests that exist, and every option that is a limit."""
import os
import re
import unittest

SOURCE = os.environ.get("SB_SOURCE", ".")


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8") as f:
        return f.read()


def all_tests():
    text = ""
    for folder, _, names in os.walk(os.path.join(SOURCE, "tests")):
        for name in names:
            if name.startswith("test_") and name.endswith((".c", ".py")):
                text += read(os.path.relpath(os.path.join(folder, name), SOURCE))
    return set(re.findall(r"\btest_\w+", text))


class Pages(unittest.TestCase):
    def test_the_tests_they_name_exist(self):
        there = all_tests()
        for page in ("docs/limits.md", "docs/security.md"):
            text = read(page)
            named = set(re.findall(r"`(test_\w+)`", text))
            self.assertGreater(len(named), 5, page)
            self.assertEqual(named - there, set(), page)
            for path in re.findall(r"`(tests/[\w./]+)`", text):
                self.assertTrue(os.path.exists(os.path.join(SOURCE, path)), f"{page}: {path}")

    def test_every_limit_is_in_the_table(self):
        rows = re.findall(r"^\| `(\w+)` \| [^|]*\| [^|]*\| ([^|]*?) \|", read("docs/options.md"), re.M)
        options = {name: default.removesuffix(" s") for name, default in rows}
        limits, table = [n for n in options if n.startswith("max_")], read("docs/limits.md")
        self.assertGreater(len(limits), 8)
        for name in limits + ["maxmsgsize", "handshake_ivl", "accept_rate", "auth_timeout", "sndhwm", "rcvhwm"]:
            row = re.search(rf"^\|[^|]*\| ([^|]*) \|[^|]*`{name}`.*$", table, re.M)
            self.assertIsNotNone(row, name)
            default = "none" if options[name] in ("0", "-1") else options[name]
            self.assertEqual(row[1], default, name)


if __name__ == "__main__":
    unittest.main()
