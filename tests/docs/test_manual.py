"""The manual page knows every command and every option of `run` that the program knows, and no other."""
import os
import re
import shutil
import subprocess
import unittest

SOURCE = os.path.abspath(os.environ.get("SB_SOURCE", os.path.join(os.path.dirname(__file__), "..", "..")))
PROGRAM = os.path.join(os.path.abspath(os.environ.get("SB_BUILD", os.path.join(SOURCE, "build"))), "signalbox")
PAGE = os.path.join(SOURCE, "packaging", "signalbox.1")


class Manual(unittest.TestCase):
    def setUp(self):
        with open(PAGE, encoding="utf-8") as f:
            self.page = f.read().replace("\\-", "-")
        self.help = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=60).stdout

    def section(self, name):
        return re.search(rf"\n\.SH {name}\n(.*?)\n\.SH ", self.page, re.S).group(1)

    def test_commands(self):
        told = re.findall(r"^signalbox (\w+) ", self.help, re.M)
        self.assertEqual(sorted(re.findall(r"^\.B (\w+)$", self.section("COMMANDS"), re.M)), sorted(told))

    def test_options_of_run(self):
        usage = subprocess.run([PROGRAM, "run", "--help"], capture_output=True, text=True, timeout=60).stdout
        self.assertEqual(sorted(set(re.findall(r"--[a-z-]+", self.section("OPTIONS OF RUN")))), sorted(set(re.findall(r"--[a-z-]+", usage))))

    @unittest.skipUnless(shutil.which("groff"), "no groff")
    def test_it_is_well_formed(self):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", PAGE], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("User Commands", done.stdout)


if __name__ == "__main__":
    unittest.main()
