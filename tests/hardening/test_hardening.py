#!/usr/bin/python3
"""The files that are installed are hardened: what SB_HARDEN promises, read from them."""
import os
import re
import subprocess
import sys
import unittest

BUILD = os.environ.get("SB_BUILD", "build")


def readelf(path, *options):
    return subprocess.run(["readelf", "-W", *options, path], capture_output=True, text=True, check=True).stdout


def built(*names):
    return [p for p in (os.path.join(BUILD, n) for n in names) if os.path.exists(p)]


class Hardening(unittest.TestCase):
    files = built("signalbox", "libsignalbox.so", "ngx_signalbox_module.so")

    def test_the_files_are_there(self):
        self.assertGreaterEqual(len(self.files), 2)

    def test_relocations_are_done_at_the_start_and_then_read_only(self):
        for path in self.files:
            self.assertIn("GNU_RELRO", readelf(path, "-l"), path)
            self.assertRegex(readelf(path, "-d"), r"BIND_NOW|Flags:.*\bNOW\b", path)

    def test_no_stack_is_executable(self):
        for path in self.files:
            stack = re.search(r"GNU_STACK.*", readelf(path, "-l"))
            self.assertIsNotNone(stack, path)
            self.assertNotIn("E", stack[0].replace("GNU_STACK", ""), path)

    def test_programs_are_position_independent(self):
        self.assertRegex(readelf(os.path.join(BUILD, "signalbox"), "-d"), r"FLAGS_1.*\bPIE\b")
        for path in self.files:
            self.assertRegex(readelf(path, "-h"), r"Type:\s+DYN", path)

    def test_stacks_and_libc_calls_are_checked(self):
        for path in built("libsignalbox.so"):
            symbols = readelf(path, "--dyn-syms")
            self.assertIn("__stack_chk_fail", symbols)
            self.assertRegex(symbols, r"__(vsnprintf|snprintf|memcpy)_chk")

    @unittest.skipUnless(os.uname().machine == "x86_64", "CET is of x86-64")
    def test_targets_of_branches_are_marked_for_cet(self):
        """Debian's own start files carry no mark, so the file as a whole has none: the functions are looked at."""
        for path, name in ((p, n) for p in built("libsignalbox.so") for n in ("sb_engine_create", "sb_socket_send")):
            code = subprocess.run(["objdump", "-d", f"--disassemble={name}", path], capture_output=True, text=True, check=True)
            first = re.search(rf"<{name}>:\n.*\t(\w+)", code.stdout)
            self.assertIsNotNone(first, name)
            self.assertEqual(first[1], "endbr64", name)

    def test_only_public_names_are_shown(self):
        symbols = readelf(os.path.join(BUILD, "libsignalbox.so"), "--dyn-syms")
        defined = [w[7].split("@")[0] for w in (line.split() for line in symbols.splitlines())
                   if len(w) == 8 and w[6] != "UND" and w[4] in ("GLOBAL", "WEAK") and w[3] in ("FUNC", "OBJECT")]
        self.assertGreater(len(defined), 50)
        self.assertEqual([n for n in defined if not re.match(r"sb_[^_]", n)], [])


if __name__ == "__main__":
    if "asan" in BUILD:
        sys.exit(77)  # a sanitizer build is not installed
    unittest.main()
