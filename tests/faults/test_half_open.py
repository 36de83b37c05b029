"""P3: a peer whose cable is pulled is found by heartbeats, or by what it does not acknowledge. Needs a network namespace; where
none may be made the test is skipped (77), not passed."""
import os
import subprocess
import sys
import tempfile
import threading
import time

from common import NotHere, main

NET = f"10.77.{os.getpid() % 254 + 1}"  # runs may overlap


def run(*command):
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as why:
        raise NotHere(f"{' '.join(command)}: {getattr(why, 'stderr', None) or why}") from why


HEARTBEATS = """
local s = sb.router {{ bind = 'tcp://{net}.1:7777', heartbeat_ivl = 0.3, heartbeat_timeout = 0.3 }}
s:on_message(function(m) return m end)
"""

# Nobody asks for signs of life, but what is sent is never acknowledged.
UNACKNOWLEDGED = """
local s = sb.push {{ connect = 'tcp://{net}.2:7778', tcp_maxrt = 1 }}
sb.every(0.1, function() s:send('are you there', 0) end)
"""

CASES = {"heartbeats of 0.3 s, timeout 0.3 s": (HEARTBEATS, "DEALER", "connect('tcp://{net}.1:7777')", 5),
         "tcp_maxrt of 1 s": (UNACKNOWLEDGED, "PULL", "bind('tcp://{net}.2:7778')", 15)}


def connected(backend, name):
    run("ip", "link", "add", name + "a", "type", "veth", "peer", "name", name + "b", "netns", name)
    try:
        run("ip", "addr", "add", f"{NET}.1/24", "dev", name + "a")
        run("ip", "netns", "exec", name, "ip", "addr", "add", f"{NET}.2/24", "dev", name + "b")
        run("ip", "netns", "exec", name, "ip", "link", "set", name + "b", "up")
        run("ip", "link", "set", name + "a", "up")
        for what, (body, kind, verb, seconds) in CASES.items():
            check_half_open(backend, name, what, (body, kind, verb), seconds)
            run("ip", "netns", "exec", name, "ip", "route", "del", "blackhole", f"{NET}.1/32")
    finally:
        subprocess.run(["ip", "link", "del", name + "a"], capture_output=True)


class Server:
    """signalbox with a script; every line it says is kept."""

    def __init__(self, backend, script):
        self.lines = []
        self.process = subprocess.Popen([os.path.join(os.environ.get("SB_BUILD", "build"), "signalbox"), "run", "--backend", backend,
                                         script], stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def says(self, text, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if any(text in line for line in list(self.lines)):
                return True
            time.sleep(0.02)
        return False


def check_half_open(backend, name, what, ends, seconds):
    body, kind, verb = ends
    client = f"import time, zmq\ns = zmq.Context().socket(zmq.{kind})\ns.{verb.format(net=NET)}\ntime.sleep(60)\n"
    with tempfile.TemporaryDirectory(prefix="sb-faults-") as folder:
        script = os.path.join(folder, "half.lua")
        with open(script, "w") as f:
            f.write("local sb = require 'signalbox'\n" + body.format(net=NET) + "s:on_peer(function(e) sb.log.notice('peer ' .. e) end)\n")
        server, peer = Server(backend, script), None
        try:
            assert server.says("ready", 20), server.lines
            peer = subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c", client])
            if not server.says("handshake_succeeded", 20):
                raise NotHere("no way from one namespace to the other")
            assert not server.says("disconnected", 2), "it is there, and was given up"
            begin = time.monotonic()
            run("ip", "netns", "exec", name, "ip", "route", "add", "blackhole", f"{NET}.1/32")  # it hears us, we do not hear it
            assert server.says("disconnected", seconds), f"never found: {server.lines}"
            print(f"  cable pulled: found after {time.monotonic() - begin:.2f} s ({what})")
        finally:
            for process in (server.process, peer):
                if process is not None:
                    process.kill()
                    process.wait()


def test_a_pulled_cable_is_found(backend):
    name = f"sb{os.getpid()}"
    try:
        run("ip", "netns", "add", name)
        connected(backend, name)
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


if __name__ == "__main__":
    sys.exit(main(globals()))
