#!/usr/bin/python3
"""The files that are installed are hardened: what SB_HARDEN promises, read from them."""
import json
import os
import re
import subprocess
import sys
import unittest

BUILD = os.environ.get("SB_BUILD", "build")
SOURCE = os.environ.get("SB_SOURCE", ".")
X86, CET = os.uname().machine == "x86_64", "-fcf-protection=full"


def readelf(path, *options):
    return subprocess.run(["readelf", "-W", *options, path], capture_output=True, text=True, check=True).stdout


def built(*names):
    return [p for p in (os.path.join(BUILD, n) for n in names) if os.path.exists(p)]


class Hardening(unittest.TestCase):
    files = built("signalbox", "libsignalbox.so", "ngx_signalbox_module.so", "ngx_stream_signalbox_module.so")

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
        for path in self.files:
            symbols = readelf(path, "--dyn-syms")
            self.assertIn("__stack_chk_fail", symbols, path)
        for path in built("signalbox", "libsignalbox.so"):  # the modules have no call that needs it
            self.assertRegex(readelf(path, "--dyn-syms"), r"__(vsnprintf|snprintf|memcpy|fprintf)_chk", path)

    def test_every_file_of_ours_is_compiled_with_it_by_default(self):
        """As `make` does without being told anything: what the compiler was given, file by file."""
        with open(os.path.join(SOURCE, "CMakeLists.txt"), encoding="utf-8") as f:
            self.assertRegex(f.read(), r"option\(SB_HARDEN .* ON\)")
        with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as f:
            commands = [(c["file"], c["command"]) for c in json.load(f)]
        ours = [(f, c) for f, c in commands if re.search(r"/(engine|backends|lua|modules)/", "/" + os.path.relpath(f, SOURCE))]
        self.assertGreater(len(ours), 150)
        for flag in ("-D_FORTIFY_SOURCE=3", "-fstack-protector-strong") + ((CET, "-fstack-clash-protection") if X86 else ()):
            self.assertEqual([f for f, c in ours if flag not in c.split()], [], flag)
            for path in built("nginx/Makefile"):
                with open(path, encoding="utf-8") as f:
                    self.assertIn(flag, re.search(r"^CFLAGS =.*", f.read(), re.M)[0].split(), path)

    @unittest.skipUnless(X86, "CET is of x86-64")
    def test_targets_of_branches_are_marked_for_cet(self):
        """Debian's own start files carry no mark, so the file as a whole has none: the functions are looked at. One that is
        only called by name needs none."""
        for path in self.files:
            code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "-j", ".text", path], capture_output=True, text=True, check=True)
            heads = re.findall(r"<(\w*(?:sb_|signalbox|main|command)\w*)>:\n\s*\w+:\s+(\w+)", code.stdout)
            marked = [name for name, first in heads if first == "endbr64"]
            self.assertGreater(len(heads), 5, path)
            self.assertGreater(len(marked), len(heads) / 4, path)
            if path.endswith("libsignalbox.so"):
                public = {name: first for name, first in heads if re.match(r"sb_[^_]", name) and "." not in name}
                self.assertEqual(public["sb_engine_create"], "endbr64")
                self.assertEqual(public["sb_socket_send"], "endbr64")

    def test_only_public_names_are_shown(self):
        symbols = readelf(os.path.join(BUILD, "libsignalbox.so"), "--dyn-syms")
        defined = [w[7].split("@")[0] for w in (line.split() for line in symbols.splitlines())
                   if len(w) == 8 and w[6] != "UND" and w[4] in ("GLOBAL", "WEAK") and w[3] in ("FUNC", "OBJECT")]
        self.assertGreater(len(defined), 50)
        self.assertEqual([n for n in defined if not re.match(r"sb_[^_]", n)], [])
        for path in built("ngx_signalbox_module.so", "ngx_stream_signalbox_module.so"):
            defined = [line.split()[7] for line in readelf(path, "--dyn-syms").splitlines()
                       if re.search(r"\b(FUNC|OBJECT)\s+(GLOBAL|WEAK)", line) and " UND " not in line]
            self.assertEqual([n for n in defined if not re.match(r"ngx_", n)], [], path)


if __name__ == "__main__":
    if "asan" in BUILD:
        sys.exit(77)  # a sanitizer build is not installed
    unittest.main()
