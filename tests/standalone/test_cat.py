"""signalbox cat from outside: lines in, lines out, against itself and against libzmq."""
import os
import socket
import subprocess
import time
import unittest

import zmq

from test_signalbox import PROGRAM, free_port


def start(*args, text=b""):
    """A cat with its standard input already written and closed."""
    p = subprocess.Popen([PROGRAM, "cat", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdin.write(text)
    p.stdin.close()
    p.stdin = None
    return p


def end(p, seconds=30):
    try:
        out, err = p.communicate(timeout=seconds)
    finally:
        if p.poll() is None:
            p.kill()
            p.communicate()
    return p.returncode, out, err.decode()


class Cat(unittest.TestCase):
    def setUp(self):
        self.endpoint = f"tcp://127.0.0.1:{free_port()}"
        self.context = zmq.Context()
        self.addCleanup(self.context.destroy, 0)

    def test_lines_and_frames_go_through(self):
        pull = start("-b", "-n", "3", "pull", self.endpoint)
        push = start("push", self.endpoint, text=b"one\ntwo\thas two\nno newline")
        self.assertEqual(end(push), (0, b"", ""))
        self.assertEqual(end(pull), (0, b"one\ntwo\thas two\nno newline\n", ""))

    def test_requests_take_turns(self):
        rep = start("-b", "rep", self.endpoint, text=b"r1\nr2\n")
        req = start("req", self.endpoint, text=b"q1\nq2\n")
        self.assertEqual(end(req), (0, b"r1\nr2\n", ""))
        self.assertEqual(end(rep), (0, b"q1\nq2\n", ""))

    def test_a_publisher_waits_for_a_subscription(self):
        sub = start("-n", "1", "-s", "x.", "sub", self.endpoint)
        pub = start("-b", "pub", self.endpoint, text=b"y.1\nx.1\n")
        self.assertEqual(end(pub), (0, b"", ""))
        self.assertEqual(end(sub), (0, b"x.1\n", ""))

    def test_a_radio_waits_for_a_group(self):
        dish = start("-n", "1", "-s", "news", "dish", self.endpoint)
        radio = start("-b", "radio", self.endpoint, text=b"other\tno\nnews\train\n")
        self.assertEqual(end(radio), (0, b"", ""))
        self.assertEqual(end(dish), (0, b"news\train\n", ""))

    def test_a_plain_connection_by_stream(self):
        stream = start("-b", "-r", "-e", "-n", "2", "-f", " ", "stream", self.endpoint)
        host, port = self.endpoint.removeprefix("tcp://").split(":")
        for _ in range(200):
            try:
                s = socket.create_connection((host, int(port)), timeout=5)
                break
            except OSError:
                time.sleep(0.05)
        s.sendall(b"raw")
        code, out, err = end(stream)
        s.close()
        self.assertEqual((code, err), (0, ""))
        self.assertTrue(out.endswith(b" raw\n"), out)

    def test_a_large_file_waits_for_a_slow_libzmq(self):
        pull = self.context.socket(zmq.PULL)
        pull.rcvhwm = 10
        pull.rcvtimeo = 20000
        pull.bind(self.endpoint)
        lines = [b"%d " % i + b"x" * 1000 for i in range(3000)]
        path = os.path.join(os.environ.get("SB_BUILD", "build"), f"cat-{os.getpid()}.txt")
        with open(path, "wb") as f:
            f.write(b"\n".join(lines) + b"\n")
        self.addCleanup(os.unlink, path)
        for backend in ("uring", "uv"):
            with self.subTest(backend), open(path, "rb") as f:
                p = subprocess.Popen([PROGRAM, "cat", "--backend", "auto" if backend == "uring" else backend, "-o",
                                      "sndhwm=10", "push", self.endpoint], stdin=f, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE)
                got = [pull.recv() for _ in lines]
                self.assertEqual(end(p)[0], 0)
                self.assertEqual(got, lines)

    def test_octets_are_escaped_both_ways(self):
        router = self.context.socket(zmq.ROUTER)
        router.rcvtimeo = 20000
        router.bind(self.endpoint)
        p = start("-e", "-n", "1", "-o", "routing_id=me", "dealer", self.endpoint, text=b"a\\x00\\x09b\\\\\tc\n")
        self.assertEqual(router.recv_multipart(), [b"me", b"a\x00\x09b\\", b"c"])
        router.send_multipart([b"me", b"\xff\n\t\\", b"ok"])
        self.assertEqual(end(p)[1], b"\\xff\\x0a\\x09\\x5c\tok\n")

    def test_mistakes_are_told(self):
        for args, text in ((["psh", "tcp://127.0.0.1:1"], "TYPE 'psh': must be a socket type"),
                           (["pull"], "ENDPOINT is missing"),
                           (["-o", "rcvhvm=1", "pull", "inproc://x"], "did you mean 'rcvhwm'?"),
                           (["-o", "linger=soon", "pull", "inproc://x"], "must be a time"),
                           (["-n", "many", "pull", "inproc://x"], "-n 'many': must be a number"),
                           (["-q", "pull", "inproc://x"], "usage: signalbox cat"),
                           (["pull", "http://x"], "http://x")):
            with self.subTest(args):
                code, out, err = end(start(*args))
                self.assertIn(code, (1, 2))
                self.assertIn(text, err)
                self.assertEqual(out, b"")

    def test_the_wait_for_messages_is_bounded(self):
        code, _, err = end(start("-b", "-n", "1", "-t", "100ms", "pull", self.endpoint))
        self.assertEqual(code, 1)
        self.assertIn("0 of 1 messages came in time", err)


if __name__ == "__main__":
    unittest.main()
