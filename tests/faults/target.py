"""The program that is attacked, and what is known about it from outside."""
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import zmq

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "interop"))
from zmtp import Raw, command, greeting, message, ready  # noqa: E402,F401

BUILD = os.environ.get("SB_BUILD", "build")


class Target:
    """signalbox running target.lua or another script. `files`: its limit of descriptors; `options`: of the command line;
    `environment`: what is added to ours; what else is named goes to the script."""

    def __init__(self, backend, files=None, script="target.lua", options=(), environment=None, **values):
        self.folder = tempfile.mkdtemp(prefix="sb-faults-")
        self.backend, self.files, self.script, self.options = backend, files, script, options
        self.environment, self.values = environment or {}, values
        self.context = zmq.Context()
        self.start()

    def start(self, **endpoints):
        door = f"ipc://{self.folder}/door"
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))) if self.files else None
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "signalbox"), "run", "--backend", self.backend, *self.options,
             os.path.join(HERE, self.script), f"door={door}"]
            + [f"{k}={v}" for k, v in (self.values | endpoints).items()],
            env=os.environ | self.environment, stderr=subprocess.PIPE, text=True, preexec_fn=limit)
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        deadline = time.monotonic() + 20
        while not any("ready" in line for line in self.lines):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("target did not start: " + "".join(self.lines))
            time.sleep(0.01)
        self.door = self.context.socket(zmq.REQ)
        self.door.linger = 0
        self.door.rcvtimeo = 20000
        self.door.connect(door)

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def ask(self, what, number=0):
        self.door.send_multipart([what.encode(), str(number).encode()])
        return json.loads(self.door.recv())

    def state(self):
        return self.ask("state")

    def endpoint(self, name):
        return self.state()[name]["endpoint"]

    def client(self, kind, name, **options):
        sock = self.context.socket(kind)
        sock.linger = 0
        sock.rcvtimeo = sock.sndtimeo = 20000
        for option, value in options.items():
            setattr(sock, option, value)
        sock.connect(self.endpoint(name))
        return sock

    def raw(self, name, kind=None):
        peer = Raw.connect(self.endpoint(name) if not name.startswith("tcp://") else name)
        if kind is not None:
            peer.send(greeting() + ready(kind))
        return peer

    def rss(self):
        """Octets of memory that are resident."""
        with open(f"/proc/{self.process.pid}/statm") as f:
            return int(f.read().split()[1]) * resource.getpagesize()

    def cpu(self):
        """Seconds of processor time used so far."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def eventually(self, what, condition, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            state = self.state()
            if condition(state):
                return state
            assert time.monotonic() < deadline, f"{what}: {state}"
            time.sleep(0.05)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.door.close()

    def close(self):
        self.context.destroy(linger=0)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Good:
    """The client that must not notice: echoes, one after the other, with how long each took."""

    def __init__(self, target, name="echo", **options):
        self.sock = target.client(zmq.DEALER, name, **options)
        self.took = []
        self.n = 0

    def ping(self, times=1):
        for _ in range(times):
            self.n += 1
            begin = time.monotonic()
            self.sock.send(b"good %d" % self.n)
            assert self.sock.recv() == b"good %d" % self.n
            self.took.append(time.monotonic() - begin)

    def worst(self):
        return max(self.took)


def reset(sock):
    """Ends a connection as a process that is killed does, with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
