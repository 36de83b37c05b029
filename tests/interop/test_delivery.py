#!/usr/bin/python3
"""What is delivered when queues are full, peers are killed, cut off, come back, or leave."""
import os
import signal
import struct
import subprocess
import sys
import time

import zmq

from peer import HERE, Failed, SLOW, until
from runner import main, tests_of
from zmtp import Listener, Raw, message


def number(data):
    return struct.unpack("<Q", data[:8])[0]


def take(sock, count):
    """Takes `count` blasted messages from a libzmq socket and checks their order."""
    for i in range(count):
        data = sock.recv()
        if number(data) != i:
            raise Failed(f"message {number(data)} instead of {i}")


def test_slow_libzmq_puller_gets_everything_in_order(bench):
    a = bench.peer().socket("PUSH", sndhwm=100)
    b = bench.zmq("PULL", rcvhwm=100)
    b.connect(a.bind("tcp://127.0.0.1:*"))
    a.blast(100_000, 200)
    time.sleep(0.3)
    stats = a.stats()
    assert stats["queued_out"] <= 100, f"the queue holds {stats['queued_out']} of 100"
    take(b, 100_000)
    a.wait(5)


def test_slow_signalbox_puller_gets_everything_in_order(bench):
    a = bench.peer().socket("PULL", rcvhwm=100)
    a.sink(5000, 20)
    b = bench.zmq("PUSH", sndhwm=100)
    b.connect(a.bind("tcp://127.0.0.1:*"))
    for i in range(100_000):
        b.send(struct.pack("<Q", i) + b"x" * 100)
    until(lambda: a.sunk()[0] == 100_000, 20, "all arrived")
    assert a.sunk() == (100_000, 0)


def test_a_stopped_reader_fills_the_queue_and_then_brakes_the_sender(bench):
    """PULL takes nothing: rcvhwm messages are queued, the rest stays with TCP and the sender."""
    a = bench.peer().socket("PULL", rcvhwm=50)
    b = bench.zmq("PUSH", sndhwm=50, sndbuf=4096)
    b.connect(a.bind("tcp://127.0.0.1:*"))
    sent = 0
    b.sndtimeo = 500
    try:
        while sent < 100_000:
            b.send(struct.pack("<Q", sent) + b"x" * 4096)
            sent += 1
    except zmq.Again:
        pass
    assert sent < 100_000, "nothing ever braked the sender"
    assert a.stats()["queued_in"] <= 50, a.stats()
    a.sink()
    until(lambda: a.sunk()[0] == sent, 10, "all that was accepted arrives")
    assert a.sunk()[1] == 0


def test_a_million_messages_wait_for_a_late_reader(bench):
    a = bench.peer().socket("PUSH", sndhwm=2_000_000)
    endpoint = f"tcp://127.0.0.1:{bench.free_port()}"
    a.connect(endpoint)
    a.blast(1_000_000, 64)
    a.wait(20)
    b = bench.zmq("PULL", rcvhwm=1000)
    b.bind(endpoint)
    take(b, 1_000_000)


def test_a_full_publisher_drops_for_the_slow_subscriber_only_and_counts(bench):
    a = bench.peer().socket("PUB", sndhwm=100)
    endpoint = a.bind("tcp://127.0.0.1:*")
    slow, quick = Raw.connect(endpoint), Raw.connect(endpoint)
    for raw in (slow, quick):
        raw.shake("SUB", minor=0)
        raw.send(message(b"\1"))
    until(lambda: a.stats()["subscriptions"] == 1 and a.stats()["peers"] == 2, 5, "both subscribed")
    time.sleep(0.1)
    got = 0
    for _ in range(100):
        a.blast(50, 65536)
        for i in range(50):
            assert number(quick.message()[0]) == i
        got += 50
    dropped = a.stats()["dropped_hwm"]
    assert dropped > 1000, f"only {dropped} dropped for a reader that reads nothing"
    seen = 0
    slow.sock.settimeout(1)
    try:
        while True:
            slow.message()
            seen += 1
    except TimeoutError:
        pass
    assert seen + dropped == got, f"{seen} arrived, {dropped} counted as dropped, {got} were sent"
    slow.close()
    quick.close()


def test_a_message_cut_at_every_octet_is_never_seen_in_part(bench):
    a = bench.peer().socket("PULL")
    endpoint = a.bind("tcp://127.0.0.1:*")
    whole = message(b"first", b"", b"x" * 300)
    for cut in range(len(whole)):
        raw = Raw.connect(endpoint)
        raw.shake("PUSH")
        raw.send(message(b"before") + whole[:cut])
        raw.close()
        assert a.recv() == [b"before"], cut
    good = bench.zmq("PUSH")
    good.connect(endpoint)
    good.send_multipart([b"the", b"end"])
    assert a.recv() == [b"the", b"end"]
    assert a.stats()["queued_in"] == 0


def test_killed_libzmq_sender_leaves_whole_messages_only(bench):
    a = bench.peer().socket("PULL", rcvhwm=10)
    endpoint = a.bind("tcp://127.0.0.1:*")
    for _ in range(3):
        p = subprocess.Popen([sys.executable, os.path.join(HERE, "flood.py"), "parts", endpoint])
        for _ in range(20):
            check_parts(a.recv())
        time.sleep(0.05)
        p.kill()
        p.wait()
        try:
            while True:
                check_parts(a.recv(300))
        except Failed as e:
            assert "EAGAIN" in str(e), e


def check_parts(got):
    assert len(got) == 3 and got[0] == got[2] and got[1] == got[0] * 1000, [f[:20] for f in got]


def test_killed_signalbox_sender_leaves_whole_messages_only(bench):
    b = bench.zmq("PULL")
    b.bind("tcp://127.0.0.1:*")
    peer = bench.peer()
    a = peer.socket("PUSH")
    a.connect(b.getsockopt_string(zmq.LAST_ENDPOINT))
    a.blast(10_000_000, 5000)
    take(b, 2000)
    bench.peers.remove(peer)
    peer.stop(signal.SIGKILL)
    peer.reap()
    b.rcvtimeo = 500
    try:
        while True:
            assert len(b.recv()) == 5000
    except zmq.Again:
        pass


def test_killed_worker_leaves_the_rest_to_the_other(bench):
    """Two workers on one PUSH, one is killed: what it had taken over is lost with it, nothing else, and the flow goes on."""
    a = bench.peer().socket("PUSH", sndhwm=50)
    endpoint = a.bind("tcp://127.0.0.1:*")
    doomed = subprocess.Popen([sys.executable, os.path.join(HERE, "flood.py"), "pull", endpoint, "100000000", "1", "1"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    b = bench.zmq("PULL")
    b.connect(endpoint)
    until(lambda: a.stats()["peers"] == 2, 10, "both workers are there")
    a.blast(50_000, 2000)
    first = [number(b.recv()) for _ in range(1000)]
    doomed.kill()
    doomed.wait()
    seen = first + drain(b)
    a.wait(5)
    assert seen == sorted(set(seen)), "out of order or twice"
    assert seen[-5000:] == list(range(45_000, 50_000)), "after the kill everything goes to the one that lives"


def drain(sock):
    seen = []
    sock.rcvtimeo = 1000 * SLOW
    try:
        while True:
            seen.append(number(sock.recv()))
    except zmq.Again:
        return seen


def test_push_queue_is_kept_while_libzmq_restarts(bench):
    a = bench.peer().socket("PUSH", reconnect_ivl=20)
    endpoint = f"tcp://127.0.0.1:{bench.free_port()}"
    b = bench.zmq("PULL")
    b.bind(endpoint)
    a.connect(endpoint)
    for round_ in range(3):
        a.send(b"before %d" % round_)
        assert b.recv() == b"before %d" % round_
        b.close(0)
        until(lambda: "disconnected" in a.events(), 5, "the end is noticed")
        for i in range(100):
            a.send(b"%d" % i)
        b = bench.zmq("PULL")
        until(lambda: rebind(b, endpoint), 5, "the port is free again")
        assert [b.recv() for _ in range(100)] == [b"%d" % i for i in range(100)]


def rebind(sock, endpoint):
    try:
        sock.bind(endpoint)
        return True
    except (zmq.ZMQError, Failed) as e:
        if "in use" not in str(e):
            raise
        return False


def test_subscriptions_are_replayed_to_a_restarted_publisher(bench):
    a = bench.peer().socket("SUB", reconnect_ivl=20)
    a.subscribe(b"one.")
    a.subscribe(b"two.")
    a.subscribe(b"gone.")
    a.unsubscribe(b"gone.")
    endpoint = f"tcp://127.0.0.1:{bench.free_port()}"
    a.connect(endpoint)
    for _ in range(2):
        b = bench.zmq("XPUB")
        until(lambda b=b: rebind(b, endpoint), 5, "the port is free again")
        assert {b.recv(), b.recv()} == {b"\1one.", b"\1two."}
        b.send(b"gone.x")
        b.send(b"two.x")
        assert a.recv() == [b"two.x"]
        b.close(0)


def test_libzmq_finds_a_restarted_signalbox(bench):
    endpoint = f"tcp://127.0.0.1:{bench.free_port()}"
    b = bench.zmq("PUSH", reconnect_ivl=20)
    b.connect(endpoint)
    for i in range(3):
        peer = bench.peer()
        a = peer.socket("PULL")
        # The kernel takes a killed ring apart in the background: its port is free a moment later.
        until(lambda a=a: rebind(a, endpoint), 5, "the port is free again")
        b.send(b"%d" % i)
        assert a.recv() == [b"%d" % i]
        peer.stop(signal.SIGKILL)
        bench.peers.remove(peer)
        peer.reap()


def test_linger_delivers_what_is_queued_after_close(bench):
    peer = bench.peer()
    a = peer.socket("PUSH", linger=10000, sndhwm=0)
    b = bench.zmq("PULL", rcvhwm=10)
    b.bind("tcp://127.0.0.1:*")
    a.connect(b.getsockopt_string(zmq.LAST_ENDPOINT))
    a.blast(20_000, 1000)
    a.wait(10)
    a.close()
    take(b, 20_000)


def test_linger_zero_lets_go_at_once(bench):
    peer = bench.peer()
    a = peer.socket("PUSH", linger=0, sndhwm=0)
    nobody = Listener()
    a.connect(nobody.endpoint)
    raw = nobody.accept()
    raw.shake("PULL")
    a.blast(20_000, 10_000)
    a.wait(10)
    a.close()
    # The name is free again when the socket is gone: that is, at once and not after the queue.
    until(lambda: can_open(peer), 3, "the socket is gone")
    raw.close()
    nobody.close()


def can_open(peer):
    try:
        return peer.socket("PUSH", "push")
    except Failed:
        return None


def test_drain_sends_everything_and_says_so(bench):
    peer = bench.peer()
    a = peer.socket("PUSH", sndhwm=0)
    b = bench.zmq("PULL", rcvhwm=0)
    b.bind("tcp://127.0.0.1:*")
    a.connect(b.getsockopt_string(zmq.LAST_ENDPOINT))
    a.blast(50_000, 500)
    report = peer.drain(20_000)
    assert report["unsent"] == 0, report
    take(b, 50_000)


def test_drain_reports_what_a_stuck_peer_did_not_take(bench):
    peer = bench.peer()
    a = peer.socket("PUSH", sndhwm=0)
    nobody = Listener()
    a.connect(nobody.endpoint)
    raw = nobody.accept()
    raw.shake("PULL")
    a.blast(20_000, 10_000)
    a.wait(10)
    report = peer.drain(300)
    got = 0
    try:
        while True:
            got += len(raw.message()) == 1
    except (EOFError, ConnectionError):
        pass
    # What the kernel had taken may still arrive; a message cut at the end counts as unsent.
    assert report["unsent"] > 0, report
    assert got + report["unsent"] >= 20_000, (got, report)
    nobody.close()
    raw.close()


def test_work_is_dealt_round_robin(bench):
    a = bench.peer().socket("PUSH")
    endpoint = a.bind("tcp://127.0.0.1:*")
    workers = [bench.zmq("PULL") for _ in range(3)]
    for w in workers:
        w.connect(endpoint)
    until(lambda: a.stats()["peers"] == 3, 5, "three workers")
    for i in range(30):
        a.send(b"%d" % i)
    shares = [sorted(int(w.recv()) for _ in range(10)) for w in workers]
    assert sorted(sum(shares, [])) == list(range(30))
    assert all(share == list(range(share[0], 30, 3)) for share in shares), shares


def test_a_noisy_sender_does_not_starve_a_quiet_one(bench):
    a = bench.peer().socket("PULL", rcvhwm=10)
    endpoint = a.bind("tcp://127.0.0.1:*")
    noisy = Raw.connect(endpoint)
    noisy.shake("PUSH")
    noisy.send(message(b"noise") * 5000)
    until(lambda: a.stats()["queued_in"] >= 10, 5, "the noise is there")
    quiet = Raw.connect(endpoint)
    quiet.shake("PUSH")
    quiet.send(message(b"quiet"))
    time.sleep(0.2)
    first = [a.recv()[0] for _ in range(60)]
    assert b"quiet" in first, "sixty messages, and the quiet sender's was not among them"
    noisy.close()
    quiet.close()


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
