#!/usr/bin/python3
"""docs/security-rows.md names tests that exist, and has every fault and every bug by number."""
import glob
import os
import re
import unittest

SOURCE = os.environ.get("SB_SOURCE", ".")
FAULTS = [f"{letter}{n}" for letter, count in (("P", 19), ("K", 12), ("N", 6), ("L", 9), ("S", 11)) for n in range(1, count + 1)]
BUGS = ["CVE-2014-7202", "CVE-2014-9721", "CVE-2014-7203", "CVE-2019-6250", "CVE-2019-13132", "CVE-2020-15166", "CVE-2021-20234",
        "CVE-2021-20235", "CVE-2021-20236", "CVE-2021-20237", "CVE-2020-36400"]
CANNOT = "cannot apply:"


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8") as f:
        return f.read()


def files_of(name):
    """The files behind a name of ctest's; "*" stands for several."""
    folder, _, last = name.replace(".", "/").rpartition("/")
    kinds = {"fuzz": [f"fuzz_{last}.c"], "sim": ["CMakeLists.txt", f"test_{last}.c"], "lua": [f"{last}.lua"]}
    names = kinds.get(folder, [f"test_{last}.c", f"test_{last}.py"])
    if folder == "loop" and last.startswith("loop_"):
        names = names + ["cases_*.c"]  # the suite that every backend passes
    return [p for n in names for p in glob.glob(os.path.join(SOURCE, "tests", folder, n))]


def rows():
    """(what, where) of every row of the page's tables."""
    for line in read("docs/security-rows.md").splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 2 and cells[0] not in ("bug", "fault", "promise"):
            yield cells[0], cells[1]


class Rows(unittest.TestCase):
    def test_every_row_names_a_test_or_why_there_is_none(self):
        for what, where in rows():
            named = re.findall(r"`([^`]+)`", where)
            self.assertTrue(named or CANNOT in where, f"{what}: {where}")

    def test_the_tests_that_are_named_exist(self):
        count = 0
        for what, where in rows():
            for name in re.findall(r"`([^`]+)`", where):
                test, _, case = name.partition(":")
                files = files_of(test)
                self.assertTrue(files, f"{what}: no {test}")
                found = [f for f in files if re.search(rf"\b(test_)?{case}\w*\(|{re.escape(case)}", read(os.path.relpath(f, SOURCE)))]
                self.assertTrue(found, f"{what}: no {case} in {test}")
                if test.startswith("sim."):
                    self.assertTrue(len(files) == 2 or test in read("tests/sim/CMakeLists.txt"), test)
                count += 1
        self.assertGreater(count, 150)

    def test_no_fault_and_no_bug_is_missing(self):
        heads = [what for what, _ in rows()]
        for fault in FAULTS:
            self.assertTrue(any(re.match(rf"{fault}\b", what) for what in heads), fault)
        for bug in BUGS:
            self.assertTrue(any(bug in what for what in heads), bug)


if __name__ == "__main__":
    unittest.main()
