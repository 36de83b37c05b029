"""Faults of the kernel and the machine: no memory for a send, a ring that is busy, a disk that is full, a clock that jumps."""
import os
import socket
import subprocess
import sys
import tempfile
import time

import zmq

from common import NotHere, main, size
from target import BUILD, Good, Target


def preload(name):
    path = os.path.abspath(os.path.join(BUILD, f"lib{name}.so"))
    if not os.path.exists(path):
        raise NotHere(f"no {path}: a sanitizer build has none")
    return path


def with_environment(test, backend, **environment):
    target = Target(backend, environment=environment)
    try:
        return test(target)
    finally:
        target.close()


def last_words(target):
    """What the program said at its end."""
    target.close()
    target.reader.join(10)
    return "".join(target.lines)


def flood(target, count):
    """Numbered messages of odd sizes there and back; every one arrives, once, in order. Ends with the socket still there."""
    sock = target.client(zmq.DEALER, "echo", sndhwm=0, rcvhwm=0)
    sent = [b"%d " % i + b"x" * (i * 37 % 3000) for i in range(count)]
    sent[::50] = [b"%d " % i + b"y" * 300000 for i in range(0, count, 50)]
    for message in sent:
        sock.send(message)
    for message in sent:
        assert sock.recv() == message, message[:20]
    return sock


def refused_sends(backend, environment):
    target = Target(backend, environment={"LD_PRELOAD": preload("refuse_sends")} | environment)
    try:
        begin = time.monotonic()
        good = Good(target)
        good.ping(size(60, 1000))
        sock = flood(target, size(1000, 20000))
        took = time.monotonic() - begin
        state = target.state()
        assert state["echo"]["dropped"]["lost"] == 0 and state["echo"]["peers"] == 2, state
        sock.close()
        words = last_words(target)
        assert "refused " in words, words
        print(f"  {words.strip().splitlines()[-1]}: all there, in order, {took:.1f} s")
        return words
    finally:
        target.close()


def test_sends_without_memory_are_made_again(backend):
    """ENOBUFS: every third send is refused; no connection ends, nothing is lost, nothing is sent twice."""
    words = refused_sends(backend, {"SB_REFUSE": "3"})
    assert int(words.split("refused ")[1].split()[0]) > 10, words


def test_a_connection_that_ends_while_a_send_waits_for_memory(backend):
    """ENOBUFS for ever: peers come and go, no descriptor stays, and nobody spins."""
    def run(target):
        endpoint, before = target.endpoint("feed"), target.descriptors()
        host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
        for i in range(200):
            with socket.create_connection((host, int(port))):
                pass
        stay = [socket.create_connection((host, int(port))) for _ in range(20)]
        time.sleep(0.2)
        used, begin = target.cpu(), time.monotonic()
        time.sleep(1)
        share = (target.cpu() - used) / (time.monotonic() - begin)
        for sock in stay:
            sock.close()
        deadline = time.monotonic() + 10
        while target.descriptors() > before + 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert target.descriptors() <= before + 2, (before, target.descriptors())
        assert share < 0.25, share
        print(f"  20 greetings that cannot be sent: {share:.0%} of a core")
    # the door is of unix sockets too: it gets through in the end because only every other send is refused
    with_environment(run, backend, LD_PRELOAD=preload("refuse_sends"), SB_REFUSE="2")


def test_a_busy_ring_is_entered_again(backend):
    """K4: io_uring_enter says EBUSY or EINTR every fifth time."""
    if backend == "uv" or "backend=uv" in backend_line(backend):
        raise NotHere("only io_uring has one")
    refused_sends(backend, {"SB_REFUSE_ENTER": "5", "SB_REFUSE": "7"})


def backend_line(backend):
    return with_environment(lambda target: "".join(target.lines), backend)


def test_a_wall_clock_that_jumps_is_not_looked_at(backend):
    """K10: a day forth and back at every look; heartbeats, deadlines and waits do not care."""
    target = Target(backend, heartbeat="0.3", environment={"LD_PRELOAD": preload("jump_clock")})
    try:
        good = Good(target)
        begin = time.monotonic()
        while time.monotonic() - begin < 2:
            good.ping()
            time.sleep(0.01)
        state = target.state()
        assert state["echo"]["peers"] == 1, state
        silent = target.raw("echo")
        began = time.monotonic()
        assert silent.closed() and 0.8 < time.monotonic() - began < 3, time.monotonic() - began  # handshake_ivl = 1
        print(f"  {len(good.took)} echoes, none over {good.worst() * 1000:.0f} ms, no peer lost, deadline kept")
    finally:
        target.close()


def test_no_room_on_the_disk_for_an_ipc_path(backend):
    """K9: ENOSPC at bind is an error that says so, and leaves nothing."""
    with tempfile.TemporaryDirectory(prefix="sb-faults-") as folder:
        full = os.path.join(folder, "full")
        os.mkdir(full)
        script = os.path.join(folder, "full.lua")
        with open(script, "w") as f:
            f.write(f"require('signalbox').pull {{ bind = 'ipc://{full}/x' }}\n")
        command = f"mount -t tmpfs -o nr_inodes=1 none {full} || exit 77; exec {os.path.abspath(BUILD)}/signalbox run --backend {backend} {script}"
        done = subprocess.run(["unshare", "-m", "sh", "-c", command], capture_output=True, text=True, timeout=20)
        if done.returncode == 77 or "unshare" in done.stderr:
            raise NotHere(done.stderr.strip())
        assert "leaked" not in done.stderr, done.stderr
        assert done.returncode == 1 and "no space left" in done.stderr and f"{full}/x" in done.stderr, done
        print(f"  refused: {done.stderr.strip().splitlines()[-1]}")


if __name__ == "__main__":
    sys.exit(main(globals()))
