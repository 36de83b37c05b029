#!/usr/bin/python3
"""The draft types against a libzmq that has them: both directions of connecting, both directions of messages."""
import sys

import zmq

from peer import Again, until
from runner import main
from test_matrix import equal

BODIES = [b"hello", b"", b"x" * 255, b"y" * 256, b"z" * 65536, bytes(range(256)) * 4096]


def join(bench, ours, theirs, we_bind, endpoint="tcp://127.0.0.1:*", **options):
    """(ours, theirs), connected."""
    a, b = bench.peer().socket(ours, **options), bench.node().socket(theirs)
    if we_bind:
        b.connect(a.bind(endpoint))
    else:
        a.connect(b.bind(endpoint))
    return a, b


def ask_ours(server, client):
    """Theirs asks, ours answers to whom it came from."""
    for body in BODIES:
        client.send(body)
        got = server.recv()
        equal(got[1:], [body], "request")
        assert len(got[0]) == 4 and any(got[0]), got[0]
        server.send(got[0], body[::-1])
        equal(client.recv(), [body[::-1]], "answer")


def ask_theirs(client, server):
    for body in BODIES:
        client.send(body)
        got = server.receive()
        equal([bytes.fromhex(f) for f in got["frames"]], [body], "request")
        server.send(body[::-1], routingId=got["routing_id"])
        equal(client.recv(), [body[::-1]], "answer")


def gather(receiver, sender):
    for body in BODIES:
        sender.send(body)
        equal(receiver.recv(), [body], "gathered")


def channel(a, b):
    gather(a, b)
    gather(b, a)


def hear_peer(a, b):
    """The package cannot address PEER's peers, but its libzmq says hello and hears us."""
    for body in BODIES:
        a.send(bytes.fromhex(a.peers()[0].rpartition("/")[2]), body)
        equal(b.recv(), [body], "to their PEER")


def radio_ours(radio, dish):
    dish.join(b"news")
    until(lambda: dish.poke() and radio.stats()["subscriptions"] == 1, 5, "JOIN arrived")
    for body in BODIES:
        radio.send(b"newspaper", body)
        radio.send(b"news", body)
        got = dish.receive()
        equal([bytes.fromhex(got["group"])] + [bytes.fromhex(f) for f in got["frames"]], [b"news", body], "heard")
    dish.leave(b"news")
    until(lambda: radio.stats()["subscriptions"] == 0, 5, "LEAVE arrived")


def radio_theirs(dish, radio):
    """libzmq's RADIO tells nobody that a JOIN came: send until one is heard."""
    dish.join(b"news")

    def there():
        radio.send(b"probe", group="news")
        try:
            return dish.recv(20) == [b"news", b"probe"]
        except Again:
            return False
    until(there, 5, "JOIN arrived")
    for body in BODIES:
        radio.send(body, group="newspaper")
        radio.send(body, group="news")
        until(lambda: dish.recv() == [b"news", body], 5, "heard")
    dish.leave(b"news")
    radio.send(b"after", group="news")
    try:
        raise AssertionError(dish.recv(300))
    except Again:
        pass


PAIRS = [
    ("RADIO", "DISH", radio_ours), ("DISH", "RADIO", radio_theirs),
    ("SERVER", "CLIENT", ask_ours), ("CLIENT", "SERVER", ask_theirs), ("GATHER", "SCATTER", gather),
    ("SCATTER", "GATHER", lambda a, b: gather(b, a)), ("CHANNEL", "CHANNEL", channel),
]


def matrix():
    for ours, theirs, exchange in PAIRS:
        for we_bind in (True, False):
            def test(bench, ours=ours, theirs=theirs, exchange=exchange, we_bind=we_bind):
                exchange(*join(bench, ours, theirs, we_bind))
            yield f"test_{ours}_{'binds' if we_bind else 'connects'}_to_{theirs}", test


def test_PEER_hears_PEER(bench):
    for we_bind in (True, False):
        peer = bench.peer()
        a = peer.socket("PEER")
        b = bench.node().socket("PEER")
        if we_bind:
            b.connect(a.bind("tcp://127.0.0.1:*"))
        else:
            a.connect(b.bind("tcp://127.0.0.1:*"))
        until(lambda a=a: a.stats()["peers"] == 1, 5, "the handshake")
        hear_peer(a, b)


def test_their_hello_opens_a_PEER(bench):
    """The package cannot address a PEER's peers; its hello does."""
    a = bench.peer().socket("PEER")
    b = bench.node().socket("PEER", hello_msg=b"hello")
    b.connect(a.bind("tcp://127.0.0.1:*"))
    number, body = a.recv()
    equal([body], [b"hello"], "their hello")
    a.send(number, b"hello yourself")
    equal(b.recv(), [b"hello yourself"], "our answer")


def test_our_hello_comes_first(bench):
    a = bench.peer().socket("CLIENT", hello_msg="hello")
    b = bench.node().socket("SERVER")
    endpoint = b.bind("tcp://127.0.0.1:*")
    a.connect(endpoint)
    a.send(b"then this")
    equal([b.recv(), b.recv()], [[b"hello"], [b"then this"]], "in order")


def test_we_hear_of_their_end(bench):
    a = bench.peer().socket("SERVER", disconnect_msg="gone")
    b = bench.node().socket("CLIENT")
    b.connect(a.bind("tcp://127.0.0.1:*"))
    b.send(b"here")
    number = a.recv()[0]
    b.close()
    equal(a.recv(), [number, b"gone"], "their end")


def test_they_hear_of_our_end(bench):
    a = bench.peer().socket("CLIENT")
    b = bench.node().socket("SERVER", disconnect_msg=b"gone", hello_msg=b"hello")
    a.connect(b.bind("tcp://127.0.0.1:*"))
    equal(a.recv(), [b"hello"], "their hello")
    a.close()
    equal(b.recv(), [b"gone"], "our end")


def test_router_notices_both_ways(bench):
    a = bench.peer().socket("ROUTER", router_notify=3)
    b = bench.node().socket("DEALER", routing_id=b"theirs")
    b.connect(a.bind("tcp://127.0.0.1:*"))
    equal(a.recv(), [b"theirs", b""], "came")
    b.close()
    equal(a.recv(), [b"theirs", b""], "went")
    c = bench.peer().socket("DEALER", routing_id="ours")
    d = bench.node().socket("ROUTER", router_notify=3)
    c.connect(d.bind("tcp://127.0.0.1:*"))
    equal(d.recv(), [b"ours", b""], "came")
    c.close()
    equal(d.recv(), [b"ours", b""], "went")


def test_over_curve(bench):
    """Commands and numbers go through the boxes too."""
    server, client = zmq.curve_keypair(), zmq.curve_keypair()
    as_server = dict(curve_server=1, curve_secretkey=server[1])
    as_client = dict(curve_serverkey=server[0], curve_publickey=client[0], curve_secretkey=client[1])
    text = {k: v.decode() if isinstance(v, bytes) else v for k, v in as_server.items()}
    for ours, theirs, exchange in PAIRS[:4]:
        a = bench.peer().socket(ours, **text)
        b = bench.node().socket(theirs, **as_client)
        b.connect(a.bind("tcp://127.0.0.1:*"))
        exchange(a, b)


def test_two_clients_are_told_apart(bench):
    server = bench.peer().socket("SERVER")
    endpoint = server.bind("tcp://127.0.0.1:*")
    clients = [bench.node().socket("CLIENT") for _ in range(2)]
    for i, client in enumerate(clients):
        client.connect(endpoint)
        client.send(b"%d" % i)
    got = dict(server.recv()[::-1] for _ in clients)
    for body, number in got.items():
        server.send(number, b"to " + body)
    for i, client in enumerate(clients):
        equal(client.recv(), [b"to %d" % i], "its own answer")


def test_wrong_types_are_refused(bench):
    a = bench.peer().socket("SERVER")
    b = bench.node().socket("SERVER", rcvtimeo=300)
    b.connect(a.bind("tcp://127.0.0.1:*"))
    until(lambda: a.stats()["handshake_failures"] > 0, 5, "the refusal")
    try:
        b.recv()
    except Again:
        return
    raise AssertionError("a SERVER heard a SERVER")


if __name__ == "__main__":
    main(list(matrix()) + [(n, f) for n, f in vars(sys.modules[__name__]).items() if n.startswith("test_")])
