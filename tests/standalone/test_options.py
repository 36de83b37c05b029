"""docs/options.md is what `signalbox options` prints, so that page, program, C and scripts cannot disagree."""
import os
import subprocess
import unittest

from test_signalbox import PROGRAM

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "options.md")


class Options(unittest.TestCase):
    def test_the_page_is_what_the_program_prints(self):
        printed = subprocess.run([PROGRAM, "options"], capture_output=True, text=True, timeout=60)
        self.assertEqual((printed.returncode, printed.stderr), (0, ""))
        with open(PAGE) as f:
            page = f.read()
        self.assertTrue(page == printed.stdout, "run: build/signalbox options > docs/options.md")


if __name__ == "__main__":
    unittest.main()
