"""Faults of peers on real sockets: what was promised, and that a good client beside the fault is served."""
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

import zmq

from common import MIB, SANITIZED, FULL, closed_within, main, size, with_target
from target import Good, command, greeting, message, ready, reset


@with_target
def test_killed_inside_a_frame(target):
    """P1: a peer that ends at any octet of a message of three parts delivers nothing of it."""
    octets, good = message(b"first", b"", b"x" * 300), Good(target)
    endpoint, sure = target.endpoint("sink"), 0
    cuts = range(1, len(octets), 1 if FULL else 7)
    for cut in cuts:
        peer = target.raw(endpoint, "PUSH")
        peer.read(64)
        peer.frame()  # nothing is left unread: a close says FIN, and what was sent before arrives
        peer.send(message(b"whole") + octets[:cut])
        if cut % 2:
            time.sleep(0.002)
            reset(peer.sock)
        else:
            peer.sock.close()
            sure += 1
    good.ping(20)
    state = target.eventually("all gone", lambda s: s["sink"]["peers"] == 0 and s["got"] >= sure)
    whole = state["got"]
    assert state["odd"] == 0 and sure <= whole <= len(cuts), state
    assert state["sink"]["msgs_in"] == whole and state["sink"]["dropped"]["incomplete"] > 0, state
    print(f"  {whole} whole messages taken, {state['sink']['dropped'].get('incomplete')} counted as incomplete")


@with_target
def test_slow_reader(target):
    """P5: a subscriber that does not read costs its own messages and bounded memory."""
    good, deaf = Good(target), target.raw("feed", "SUB")
    deaf.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.send(command(b"SUBSCRIBE", b"t"))
    reader = target.client(zmq.SUB, "feed", rcvhwm=0)
    reader.subscribe(b"t")
    target.eventually("both subscribed", lambda s: s["feed"]["subscriptions"] >= 1 and s["feed"]["peers"] == 2)
    time.sleep(0.2)
    before, rounds = target.rss(), size(20, 200)
    for _ in range(rounds):
        target.ask("publish", 20)
        for _ in range(20):
            reader.recv_multipart()
        good.ping()
    grown = target.rss() - before
    dropped = target.state()["feed"]["dropped"]["hwm"]
    assert dropped > 0, "the slow one must have lost some"
    assert grown < 100 * 65536 + 32 * MIB, f"{grown / MIB:.1f} MiB"
    print(f"  {rounds * 20} messages of 64 KiB: +{grown / MIB:.1f} MiB, {dropped} dropped for the slow one, good client at most {good.worst() * 1000:.0f} ms")


@with_target
def test_slow_loris(target):
    """P7: whatever trickles, the handshake has one deadline (1 s here)."""
    hello, good = greeting() + ready("DEALER"), Good(target)
    endpoint = target.endpoint("echo")
    peers = [target.raw(endpoint) for _ in range(4)]
    peers[1].send(hello[:32])
    peers[2].send(hello[:64])
    peers[3].send(hello[:80])
    trickler, begin = target.raw(endpoint), time.monotonic()
    for octet in hello:
        try:
            trickler.send(bytes([octet]))
        except ConnectionError:
            break
        time.sleep(0.09)
        good.ping()
        if time.monotonic() - begin > 4:
            break
    took = time.monotonic() - begin
    assert took < 4, "the trickling peer was never cut off"
    for peer in peers:
        assert closed_within(peer, 5) < 5
    target.eventually("only the good one is left", lambda s: s["echo"]["peers"] == 1)
    print(f"  cut off after {took:.1f} s, good client at most {good.worst() * 1000:.0f} ms")


@with_target
def test_many_connections_at_once(target):
    """P8: handshakes that never end, as many as there are descriptors for."""
    good, endpoint = Good(target), target.endpoint("echo")
    good.ping()
    host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    before, socks, wanted = target.rss(), [], size(900, 10000)
    for i in range(wanted):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex((host, int(port)))
        socks.append(sock)
        if i % 100 == 0:
            good.ping()
    good.ping(10)
    grown = target.rss() - before
    fds = target.descriptors()
    for sock in socks:
        sock.close()
    deadline = time.monotonic() + 20
    while target.descriptors() > 40 and time.monotonic() < deadline:
        good.ping()
        time.sleep(0.05)
    assert target.descriptors() <= 40, target.descriptors()
    assert grown < wanted * 4 * 1024 + 4 * MIB or SANITIZED, f"{grown / MIB:.1f} MiB"
    print(f"  {wanted} connects, {fds} descriptors: +{grown / MIB:.1f} MiB, good client at most {good.worst() * 1000:.0f} ms")


@with_target
def test_connect_and_close_flood(target):
    """P9: no descriptor stays."""
    good, endpoint, before = Good(target), target.endpoint("echo"), target.descriptors()
    host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    rounds, begin = size(2000, 100000), time.monotonic()
    for i in range(rounds):
        sock = socket.create_connection((host, int(port)))
        if i % 3 == 0:
            reset(sock)
        else:
            sock.close()
        if i % 100 == 0:
            good.ping()
    rate = rounds / (time.monotonic() - begin)
    deadline = time.monotonic() + 20
    while target.descriptors() > before + 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert target.descriptors() <= before + 4
    print(f"  {rounds} connections, {rate:.0f}/s, good client at most {good.worst() * 1000:.0f} ms")


@with_target(files=64)
def test_no_descriptors_left(target):
    """K1: with EMFILE the program lives, idles, serves whom it has, and comes back by itself."""
    good, endpoint = Good(target), target.endpoint("echo")
    good.ping()
    host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    socks = [socket.create_connection((host, int(port))) for _ in range(200)]
    time.sleep(0.3)
    begin, used = time.monotonic(), target.cpu()
    while time.monotonic() - begin < 2:
        time.sleep(0.1)
    share = (target.cpu() - used) / (time.monotonic() - begin)
    good.ping(5)
    for sock in socks:
        sock.close()
    other = Good(target)
    other.ping()
    assert share < 0.05 or SANITIZED, f"{share:.0%} of a core while idle"
    print(f"  200 connects over a limit of 64: {share:.0%} of a core, a new client served in {other.worst():.2f} s")


@with_target
def test_huge_lengths(target):
    """P11: memory follows octets that came, not lengths that were said."""
    good, before = Good(target), None
    good.ping()
    before = target.rss()
    for power in (30, 40, 49, 62, 63, 64):
        length = (1 << power) - 1 if power >= 62 else 1 << power
        peer = target.raw("sink", "PUSH")
        peer.send(b"\2" + length.to_bytes(8, "big") + b"some")
        good.ping()
        peer.sock.close()
    grown = target.rss() - before
    assert grown < 4 * MIB, f"{grown / MIB:.1f} MiB"
    print(f"  lengths of 2^30 to 2^64-1: +{grown / MIB:.1f} MiB")


@with_target
def test_endless_more(target):
    """P13: a message that never ends ends its connection, at its limit of frames or octets."""
    good, before = Good(target), target.rss()
    for octets in (b"\1\0" * 5000, (b"\3" + (60000).to_bytes(8, "big") + b"x" * 60000) * 40):
        peer = target.raw("echo", "DEALER")
        try:
            peer.send(octets)
        except ConnectionError:
            pass
        assert closed_within(peer, 10) < 10
        good.ping()
    state = target.eventually("only the good one", lambda s: s["echo"]["peers"] == 1)
    assert state["echo"]["dropped"]["oversize"] == 2, state
    assert target.rss() - before < 16 * MIB
    print(f"  both closed and counted, +{(target.rss() - before) / MIB:.1f} MiB")


@with_target
def test_empty_frames(target):
    """P12: a flood of empty messages leaves others their share."""
    good, peer = Good(target), target.raw("sink", "PUSH")
    good.ping(20)
    count, block = size(300000, 3000000), b"\0\0" * 50000
    for _ in range(count // 50000):
        peer.send(block)
        good.ping()
    target.eventually("all taken", lambda s: s["got"] == count, 60)
    print(f"  {count} empty messages, good client at most {good.worst() * 1000:.0f} ms")


@with_target
def test_a_million_subscriptions(target):
    """P14: what a peer subscribes costs bounded memory, and goes with it."""
    good, count, before, peaks = Good(target), size(100000, 1000000), target.rss(), []
    for _ in range(4):
        peer = target.raw("feed", "SUB")
        for first in range(0, count, 10000):
            peer.send(b"".join(command(b"SUBSCRIBE", b"topic%08d" % i) for i in range(first, first + 10000)))
            good.ping()
        target.eventually("all subscribed", lambda s: s["feed"]["subscriptions"] == count, 60)
        peaks.append((target.rss() - before) / count)
        peer.sock.close()
        target.eventually("all gone", lambda s: s["feed"]["subscriptions"] == 0, 60)
    assert peaks[0] < (1200 if SANITIZED else 300), f"{peaks[0]:.0f} octets"
    assert peaks[3] < peaks[2] * 1.1 or SANITIZED, peaks  # what went is used again
    print(f"  {count} subscriptions, {peaks[0]:.0f} octets each, at the fourth time {peaks[3]:.0f}, {(target.rss() - before) / count:.0f} afterwards, "
          f"good client at most {good.worst() * 1000:.0f} ms")


@with_target
def test_unread_pongs(target):
    """P16: PINGs whose PONGs nobody reads do not pile up."""
    good, peer = Good(target), target.raw("echo", "DEALER")
    before, ping = target.rss(), command(b"PING", b"\0\0context") * 1000
    peer.sock.settimeout(0.5)
    try:
        for _ in range(size(300, 3000)):
            peer.send(ping)
    except (TimeoutError, OSError):
        pass
    good.ping(5)
    grown = target.rss() - before
    assert grown < (24 if SANITIZED else 8) * MIB, f"{grown / MIB:.1f} MiB"
    print(f"  +{grown / MIB:.1f} MiB, good client at most {good.worst() * 1000:.0f} ms")


@with_target
def test_garbage_of_every_kind(target):
    """P18, P19: strangers of any protocol, and peers that stop making sense at any place."""
    rng, good, before = random.Random(7), Good(target), target.descriptors()
    hellos = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-x\r\n", bytes.fromhex("16030100a5010000a10303"), b"\x80" * 100,
              b"\xff" * 100, b"\0" * 100, b"\1\0", greeting(mechanism=b"CURVE"), greeting(mechanism=b"GSSAPI")]
    good.ping()
    count = size(300, 20000)
    for i in range(count):
        peer = target.raw(("echo", "feed", "sink")[i % 3] if i < 3 else endpoints[i % 3])
        if i < 3:
            endpoints = [target.endpoint(name) for name in ("echo", "feed", "sink")]
        kind = i % 4
        try:
            if kind == 0:
                peer.send(rng.choice(hellos))
            elif kind == 1:
                peer.send(rng.randbytes(rng.randrange(200)))
            elif kind == 2:
                peer.send(greeting() + rng.randbytes(rng.randrange(200)))
            else:
                peer.send(greeting() + ready(rng.choice(["DEALER", "SUB", "PUSH", "X"])) + bytes([0xf0 | rng.randrange(16)]) + rng.randbytes(50))
        except ConnectionError:
            pass
        (reset if i % 5 == 0 else socket.socket.close)(peer.sock)
        if i % 50 == 0:
            good.ping()
    target.eventually("all gone", lambda s: s["echo"]["peers"] == 1 and s["feed"]["peers"] == 0)
    deadline = time.monotonic() + 20
    while target.descriptors() > before + 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert target.descriptors() <= before + 4
    assert len(target.lines) < 20, target.lines[:30]  # strangers do not fill logs
    print(f"  {count} strangers, {len(target.lines)} lines in the log, good client at most {good.worst() * 1000:.0f} ms")


@with_target(heartbeat="0.5")
def test_a_stall_is_no_mass_disconnect(target):
    """K10: time that passed while the process was stopped is not held against its peers."""
    good = [Good(target) for _ in range(5)]
    for g in good:
        g.ping()
    before = target.state()["echo"]["peers"]
    target.process.send_signal(signal.SIGSTOP)
    time.sleep(2)
    target.process.send_signal(signal.SIGCONT)
    for g in good:
        g.ping()
    time.sleep(1)
    assert target.state()["echo"]["peers"] == before
    print(f"  stopped for 2 s with heartbeats of 0.5 s: {before} peers before and after")


def bind_again(listener, port):
    """With io_uring the kernel closes a killed program's listening socket a moment after the program."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return listener.bind(("127.0.0.1", port))
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@with_target
def test_reconnect_storm(target):
    """P10: after kill -9 and a restart every client is back, with its subscriptions."""
    count = size(100, 1000)
    endpoint = target.endpoint("feed")
    subs = []
    for i in range(count):
        sub = target.context.socket(zmq.SUB)
        sub.linger, sub.reconnect_ivl = 0, 50
        sub.subscribe(b"s%d" % i)
        sub.connect(endpoint)
        subs.append(sub)
    target.eventually("all there", lambda s: s["feed"]["subscriptions"] == count, 60)
    target.kill()
    port, accepted, begin = int(endpoint.rsplit(":", 1)[1]), 0, time.monotonic()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bind_again(listener, port)
        listener.listen(4096)
        listener.settimeout(0.5)
        while time.monotonic() - begin < 2:
            try:
                listener.accept()[0].close()
            except TimeoutError:
                break
            accepted += 1
    begin = time.monotonic()
    target.start(feed=endpoint)
    # libzmq's SUB subscribes anew when its application next looks at it
    target.eventually("all back", lambda s: [x.get(zmq.EVENTS) for x in subs] and s["feed"]["subscriptions"] == count, 60)
    print(f"  {count} clients: turned away {accepted} times in 2 s, all back {time.monotonic() - begin:.1f} s after the restart")


def test_no_room_for_an_ipc_path(backend):
    """K9: a bind that finds no place says so and ends the program, and leaves nothing."""
    with tempfile.TemporaryDirectory(prefix="sb-faults-") as folder:
        script = os.path.join(folder, "full.lua")
        places = {f"ipc://{folder}/missing/x": "No such", f"ipc://{folder}/{'x' * 200}": "long"}
        for place in places:
            with open(script, "w") as f:
                f.write(f"require('signalbox').pull {{ bind = '{place}' }}\n")
            done = subprocess.run([os.path.join(os.environ.get("SB_BUILD", "build"), "signalbox"), "run", "--backend", backend, script],
                                  capture_output=True, text=True, timeout=20)
            assert done.returncode != 0 and place in done.stderr and "leaked" not in done.stderr, done
        assert os.listdir(folder) == ["full.lua"]
        print(f"  refused: {done.stderr.strip().splitlines()[-1][:100]}")


if __name__ == "__main__":
    sys.exit(main(globals()))
