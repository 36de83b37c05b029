#!/usr/bin/python3
"""docs/compat.md and docs/options.md are what the program prints out of the engine's tables; the tests they name are
tests of ctest, and an option's test names the option."""
import functools
import os
import re
import subprocess
import unittest

SOURCE = os.path.abspath(os.environ.get("SB_SOURCE", "."))
BUILD = os.path.abspath(os.environ.get("SB_BUILD", os.path.join(SOURCE, "build")))
TOP = os.path.abspath(os.environ.get("SB_TOP", BUILD))
KINDS = "unit|interop|nginx|standalone|embedding|lua|docs|loop|sim|faults|packaging|hardening"


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8") as f:
        return f.read()


def rows(page):
    """The cells of all rows of all tables but the heads."""
    for line in page.splitlines():
        if line.startswith("| ") and not line.startswith(("| feature |", "| option |")):
            yield [c.strip() for c in line.strip("|").split("|")]


@functools.cache
def ctest():
    """Names of all tests, as the pages write them: without the backend they run on."""
    told = subprocess.run(["ctest", "-N"], cwd=TOP, capture_output=True, text=True, timeout=60, check=True).stdout
    names = re.findall(r"^ *Test +#\d+: (\S+)", told, re.M)
    return {re.sub(r"\.(uring|uv|fake)$", "", n) for n in names} | set(names)


def source_of(test):
    """The text of a test's file."""
    folder, _, last = test.replace(".", "/").rpartition("/")
    for name in (f"tests/{folder}/test_{last}.c", f"tests/{folder}/test_{last}.py", f"tests/{folder}/{last}.lua"):
        if os.path.exists(os.path.join(SOURCE, name)):
            return read(name)
    return None


class Compat(unittest.TestCase):
    def page(self, command, name):
        program = os.path.join(BUILD, "signalbox")
        printed = subprocess.run([program, command], capture_output=True, text=True, timeout=60)
        self.assertEqual((printed.returncode, printed.stderr), (0, ""))
        self.assertTrue(read(name) == printed.stdout, f"run: build/signalbox {command} > {name}")
        return printed.stdout

    def check_tests(self, page):
        named = set(re.findall(rf"`((?:{KINDS})\.[a-z_.0-9-]+)`", page))
        self.assertGreater(len(named), 20)
        built = {kind for kind in KINDS.split("|") if any(n.startswith(kind + ".") for n in ctest())}
        for name in named:
            self.assertIsNotNone(source_of(name), name)
            if name.partition(".")[0] in built:  # a build without nginx has none of its tests
                self.assertIn(name, ctest())

    def test_compat(self):
        page = self.page("compat", "docs/compat.md")
        self.check_tests(page)
        for cells in rows(page):
            self.assertEqual(len(cells), 4, cells)
            if not cells[2].startswith("no"):
                self.assertRegex(cells[3], r"^`", cells)

    def test_options(self):
        page = self.page("options", "docs/options.md")
        self.check_tests(page)
        for cells in rows(page):
            if len(cells) != 7:  # those that are not there
                continue
            option, test = cells[0].strip("`"), cells[6].strip("`")
            self.assertNotEqual(test, "", f"{option} has no test (modules/standalone/compat_options.c)")
            about = re.search(rf"\b(SB_OPT_{option.upper()}|{option})\b", source_of(test))
            self.assertTrue(about, f"{test} is not about {option}")


if __name__ == "__main__":
    unittest.main()
