"""signalbox dump on the loopback interface, where capturing is permitted."""
import signal
import subprocess
import sys
import unittest

import zmq

from test_signalbox import PROGRAM


def permitted():
    running = subprocess.Popen([PROGRAM, "dump", "-i", "lo", "tcp", "port", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    first = running.stderr.readline()
    running.kill()
    running.communicate()
    return "not permitted" not in first


class DumpLive(unittest.TestCase):
    def test_live_with_libzmq(self):
        context = zmq.Context()
        self.addCleanup(context.term)
        pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
        self.addCleanup(pull.close, 0)
        self.addCleanup(push.close, 0)
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        running = subprocess.Popen([PROGRAM, "dump", "-i", "lo", "-n", "5", "tcp", "port", str(port)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (running.kill(), running.communicate()))
        first = running.stderr.readline()
        self.assertIn(f"capturing on lo, filter 'tcp port {port}'", first)
        push.connect(f"tcp://127.0.0.1:{port}")
        push.send_multipart([b"one", b"two"])
        self.assertEqual(pull.recv_multipart(), [b"one", b"two"])
        out, err = running.communicate(timeout=20)
        self.assertIn('message 2 frames 6 octets: "one" "two"', out)
        self.assertEqual((running.returncode, err, out.count("greeting 3.")), (0, "", 2))

    def test_a_signal_ends_it(self):
        running = subprocess.Popen([PROGRAM, "dump", "-i", "lo", "tcp", "port", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (running.kill(), running.communicate()))
        self.assertIn("capturing on lo", running.stderr.readline())
        running.send_signal(signal.SIGINT)
        self.assertEqual(running.wait(timeout=20), 0)


if __name__ == "__main__":
    if not permitted():
        print("capturing is not permitted here")
        sys.exit(77)
    unittest.main()
