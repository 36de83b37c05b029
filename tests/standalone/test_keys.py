"""CURVE keys of the program: made by keygen, read from files, read anew at a reload; rotated with an overlap."""
import os
import signal
import tempfile
import unittest

import zmq

from test_signalbox import Running, call, free_port

SCRIPT = """
local sb = require "signalbox"
local cfg = ...
local front = sb.rep { name = "front", bind = "tcp://127.0.0.1:" .. cfg.port, curve_server = true, curve_keyfile = cfg.dir .. "/keys",
  curve_allow = cfg.dir .. "/clients" }
front:on_message(function(msg, peer) return { peer.user_id, peer.mechanism, msg[1] } end)
"""


def backends():
    """"auto" is io_uring where there is one."""
    return ["auto", "uv"]


class Rotation(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="sb-keys-")
        self.addCleanup(self.folder.cleanup)
        self.context = zmq.Context()
        self.addCleanup(self.context.destroy, 0)
        os.mkdir(self.path("clients"))
        self.keys = {}

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def make(self, name):
        """A pair by keygen: {public, secret}."""
        code, _, err = call("keygen", "--out", self.path(name))
        self.assertEqual(code, 0, err)
        pair = {}
        for end in ("", "_secret", ".pub", ".key"):
            if os.path.exists(self.path(name) + end):
                with open(self.path(name) + end, encoding="utf-8") as f:
                    for line in f:
                        word, _, value = line.partition("=")
                        if "-key" in word:
                            pair[word.strip()] = value.strip().strip('"')
        self.assertEqual(set(pair), {"public-key", "secret-key"})
        self.keys[name] = pair

    def server_has(self, *names):
        with open(self.path("keys"), "w", encoding="utf-8") as f:
            f.writelines(f'secret-key = "{self.keys[n]["secret-key"]}"\n' for n in names)
        os.chmod(self.path("keys"), 0o600)

    def lets_in(self, *names):
        for old in os.listdir(self.path("clients")):
            os.unlink(os.path.join(self.path("clients"), old))
        for n in names:
            with open(os.path.join(self.path("clients"), n), "w", encoding="utf-8") as f:
                f.write(f'metadata\n    name = "{n}"\ncurve\n    public-key = "{self.keys[n]["public-key"]}"\n')

    def client(self, who, server):
        sock = self.context.socket(zmq.REQ)
        self.addCleanup(sock.close)
        sock.linger, sock.rcvtimeo = 0, 10000
        sock.curve_publickey, sock.curve_secretkey = (self.keys[who][k].encode() for k in ("public-key", "secret-key"))
        sock.curve_serverkey = self.keys[server]["public-key"].encode()
        sock.connect(f"tcp://127.0.0.1:{self.port}")
        return sock

    def served(self, sock, who):
        sock.send(b"hello")
        self.assertEqual(sock.recv_multipart(), [who.encode(), b"CURVE", b"hello"])

    def refused(self, who, server):
        sock = self.client(who, server)
        sock.rcvtimeo = 400
        sock.send(b"hello")
        with self.assertRaises(zmq.Again):
            sock.recv_multipart()
        sock.close()

    def reload(self):
        self.running.process.send_signal(signal.SIGHUP)
        self.running.wait_line("ready")

    def rotate(self, backend):
        self.port = free_port()
        with open(self.path("front.lua"), "w", encoding="utf-8") as f:
            f.write(SCRIPT)
        self.server_has("old")
        self.lets_in("ann")
        self.running = Running("--backend", backend, self.path("front.lua"), f"port={self.port}", f"dir={self.folder.name}")
        self.addCleanup(self.running.end)
        self.running.wait_line("ready")
        ann = self.client("ann", "old")
        self.served(ann, "ann")
        self.refused("ann", "new")
        self.refused("bob", "old")
        self.server_has("new", "old")  # the overlap: both are good
        self.lets_in("ann", "bob")
        self.reload()
        self.served(ann, "ann")
        self.served(self.client("ann", "old"), "ann")
        self.served(self.client("bob", "new"), "bob")
        self.server_has("new")  # the old one is gone, and so is ann
        self.lets_in("bob")
        self.reload()
        self.refused("bob", "old")
        self.refused("ann", "new")
        self.served(self.client("bob", "new"), "bob")

    def test_keys_are_rotated_by_reloads_with_an_overlap(self):
        for name in ("old", "new", "ann", "bob"):
            self.make(name)
        for backend in backends():
            with self.subTest(backend=backend):
                self.rotate(backend)


if __name__ == "__main__":
    unittest.main()
