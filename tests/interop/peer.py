"""The test's side of peer.c and of `signalbox run`: processes with names, every wait bounded, every end clean."""
import os
import select
import signal
import subprocess
import tempfile
import time

BUILD = os.environ.get("SB_BUILD", "build")
TOP = os.environ.get("SB_TOP", BUILD)  # the other builds lie in this one; what tests fetch is there once
HERE = os.path.dirname(os.path.abspath(__file__))
SLOW = 8 if "asan" in BUILD else 1
PATIENCE = 60  # seconds, for the drain of a script that must not be cut short


class Failed(AssertionError):
    pass


class Again(Failed):
    """The other side said EAGAIN or time was up."""


def until(condition, seconds, what):
    """Polls a condition that nobody announces."""
    limit = time.monotonic() + seconds * SLOW
    while time.monotonic() < limit:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise Failed(f"not in {seconds} s: {what}")


def word(frame):
    return frame.hex() or "-"


class Process:
    """A child whose stderr goes to a file; stop() tells how it ended."""

    def __init__(self, command, name, **pipes):
        self.name = name
        self.log = tempfile.TemporaryFile("w+")
        self.p = subprocess.Popen(command, stderr=self.log, **pipes)
        self.buffer = b""

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def say(self, line):
        try:
            self.p.stdin.write(line.encode() + b"\n")
            self.p.stdin.flush()
        except BrokenPipeError:
            raise Failed(self.ended()) from None

    def line(self, limit, what):
        """The next line of its output, which comes before `limit` of time.monotonic(); `what` is waited for."""
        while b"\n" not in self.buffer:
            left = limit - time.monotonic()
            if left <= 0 or not select.select([self.p.stdout], [], [], left)[0]:
                raise Failed(f"{self.name}: no {what}\n{self.text()}")
            data = os.read(self.p.stdout.fileno(), 1 << 20)
            if not data:
                raise Failed(self.ended())
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\n", 1)
        return text.decode()

    def read(self, seconds, what="answer"):
        return self.line(time.monotonic() + seconds * SLOW, what).strip()

    def ended(self):
        self.p.wait(10 * SLOW)
        return f"{self.name} ended with {self.p.returncode}\n{self.text()}"

    def stop(self, sig=signal.SIGTERM, seconds=10):
        """Returns the exit code; a child that does not go in time is a failure."""
        try:
            if self.p.poll() is None and sig is not None:
                self.p.send_signal(sig)
            code = self.p.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
            raise Failed(f"{self.name} did not end\n{self.text()}") from None
        for pipe in (self.p.stdin, self.p.stdout):
            if pipe is not None:
                pipe.close()
        return code

    def reap(self):
        """Whatever happened: gone afterwards."""
        if self.p.poll() is None:
            self.p.kill()
            self.p.wait()
        self.log.close()


class Peer(Process):
    """peer.c"""

    def __init__(self, backend="auto", preload=None):
        program = os.path.join(BUILD, "tests", "interop_peer")
        super().__init__([program, backend], "peer", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.backend = self.ask("backend")

    def ask(self, line, seconds=20):
        self.say(line)
        return self.check(self.read(seconds, f"answer to {line[:60]}"), line)

    @staticmethod
    def check(text, line):
        status, _, rest = text.partition(" ")
        if status == "error":
            raise (Again if rest.startswith("EAGAIN") else Failed)(f"{line[:60]}: {rest}")
        return rest if status == "ok" else text

    def socket(self, kind, name=None, **options):
        return PeerSocket(self, kind, name or kind.lower(), options)

    def drain(self, ms):
        text = self.ask(f"drain {ms}", ms / 1000 + 10)
        return {k: int(v) for k, v in (w.split("=") for w in text.split())}

    def quit(self):
        """Ends it; the exit code must be 0 (a sanitizer's report makes it another)."""
        if self.p.poll() is None:
            try:
                self.say("quit")
            except Failed:
                pass  # it was ending already: its exit code tells how
        code = self.stop(None)
        if code != 0:
            raise Failed(f"the peer ended with {code}\n{self.text()}")


class PeerSocket:
    def __init__(self, peer, kind, name, options):
        self.peer, self.name = peer, name
        peer.ask(f"open {name} {kind}")
        for option, value in options.items():
            peer.ask(f"opt {name} {option} {value}")

    def bind(self, endpoint):
        return self.peer.ask(f"bind {self.name} {endpoint}")

    def connect(self, endpoint):
        self.peer.ask(f"connect {self.name} {endpoint}")

    def unbind(self, endpoint):
        self.peer.ask(f"unbind {self.name} {endpoint}")

    def disconnect(self, endpoint):
        self.peer.ask(f"disconnect {self.name} {endpoint}")

    def subscribe(self, topic):
        self.peer.ask(f"subscribe {self.name} {word(topic)}")

    def unsubscribe(self, topic):
        self.peer.ask(f"unsubscribe {self.name} {word(topic)}")

    def join(self, group):
        self.peer.ask(f"join {self.name} {word(group)}")

    def leave(self, group):
        self.peer.ask(f"leave {self.name} {word(group)}")

    def send(self, *frames, ms=5000):
        self.peer.ask(f"send {self.name} {ms * SLOW if ms else 0} " + " ".join(word(f) for f in frames), ms / 1000 + 10)

    def recv(self, ms=5000):
        text = self.peer.ask(f"recv {self.name} {ms * SLOW if ms > 500 else ms}", ms / 1000 + 10)
        words = text.split()
        if not words or words[0] != "msg":
            raise Failed(f"recv: {text[:80]}")
        return [b"" if w == "-" else bytes.fromhex(w) for w in words[1:]]

    def blast(self, count, size):
        self.peer.ask(f"blast {self.name} {count} {size}", 60)

    def wait(self, seconds):
        self.peer.ask(f"wait {self.name} {int(seconds * 1000 * SLOW)}", seconds + 5)

    def sink(self, every=0, rest_ms=0):
        self.peer.ask(f"sink {self.name} {every} {rest_ms}")

    def sunk(self):
        """(how many, how many out of order)"""
        return tuple(int(w) for w in self.peer.ask(f"sunk {self.name}").split())

    def stats(self):
        return {k: int(v) for k, v in (w.split("=") for w in self.peer.ask(f"stats {self.name}").split())}

    def events(self):
        return self.peer.ask(f"events {self.name}").split()

    def peers(self):
        return self.peer.ask(f"peers {self.name}").split()

    def close(self):
        self.peer.ask(f"close {self.name}")


class Script(Process):
    """`signalbox run FILE key=value ...`, ready when it is made. Ports are free ones: see free_port. With `patient`
    its drain has a minute, so that what a slow machine does in it is not cut short."""

    def __init__(self, path, backend="auto", patient=False, **args):
        words = [f"{k}={v}" for k, v in args.items()]
        program = os.path.join(BUILD, "signalbox")
        patience = ["--handler-time", f"{50 * SLOW}ms"] if SLOW > 1 else []
        patience += ["--linger", f"{PATIENCE}s"] if patient else []
        super().__init__([program, "run", "--backend", backend, *patience, path] + words, os.path.basename(path),
                         stdin=subprocess.DEVNULL)
        until(lambda: "signalbox: ready" in self.text() or self.p.poll() is not None, 10, "signalbox is ready")
        if "signalbox: ready" not in self.text():
            raise Failed(f"signalbox run {path} ended with {self.p.returncode}\n{self.text()}")

    def quit(self):
        code = self.stop(seconds=PATIENCE + 10)
        if code != 0:
            raise Failed(f"signalbox run ended with {code}\n{self.text()}")
