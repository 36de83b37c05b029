#!/usr/bin/python3
"""Every socket type against every libzmq type it may talk to: Signalbox binding and connecting, one frame, many frames,
empty frames, the sizes where the framing changes, 1 MiB."""
import sys
import zmq

from cells import CORE as PAIRS
from peer import until
from runner import main

MIB = bytes(range(256)) * 4096
BODIES = [
    [b"hello"],
    [b"one", b"", b"three", b"\0\xff"],
    [b""],
    [b"", b"", b""],
    [b"x" * 255],
    [b"x" * 256, b"y" * 65536],
    [MIB],
    [b"head", MIB, b"", b"tail"],
]

class Theirs:
    """libzmq's socket with the calls of ours."""

    def __init__(self, sock):
        self.sock = sock

    def send(self, *frames):
        self.sock.send_multipart(frames)

    def recv(self):
        return self.sock.recv_multipart()


def equal(got, want, what):
    assert got == want, f"{what}: {[f[:40] for f in got]} instead of {[f[:40] for f in want]}"


def one_way(sender, receiver, body):
    sender.send(*body)
    equal(receiver.recv(), body, "one way")


def both_ways(a, b, body):
    one_way(a, b, body)
    one_way(b, a, body)


def ask(req, rep, body):
    one_way(req, rep, body)
    one_way(rep, req, body[::-1])


def ask_router(req, router, body):
    """REQ or DEALER -> ROUTER: the routing id stands first, REQ's delimiter after it."""
    req.send(*body)
    got = router.recv()
    equal(got[-len(body):], body, "request")
    router.send(*got)
    equal(req.recv(), got[1:] if got[1:] == body else body, "reply")


def ask_rep_raw(dealer, rep, body):
    """DEALER -> REP: the DEALER writes the envelope itself."""
    dealer.send(b"id", b"", *body)
    equal(rep.recv(), body, "request")
    rep.send(*body)
    equal(dealer.recv(), [b"id", b""] + body, "reply")


def routers(a, b, body):
    """ROUTER to ROUTER: both have said who they are."""
    a.send(b"theirs", *body)
    equal(b.recv(), [b"ours"] + body, "there")
    b.send(b"ours", *body)
    equal(a.recv(), [b"theirs"] + body, "and back")


def exchange(ours, theirs, a, b, body):
    kinds = (ours, theirs)
    if "PUSH" in kinds or "PUB" in kinds or "XPUB" in kinds:
        sender_ours = ours in ("PUSH", "PUB", "XPUB")
        one_way(*((a, b) if sender_ours else (b, a)), body)
    elif kinds in (("PAIR", "PAIR"), ("DEALER", "DEALER")):
        both_ways(a, b, body)
    elif kinds == ("ROUTER", "ROUTER"):
        routers(a, b, body)
    elif kinds in (("REQ", "REP"), ("REP", "REQ")):
        ask(*((a, b) if ours == "REQ" else (b, a)), body)
    elif "ROUTER" in kinds:
        ask_router(*((a, b) if theirs == "ROUTER" else (b, a)), body)
    else:
        ask_rep_raw(*((a, b) if ours == "DEALER" else (b, a)), body)


def subscribe(ours, theirs, a, b):
    """Waits for the subscription to be there, then it is exact what must arrive."""
    if ours == "SUB":
        a.subscribe(b"")
    elif ours == "XSUB":
        a.send(b"\1")
    elif theirs == "SUB":
        b.sock.subscribe(b"")
    elif theirs == "XSUB":
        b.send(b"\1")
    else:
        return
    if theirs == "XPUB":
        equal(b.recv(), [b"\1"], "subscription")
    elif ours in ("PUB", "XPUB"):
        # A libzmq socket that accepts a connection looks up from its work only when it is called.
        until(lambda: b.sock.poll(0) or a.stats()["subscriptions"] == 1, 5, "the subscription arrived")
        if ours == "XPUB":
            equal(a.recv(), [b"\1"], "subscription")
    else:
        probe(a, b)


def probe(a, b):
    """libzmq's PUB tells nobody when a subscription has come: send until one arrives."""
    def there():
        b.send(b"probe")
        try:
            return a.recv(20) == [b"probe"]
        except AssertionError:
            return False
    until(there, 5, "the subscription arrived")
    b.send(b"end")
    until(lambda: a.recv() == [b"end"], 5, "the last probe")


def names(ours, theirs):
    """As libzmq: a ROUTER cannot address a ROUTER unless it has said its name."""
    both = ours == theirs == "ROUTER"
    return ({"routing_id": "ours"}, {"routing_id": b"theirs"}) if both else ({}, {})


def talk(ours, theirs, a, b):
    if ours == theirs == "ROUTER":
        until(lambda: len(a.peers()) == 1 and a.peers()[0].endswith(b"theirs".hex()), 5, "the handshake")
        time_for_theirs(a, b)
    subscribe(ours, theirs, a, b)
    for body in BODIES:
        exchange(ours, theirs, a, b, body)


def run_pair(bench, ours, theirs, endpoint, we_bind):
    our_name, their_name = names(ours, theirs)
    a = bench.peer().socket(ours, **our_name)
    b = Theirs(bench.zmq(theirs, **their_name))
    if we_bind:
        b.sock.connect(a.bind(endpoint).replace("0.0.0.0", "127.0.0.1"))
    else:
        b.sock.bind(endpoint)
        a.connect(b.sock.getsockopt_string(zmq.LAST_ENDPOINT))
    talk(ours, theirs, a, b)


def time_for_theirs(a, b):
    """libzmq's ROUTER knows us once our first message is through."""
    a.send(b"theirs", b"first")
    equal(b.recv(), [b"ours", b"first"], "first message")


def matrix():
    for ours, theirs in PAIRS:
        for we_bind in (True, False):
            who = "binds" if we_bind else "connects"

            def test(bench, ours=ours, theirs=theirs, we_bind=we_bind):
                run_pair(bench, ours, theirs, "tcp://127.0.0.1:*", we_bind)
            yield f"test_{ours}_{who}_to_{theirs}", test


def test_ipc_path_binds(bench):
    run_pair(bench, "PAIR", "PAIR", "ipc://" + bench.path("sock"), True)


def test_ipc_path_connects(bench):
    run_pair(bench, "DEALER", "ROUTER", "ipc://" + bench.path("sock"), False)


def test_ipc_abstract_binds(bench):
    run_pair(bench, "ROUTER", "DEALER", f"ipc://@signalbox-{bench.free_port()}", True)


def test_ipc_abstract_connects(bench):
    run_pair(bench, "PUSH", "PULL", f"ipc://@signalbox-{bench.free_port()}", False)


def test_ipv6_connects(bench):
    peer = bench.peer()
    a = peer.socket("REQ", ipv6=1)
    b = Theirs(bench.zmq("REP", ipv6=1))
    b.sock.bind("tcp://[::1]:*")
    a.connect(b.sock.getsockopt_string(zmq.LAST_ENDPOINT))
    ask(a, b, [b"over", b"six"])


def test_host_name_connects(bench):
    peer = bench.peer()
    a = peer.socket("PUSH")
    b = Theirs(bench.zmq("PULL"))
    b.sock.bind("tcp://127.0.0.1:*")
    a.connect(b.sock.getsockopt_string(zmq.LAST_ENDPOINT).replace("127.0.0.1", "localhost"))
    one_way(a, b, [b"by name"])


def test_two_signalboxes_of_every_pair(bench):
    """Ours to ours over TCP, same exchanges."""
    for ours, theirs in PAIRS:
        if ours == "ROUTER" and theirs == "ROUTER":
            continue
        p, q = bench.peer(), bench.peer()
        a, b = p.socket(ours), q.socket(theirs)
        b.connect(a.bind("tcp://127.0.0.1:*"))
        ours_subscribe(a, b, ours, theirs)
        for body in BODIES:
            exchange(ours, theirs, a, b, body)
        for peer in (p, q):
            peer.quit()
            bench.peers.remove(peer)
            peer.reap()


def ours_subscribe(a, b, ours, theirs):
    for sub, kind, pub, pub_kind in ((a, ours, b, theirs), (b, theirs, a, ours)):
        if kind not in ("SUB", "XSUB"):
            continue
        sub.subscribe(b"")
        if pub_kind == "XPUB":
            equal(pub.recv(), [b"\1"], "subscription")
        else:
            until(lambda: pub.stats()["subscriptions"] == 1, 5, "the subscription arrived")


if __name__ == "__main__":
    main(list(matrix()) + [(n, f) for n, f in vars(sys.modules[__name__]).items() if n.startswith("test_")])
