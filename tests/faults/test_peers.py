"""More faults of peers: who dies between replies, closes half, reads nothing of any socket type, leaves while it shakes hands."""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

import zmq

from common import MIB, SANITIZED, closed_within, main, size, with_target
from target import BUILD, HERE, Good, command, greeting, message, reset


@with_target
def test_a_peer_that_dies_after_some_of_its_replies(target):
    """P2: every question is answered, and every answer sent or counted as lost; REP takes the next question."""
    good, count = Good(target), 200
    for taken in (0, 1, 7):
        before = target.state()["echo"]
        peer = target.raw("echo", "DEALER")
        peer.read(64)
        peer.frame()
        peer.send(message(b"x" * 60000) * count)
        for _ in range(taken):
            peer.message()
        reset(peer.sock)
        after = target.eventually("gone", lambda s: s["echo"]["peers"] == 1)["echo"]
        asked = after["msgs_in"] - before["msgs_in"]
        sent, lost = after["msgs_out"] - before["msgs_out"], sum(after["dropped"].values()) - sum(before["dropped"].values())
        whole = sent + after["dropped"]["lost"] + after["dropped"]["no_peer"] + after["dropped"]["hwm"] - (
            before["dropped"]["lost"] + before["dropped"]["no_peer"] + before["dropped"]["hwm"])
        assert taken <= sent and whole == asked, (taken, asked, sent, lost, after)
        print(f"  {taken} read: {asked} asked, {sent} sent, {asked - sent} counted as lost or refused")
        good.ping()
    once = target.raw("once", "REQ")
    once.send(message(b"", b"question"))
    reset(once.sock)
    asks = target.client(zmq.REQ, "once")
    asks.send(b"another")
    assert asks.recv() == b"another"


@with_target
def test_a_peer_that_closes_its_half(target):
    """P4: its end is the end of the connection, at once, and nobody spins."""
    good, endpoint = Good(target), target.endpoint("echo")
    good.ping()
    peers = [target.raw(endpoint, "DEALER") for _ in range(20)]
    took = []
    for i, peer in enumerate(peers):
        peer.send(message(b"ask") + (message(b"half")[:3] if i % 2 else b""))
        peer.sock.shutdown(socket.SHUT_WR)
        took.append(closed_within(peer, 5))
    used, begin = target.cpu(), time.monotonic()
    time.sleep(0.5)
    share = (target.cpu() - used) / (time.monotonic() - begin)
    state = target.eventually("all gone", lambda s: s["echo"]["peers"] == 1)
    assert max(took) < 2 and share < 0.2, (max(took), share)
    print(f"  20 closed after {max(took) * 1000:.0f} ms at most, {share:.0%} of a core afterwards, {state['echo']['dropped']['incomplete']} halves counted")


def deaf(target, name, kind):
    peer = target.raw(name, kind)
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return peer


@with_target
def test_a_peer_that_reads_nothing_of_any_type(target):
    """P5: ROUTER, REP and PUSH; memory stays under the marks, others get theirs."""
    good, before = Good(target), target.rss()
    good.ping()
    router, rep = deaf(target, "echo", "DEALER"), deaf(target, "once", "REQ")
    for peer, octets in ((router, message(b"x" * 60000)), (rep, message(b"", b"x" * 60000))):
        peer.sock.settimeout(0.5)
        try:
            for _ in range(size(2000, 20000)):
                peer.send(octets)
        except OSError:
            pass
        good.ping(5)
    stuck, reader = deaf(target, "work", "PULL"), target.client(zmq.PULL, "work")
    target.eventually("both pull", lambda s: s["work"]["peers"] == 2)
    sent = got = 0
    for _ in range(size(40, 400)):
        sent += target.ask("push", 20)["sent"]
        while reader.poll(20):
            reader.recv_multipart()
            got += 1
        good.ping()
    state, grown = target.state(), target.rss() - before
    assert state["work"]["queued_out_msgs"] <= 200 and got > sent / 2, (state["work"], got, sent)
    assert grown < (1000 + 1000 + 100 + 100) * 65536 + 32 * MIB or SANITIZED, f"{grown / MIB:.1f} MiB"
    stuck.sock.close()
    print(f"  +{grown / MIB:.1f} MiB, {got} of {sent} pushed to who reads, good client at most {good.worst() * 1000:.0f} ms")


@with_target
def test_half_a_curve_greeting_has_the_same_deadline(target):
    """P7: half a HELLO, a greeting of another mechanism, a READY of which an octet is missing."""
    good, begin = Good(target), time.monotonic()
    endpoint = target.endpoint("echo")
    ready = command(b"READY", b"\x0bSocket-Type\0\0\0\6DEALER")
    peers = [target.raw(endpoint) for _ in range(3)]
    peers[0].send(greeting() + command(b"HELLO", b"\1\0" + b"\0" * 100)[:50])
    peers[1].send(greeting(mechanism=b"CURVE")[:40])
    peers[2].send(greeting() + ready[:-1])
    for peer in peers:
        closed_within(peer, 5)
    took = time.monotonic() - begin
    good.ping()
    assert took < 2, took
    print(f"  the last closed after {took:.2f} s, the deadline is 1 s")


@with_target
def test_the_end_in_the_middle_of_handshakes(target):
    """K11: SIGTERM beside peers that are not done with theirs: the program ends in time, and by itself."""
    good = Good(target)
    good.ping()
    endpoint = target.endpoint("echo")
    peers = [target.raw(endpoint) for _ in range(50)]
    for i, peer in enumerate(peers):
        peer.send(greeting()[:i + 10])
    good.sock.close()
    for sign in (signal.SIGHUP, signal.SIGPIPE, signal.SIGCONT) * 5:
        target.process.send_signal(sign)
    time.sleep(0.2)
    begin = time.monotonic()
    target.process.send_signal(signal.SIGTERM)
    code = target.process.wait(20)
    took = time.monotonic() - begin
    assert code == 0 and took < 8, (code, took)
    print(f"  ended with {code} after {took:.2f} s")


def test_no_room_for_the_log(backend):
    """K9: a log on a full disk stops nothing."""
    with tempfile.TemporaryDirectory(prefix="sb-faults-") as folder, open("/dev/full", "w") as full:
        door = f"ipc://{folder}/door"
        process = subprocess.Popen([os.path.join(BUILD, "signalbox"), "run", "--backend", backend, "--verbose",
                                    os.path.join(HERE, "target.lua"), f"door={door}"], stderr=full)
        try:
            context = zmq.Context()
            ask = context.socket(zmq.REQ)
            ask.linger, ask.rcvtimeo = 0, 10000
            ask.connect(door)
            for _ in range(20):
                ask.send_multipart([b"state", b"0"])
                ask.recv()
            context.destroy(linger=0)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            print("  20 questions answered, ended with 0")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


if __name__ == "__main__":
    sys.exit(main(globals()))
