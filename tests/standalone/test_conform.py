"""The conformance suite against Signalbox, where every vector passes, and against libzmq, where the table says what does."""
import os
import subprocess
import tempfile
import unittest

import zmq

from test_signalbox import PROGRAM, Running, free_port

TYPES = ("PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB")
# What every engine must be able to do for its peers to work at all.
BASICS = ("takes greeting and READY in one piece", "takes greeting and READY octet by octet", "speaks with a 3.0 peer",
          "takes empty frames", "answers PING with its context", "ignores commands it does not know", "takes an anonymous 1.0 peer",
          "says type and identity to a 2.0 peer", "serves others after 200,000 frames with MORE")


def conform(endpoint, kind, patience="2s", oldest="2"):
    done = subprocess.run([PROGRAM, "conform", "--type", kind, "--patience", patience, "--oldest", oldest, endpoint], capture_output=True,
                          text=True, timeout=280)
    return done.returncode, done.stdout, done.stderr


class Conform(unittest.TestCase):
    def serve(self, kind, backend, options=""):
        port = free_port()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = os.path.join(directory.name, "s.lua")
        with open(path, "w") as f:
            f.write(f"require('signalbox').{kind.lower()} {{ bind = 'tcp://127.0.0.1:{port}'{options} }}\n")
        running = Running("--backend", backend, path)
        self.addCleanup(running.end)
        running.wait_line("ready")
        return f"tcp://127.0.0.1:{port}"

    def test_every_type_conforms(self):
        for backend in ("auto", "uv"):
            for kind in TYPES:
                with self.subTest(kind=kind, backend=backend):
                    code, out, err = conform(self.serve(kind, backend), kind)
                    self.assertEqual((code, err), (0, ""), out + err)
                    self.assertRegex(out, r"\n5\d pass, 0 deviate\n$")
                    self.assertRegex(out, r"2.0 .* pass\n")
                    self.assertNotIn("\n1.0 ", out)

    def test_where_1_0_is_allowed_it_conforms_too(self):
        for kind in ("ROUTER", "XPUB", "PULL"):
            with self.subTest(kind):
                code, out, err = conform(self.serve(kind, "auto", ", zmtp_min = 1"), kind, oldest="1")
                self.assertEqual((code, err), (0, ""), out + err)
                self.assertRegex(out, r"\n1.0 .* takes messages of several frames.* pass\n")

    def test_libzmq_has_a_table_too(self):
        context = zmq.Context()
        self.addCleanup(context.destroy, 0)
        for kind in ("ROUTER", "PULL", "XPUB"):
            with self.subTest(kind):
                sock = context.socket(getattr(zmq, kind))
                port = sock.bind_to_random_port("tcp://127.0.0.1")
                code, out, err = conform(f"tcp://127.0.0.1:{port}", kind, "1s", "1")
                self.assertIn(code, (0, 1), err)
                for basic in BASICS:
                    self.assertRegex(out, basic + r" .* pass\n")
                self.assertRegex(out, r"\n\d+ pass, \d+ deviate\n$")
                self.assertNotIn("a good peer is not served", out)
                sock.close(0)

    def test_mistakes_are_told(self):
        for args, text in ((["tcp://127.0.0.1:1"], "does not answer a DEALER peer"),
                           (["--type", "ROTER", "tcp://127.0.0.1:1"], "--type 'ROTER': must be a socket type"),
                           (["--oldest", "4", "tcp://127.0.0.1:1"], "must be 1, 2 or 3"), (["--patience", "soon", "tcp://127.0.0.1:1"], "must be a time"),
                           (["udp://x"], "one endpoint is wanted"), ([], "one endpoint is wanted")):
            with self.subTest(args):
                done = subprocess.run([PROGRAM, "conform", *args], capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 2)
                self.assertIn(text, done.stderr)


if __name__ == "__main__":
    unittest.main()
