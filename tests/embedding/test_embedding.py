"""The engine as a library: in a program with its own epoll loop, and as an installed package."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import zmq

BUILD = os.path.abspath(os.environ.get("SB_BUILD", os.path.join(os.path.dirname(__file__), "..", "..", "build")))
SOURCE = os.path.abspath(os.environ.get("SB_SOURCE", os.path.join(os.path.dirname(__file__), "..", "..")))
EMBED = os.path.join(BUILD, "embed")

SCRIPT = """
local sb = require "signalbox"
local cfg = ...
sb.rep { bind = cfg.at }:on_message(function(msg) return msg[1]:reverse() end)
"""


def exported(library):
    out = subprocess.check_output(["nm", "-D", "--defined-only", library], text=True)
    return [line.split()[-1].split("@")[0] for line in out.splitlines()]


class Embedding(unittest.TestCase):
    def run_embed(self, *args):
        process = subprocess.Popen([EMBED, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)

        def end():
            process.kill()
            process.communicate()
        self.addCleanup(end)
        return process, process.stdout.readline().strip()

    def ask(self, endpoint, text):
        context = zmq.Context()
        self.addCleanup(context.destroy, linger=0)
        client = context.socket(zmq.REQ)
        client.rcvtimeo = 20000
        client.connect(endpoint)
        answers = []
        for _ in range(50):
            client.send(text)
            answers.append(client.recv())
        return set(answers)

    def ends_in_order(self, process):
        out, err = process.communicate(timeout=20)  # closes its standard input
        self.assertEqual(process.returncode, 0, err)
        self.assertIn("0 messages unsent", err)

    def test_a_handler_in_c_answers_inside_an_epoll_loop(self):
        process, endpoint = self.run_embed("tcp://127.0.0.1:*")
        self.assertEqual(self.ask(endpoint, b"hello"), {b"HELLO"})
        self.ends_in_order(process)

    def test_a_script_answers_inside_an_epoll_loop(self):
        with tempfile.TemporaryDirectory() as folder:
            path, at = os.path.join(folder, "a.lua"), "ipc://" + os.path.join(folder, "s")
            with open(path, "w") as f:
                f.write(SCRIPT)
            process, ready = self.run_embed("--script", path, "at=" + at)
            self.assertEqual(ready, "ready")
            self.assertEqual(self.ask(at, b"hello"), {b"olleh"})
            self.ends_in_order(process)

    def test_the_library_shows_only_public_names(self):
        names = [n for n in exported(os.path.join(BUILD, "libsignalbox.so"))
                 if not n.startswith(("__asan", "__odr_asan", "__ubsan"))]
        self.assertIn("sb_engine_create", names)
        self.assertIn("sb_api_get", names)
        self.assertEqual([n for n in names if not n.startswith("sb_")], [])

    def test_the_nginx_module_shows_only_what_nginx_asks_for(self):
        module = os.path.join(BUILD, "ngx_signalbox_module.so")
        if not os.path.exists(module):
            self.skipTest("no nginx module in this build")
        self.assertEqual(sorted(exported(module)), ["ngx_module_names", "ngx_module_order", "ngx_modules"])


class Installed(unittest.TestCase):
    """An installation in a folder of its own, used as others would: pkg-config and CMake."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="sbi")
        cls.prefix = os.path.join(cls.folder, "root")
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.prefix], check=True, stdout=subprocess.DEVNULL)
        cls.libdir = next(d for d, _, files in os.walk(cls.prefix) if "libsignalbox.so" in files)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def try_program(self, program):
        env = dict(os.environ, LD_LIBRARY_PATH=self.libdir)
        done = subprocess.run([program, "bad://endpoint"], env=env, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("bad://endpoint: unknown transport", done.stderr)

    def compiler_flags(self):
        with open(os.path.join(BUILD, "CMakeCache.txt")) as f:
            sanitize = [line.split("=", 1)[1].strip() for line in f if line.startswith("SB_SANITIZE:")]
        return ["-fsanitize=" + sanitize[0]] if sanitize and sanitize[0] else []

    def test_pkg_config_finds_it(self):
        env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(self.libdir, "pkgconfig"))
        flags = subprocess.check_output(["pkg-config", "--cflags", "--libs", "signalbox"], env=env, text=True).split()
        program = os.path.join(self.folder, "embed-pc")
        subprocess.run(["gcc", "-D_GNU_SOURCE", os.path.join(SOURCE, "examples", "embed.c"), "-o", program, *flags,
                        *self.compiler_flags()], check=True)
        self.try_program(program)

    def test_cmake_finds_it(self):
        project, build = os.path.join(self.folder, "p"), os.path.join(self.folder, "b")
        os.mkdir(project)
        with open(os.path.join(project, "CMakeLists.txt"), "w") as f:
            f.write("cmake_minimum_required(VERSION 3.24)\nproject(x C)\nset(CMAKE_C_EXTENSIONS ON)\n"
                    "find_package(signalbox REQUIRED)\nadd_executable(x %s/examples/embed.c)\n"
                    "target_compile_definitions(x PRIVATE _GNU_SOURCE)\n"
                    "target_link_libraries(x signalbox::signalbox)\n" % SOURCE)
        flags = " ".join(self.compiler_flags())
        subprocess.run(["cmake", "-S", project, "-B", build, "-DCMAKE_PREFIX_PATH=" + self.prefix,
                        "-DCMAKE_C_FLAGS=" + flags], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["cmake", "--build", build], check=True, stdout=subprocess.DEVNULL)
        self.try_program(os.path.join(build, "x"))

    def test_the_installed_program_runs(self):
        done = subprocess.run([os.path.join(self.prefix, "bin", "signalbox"), "--version"], capture_output=True,
                              text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    if not os.path.exists(EMBED):
        print("skipped: no", EMBED)
        sys.exit(77)
    unittest.main(verbosity=2, warnings="ignore")
