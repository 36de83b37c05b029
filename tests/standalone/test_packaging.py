"""The files of packaging/ are what they say: the unit is one systemd accepts and that shuts the program in; the seccomp
addition is what io_uring needs, no more."""
import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.path.abspath(os.environ.get("SB_SOURCE", os.path.join(os.path.dirname(__file__), "..", "..")))
BUILD = os.path.abspath(os.environ.get("SB_BUILD", os.path.join(SOURCE, "build")))
PROGRAM = os.path.join(BUILD, "signalbox")
UNIT = os.path.join(SOURCE, "packaging", "signalbox.service")
PROFILE = os.path.join(SOURCE, "packaging", "seccomp-io_uring.json")
ANALYZE = shutil.which("systemd-analyze")


def uring_works():
    params = (ctypes.c_char * 120)()
    fd = ctypes.CDLL(None, use_errno=True).syscall(425, 4, ctypes.byref(params))
    if fd >= 0:
        os.close(fd)
    return fd >= 0


class Unit(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="sbp")
        self.addCleanup(self.folder.cleanup)

    def unit(self):
        """A copy whose program is there."""
        path = os.path.join(self.folder.name, "signalbox.service")
        with open(UNIT, encoding="utf-8") as f:
            text = f.read()
        self.assertIn("/usr/bin/signalbox run ", text)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace("/usr/bin/signalbox", PROGRAM))
        return path

    @unittest.skipUnless(ANALYZE, "no systemd-analyze")
    def test_systemd_accepts_the_unit(self):
        done = subprocess.run([ANALYZE, "verify", self.unit()], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    @unittest.skipUnless(ANALYZE, "no systemd-analyze")
    def test_the_unit_shuts_the_program_in(self):
        done = subprocess.run([ANALYZE, "security", "--offline=yes", "--no-pager", self.unit()], capture_output=True,
                              text=True, timeout=60)
        level = float(re.search(r"exposure level for signalbox.service: ([\d.]+)", done.stdout).group(1))
        self.assertLess(level, 2.0, done.stdout)

    def test_the_program_knows_the_options_of_the_unit(self):
        with open(UNIT, encoding="utf-8") as f:
            command = re.search(r"ExecStart=/usr/bin/signalbox (.*)", f.read()).group(1).split()
        words = [w for w in command if not w.startswith("$") and not w.endswith(".lua")]
        script = os.path.join(self.folder.name, "main.lua")
        with open(script, "w", encoding="utf-8") as f:
            f.write("error('reached')")
        done = subprocess.run([PROGRAM, *words, script], capture_output=True, text=True, timeout=60)
        self.assertIn("reached", done.stderr)
        self.assertEqual(done.returncode, 1)


class Seccomp(unittest.TestCase):
    def backend(self, allowed):
        """What the program runs on where only these calls of io_uring are allowed."""
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write("local sb = require 'signalbox' sb.pull { bind = 'tcp://127.0.0.1:*' }")
            script.flush()
            tool = os.path.join(BUILD, "deny_uring")
            with subprocess.Popen([tool, "--but=" + ",".join(allowed), PROGRAM, "run", script.name],
                                  stderr=subprocess.PIPE, text=True) as process:
                found = None
                for line in process.stderr:
                    found = re.search(r"ready backend=(\w+)", line)
                    if found:
                        break
                process.terminate()
                process.stderr.read()
                self.assertEqual(process.wait(20), 0)
        return found and found.group(1)

    @unittest.skipUnless(uring_works(), "io_uring is refused here")
    def test_with_the_addition_io_uring_works_and_without_it_libuv_takes_over(self):
        with open(PROFILE, encoding="utf-8") as f:
            profile = json.load(f)
        self.assertEqual(profile["action"], "SCMP_ACT_ALLOW")
        self.assertEqual(self.backend(profile["names"]), "uring")
        self.assertEqual(self.backend([]), "uv")

    def test_the_addition_has_the_calls_of_io_uring_and_no_others(self):
        with open(PROFILE, encoding="utf-8") as f:
            names = json.load(f)["names"]
        self.assertEqual(sorted(names), ["io_uring_enter", "io_uring_register", "io_uring_setup"])


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        print("skipped: no", PROGRAM)
        sys.exit(77)
    unittest.main(verbosity=2, warnings="ignore")
