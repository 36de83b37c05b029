"""nginx shut in as a strict systemd unit would do it, and in a container whose seccomp profile has our addition or has not."""
import json
import os
import re
import signal
import sys
import unittest

import zmq

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
PROFILE = os.path.join(HERE, "..", "..", "packaging", "seccomp-io_uring.json")

SCRIPT = """
local sb = require "signalbox"
local cfg = ...
local n = sb.shared("n")
local rep = sb.rep { name = "echo", bind = { "tcp://127.0.0.1:" .. cfg.port, "ipc://" .. cfg.folder .. "/echo" } }
rep:on_message(function(msg) return { msg[1], tostring(n:incr("asked", 1, 0)) } end)
"""
HTTP = """server { listen 127.0.0.1:%d; location / { signalbox_request echo frames=body; } }"""


class Sandbox(harness.NginxTest):
    def serve(self, backend, wrap, uses_folder=False):
        self.port = harness.free_port()
        server = self.nginx(None, {"a.lua": SCRIPT}, workers=2)
        server.configure("backend %s; zone z 64k; script a.lua port=%d folder=%s;" % (backend, self.port, server.prefix),
                         http=HTTP % harness.free_port())
        server.wrap = wrap + ([server.prefix] if uses_folder else [])
        return server

    def ask(self, text):
        client = self.connect(zmq.REQ, self.port)
        client.send(text)
        answer = client.recv_multipart()
        client.close()
        return answer

    @unittest.skipUnless(os.geteuid() == 0, "a mount namespace needs root")
    @unittest.skipIf(harness.SANITIZED, "sanitizers want memory that is written and executed")
    def test_everything_works_in_the_sandbox_of_a_strict_unit(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server = self.serve(backend, [sys.executable, os.path.join(HERE, "sandbox.py")], uses_folder=True)
                server.start()
                with open("/proc/%d/status" % server.process.pid) as f:
                    status = f.read()
                self.assertRegex(status, r"Uid:\s+65534\s+65534\s")
                self.assertRegex(status, r"CapBnd:\s+0+\n")
                self.assertRegex(status, r"NoNewPrivs:\s+1\n")
                self.assertEqual(self.ask(b"x"), [b"x", b"1"])
                old, _ = server.reload()
                server.wait_gone(old)
                self.assertEqual(self.ask(b"y"), [b"y", b"2"])  # the zone is kept
                os.kill(server.owner(), signal.SIGKILL)
                server.wait_ready()
                self.assertEqual(self.ask(b"z"), [b"z", b"3"])
                server.quit()

    def test_seccomp_profiles_of_containers(self):
        with open(PROFILE) as f:
            addition = json.load(f)["names"]
        deny = os.path.join(harness.BUILD, "deny_uring")
        for allowed, backend in ((addition, "uring" if harness.uring_works() else "uv"), ([], "uv")):
            with self.subTest(allowed=allowed):
                server = self.serve("auto", [deny] + (["--but=" + ",".join(allowed)] if allowed else []))
                server.launch()
                server.wait_ready(backend)
                self.assertEqual(self.ask(b"x"), [b"x", b"1"])
                told = re.findall("io_uring is not available", server.log())
                self.assertEqual(bool(told), backend == "uv")
                server.quit()


if __name__ == "__main__":
    harness.main()
