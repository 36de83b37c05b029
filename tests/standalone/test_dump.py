"""signalbox dump: from capture files made here, octet by octet."""
import os
import struct
import subprocess
import tempfile
import unittest

from test_signalbox import PROGRAM

ENV = dict(os.environ, TZ="UTC")
CLIENT, SERVER = b"\x0a\0\0\1", b"\x0a\0\0\2"
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48)


def ready(kind):
    body = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
    return bytes([4, len(body)]) + body


class Capture:
    """A capture file: raw IPv4 packets of one connection."""

    def __init__(self, path, link=101):
        self.file = open(path, "wb")
        self.file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, link))
        self.numbers = {1000: 77, 5555: 99}
        self.at = 0

    def packet(self, source, target, data=b"", flags=0x10):
        tcp = struct.pack(">HHIIBBHHH", source, target, self.numbers[source], 0, 0x50, flags, 1000, 0, 0) + data
        ends = (CLIENT, SERVER) if source == 1000 else (SERVER, CLIENT)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + b"".join(ends)
        self.at += 1
        self.file.write(struct.pack("<IIII", 3600, self.at, len(ip) + len(tcp), len(ip) + len(tcp)) + ip + tcp)
        self.numbers[source] += len(data) + (1 if flags & 3 else 0)

    def close(self):
        self.file.close()


def dump(*args, **more):
    return subprocess.run([PROGRAM, "dump", *args], capture_output=True, text=True, timeout=60, env=ENV, **more)


class Dump(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "c.pcap")

    def session(self):
        capture = Capture(self.path)
        capture.packet(1000, 5555, flags=2)
        capture.packet(5555, 1000, flags=2)
        capture.packet(1000, 5555, GREETING[:11])
        capture.packet(5555, 1000, GREETING + ready(b"PULL"))
        capture.packet(1000, 5555, GREETING[11:] + ready(b"PUSH")[:4])
        capture.packet(1000, 5555, ready(b"PUSH")[4:] + b"\x01\x02hi\x00\x05there")
        capture.packet(1000, 5555, flags=1)
        capture.close()

    LINES = ["01:00:00.000004 10.0.0.2:5555 > 10.0.0.1:1000 greeting 3.1 NULL",
             '01:00:00.000004 10.0.0.2:5555 > 10.0.0.1:1000 READY Socket-Type="PULL"',
             "01:00:00.000005 10.0.0.1:1000 > 10.0.0.2:5555 greeting 3.1 NULL",
             '01:00:00.000006 10.0.0.1:1000 > 10.0.0.2:5555 READY Socket-Type="PUSH"',
             '01:00:00.000006 10.0.0.1:1000 > 10.0.0.2:5555 message 2 frames 7 octets: "hi" "there"',
             "01:00:00.000007 10.0.0.1:1000 > 10.0.0.2:5555 closed"]

    def test_a_file_in_words(self):
        self.session()
        done = dump("-r", self.path)
        self.assertEqual((done.returncode, done.stderr, done.stdout.splitlines()), (0, "", self.LINES))

    def test_standard_input_and_options(self):
        self.session()
        with open(self.path, "rb") as f:
            done = dump("-r", "-", "-n", "2", stdin=f)
        self.assertEqual(done.stdout.splitlines(), self.LINES[:2])
        self.assertIn('"hi" "th"+3', dump("-r", self.path, "-s", "2").stdout)
        self.assertEqual(dump("-r", self.path, "tcp", "port", "9").stdout, "")
        self.assertEqual(dump("-r", self.path, "port 5555").stdout.splitlines(), self.LINES)

    def test_mistakes_are_told(self):
        other = self.path + ".txt"
        with open(other, "w") as f:
            f.write("no capture at all, but long enough to be one\n")
        Capture(self.path, link=195).close()
        for args, code, text in ((("-r", "nosuch.pcap"), 1, "dump: nosuch.pcap: No such file or directory"), (("-r", other), 1, "unknown file format"),
                                 (("-r", self.path), 1, "packets of link type IEEE802_15_4"), (("-s", "9999"), 2, "-s '9999': must be a number of octets up to 1024"),
                                 (("-n", "some"), 2, "-n 'some': must be a number"), (("-x",), 2, "usage: signalbox dump"),
                                 (("-i", "lo", "-r", "x"), 2, "-r 'x': must be without -i"), (("-r", self.path, "x" * 2000), 2, "shorter than 1024")):
            with self.subTest(args):
                done = dump(*args)
                self.assertEqual((done.returncode, done.stdout), (code, ""))
                self.assertIn(text, done.stderr)

    def test_a_wrong_filter_is_told(self):
        self.session()
        done = dump("-r", self.path, "tcp", "prt", "5")
        self.assertEqual(done.returncode, 1)
        self.assertIn("dump: tcp prt 5: can't parse filter expression", done.stderr)


if __name__ == "__main__":
    unittest.main()
