"""P3: a peer whose cable is pulled is found by heartbeats. Needs a network namespace; where none may be made the test is
skipped (77), not passed."""
import argparse
import os
import select
import subprocess
import sys
import tempfile
import time

from common import NotHere, uring_works

NET = f"10.77.{os.getpid() % 254 + 1}"  # runs may overlap


def run(*command):
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as why:
        raise NotHere(f"{' '.join(command)}: {getattr(why, 'stderr', None) or why}") from why


def half_open_in(backend, name):
    with tempfile.TemporaryDirectory(prefix="sb-faults-") as folder:
        script = os.path.join(folder, "half.lua")
        with open(script, "w") as f:
            f.write("local sb = require 'signalbox'\n"
                    f"local s = sb.router {{ bind = 'tcp://{NET}.1:7777', heartbeat_ivl = 0.3, heartbeat_timeout = 0.3 }}\n"
                    "s:on_peer(function(e) sb.log.notice('peer ' .. e) end)\n"
                    "s:on_message(function(m) return m end)\n")
        run("ip", "link", "add", name + "a", "type", "veth", "peer", "name", name + "b", "netns", name)
        try:
            run("ip", "addr", "add", f"{NET}.1/24", "dev", name + "a")
            run("ip", "link", "set", name + "a", "up")
            run("ip", "netns", "exec", name, "ip", "addr", "add", f"{NET}.2/24", "dev", name + "b")
            run("ip", "netns", "exec", name, "ip", "link", "set", name + "b", "up")
            check_half_open(backend, name, script)
        finally:
            subprocess.run(["ip", "link", "del", name + "a"], capture_output=True)


def check_half_open(backend, name, script):
    build = os.environ.get("SB_BUILD", "build")
    client = f"import time, zmq\ns = zmq.Context().socket(zmq.DEALER)\ns.connect('tcp://{NET}.1:7777')\ntime.sleep(60)\n"
    server = subprocess.Popen([os.path.join(build, "signalbox"), "run", "--backend", backend, script], stderr=subprocess.PIPE, text=True)
    peer = None
    try:
        while "ready" not in server.stderr.readline():
            assert server.poll() is None
        peer = subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c", client])
        if not wait_line(server, "handshake_succeeded", 20):
            raise NotHere("no way from one namespace to the other")
        assert not wait_line(server, "disconnected", 2), "it answers heartbeats, and was given up"
        begin = time.monotonic()
        run("ip", "link", "set", name + "a", "down")
        assert wait_line(server, "disconnected", 20), "never found"
        took = time.monotonic() - begin
        print(f"  cable pulled: found after {took:.2f} s (heartbeat 0.3 s, timeout 0.3 s)")
    finally:
        for process in (server, peer):
            if process is not None:
                process.kill()
                process.wait()


def wait_line(process, text, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if select.select([process.stderr], [], [], 0.1)[0] and text in process.stderr.readline():
            return True
    return False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", default="auto")
    backend = parser.parse_args().backend
    name = f"sb{os.getpid()}"
    if backend == "uring" and not uring_works():
        print("no io_uring here")
        return 77
    try:
        run("ip", "netns", "add", name)
        half_open_in(backend, name)
    except NotHere as why:
        print(f"not run here: {why}")
        return 77
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
