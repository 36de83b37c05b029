"""What a test of a file gets, and its end. Runs functions named test_* of a module; the exit code tells (cases.py)."""
import os
import sys
import tempfile

import zmq

import cases
from browser import Browser
from java_peer import JavaPeer
from node_peer import NodePeer
from peer import Failed, Peer, Script, SLOW

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from ports import free_port  # noqa: E402


class Bench:
    """What a test needs, and its end: libzmq sockets, Signalbox peers, scripts, a directory."""

    def __init__(self, backend):
        self.backend = backend
        self.context = zmq.Context()
        self.peers, self.scripts, self.sockets = [], [], []
        self.machine = self.chromium = None
        self.directory = tempfile.TemporaryDirectory(prefix="sb-interop-")

    def peer(self):
        p = Peer(self.backend)
        self.peers.append(p)
        return p

    def node(self):
        """A libzmq with the draft types; only in tests that wait for the fixture `node`."""
        p = NodePeer()
        self.peers.append(p)
        return p

    def java(self):
        """JeroMQ; only in tests that wait for the fixture `java`. One for all: it takes long to start."""
        if self.machine is None:
            self.machine = JavaPeer()
            self.peers.append(self.machine)
        return self.machine

    def browser(self):
        """Chromium; only in tests that wait for the fixture `node`. One for all: it takes long to start."""
        if self.chromium is None:
            self.chromium = Browser()
            self.peers.append(self.chromium)
        return self.chromium

    def script(self, path, **args):
        s = Script(path, self.backend, **args)
        self.scripts.append(s)
        return s

    def zmq(self, kind, **options):
        """A libzmq socket: kind is a name ("ROUTER"), options are libzmq's in lower case."""
        s = self.context.socket(getattr(zmq, kind))
        s.linger = 0
        s.rcvtimeo = s.sndtimeo = 5000 * SLOW
        for option, value in options.items():
            s.set(getattr(zmq, option.upper()), value)
        self.sockets.append(s)
        return s

    def path(self, name):
        return os.path.join(self.directory.name, name)

    free_port = staticmethod(free_port)

    def finish(self):
        """Everything must end by itself and well."""
        for s in self.sockets:
            s.close(0)
        for p in self.peers + self.scripts:
            p.quit()

    def reap(self):
        for s in self.sockets:
            s.close(0)
        self.context.destroy(0)
        for p in self.peers + self.scripts:
            p.reap()
        self.directory.cleanup()


def run_one(function, backend):
    bench = Bench(backend)
    try:
        function(bench)
        bench.finish()
    except Exception:
        for p in bench.peers + bench.scripts:
            print(f"--- stderr of {p.name}:\n{p.text()[-3000:]}", file=sys.stderr)
        raise
    finally:
        bench.reap()


def uring_works():
    """Whether this machine lets us make a ring: only then is a test on it possible."""
    try:
        p = Peer("uring")
    except Failed as e:
        if "ended with 77" in str(e):
            return False
        raise
    p.quit()
    p.reap()
    return True


def main(tests):
    sys.exit(cases.main(tests, run_one, uring_works))


def tests_of(module):
    return cases.of(vars(module))
